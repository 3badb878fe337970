import { compare, type Identity, type Sameness } from './identity.js';
import { childrenOf, type Process } from './process.js';
import type { ServerRecord } from './record.js';
import type { Snapshot } from './snapshot.js';

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

/** What ties the process to the record: its start token, or the tag that only one spawn ever had. */
export type Proof = 'start token' | 'tag';

export function locate(record: ServerRecord, snapshot: Snapshot): Located {
  if (snapshot.processes === undefined) return unknown('the processes could not be listed');
  const launcher = find(record.spawned, snapshot);
  const server = find(record.server, snapshot);
  if (server.kind === 'unknown' || launcher.kind === 'unknown') return unknown('its start token could not be read');
  const above = launcher.kind === 'same' ? launcher.process : undefined;
  if (server.kind === 'same') return present(above, server.process, 'start token');
  return above ? below(above, 'start token', record, snapshot) : byTag(record, snapshot);
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
