import { existsSync } from 'node:fs';
import { type Evidence, evidenceOf } from './decide/evidence.js';
import type { Policy } from './decide/guards.js';
import type { Identity } from './decide/identity.js';
import { lives } from './decide/lives.js';
import { type Fence, namedIn, type ServerRecord, type Written } from './decide/record.js';
import { settle } from './decide/settle.js';
import type { Snapshot } from './decide/snapshot.js';
import { unrecordedIn } from './decide/unrecorded.js';
import { usesOf } from './decide/uses.js';
import { judge, type Verdict } from './decide/verdict.js';
import type { Word } from './decide/word.js';
import { hear } from './observe/hear.js';
import { lookAtProcesses, lookAtSockets, takeSnapshot } from './observe/snapshot.js';
import { announceRun, readRegistry } from './state/registry.js';
import { readWritten, type World } from './world.js';

/** Everything known at one moment: what was written down, and what the machine shows. */
export interface Sight {
  readonly written: Written;
  readonly snapshot: Snapshot;
  readonly records: readonly ServerRecord[];
  /** Left by runs that died while they were stopping a server. */
  readonly deadFences: readonly Fence[];
}

export interface Judgement {
  readonly record: ServerRecord;
  readonly seen: Evidence;
  readonly verdict: Verdict;
}

export async function lookAround(world: World, only?: ServerRecord): Promise<Sight> {
  const before = await readWritten(world);
  const fenced = before.fences.flatMap(({ record }) => record ?? []);
  const seen = await lookAtProcesses(only ? [only] : [...before.records, ...fenced], world.eyes);
  const bare = { ...seen, named: namedIn(before) };
  const settled = only ? [only] : settle(before.records, bare).map((record) => withWhereabouts(record, world));
  const snapshot = lookAtSockets(
    only ? settled : [...settled, ...fenced],
    [...before.leases, ...before.witnesses],
    bare,
    world.eyes,
  );
  // A run announces itself before it connects and until it is done, so whoever's connection was seen is in one of both.
  const after = readRegistry(world.folder, world.leaseFolders, []);
  const runs = [...before.runs, ...after.runs];
  const deadFences = before.fences.filter((fence) => lives(fence.run, fence.machine, snapshot) === 'no');
  const known = new Set(settled.map(({ id }) => id));
  const left = deadFences.flatMap(({ record }) => (record && !known.has(record.id) ? [record] : []));
  const records = only ? settled : [...settled, ...left];
  return { written: { ...before, runs }, snapshot, records, deadFences };
}

/** The servers of ours that no record leads to, judged without being asked: they are nobody's to disturb. */
export async function unrecordedServers(sight: Sight, policy: Policy, world: World): Promise<Judgement[]> {
  const records = unrecordedIn(sight.records, sight.snapshot).map((record) => withWhereabouts(record, world));
  if (records.length === 0) return [];
  const seen = await takeSnapshot(records, [...sight.written.leases, ...sight.written.witnesses], world.eyes);
  const around = { ...sight, snapshot: { ...seen, named: sight.snapshot.named }, records };
  return records.map((record) => judgeOne(record, around, policy, { kind: 'not asked' }));
}

/** What a record of nobody or of a plugin leaves out: the port that it listens on, and the directory it works in. */
function withWhereabouts(record: ServerRecord, { eyes }: World): ServerRecord {
  const pid = record.server?.pid;
  if (pid === undefined || record.source.format === 'native') return record;
  const port = record.port ?? eyes.sockets(pid, [pid])?.listening[0]?.port;
  return { ...record, port, workspace: record.workspace ?? eyes.cwd(pid) };
}

/** Judges every record. A server is asked only when nothing else speaks for it; `askAll` asks whatever can be asked. */
export async function judgeAll(sight: Sight, policy: Policy, world: World, askAll = false): Promise<Judgement[]> {
  return Promise.all(
    sight.records.map(async (record) => {
      const unheard = judgeOne(record, sight, policy, { kind: 'not asked' });
      if (!mayAsk(unheard.verdict, askAll)) return unheard;
      return judgeOne(
        record,
        sight,
        policy,
        await hear(record, directoriesOf(record, sight), sight.snapshot, world.eyes),
      );
    }),
  );
}

/** Where it may be working, for releases that do not say it themselves. */
function directoriesOf(record: ServerRecord, { written }: Sight): string[] {
  const records = [record, ...record.alsoIn];
  const ports = records.flatMap(({ port }) => port ?? []);
  const jobs = usesOf({ records, ports }, written.uses, 'job').flatMap(({ directories }) => directories);
  return [...new Set([...records.flatMap(({ workspace }) => workspace ?? []), ...jobs])];
}

function judgeOne(record: ServerRecord, { written, snapshot }: Sight, policy: Policy, word: Word): Judgement {
  const seen = evidenceOf(record, written, snapshot, word);
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
export function announce({ folder }: World, { snapshot }: Sight, dryRun: boolean): () => void {
  const holder = selfIn(snapshot);
  const place = dryRun ? folder.runs : folder.root;
  return existsSync(place) && holder ? announceRun(folder, { holder, machine: snapshot.machine }) : () => undefined;
}

export const selfIn = (snapshot: Snapshot): Identity | undefined => {
  const seen = snapshot.processes?.get(snapshot.self);
  return seen && { pid: seen.pid, startToken: seen.startToken };
};
