import { sameProcess } from '../model/identity.js';
import { descendants, inGroup, type Process } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { BORN } from './born.js';
import { mayServe } from './launcher.js';
import { type Located, locate, processesOf } from './locate.js';
import { UNRECORDED } from './unrecorded.js';
import { type WeakProof, weakProofOf, whyDoubted } from './weak-proof.js';

/*
 * Plugins record less than we do, and several records may be about one server. Before anything is judged, each plugin's
 * record is matched to the process that it leads to, and records that lead to the same process become one.
 */

/** For each server one record: ours, else the plugin's record that proves most. The others can still spare it. */
export function reconcile(records: readonly ServerRecord[], snapshot: Snapshot): ServerRecord[] {
  const tied = records.map((record) => match(record, snapshot)).sort((a, b) => rank(a) - rank(b));
  const groups: Matched[][] = [];
  // Which group a process was first in: to ask each group, thousands of records would take seconds.
  const first = new Map<number, number>();
  for (const one of tied) {
    const group = groups[Math.min(...one.pids.map((pid) => first.get(pid) ?? Number.POSITIVE_INFINITY))];
    if (group && !isOurs(one)) group.push(one);
    else {
      for (const pid of one.pids) if (!first.has(pid)) first.set(pid, groups.length);
      groups.push([one]);
    }
  }
  return groups.flatMap(([first, ...others]) =>
    first ? [{ ...first.record, alsoIn: others.map(({ record }) => record) }] : [],
  );
}

/**
 * Whether a record may be about the server of another one: by its file, by a process, or by the port if it has no
 * process.
 */
export function concerns(record: ServerRecord, known: ServerRecord): boolean {
  const files = [known, ...known.alsoIn].map(({ source }) => source.file);
  const pids = pidsIn(record);
  const isNamed = pids.length > 0 ? pids.some((pid) => pidsIn(known).includes(pid)) : record.port === known.port;
  return isNamed || files.includes(record.source.file);
}

const pidsIn = ({ spawned, server }: ServerRecord): number[] => [spawned, server].flatMap((one) => one?.pid ?? []);

/**
 * A record that was matched to its process before, as it is now, together with whatever else is now about that process.
 * A record that has disappeared, or leads elsewhere, no longer says anything. `near` are the records that concern it.
 */
export function asItStands(known: ServerRecord, near: readonly ServerRecord[], snapshot: Snapshot): ServerRecord {
  if (known.source.format === UNRECORDED || match(known, snapshot).located.kind !== 'present') return known;
  const isIts = ({ id, server }: ServerRecord): boolean =>
    id === known.id ||
    (server !== undefined && known.server !== undefined && sameProcess(server, known.server) === 'same');
  // What no file is about is looked at anew elsewhere.
  const asBorn = known.source.format === BORN ? known : undefined;
  return reconcile(near, snapshot).find(isIts) ?? asBorn ?? { ...known, ownership: 'withdrawn' };
}

interface Matched {
  readonly record: ServerRecord;
  readonly located: Located;
  readonly pids: readonly number[];
  readonly isDoubted: boolean;
}

/**
 * For the rest of this run the process is known by its start token, so that a later look cannot mistake another one for
 * it. A plugin's record gets the process's identity as its id: whatever its file is called, only one run stops it.
 */
function match(record: ServerRecord, snapshot: Snapshot): Matched {
  const located = locate(record, snapshot);
  if (located.kind !== 'present') return { record, located, pids: mayMean(record, located, snapshot), isDoubted: true };
  const { launcher, server } = located;
  const pids = [...processesOf(located), ...spawnedBy(record, snapshot)].map(({ pid }) => pid);
  const isDoubted = isDoubtful(weakProofOf(record, located, snapshot));
  if (record.machine !== undefined) return { record, located, pids, isDoubted };
  const top = launcher ?? server;
  const spawned = record.spawned && record.spawned.pid !== top.pid ? record.spawned : identity(top);
  const id = `${top.pid}-${top.startToken ?? 'unknown'}`;
  return { record: { ...record, id, spawned, server: identity(server) }, located, pids, isDoubted };
}

/** The process that was spawned, also where it is no launcher: unless it listens, it has started what runs below it. */
function spawnedBy({ spawned }: ServerRecord, { processes, listens }: Snapshot): Process[] {
  const process = spawned && processes?.get(spawned.pid);
  if (spawned === undefined || process === undefined || listens.get(process.pid)) return [];
  return sameProcess(spawned, process) === 'same' ? [process] : [];
}

/**
 * A record may say whose a process is, even if it cannot be told whether that one, what runs below it, or what is left
 * in its group is the recorded server.
 */
function mayMean({ spawned, server }: ServerRecord, { kind }: Located, snapshot: Snapshot): number[] {
  if (kind !== 'unknown') return [];
  const table = snapshot.processes ?? new Map<number, Process>();
  const recorded = [spawned?.pid ?? [], server?.pid ?? []].flat();
  const near = recorded.flatMap((pid) => [...descendants(table, pid), ...inGroup(table, pid)]);
  return [...recorded, ...near.filter((one) => mayServe(one, snapshot)).map(({ pid }) => pid)];
}

/** Sockets have not been looked at yet, and many command lines say `--port 0`, so a port is no doubt. */
const isDoubtful = (proof: WeakProof | undefined): boolean =>
  proof !== undefined && whyDoubted({ ...proof, port: 'unstated' }) !== undefined;

const identity = ({ pid, startToken }: Process) => ({ pid, startToken });

const isOurs = ({ record }: Matched): boolean => record.source.format === 'native';

/** Only a proven record can make a server stale; among those, one with a start token comes first. */
function rank(tied: Matched): number {
  const { trust, ownership, provenBy } = tied.record;
  const proves = !tied.isDoubted && trust.kind === 'trusted' && ownership === 'plugin';
  return (isOurs(tied) ? 0 : 4) + (proves ? 0 : 2) + (provenBy === 'start token' ? 0 : 1);
}
