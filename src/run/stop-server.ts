import { setTimeout as sleep } from 'node:timers/promises';
import { type Ending, endRest, endTree, waitGone } from '../act/end-tree.js';
import { endStrays } from '../act/strays.js';
import type { Activity } from '../decide/activity.js';
import { endingWith, stayingAfter } from '../decide/candidate.js';
import type { Policy } from '../decide/guards.js';
import { mayEnd, straysOf } from '../decide/strays.js';
import { type Target, targetNamed, type Verdict } from '../decide/verdict.js';
import { type Identity, sameProcess } from '../model/identity.js';
import type { Outcome, Stray } from '../model/outcome.js';
import { passwordsIn } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import { bootMs } from '../observe/boot-clock.js';
import { dispose } from '../observe/server/ask.js';
import { environmentsOf } from '../observe/snapshot.js';
import { type HeldFence, raiseFence } from '../state/ours/fences.js';
import { leftBy } from './finish-crashed.js';
import { type Answered, type Judgement, judgeAgain, judgeOnceMore, SETTLING_MS } from './judge.js';
import { freePortOf } from './left-on-port.js';
import { selfIn, surveyOne } from './survey.js';
import type { World } from './world.js';

export interface StopPolicy extends Policy {
  readonly graceMs: number;
  readonly endStrays: boolean;
  /**
   * The user named this server, so busy, leased, young and kept do not count. It is not asked again either: its answer
   * would change nothing.
   */
  readonly named?: boolean;
  /** Told what is done next, for a person who waits. */
  readonly step?: ((step: Step) => void) | undefined;
}

export type Step = 'asking it to let go' | 'SIGTERM' | 'SIGKILL';

/** A server that only this run may stop. */
interface FencedServer {
  readonly record: ServerRecord;
  readonly fence: HeldFence;
  readonly policy: StopPolicy;
  readonly world: World;
  readonly ending: Ending;
  /** What it said before the fence: a server that the user named is not asked again. */
  readonly before: Activity;
}

/** The ladder: fence, look, dispose, look, SIGTERM, grace, SIGKILL, descendants, port. */
export async function stopServer(server: Judgement, policy: StopPolicy, world: World): Promise<Outcome> {
  const began = performance.now();
  const { record, survey } = server;
  const tree = endingWith(server, survey.snapshot);
  const ending = endingFor(server, policy, world);
  const run = selfIn(survey.snapshot);
  if (run === undefined)
    return { kind: 'withheld', because: 'this process cannot see itself, so it cannot claim the server' };
  const fence = raiseFence(world.folder, record, { run, machine: survey.snapshot.machine }, tree);
  if (typeof fence === 'string') return { kind: 'withheld', because: NO_FENCE[fence] };
  const stopping = { record, fence, policy, world, ending, before: server.seen.activity };
  const done = await stopBehindFence(server, stopping).catch((error: unknown) => {
    fence.withdraw();
    throw error;
  });
  const outcome = done.kind === 'ended' ? await stopped(done, began, stopping) : done;
  // It ended without our help, and only we know what it has left.
  if (outcome.kind === 'gone' || outcome.kind === 'replaced') {
    const left = await leftBy(
      { tree, machine: survey.snapshot.machine, record },
      await surveyOne(world, record),
      world,
    );
    await endRest(left, ending);
  }
  const ended = outcome.kind === 'stopped' || outcome.kind === 'gone' || outcome.kind === 'replaced';
  if (ended) fence.close();
  else fence.withdraw();
  return outcome;
}

const NO_FENCE = {
  taken: 'another run is stopping it',
  changed: 'its record was changed or removed while it was being judged',
} as const;

export const endingFor = ({ survey }: Judgement, { graceMs, step }: StopPolicy, { platform }: World): Ending => ({
  sending: step,
  look: platform.look,
  lineage: survey.snapshot.lineage,
  graceMs,
  runScript: platform.runScript,
});

interface EndedServer {
  readonly kind: 'ended';
  readonly signal: 'SIGTERM' | 'SIGKILL';
  readonly cleared: Clearance;
}

/** A server that was asked to dispose keeps working, so anything that arrived in the meantime keeps it. */
async function stopBehindFence(judged: Judgement, stopping: FencedServer): Promise<EndedServer | Outcome> {
  const first = await clearFreshly(judged, stopping);
  if (first.kind !== 'may stop') return first;
  const hung = stopping.policy.named ? stopping.before.kind === 'hung' : first.target.hung;
  if (!hung) await askToDispose(first, stopping);
  const done = await endOnSight(first, hung, stopping);
  if (done.kind === 'ended' || !(await isEnding(first.target, stopping.ending))) return done;
  return { kind: 'gone' };
}

/** If this run was held up, or the machine suspended, this often between a look and its act, it has no time to act. */
const ATTEMPTS = 3;
const TOO_LATE: Outcome = {
  kind: 'withheld',
  because: 'this machine is too busy for a last look right before the stop',
};

async function clearFreshly(judged: Judgement, stopping: FencedServer): Promise<Clearance | Outcome> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const asked = await clearAgain(judged, stopping);
    if (asked.kind !== 'may stop') return asked;
    const cleared = stopping.world.platform.recent ? await clearOnceMore(asked, stopping) : asked;
    if (cleared.kind !== 'may stop' || isFresh(cleared, stopping.world)) return cleared;
  }
  return TOO_LATE;
}

/** The tree is noted before the last look, so that nothing slow comes between that look and the first signal. */
async function endOnSight(seen: Clearance, hung: boolean, stopping: FencedServer): Promise<EndedServer | Outcome> {
  const { fence, world, ending } = stopping;
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    // One that was not told to let go is as it was.
    const isAsSeen = attempt === 1 && hung;
    const asked = isAsSeen ? seen : await clearAgain(seen.judgement, stopping);
    if (asked.kind !== 'may stop') return asked;
    fence.note(asked.tree);
    const cleared = await clearOnceMore(asked, stopping);
    if (cleared.kind !== 'may stop') return cleared;
    if (!isSameTree(cleared.tree, asked.tree)) fence.note(cleared.tree);
    const whileFresh = { ...ending, mayBegin: () => isFresh(cleared, world) };
    fence.begin();
    const done = await endTree(cleared.target, cleared.tree, whileFresh, stayingAfter(cleared.judgement));
    if (done.kind === 'ended') return { ...done, cleared };
    if (done.kind !== 'late') return done;
  }
  return TOO_LATE;
}

/** What a look at one server permits: to stop it, with the tree as it is now. */
interface Clearance {
  readonly kind: 'may stop';
  readonly target: Target;
  readonly tree: readonly Identity[];
  readonly judgement: Judgement;
  readonly answered: Answered;
}

/** Looks again at every guard that can change, and asks the server, which may take many seconds: unless it is named. */
async function clearAgain(judged: Judgement, { policy, world }: FencedServer): Promise<Clearance | Outcome> {
  const judgement = await judgeAgain(judged, policy, world, policy.named ? 'none' : 'undecided');
  const { seen, answered } = judgement;
  const nowMs = bootMs();
  const unasked = { activity: seen.activity, askedAtMs: nowMs, answeredAtMs: nowMs };
  return clearanceOf(judgement, answered ?? unasked, policy);
}

/**
 * A cheap look right before an act, by the same answer. Where a list of processes is kept it is made anew: the one that the
 * server was asked by is older than its answer.
 */
async function clearOnceMore(
  { answered }: Clearance,
  { record, policy, world }: FencedServer,
): Promise<Clearance | Outcome> {
  world.platform.lookAnew?.();
  return clearanceOf(await judgeOnceMore(record, answered, policy, world), answered, policy);
}

function clearanceOf(judgement: Judgement, answered: Answered, { named }: StopPolicy): Clearance | Outcome {
  const { seen, verdict, survey } = judgement;
  if (verdict.kind === 'gone') return { kind: 'gone' };
  const target = named ? targetNamed(verdict, seen) : verdict.kind === 'stale' ? verdict.target : firstReason(verdict);
  if (!('server' in target)) return { kind: 'withheld', because: target.detail };
  // Disposing would end this very command halfway.
  if (survey.snapshot.lineage.has(target.server.pid))
    return { kind: 'withheld', because: 'this command runs inside it' };
  return { kind: 'may stop', target, tree: endingWith(judgement, survey.snapshot), judgement, answered };
}

function firstReason({ guards, reasons }: Extract<Verdict, { kind: 'spared' | 'unsure' }>): {
  readonly detail: string;
} {
  return guards.find(({ name }) => name === reasons[0]) ?? { detail: 'it is no longer stale' };
}

/** A look takes some 30 ms; one that is older than this was held up, and says nothing about now. */
const LOOK_COUNTS_MS = 2_000;
/**
 * After its answer, allow time for the server to end what the question has caused, and for the disk to note the tree.
 */
const ANSWER_COUNTS_MS = SETTLING_MS + LOOK_COUNTS_MS;

/** And where a look takes other programs, each of which a virus scanner may hold up. */
const TOOLS_TAKE_MS = 3_000;
/**
 * What lists the processes, between an answer and its act, takes two to four seconds on many a machine. Who has come
 * since the answer is seen by its connection.
 */
const LIST_TAKES_MS = 6_000;

function isFresh({ judgement, answered }: Clearance, { platform }: World): boolean {
  const [toolsMs, listMs] = platform.recent ? [TOOLS_TAKE_MS, LIST_TAKES_MS] : [0, 0];
  const lookMs = bootMs() - judgement.survey.beganMs;
  return lookMs <= LOOK_COUNTS_MS + toolsMs && bootMs() - answered.answeredAtMs <= ANSWER_COUNTS_MS + toolsMs + listMs;
}

/** OpenCode 2 has no such route, and ends all that it runs when it gets its signal. */
const isSecond = (activity: Activity): boolean => 'isSecond' in activity;

/** Disposing ends everything that an MCP server has started, even if it belongs to others by now. */
async function askToDispose({ judgement }: Clearance, { world, policy, before }: FencedServer): Promise<void> {
  if (judgement.tree.apart.length > 0 || [before, judgement.seen.activity].some(isSecond)) return;
  policy.step?.('asking it to let go');
  await dispose(judgement, judgement.survey.snapshot, world.platform);
}

const isSameTree = (one: readonly Identity[], other: readonly Identity[]): boolean =>
  one.length === other.length && one.every((member) => other.some((known) => sameProcess(member, known) === 'same'));

/** A process that got its signal is gone within 120 ms. */
const ENDING_MS = 500;

/**
 * While it is ending, a process has no sockets and no command line, and only its launcher is left: it looks like
 * another one.
 */
const isEnding = async ({ server }: Target, { look }: Ending): Promise<boolean> =>
  (await waitGone([server], ENDING_MS, look)).length === 0;

async function stopped({ cleared, signal }: EndedServer, began: number, stopping: FencedServer): Promise<Outcome> {
  return {
    kind: 'stopped',
    signal,
    tookMs: Math.round(performance.now() - began),
    processes: processesOf(cleared),
    leftBehind: await straysAfter(cleared, stopping),
    successor: await successor(cleared, stopping),
  };
}

const processesOf = ({ target, tree }: Clearance): number[] => [
  ...new Set<number>([
    target.server.pid,
    ...(target.launcher ? [target.launcher.pid] : []),
    ...tree.map(({ pid }) => pid),
  ]),
];

/** Lists what detached from the stopped server, and ends it if that was asked for and nothing forbids it. */
async function straysAfter(
  { judgement, target, tree }: Clearance,
  { policy, world, ending }: FencedServer,
): Promise<readonly Stray[]> {
  const { platform } = world;
  const table = (await platform.processes()) ?? new Map();
  const environments = await environmentsOf([...table.keys()], platform);
  const { ageMs } = judgement.seen;
  const own = judgement.survey.snapshot.environments.get(target.server.pid);
  const passwords = own ? passwordsIn(own) : [];
  const { tag } = judgement.record;
  const left = { server: target.server, tag, tree, apart: stayingAfter(judgement), ageMs, passwords };
  const strays = straysOf(left, table, environments, judgement.survey.snapshot);
  const details = await platform.details({ listens: policy.endStrays ? strays.map(({ pid }) => pid) : [] });
  const { named } = judgement.survey.snapshot;
  const mayGo = strays.filter(
    (stray) => policy.endStrays && mayEnd(stray, left, details.get(stray.pid)?.listens, environments, named),
  );
  return endStrays(strays, mayGo, ending);
}

/** The port is released some 35 ms after its process looks dead. */
const PORT_PATIENCE_MS = 1_000;
const POLL_MS = 5;

/** The process that listens on the port once it is no longer this tree's; undefined if there is none. */
async function successor(
  { tree, judgement }: Clearance,
  { record, world, ending }: FencedServer,
): Promise<number | undefined> {
  if (record.port === undefined) return undefined;
  const until = performance.now() + PORT_PATIENCE_MS;
  for (;;) {
    const found = await world.platform.listener(record.port);
    if (found === 'nobody') return undefined;
    const isOurs = tree.some((member) => member.pid === found?.pid);
    if (found !== undefined && !isOurs) return found.pid;
    if (performance.now() > until)
      return world.platform.recent ? freePortOf(record.port, judgement, world, ending) : found?.pid;
    await sleep(POLL_MS);
  }
}
