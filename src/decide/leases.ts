import { type Answer, lives } from './lives.js';
import type { Lease } from './record.js';
import type { Place, Snapshot } from './snapshot.js';

/** A lease that covers a server, or may. */
export interface Hold {
  readonly session: string | undefined;
  readonly holderPid: number | undefined;
  readonly live: Answer;
  readonly covers: Exclude<Answer, 'no'>;
}

/** What a lease is compared with. */
export interface Leasable {
  readonly id: string;
  readonly ports: readonly number[];
  /** Undefined when nothing says where the server works. */
  readonly workspace: string | undefined;
}

export function holdsOn(server: Leasable, leases: readonly Lease[], snapshot: Snapshot): Hold[] {
  return leases.flatMap((lease) => {
    const covered = covers(lease, server, snapshot);
    if (covered === 'no') return [];
    return [{ session: lease.session, holderPid: lease.holder?.pid, live: isLive(lease, snapshot), covers: covered }];
  });
}

function covers(lease: Lease, server: Leasable, snapshot: Snapshot): Answer {
  if (lease.servers.includes(server.id)) return 'yes';
  if (lease.port !== undefined && server.ports.includes(lease.port)) return 'yes';
  if (lease.path === undefined) return 'no';
  if (server.workspace === undefined) return 'unknown';
  return related(placeOf(lease.path, snapshot), placeOf(server.workspace, snapshot)) ? 'yes' : 'no';
}

const placeOf = (path: string, snapshot: Snapshot): Place =>
  snapshot.places.get(path) ?? { path, real: path, gitCommon: undefined };

/** Equal, one inside the other, or worktrees of one repository. */
export const related = (a: Place, b: Place): boolean =>
  within(a.real, b.real) || within(b.real, a.real) || (a.gitCommon !== undefined && a.gitCommon === b.gitCommon);

/** Whether `inner` is `outer` or lies in it, by whole path segments. */
export function within(inner: string, outer: string): boolean {
  const fold = outer.endsWith('/') ? outer : `${outer}/`;
  return inner === outer || inner.startsWith(fold);
}

/** A lease lives exactly as long as its holder. Without an identity, or on a machine we cannot see, until it expires. */
export function isLive(lease: Lease, snapshot: Snapshot): Answer {
  const seen = lives(lease.holder, lease.machine, snapshot);
  if (seen !== 'unknown') return seen;
  return lease.expiresAt !== undefined && lease.expiresAt < snapshot.at ? 'no' : 'unknown';
}
