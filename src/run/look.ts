import { existsSync } from 'node:fs';
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import { type Activity, activityNow } from '../decide/activity.js';
import { isAlive } from '../decide/alive.js';
import { type Evidence, evidenceOf, withoutQuestions } from '../decide/evidence.js';
import type { Policy } from '../decide/guards.js';
import { asItStands, concerns, reconcile } from '../decide/reconcile.js';
import { unrecordedIn } from '../decide/unrecorded.js';
import { usesOf } from '../decide/uses.js';
import { judge, type Verdict } from '../decide/verdict.js';
import type { Identity } from '../model/identity.js';
import type { Fence, ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { namedIn, type Written } from '../model/written.js';
import { bootMs } from '../observe/boot-clock.js';
import { askServer } from '../observe/server/ask.js';
import { lookAtProcesses, lookAtSockets, takeSnapshot, withEnvironments } from '../observe/snapshot.js';
import { readRuns, registerRun } from '../state/ours/registry.js';
import { readWritten, type World } from './world.js';

/** Everything known at one moment: what was written down, and what the machine shows. */
export interface Survey {
  readonly written: Written;
  readonly snapshot: Snapshot;
  readonly records: readonly ServerRecord[];
  /** Left by runs that died while they were stopping a server. */
  readonly deadFences: readonly Fence[];
  /** When the look began, by the boot clock. */
  readonly beganMs: number;
}

export interface Judgement {
  readonly record: ServerRecord;
  readonly seen: Evidence;
  readonly verdict: Verdict;
  /** The later look that it was judged by, once it had answered, and its answer; undefined when it was not asked. */
  readonly sight?: Survey;
  readonly answered?: Answered;
}

/** Looks at everything, or at what concerns one server: the cheap look that stands right before each act. */
export async function survey(world: World, only?: ServerRecord): Promise<Survey> {
  const { beganMs, before, seen } = await lookTogether(world);
  const fenced = before.fences.flatMap(({ record }) => record ?? []);
  const near = only ? [...before.records, ...fenced].filter((record) => concerns(record, only)) : before.records;
  const bare = only ? withEnvironments([only, ...near], seen, world.platform) : seen;
  const settled = only ? [asItStands(only, near, bare)] : reconcile(near, bare);
  const placed = settled.map((record) => withWhereabouts(record, world));
  const snapshot = lookAtSockets(
    only ? placed : [...placed, ...fenced],
    [...before.leases, ...before.witnesses],
    bare,
    world.platform,
  );
  // A run announces itself before it connects and until it is done, so whoever's connection was seen is in one of both.
  const runs = [...before.runs, ...readRuns(world.leaseFolders)];
  const deadFences = before.fences.filter((fence) => isAlive(fence.run, fence.machine, snapshot) === 'no');
  const known = new Set(placed.map(({ id }) => id));
  const left = deadFences.flatMap(({ record }) => (record && !known.has(record.id) ? [record] : []));
  const records = only ? placed : [...placed, ...left];
  return { written: { ...before, runs }, snapshot, records, deadFences, beganMs };
}

/** What is the same for every server: what was written down, and which processes there are. */
interface SharedLook {
  readonly beganMs: number;
  readonly before: Written;
  readonly seen: Snapshot;
}

const waiting = new WeakMap<World, Promise<SharedLook>>();

/**
 * Looks for all who want a look at the same moment: with twenty servers, a look for each of them would keep this process
 * from hearing what they answer. Nobody gets a look that began before they asked for it.
 */
function lookTogether(world: World): Promise<SharedLook> {
  const others = waiting.get(world);
  if (others) return others;
  const look = turn().then(() => {
    waiting.delete(world);
    return lookNow(world);
  });
  waiting.set(world, look);
  return look;
}

async function lookNow(world: World): Promise<SharedLook> {
  const beganMs = bootMs();
  const before = await readWritten(world);
  const fenced = before.fences.flatMap(({ record }) => record ?? []);
  const seen = await lookAtProcesses([...before.records, ...fenced], world.platform);
  return { beganMs, before, seen: { ...seen, named: namedIn(before) } };
}

/** The servers of ours that no record leads to, judged without being asked: they are nobody's to disturb. */
export async function unrecordedServers(sight: Survey, policy: Policy, world: World): Promise<Judgement[]> {
  const records = unrecordedIn(sight.records, sight.snapshot).map((record) => withWhereabouts(record, world));
  if (records.length === 0) return [];
  const seen = await takeSnapshot(records, [...sight.written.leases, ...sight.written.witnesses], world.platform);
  const around = { ...sight, snapshot: { ...seen, named: sight.snapshot.named }, records };
  return records.map((record) => judgeOne(record, around, policy, { kind: 'not asked' }));
}

/** What a record of nobody or of a plugin leaves out: the port that it listens on, and the directory it works in. */
function withWhereabouts(record: ServerRecord, { platform }: World): ServerRecord {
  const pid = record.server?.pid;
  if (pid === undefined || record.source.format === 'native') return record;
  const port = record.port ?? platform.sockets(pid, [pid])?.listening[0]?.port;
  return { ...record, port, workspace: record.workspace ?? platform.cwd(pid) };
}

/** Judges every record. A server is asked only when nothing else speaks for it; `askAll` asks whatever can be asked. */
export async function judgeAll(sight: Survey, policy: Policy, world: World, askAll = false): Promise<Judgement[]> {
  return Promise.all(
    sight.records.map(async (record) => {
      const unheard = judgeOne(record, sight, policy, { kind: 'not asked' });
      return mayAsk(unheard.verdict, askAll) ? judgeAsked(record, sight, policy, world) : unheard;
    }),
  );
}

/** How long is waited for the end of what a question has caused: another run's connection, a tool of the server's own. */
export const SETTLING_MS = 3_000;
const SETTLING_POLL_MS = 50;

/** What a server has said, and when it was asked and had answered, by the boot clock. */
export interface Answered {
  readonly activity: Activity;
  readonly askedAtMs: number;
  readonly answeredAtMs: number;
}

/**
 * Asks the server, which may take it many seconds, and then judges it by what is there once it has answered: whoever has
 * arrived meanwhile counts.
 */
async function judgeAsked(record: ServerRecord, before: Survey, policy: Policy, world: World): Promise<Judgement> {
  const askedAtMs = bootMs();
  const activity = await askServer(record, directoriesOf(record, before), before.snapshot, world.platform);
  return surveyOnceMore(record, { activity, askedAtMs, answeredAtMs: bootMs() }, policy, world);
}

/** One cheap look, without asking anything, and what the guards say of it and of what the server has said before. */
export async function surveyOnceMore(
  record: ServerRecord,
  answered: Answered,
  policy: Policy,
  world: World,
): Promise<Judgement & { readonly sight: Survey }> {
  for (const until = performance.now() + SETTLING_MS; ; await sleep(SETTLING_POLL_MS)) {
    const sight = await survey(world, record);
    const [now = record] = sight.records;
    const activity = activityNow(answered.activity, sight.snapshot.sockets.get(now.id));
    const seen = evidenceOf(now, sight.written, sight.snapshot, activity);
    const verdict = judge(seen, policy);
    const settled = judge(withoutQuestions(seen, bootMs() - answered.askedAtMs + SETTLING_MS), policy);
    const isSettling = settled.kind === 'stale' && verdict.kind !== 'stale';
    if (!isSettling || performance.now() > until) return { record: now, seen, verdict, sight, answered };
  }
}

/** Where it may be working, for releases that do not say it themselves. */
function directoriesOf(record: ServerRecord, { written }: Survey): string[] {
  const records = [record, ...record.alsoIn];
  const ports = records.flatMap(({ port }) => port ?? []);
  const jobs = usesOf({ records, ports }, written.uses, 'job').flatMap(({ directories }) => directories);
  return [...new Set([...records.flatMap(({ workspace }) => workspace ?? []), ...jobs])];
}

/** Before a server is asked, what another run's question may cause does not count: once it is judged by its word, it does. */
function judgeOne(record: ServerRecord, { written, snapshot }: Survey, policy: Policy, activity: Activity): Judgement {
  const seen = withoutQuestions(evidenceOf(record, written, snapshot, activity), SETTLING_MS);
  return { record, seen, verdict: judge(seen, policy) };
}

/** Only a server that is surely the recorded one, and here, is asked anything. */
function mayAsk({ kind, guards }: Verdict, askAll: boolean): boolean {
  const isThere = guards.every(({ name, outcome }) => (name !== 'identity' && name !== 'local') || outcome === 'pass');
  return isThere && (kind === 'unsure' || (askAll && kind === 'spared'));
}

/**
 * Lets other runs know that this process only asks. A dry run adds no folder for it: where none is, no run has ever
 * looked here.
 */
export function registerThisRun({ folder }: World, { snapshot }: Survey, dryRun: boolean): () => void {
  const holder = selfIn(snapshot);
  const place = dryRun ? folder.runs : folder.root;
  return existsSync(place) && holder ? registerRun(folder, { holder, machine: snapshot.machine }) : () => undefined;
}

export const selfIn = (snapshot: Snapshot): Identity | undefined => {
  const seen = snapshot.processes?.get(snapshot.self);
  return seen && { pid: seen.pid, startToken: seen.startToken };
};
