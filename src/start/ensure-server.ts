import { setTimeout as sleep } from 'node:timers/promises';
import { lives } from '../decide/lives.js';
import { locate, processesOf } from '../decide/locate.js';
import type { ServerRecord } from '../decide/record.js';
import { weakProofOf, whyDoubted } from '../decide/weak-proof.js';
import { lookAround, type Sight, selfIn } from '../look.js';
import { whoAnswers } from '../observe/answers.js';
import { type Claimant, claimStart, isVoid, starterOn } from '../state/claims.js';
import { urlOf } from '../state/record-file.js';
import type { World } from '../world.js';
import { launch } from './launch.js';
import { type Refused, refused, type Started, unlisted, type Wanted } from './wanted.js';

/** Long enough for a server that is being stopped on this port to be gone. */
const CLOSING_MS = 20_000;
const AGAIN_MS = 100;
/** The port of a server that was just ended is let go some 35 ms after its process looks dead. */
const LETTING_GO_MS = 1_000;
/** What a start takes besides waiting for its server: looking around, and ending one that did not get ready. */
const STARTING_MS = 60_000;

/** Reuses the server that answers on the port, or starts one that can be recognised later; never two at once. */
export async function ensureServer(wanted: Wanted, world: World): Promise<Started | Refused> {
  const began = performance.now();
  let patienceMs = wanted.readyTimeoutMs;
  let last = refused(`port ${wanted.port} stayed busy`, 'choose another port');
  while (performance.now() - began < patienceMs) {
    const tried = await tryOnce(wanted, world);
    if (tried.kind !== 'again') return tried;
    patienceMs = wanted.readyTimeoutMs + (tried.isClosing ? CLOSING_MS : 0);
    last = refused(
      `port ${wanted.port} cannot be used: ${tried.because}`,
      `choose another port; npx opencode-reap why ${wanted.port} says more`,
    );
    await sleep(AGAIN_MS);
  }
  return last;
}

type Tried = Started | Refused | { readonly kind: 'again'; readonly because: string; readonly isClosing?: true };

async function tryOnce(wanted: Wanted, world: World): Promise<Tried> {
  if (wanted.port === 0) return launch(wanted, world);
  const sight = await lookAround(world);
  if (isClosing(wanted.port, sight)) return { ...again('the server on it is being stopped'), isClosing: true };
  switch (await whoAnswers(wanted.hostname, wanted.port)) {
    case 'opencode':
      return reused(wanted, sight, world);
    case 'stranger':
      return heldByStranger(wanted, sight, world);
    case 'silent':
      return heldBySilent(wanted, sight, world);
    case 'nobody':
      return claimAndLaunch(wanted, sight, world);
  }
}

const isClosing = (port: number, { written, snapshot }: Sight): boolean =>
  written.fences.some((fence) => fence.port === port && lives(fence.run, fence.machine, snapshot) === 'yes');

/** Whoever claims the port looks once more, since the last holder may just have started its server. */
async function claimAndLaunch(wanted: Wanted, { snapshot }: Sight, world: World): Promise<Tried> {
  const holder = selfIn(snapshot);
  if (holder?.startToken === undefined) return unlisted();
  const holdsMs = Math.ceil(wanted.readyTimeoutMs) + STARTING_MS;
  const claim = claimStart(world.folder, wanted.port, { holder, machine: snapshot.machine, holdsMs });
  if (claim.kind === 'unread')
    return refused(`could not read ${claim.file}: ${claim.error}`, 'remove that file if no server is being started');
  if (claim.kind === 'taken') {
    if (isVoid(claim.by, lives(claim.by.holder, claim.by.machine, snapshot))) claim.takeAway();
    return beingStarted(claim.by);
  }
  try {
    if (!(await isFree(wanted))) return again('somebody was faster');
    const launched = await launch(wanted, world);
    // Whoever starts one by hand, or with another state folder, has no claim that we could see.
    return launched.kind === 'refused' && (await isStillHeld(wanted)) ? again(launched.error) : launched;
  } finally {
    claim.release();
  }
}

const isFree = async ({ hostname, port }: Wanted): Promise<boolean> => (await whoAnswers(hostname, port)) === 'nobody';

async function isStillHeld({ hostname, port }: Wanted): Promise<boolean> {
  const until = performance.now() + LETTING_GO_MS;
  for (;;) {
    const who = await whoAnswers(hostname, port);
    if (who !== 'silent' || performance.now() > until) return who !== 'nobody';
    await sleep(AGAIN_MS);
  }
}

/** A record may be written only just now; whoever writes it holds a claim on the port until it is there. */
async function reused(wanted: Wanted, sight: Sight, world: World): Promise<Tried> {
  const pid = await world.eyes.holder(wanted.port);
  const known = sight.records.find((one) => isServerOf(one, pid, sight));
  if (known) return running(wanted, pid, known);
  const starter = starterOn(world.folder, wanted.port);
  const now = await lookAround(world);
  if (starter && lives(starter.holder, starter.machine, now.snapshot) === 'yes') return beingStarted(starter);
  return running(
    wanted,
    pid,
    now.records.find((one) => isServerOf(one, pid, now)),
  );
}

const beingStarted = ({ holder }: Claimant): Tried => again(`process ${holder.pid} is starting a server on it`);

/** A password is wanted so that nobody else gets in, so a server that lets everybody in is none. */
function running(wanted: Wanted, pid: number | undefined, record: ServerRecord | undefined): Started | Refused {
  const isOurs = record?.source.format === 'native' && record.trust.kind === 'trusted';
  const password = isOurs ? record.password : undefined;
  if (wanted.secure && password === undefined)
    return refused(
      `the OpenCode on port ${wanted.port} was not started with a password of its own`,
      'stop it, choose another port, or go without',
    );
  return {
    kind: 'started',
    url: urlOf(wanted.hostname, wanted.port),
    pid,
    alreadyRunning: true,
    startedByPlugin: record?.ownership === 'plugin',
    id: record?.id,
    password,
  };
}

/** By what proves it; a record whose server has only just answered names its launcher alone. */
function isServerOf(record: ServerRecord, pid: number | undefined, { snapshot }: Sight): boolean {
  const located = locate(record, snapshot);
  const weak = weakProofOf(record, located, snapshot);
  return processesOf(located).some((process) => process.pid === pid) && !(weak && whyDoubted(weak));
}

async function heldByStranger(wanted: Wanted, sight: Sight, { eyes }: World): Promise<Refused> {
  const pid = await eyes.holder(wanted.port);
  const name = pid === undefined ? undefined : sight.snapshot.processes?.get(pid)?.name;
  const who = pid === undefined ? '' : ` (pid ${pid}${name ? `, ${name}` : ''})`;
  return refused(
    `port ${wanted.port} is held by something that is not OpenCode${who}`,
    'end it, or choose another port',
  );
}

/** OpenCode that does not answer may only be starting; anything else that is silent will not become OpenCode. */
async function heldBySilent(wanted: Wanted, sight: Sight, world: World): Promise<Tried> {
  const pid = await world.eyes.holder(wanted.port);
  const command = pid === undefined ? undefined : sight.snapshot.processes?.get(pid)?.command;
  if (command?.kind === 'other') return heldByStranger(wanted, sight, world);
  return again(`the OpenCode on it${pid === undefined ? '' : ` (pid ${pid})`} does not answer`);
}

const again = (because: string): Extract<Tried, { kind: 'again' }> => ({ kind: 'again', because });
