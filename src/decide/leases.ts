import { sameProcess } from './identity.js';
import { type Answer, lives } from './lives.js';
import type { Lease, Witness } from './record.js';
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

/**
 * Live sessions that left no lease, by workspace. Whatever cannot be told about them means nothing: a witness whose
 * process has another start token, and is no Claude either, is forgotten.
 */
export function witnessed(server: Leasable, witnesses: readonly Witness[], snapshot: Snapshot): Hold[] {
  return witnesses.flatMap(({ holder, session, path }) => {
    const seen = snapshot.processes?.get(holder.pid);
    const lives = seen !== undefined && (sameProcess(holder, seen) === 'same' || seen.name === 'claude');
    const covers = near(path, server.workspace, snapshot);
    return lives && covers !== 'no' ? [{ session, holderPid: holder.pid, live: 'yes', covers }] : [];
  });
}

function covers(lease: Lease, server: Leasable, snapshot: Snapshot): Answer {
  if (lease.servers.includes(server.id)) return 'yes';
  if (lease.port !== undefined && server.ports.includes(lease.port)) return 'yes';
  if (lease.path === undefined) return 'no';
  return near(lease.path, server.workspace, snapshot);
}

/** A directory that was not resolved might be any. */
function near(a: string, b: string | undefined, { places }: Snapshot): Answer {
  const [from, to] = [places.get(a), b === undefined ? undefined : places.get(b)];
  return from === undefined || to === undefined ? 'unknown' : related(from, to) ? 'yes' : 'no';
}

/** Equal, one inside the other, or worktrees of one repository. */
export const related = (a: Place, b: Place): boolean =>
  within(a.real, b.real) || within(b.real, a.real) || (a.gitCommon !== undefined && a.gitCommon === b.gitCommon);

/** Whether `inner` is `outer` or lies in it, by whole path segments. */
export function within(inner: string, outer: string): boolean {
  const fold = outer.endsWith('/') ? outer : `${outer}/`;
  return inner === outer || inner.startsWith(fold);
}

/** A lease lives exactly as long as its holder; one without a holder, until it expires. */
export function isLive(lease: Lease, snapshot: Snapshot): Answer {
  const seen = lives(lease.holder, lease.machine, snapshot);
  if (seen !== 'unknown' || lease.holder !== undefined) return seen;
  return lease.expiresAt !== undefined && lease.expiresAt < snapshot.at ? 'no' : 'unknown';
}
