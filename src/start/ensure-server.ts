import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../decide/alive.js';
import type { Candidate } from '../decide/candidate.js';
import { waitingStarter } from '../decide/evidence.js';
import { processesOf } from '../decide/locate.js';
import { weakProofOf, whyDoubted } from '../decide/weak-proof.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { type Answering, lockOn, whoAnswers } from '../observe/server/who-answers.js';
import { type Survey, selfIn, survey } from '../run/survey.js';
import type { World } from '../run/world.js';
import { claimStart, type Held, isVoid, starterOn } from '../state/ours/claims.js';
import { urlOf } from '../state/ours/record-file.js';
import { anyPort } from './any-port.js';
import { launch } from './launch.js';
import { type Refused, refused, type Started, unlisted, type Wanted } from './request.js';
import { isOurs, isSecond, runningSecond } from './running-second.js';

/** Long enough for a server that is being stopped on this port to end. */
const CLOSING_MS = 20_000;
const AGAIN_MS = 100;
/** The port of a server that was just ended is released some 35 ms after its process looks dead. */
const LETTING_GO_MS = 1_000;
const RENEW_MS = 3_000;
/** A starter surveys the machine for a second at most; a start that makes no progress for this long is frozen. */
const CLAIM_HOLDS_MS = 10 * RENEW_MS;

/** Reuses the server that answers on the port, or starts one that can be recognized later; never two at once. */
export async function ensureServer(wanted: Wanted, world: World): Promise<Started | Refused> {
  let patienceMs = wanted.readyTimeoutMs;
  // Time spent waiting for a stop is not counted, up to this.
  let closingMs = CLOSING_MS;
  for (;;) {
    const began = performance.now();
    const tried = await tryOnce(wanted, world);
    if (tried.kind !== 'again') return tried;
    await sleep(AGAIN_MS);
    const tookMs = performance.now() - began;
    if (tried.isClosing && closingMs > 0) closingMs -= tookMs;
    else patienceMs -= tookMs;
    if (patienceMs > 0) continue;
    return refused(
      `port ${wanted.port} cannot be used: ${tried.because}`,
      `choose another port; npx opencode-reap why ${wanted.port} shows more`,
    );
  }
}

type Tried = Started | Refused | { readonly kind: 'again'; readonly because: string; readonly isClosing?: true };

async function tryOnce(wanted: Wanted, world: World): Promise<Tried> {
  if (wanted.port === 0) return onAnyPort(wanted, world);
  const around = await survey(world);
  if (isClosing(wanted.port, around)) return { ...again('the server there is being stopped'), isClosing: true };
  const who = await whoAnswers(wanted.hostname, wanted.port);
  const listener = who === 'nobody' ? undefined : await listenerOn(wanted, around, world);
  if (listener?.owner !== undefined && listener.owner !== around.snapshot.owner)
    return refused(`port ${wanted.port} belongs to another user${named(listener.pid, around)}`, 'choose another port');
  switch (who) {
    case 'opencode':
    case 'locked':
    case 'opencode 2':
      return reused(wanted, who, listener?.pid, around, world);
    case 'stranger':
      return heldByStranger(wanted, listener?.pid, around);
    case 'silent':
      return heldBySilent(wanted, listener?.pid, around);
    case 'nobody':
      return claimAndLaunch(wanted, around, world);
  }
}

/** Should another process take the port before the server has it, another one is tried. */
async function onAnyPort(wanted: Wanted, world: World): Promise<Tried> {
  const port = await anyPort(wanted.hostname);
  if (typeof port === 'string') return refused(`no port is free on ${wanted.hostname}: ${port}`, 'name one');
  return claimAndLaunch({ ...wanted, port }, await survey(world), world);
}

/** Where a platform shows little but our own sockets, other tools may say whose it is. */
async function listenerOn({ port, hostname }: Wanted, { snapshot }: Survey, { platform }: World) {
  const found = await platform.listener(port, hostname);
  // It answered a moment ago: whoever that was has let go of the port.
  if (found === undefined || found === 'nobody') return undefined;
  if (found.pid !== undefined) return found;
  const { foreignListener } = await import('../observe/other.js');
  return (await foreignListener(port, snapshot.owner)) ?? found;
}

const isClosing = (port: number, { written, snapshot }: Survey): boolean =>
  written.fences.some(
    (fence) => fence.port === port && !fence.recordIsBack && isAlive(fence.run, fence.machine, snapshot) === 'yes',
  );

/** After claiming the port it checks once more, since the last holder may just have started its server. */
async function claimAndLaunch(wanted: Wanted, { snapshot }: Survey, world: World): Promise<Tried> {
  const { machine } = snapshot;
  const holder = selfIn(snapshot);
  if (holder?.startToken === undefined) return unlisted();
  const claimant = { holder, machine, holdsMs: CLAIM_HOLDS_MS, clock: world.clock };
  const claim = claimStart(world.folder, wanted.port, claimant);
  if (claim.kind === 'unread')
    return refused(`could not read ${claim.file}: ${claim.error}`, 'remove that file if no server is being started');
  if (claim.kind === 'taken') {
    if (!counts(claim.by, snapshot, world)) claim.takeAway();
    return beingStarted(claim.by.holder.pid);
  }
  const renewing = setInterval(claim.renew, RENEW_MS).unref();
  try {
    if (!(await isFree(wanted))) return again('another process took it first');
    const launched = await launch(wanted, world, claim.isOurs);
    // A server started by hand, or with another state folder, comes without a claim that we could see.
    const isTaken = launched.kind === 'refused' && (!claim.isOurs() || (await isStillHeld(wanted)));
    return isTaken ? again(launched.error) : launched;
  } finally {
    clearInterval(renewing);
    claim.release();
  }
}

/** Whether a claim still gives the right to start a server. */
const counts = (claim: Held, snapshot: Snapshot, { clock }: World): boolean =>
  !isVoid(claim, isAlive(claim.holder, claim.machine, snapshot), { boot: snapshot.machine.boot, ms: clock() });

const isFree = async ({ hostname, port }: Wanted): Promise<boolean> => (await whoAnswers(hostname, port)) === 'nobody';

async function isStillHeld({ hostname, port }: Wanted): Promise<boolean> {
  const until = performance.now() + LETTING_GO_MS;
  for (;;) {
    const who = await whoAnswers(hostname, port);
    if (who !== 'silent' || performance.now() > until) return who !== 'nobody';
    await sleep(AGAIN_MS);
  }
}

type Running = Extract<Answering, 'opencode' | 'locked' | 'opencode 2'>;

/** A record may be written only just now; its writer holds a claim on the port until it is there. */
async function reused(
  wanted: Wanted,
  who: Running,
  pid: number | undefined,
  around: Survey,
  world: World,
): Promise<Tried> {
  const known = around.candidates.find((one) => isServerOf(one, pid, wanted, around));
  if (known) return taken(wanted, who, pid, known.record, around, world);
  const starter = starterOn(world.folder, wanted.port);
  const now = await survey(world);
  const isStarting = starter && isAlive(starter.holder, starter.machine, now.snapshot) === 'yes';
  if (isStarting && counts(starter, now.snapshot, world)) return beingStarted(starter.holder.pid);
  const found = now.candidates.find((one) => isServerOf(one, pid, wanted, now));
  if (found) return taken(wanted, who, pid, found.record, now, world);
  if (who !== 'opencode' && isOther(pid, now)) return heldByStranger(wanted, pid, now);
  return running(wanted, who, pid, undefined, now);
}

/**
 * No caller gets a server whose starter still waits for it: the starter ends it if it does not answer in time, no
 * matter who uses it.
 */
async function taken(
  wanted: Wanted,
  who: Running,
  pid: number | undefined,
  record: ServerRecord,
  around: Survey,
  world: World,
): Promise<Tried> {
  const { snapshot } = around;
  const starter = waitingStarter(record, snapshot);
  if (starter === undefined) return running(wanted, who, pid, record, around);
  // A waiting starter renews its claim on the port. If it has not, it is frozen, and its server answers without it.
  const claim = starterOn(world.folder, wanted.port);
  const isFrozen = claim?.holder.pid === starter && !counts(claim, snapshot, world);
  return isFrozen ? running(wanted, who, pid, record, around) : beingStarted(starter);
}

const beingStarted = (pid: number): Tried => again(`process ${pid} is starting a server there`);

/** A password is meant to keep others out, so a server that lets everyone in does not count as having one. */
async function running(
  wanted: Wanted,
  who: Running,
  pid: number | undefined,
  record: ServerRecord | undefined,
  { snapshot }: Survey,
): Promise<Tried> {
  if (await isSecond(wanted, who, pid, record, snapshot)) {
    const second = await runningSecond(wanted, pid, record, snapshot);
    return typeof second === 'string' ? again(second) : second;
  }
  // An OpenCode 1 whose starter died before it had seen that it is one does not know the password that is recorded.
  const password = isOurs(record) && (who === 'locked' || wanted.secure) ? record.password : undefined;
  // The starter may have died before checking.
  const lock = password && wanted.secure ? await lockOn(wanted.hostname, wanted.port, password) : 'locked';
  if (lock === 'unclear') return again('the OpenCode server there rejects its recorded password');
  if (wanted.secure && !(password && lock === 'locked')) {
    const how = password ? 'does not ask for its password' : 'was not started with a password of its own';
    return refused(
      `the OpenCode server on port ${wanted.port} ${how}`,
      'stop it, choose another port, or leave out `secure`',
    );
  }
  return {
    kind: 'started',
    url: urlOf(wanted.hostname, wanted.port),
    pid,
    alreadyRunning: true,
    startedByPlugin: record?.ownership === 'plugin' && record.birth?.proof.kind !== 'unknown',
    id: record?.id,
    major: 1,
    password,
  };
}

/** Matches by what proves it; the record of a server that has only just answered names its launcher alone. */
function isServerOf(
  { record, located }: Candidate,
  pid: number | undefined,
  wanted: Wanted,
  { snapshot }: Survey,
): boolean {
  // Where addresses cannot be told apart, the server on the asked address may be another one. For a server that we did
  // not start, that address is only assumed.
  if (record.ownership === 'plugin' && (record.hostname ?? wanted.hostname) !== wanted.hostname) return false;
  const weak = weakProofOf(record, located, snapshot);
  return processesOf(located).some((process) => process.pid === pid) && !(weak && whyDoubted(weak));
}

function heldByStranger(wanted: Wanted, pid: number | undefined, around: Survey): Refused {
  return refused(
    `port ${wanted.port} is held by something that is not OpenCode${named(pid, around)}`,
    'end it, or choose another port',
  );
}

function named(pid: number | undefined, { snapshot }: Survey): string {
  const name = pid === undefined ? undefined : snapshot.processes?.get(pid)?.name;
  return pid === undefined ? '' : ` (pid ${pid}${name ? `, ${name}` : ''})`;
}

/** An OpenCode that does not answer may still be starting; anything else that is silent will not become an OpenCode. */
function heldBySilent(wanted: Wanted, pid: number | undefined, around: Survey): Tried {
  if (isOther(pid, around)) return heldByStranger(wanted, pid, around);
  return again(`the OpenCode server there${pid === undefined ? '' : ` (pid ${pid})`} does not answer`);
}

const isOther = (pid: number | undefined, { snapshot }: Survey): boolean =>
  pid !== undefined && snapshot.processes?.get(pid)?.command?.kind === 'other';

const again = (because: string): Extract<Tried, { kind: 'again' }> => ({ kind: 'again', because });
