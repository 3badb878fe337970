import { compare, type Identity, type Sameness } from './identity.js';
import { childrenOf, type Process } from './process.js';
import type { ServerRecord } from './record.js';
import type { Snapshot } from './snapshot.js';
import { whyIncomparable } from './start-tokens.js';

/**
 * Where a record's processes are now. `gone` is claimed only after a complete look; `unknown` is what remains when
 * something could not be read.
 */
export type Located =
  | {
      readonly kind: 'present';
      readonly launcher: Process | undefined;
      readonly server: Process;
      readonly proof: Proof;
    }
  | { readonly kind: 'gone'; readonly because: string }
  | { readonly kind: 'unknown'; readonly because: string };

/**
 * What ties the process to the record: its start token, the tag that only one spawn ever had, or no more than that it
 * started when the record says, which other evidence must complete.
 */
export type Proof = 'start token' | 'tag' | 'start time';

export const processesOf = (located: Located): readonly Process[] =>
  located.kind !== 'present' ? [] : located.launcher ? [located.launcher, located.server] : [located.server];

export function locate(record: ServerRecord, snapshot: Snapshot): Located {
  if (snapshot.processes === undefined) return unknown('the processes could not be listed');
  if (record.provenBy === 'start time') return locateByTime(record, snapshot);
  const launcher = find(record.spawned, snapshot);
  const server = find(record.server, snapshot);
  if (server.kind === 'unknown' || launcher.kind === 'unknown') return unknown(whyIncomparable(record, snapshot));
  const above = launcher.kind === 'same' ? launcher.process : undefined;
  const bare = isPlugins(record) && launcher.kind === 'absent';
  // A plugin's record names no listener: this one was seen before in this run, by whatever proved it then.
  if (server.kind === 'same') return present(above, server.process, bare ? 'start time' : 'start token');
  if (above) return below(above, 'start token', record, snapshot);
  return bare && server.kind === 'absent' ? leftBehind(record, snapshot) : byTag(record, snapshot);
}

/** We write a tag and the machine; a plugin neither. */
const isPlugins = ({ source, machine }: ServerRecord): boolean => source.format !== 'native' && machine === undefined;

/** A record with a bare pid, or only a port. What it leads to must still be compared with what it says. */
function locateByTime(record: ServerRecord, snapshot: Snapshot): Located {
  const server = find(record.server, snapshot);
  const launcher = recordedProcess(record, snapshot);
  // Seen before in this run, so by its start token from now on.
  if (server.kind === 'same') return present(launcher, server.process, 'start time');
  if (launcher) return below(aboveOf(launcher, snapshot), 'start time', record, snapshot);
  return leftBehind(record, snapshot);
}

/** What the recorded process left in its group: no more ties it to the record than when it started. */
function leftBehind(record: ServerRecord, snapshot: Snapshot): Located {
  const left = record.spawned ? remains(record, snapshot) : [];
  const top = left.find((process) => !left.some((other) => other.pid === process.parent));
  if (top === undefined) return { kind: 'gone', because: record.spawned ? 'its process is no more' : NOBODY_LISTENS };
  if (!isClear(top, snapshot)) return unknown(`process ${top.pid} may be it, but cannot be examined`);
  return below(top, 'start time', record, snapshot);
}

/** Where only the port is known, what listens there may have a launcher, which shares its group. */
function aboveOf(process: Process, { processes }: Snapshot): Process {
  const parent = processes?.get(process.parent);
  const launches = parent?.command?.kind === 'serve' && parent.group !== undefined && parent.group === process.group;
  return launches ? parent : process;
}

const NOBODY_LISTENS = 'no `opencode serve` listens on its port';

/** Undefined when the pid is free, or is surely another program's by now. */
function recordedProcess({ spawned, port }: ServerRecord, snapshot: Snapshot): Process | undefined {
  const pid = spawned ? spawned.pid : port === undefined ? undefined : snapshot.portHolders.get(port);
  const process = pid === undefined ? undefined : snapshot.processes?.get(pid);
  const isOther = process?.command !== undefined && process.command.kind !== 'serve';
  const isLater = spawned !== undefined && compare(spawned.startToken, process?.startToken) === 'different';
  return isOther || isLater ? undefined : process;
}

type Found =
  | { readonly kind: 'same'; readonly process: Process }
  | { readonly kind: Exclude<Sameness, 'same'> | 'absent' };

function find(recorded: Identity | undefined, snapshot: Snapshot): Found {
  if (recorded === undefined) return { kind: 'absent' };
  const process = snapshot.processes?.get(recorded.pid);
  if (process === undefined) return { kind: 'absent' };
  const sameness = compare(recorded.startToken, process.startToken);
  return sameness === 'same' ? { kind: 'same', process } : { kind: sameness };
}

/**
 * Which process is the server of a launcher: the one that listens on the recorded port, else the child that serves in
 * the group that the spawn created, else the launcher itself. Tools and nested servers have groups of their own.
 */
function below(launcher: Process, proof: Proof, record: ServerRecord, snapshot: Snapshot): Located {
  const listener = listenerOf(record, snapshot);
  if (listener) return present(launcher, listener, proof);
  const children = childrenOf(snapshot.processes ?? new Map(), launcher.pid).filter(
    (child) => child.group === undefined || launcher.group === undefined || child.group === launcher.group,
  );
  // Another user's counts as well: it is then no server of ours, and neither is its launcher.
  const serving = children.filter((child) => mayServe(child, snapshot));
  const doubtful = serving.find((child) => !isClear(child, snapshot));
  if (doubtful) return unknown(`process ${doubtful.pid} may be it, but cannot be examined`);
  return present(launcher, serving[0] ?? launcher, proof);
}

function listenerOf(record: ServerRecord, { sockets, processes }: Snapshot): Process | undefined {
  const listening = sockets.get(record.id)?.listening.find(({ port }) => port === record.port);
  return listening && processes?.get(listening.pid);
}

/** Both recorded processes are gone, or none was recorded: look for what carries the tag. */
function byTag(record: ServerRecord, snapshot: Snapshot): Located {
  const starter = find(record.starter, snapshot).kind;
  if (record.spawned === undefined && (starter === 'same' || starter === 'unknown')) {
    return unknown('it is only now being started');
  }
  const left = remains(record, snapshot);
  // A tag proves nothing about a process that may lie outside the group.
  const tagged = left.filter((process) => isClear(process, snapshot) && hasTag(process, record, snapshot));
  const top = tagged.find((process) => !tagged.some((other) => other.pid === process.parent));
  if (top) return below(top, 'tag', record, snapshot);
  const doubtful = left.find((process) => record.tag === undefined || !isClear(process, snapshot));
  if (doubtful) return unknown(`process ${doubtful.pid} may be it, but nothing proves it`);
  return { kind: 'gone', because: record.spawned ? 'its process is no more' : 'it was never started' };
}

const hasTag = (process: Process, record: ServerRecord, snapshot: Snapshot): boolean =>
  record.tag !== undefined && snapshot.environments.get(process.pid)?.tag === record.tag;

/** With a recorded pid only the group it left behind can hold its server; without one, any server of ours. */
function remains(record: ServerRecord, snapshot: Snapshot): Process[] {
  const all = [...(snapshot.processes?.values() ?? [])];
  const group = record.spawned?.pid;
  const pool = all.filter((process) => group === undefined || process.group === undefined || process.group === group);
  const isOurs = ({ uid }: Process): boolean => uid === undefined || snapshot.uid === undefined || uid === snapshot.uid;
  return pool.filter((process) => isOurs(process) && mayServe(process, snapshot));
}

/** Whatever is not surely something else. What was started by another server is that server's. */
const mayServe = ({ pid, command }: Process, snapshot: Snapshot): boolean =>
  (command === undefined || command.kind === 'serve') && snapshot.environments.get(pid)?.opencodePid === undefined;

const isClear = ({ pid, command, uid, group }: Process, { environments }: Snapshot): boolean =>
  command !== undefined && uid !== undefined && group !== undefined && environments.has(pid);

const present = (launcher: Process | undefined, server: Process, proof: Proof): Located => ({
  kind: 'present',
  launcher: launcher?.pid === server.pid ? undefined : launcher,
  server,
  proof,
});

const unknown = (because: string): Located => ({ kind: 'unknown', because });
