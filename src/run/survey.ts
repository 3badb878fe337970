import { existsSync } from 'node:fs';
import { setImmediate as turn } from 'node:timers/promises';
import { isAliveSince } from '../decide/alive.js';
import { BORN } from '../decide/born.js';
import type { Candidate } from '../decide/candidate.js';
import { processesOf } from '../decide/locate.js';
import { countsFrom } from '../decide/named-folders.js';
import { asItStands, concerns, reconcile } from '../decide/reconcile.js';
import { unrecordedIn } from '../decide/unrecorded.js';
import type { Identity } from '../model/identity.js';
import type { Fence, ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { namedIn, type Written } from '../model/written.js';
import { bootMs } from '../observe/boot-clock.js';
import {
  lookAtProcesses,
  lookAtServer,
  lookAtSockets,
  namedFolders,
  withEnvironments,
  withRecords,
} from '../observe/snapshot.js';
import { readRuns, registerRun } from '../state/ours/registry.js';
import { bornAsItStands, bornBeside } from './find-born.js';
import { readWhere, readWritten, type World } from './world.js';

/** Everything known at one moment: what was written down, and what the machine shows. */
export interface Survey {
  readonly written: Written;
  readonly snapshot: Snapshot;
  readonly candidates: readonly Candidate[];
  /** Left by runs that died while they were stopping a server, or could not see its end. */
  readonly deadFences: readonly Fence[];
  /** When the look began, by the boot clock. */
  readonly beganMs: number;
}

/** The same about one server. */
export interface CloseSurvey extends Survey {
  readonly candidate: Candidate;
}

/** Looks at everything. */
export async function survey(world: World): Promise<Survey> {
  const look = await lookTogether(world);
  const recorded = reconcile(look.written.records, look.bare);
  const born = await bornBeside([...recorded, ...fencedIn(look.written)], look.bare, world);
  const records = await withWhereabouts([...recorded, ...born], world);
  const { snapshot, candidates } = await lookAtSockets(
    [...records, ...fencedIn(look.written)],
    directoriesIn(look.written),
    look.bare,
    world.platform,
  );
  const around = finished(look, snapshot, world);
  const known = new Set(records.map(({ id }) => id));
  const left = around.deadFences.flatMap((fence) => recordIn(fence) ?? []).filter(({ id }) => !known.has(id));
  const wanted = new Set([...records, ...left]);
  return { ...around, candidates: unlessRecorded(candidates.filter(({ record }) => wanted.has(record))) };
}

/** The sockets may show that a record leads to a server after all. */
export function unlessRecorded(candidates: readonly Candidate[]): readonly Candidate[] {
  const isBorn = ({ record }: Candidate): boolean => record.source.format === BORN;
  const pids = new Set<number>(
    candidates.filter((one) => !isBorn(one)).flatMap(({ located }) => processesOf(located).map(({ pid }) => pid)),
  );
  return candidates.filter((one) => !isBorn(one) || !processesOf(one.located).some(({ pid }) => pids.has(pid)));
}

/** Looks at what concerns one server, some 30 ms: the cheap look that stands right before each act. */
export async function surveyOne(world: World, known: ServerRecord): Promise<CloseSurvey> {
  const look = await lookTogether(world);
  const near = [...look.written.records, ...fencedIn(look.written)].filter((record) => concerns(record, known));
  const bare = await withEnvironments([known, ...near], look.bare, world.platform);
  const asKnown = asItStands(known, near, bare);
  const asBorn = asKnown.source.format === BORN ? await bornAsItStands(asKnown, bare, world) : asKnown;
  const standing = { ...asBorn, workspace: asBorn.workspace ?? known.workspace };
  const [record = standing] = await withWhereabouts([standing], world);
  const { snapshot, candidate } = await lookAtServer(record, directoriesIn(look.written), bare, world.platform);
  return { ...finished(look, snapshot, world), candidate, candidates: [candidate] };
}

/** What is the same for every server: what was written down, and which processes there are. */
interface SharedLook {
  readonly beganMs: number;
  readonly written: Written;
  readonly bare: Snapshot;
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
  const { platform } = world;
  // What takes seconds comes first, so that files and connections are looked at last.
  if (platform.recent) await platform.processes();
  const beganMs = bootMs();
  const known = await readWritten(world);
  await platform.beginLook?.(pidsIn(known));
  const first = await lookAtProcesses([...known.records, ...fencedIn(known)], world);
  const { written, bare } = await lookWhereNamed(known, first, world);
  return { beganMs, written, bare: { ...bare, named: namedIn(written) } };
}

const pidsIn = ({ leases, witnesses, fences, runs, records, uses }: Written): number[] =>
  [
    ...[...leases, ...witnesses, ...runs, ...uses].map(({ holder }) => holder),
    ...fences.map(({ run }) => run),
    ...records.flatMap(({ spawned, server, starter }) => [spawned, server, starter]),
  ].flatMap((one) => one?.pid ?? []);

/** With what lies in folders that only the environments of servers and of sessions name: of another account, most often. */
async function lookWhereNamed(known: Written, first: Snapshot, world: World): Promise<Omit<SharedLook, 'beganMs'>> {
  const named = await namedFolders(first, world.platform);
  if (named.length === 0) return { written: known, bare: first };
  const also = await readWhere(named, world);
  const bare = await withRecords(also.records, first, world.platform);
  const records = also.records.filter((record) => countsFrom(record, also.namersOf(record), bare));
  const written = {
    ...known,
    records: [...known.records, ...records],
    uses: [...known.uses, ...also.uses],
    unread: [...known.unread, ...also.unread],
    skipped: [...known.skipped, ...also.skipped],
  };
  return { written, bare };
}

function finished({ beganMs, written }: SharedLook, snapshot: Snapshot, { leaseFolders }: World) {
  // A run registers itself before it connects and until it is done, so whoever's connection was seen is in one of both.
  const runs = [...written.runs, ...readRuns(leaseFolders)];
  const deadFences = written.fences.filter((fence) => isLeft(fence, snapshot));
  return { written: { ...written, runs }, snapshot, deadFences, beganMs };
}

/** Where the record is back, its run has let go of it, and lives or not. */
function isLeft({ run, machine, seenAt, recordIsBack }: Fence, snapshot: Snapshot): boolean {
  const answer = isAliveSince(run, machine, seenAt, snapshot);
  return answer === 'no' || (recordIsBack && answer === 'yes');
}

/** Where a record is back in its place, what its fence has of it may be older. */
const fencedIn = ({ fences }: Written): ServerRecord[] => fences.flatMap((fence) => recordIn(fence) ?? []);

const recordIn = ({ record, recordIsBack }: Fence): ServerRecord | undefined => (recordIsBack ? undefined : record);

const directoriesIn = ({ leases, witnesses }: Written) => [...leases, ...witnesses];

/** For how long a list of processes is taken for that of now, where nothing is done by it. A look takes some 30 ms. */
const STANDS_MS = 250;

/** The same, but no longer taken for what is there now. */
export const outdated = (around: Survey): Survey => ({ ...around, beganMs: 0 });

/** The servers of ours that none of these candidates leads to; by the same look, if nothing was asked or stopped since. */
export async function surveyUnrecorded({ candidates, ...around }: Survey, world: World): Promise<Survey> {
  const records = await withWhereabouts(unrecordedIn(candidates, around.snapshot), world);
  if (records.length === 0) return { ...around, candidates: [] };
  const { named } = around.snapshot;
  const isOfNow = bootMs() - around.beganMs <= STANDS_MS;
  const bare = isOfNow ? around.snapshot : { ...(await lookAtProcesses(records, world)), named };
  const seen = await lookAtSockets(records, directoriesIn(around.written), bare, world.platform);
  // One may have ended since that look, as together with a server that was stopped.
  return { ...around, ...seen, candidates: seen.candidates.filter(({ located }) => located.kind !== 'gone') };
}

/** With what records of nobody or of a plugin leave out: the port that they listen on, and the directory they work in. */
async function withWhereabouts(records: readonly ServerRecord[], { platform }: World): Promise<ServerRecord[]> {
  const lacking = (field: 'port' | 'workspace'): number[] =>
    records.flatMap((record) =>
      record.source.format !== 'native' && record[field] === undefined ? (record.server?.pid ?? []) : [],
    );
  const portless = lacking('port');
  const cwd = lacking('workspace');
  const sockets = await platform.sockets(portless.map((pid) => ({ server: pid, pids: [pid] })));
  const details = await platform.details({ cwd });
  return records.map((record) => {
    const pid = record.server?.pid;
    if (pid === undefined || record.source.format === 'native') return record;
    const port = record.port ?? sockets[portless.indexOf(pid)]?.listening[0]?.port;
    return { ...record, port, workspace: record.workspace ?? details.get(pid)?.cwd };
  });
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
