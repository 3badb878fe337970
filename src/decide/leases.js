import { compare, sameProcess } from './identity.js';
export function holdsOn(server, leases, snapshot) {
  return leases.flatMap((lease) => {
    const covered = covers(lease, server, snapshot);
    if (covered === 'no') return [];
    return [{ session: lease.session, holderPid: lease.holder?.pid, live: isLive(lease, snapshot), covers: covered }];
  });
}
function covers(lease, server, snapshot) {
  if (lease.servers.includes(server.id)) return 'yes';
  if (lease.port !== undefined && server.ports.includes(lease.port)) return 'yes';
  if (lease.path === undefined) return 'no';
  if (server.workspace === undefined) return 'unknown';
  return related(placeOf(lease.path, snapshot), placeOf(server.workspace, snapshot)) ? 'yes' : 'no';
}
const placeOf = (path, snapshot) => snapshot.places.get(path) ?? { path, real: path, gitCommon: undefined };
/** Equal, one inside the other, or worktrees of one repository. */
export const related = (a, b) =>
  within(a.real, b.real) || within(b.real, a.real) || (a.gitCommon !== undefined && a.gitCommon === b.gitCommon);
/** Whether `inner` is `outer` or lies in it, by whole path segments. */
export function within(inner, outer) {
  const fold = outer.endsWith('/') ? outer : `${outer}/`;
  return inner === outer || inner.startsWith(fold);
}
/** A lease lives exactly as long as its holder. Without an identity, or on a machine we cannot see, until it expires. */
export function isLive(lease, snapshot) {
  const seen = holderSeen(lease, snapshot);
  if (seen !== 'unknown') return seen;
  return lease.expiresAt !== undefined && lease.expiresAt < snapshot.at ? 'no' : 'unknown';
}
function holderSeen(lease, snapshot) {
  const { holder, machine } = lease;
  if (holder === undefined || snapshot.processes === undefined) return 'unknown';
  const process = snapshot.processes.get(holder.pid);
  const here = process ? sameProcess(holder, process) : 'different';
  // The same pid with the same start token is the holder even where the file does not say which machine it means.
  if (machine === undefined) return here === 'same' ? 'yes' : 'unknown';
  if (compare(machine.id, snapshot.machine.id) !== 'same') return 'unknown';
  if (compare(machine.boot, snapshot.machine.boot) === 'different') return 'no';
  if (compare(machine.pidNamespace, snapshot.machine.pidNamespace) !== 'same') return 'unknown';
  if (compare(machine.boot, snapshot.machine.boot) === 'unknown') return 'unknown';
  return here === 'same' ? 'yes' : here === 'different' ? 'no' : 'unknown';
}
