import { compare, type Identity, type Sameness } from './identity.js';
import { childrenOf, inGroup, type Process } from './process.js';
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
  if (server.kind === 'same') {
    const above =
      launcher.kind === 'same' && launcher.process.pid !== server.process.pid ? launcher.process : undefined;
    return { kind: 'present', launcher: above, server: server.process, proof: 'start token' };
  }
  if (launcher.kind === 'same')
    return { kind: 'present', ...belowLauncher(launcher.process, record, snapshot), proof: 'start token' };
  if (server.kind === 'unknown' || launcher.kind === 'unknown') return unknown('its start token could not be read');
  return byTag(record, snapshot);
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

/** A launcher's server is its child in the group that the spawn created; tools and nested servers have groups of their own. */
function belowLauncher(launcher: Process, record: ServerRecord, snapshot: Snapshot) {
  const children = childrenOf(snapshot.processes ?? new Map(), launcher.pid);
  const servers = children.filter((child) => child.group === launcher.group && looksLikeServer(child, snapshot));
  const listening = new Set(snapshot.sockets.get(record.id)?.listening.map((socket) => socket.pid));
  const server = servers.find((child) => listening.has(child.pid)) ?? servers[0];
  return server ? { launcher, server } : { launcher: undefined, server: launcher };
}

/** Both recorded processes are gone, or none was recorded: look for what carries the tag. */
function byTag(record: ServerRecord, snapshot: Snapshot): Located {
  const starter = find(record.starter, snapshot).kind;
  if (record.spawned === undefined && (starter === 'same' || starter === 'unknown')) {
    return unknown('it is only now being started');
  }
  const left = remains(record, snapshot);
  const tagged = left.filter((process) => hasTag(process, record, snapshot));
  const top = tagged.find((process) => !tagged.some((other) => other.pid === process.parent));
  if (top) return { kind: 'present', ...belowLauncher(top, record, snapshot), proof: 'tag' };
  const doubtful = left.find((process) => record.tag === undefined || !snapshot.environments.has(process.pid));
  if (doubtful) return unknown(`process ${doubtful.pid} may be it, but nothing proves it`);
  return { kind: 'gone', because: record.spawned ? 'its process is no more' : 'it was never started' };
}

const hasTag = (process: Process, record: ServerRecord, snapshot: Snapshot): boolean =>
  record.tag !== undefined && snapshot.environments.get(process.pid)?.tag === record.tag;

/** With a recorded pid only the group it left behind can hold its server; without one, any server of ours. */
function remains(record: ServerRecord, snapshot: Snapshot): Process[] {
  const table = snapshot.processes ?? new Map<number, Process>();
  const pool = record.spawned ? inGroup(table, record.spawned.pid) : [...table.values()];
  return pool.filter((process) => looksLikeServer(process, snapshot));
}

const looksLikeServer = (process: Process, snapshot: Snapshot): boolean =>
  process.command?.kind === 'serve' &&
  process.uid === snapshot.uid &&
  snapshot.environments.get(process.pid)?.opencodePid === undefined;

const unknown = (because: string): Located => ({ kind: 'unknown', because });
