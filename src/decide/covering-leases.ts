import { descendants, type Process } from '../model/process.js';
import type { Lease } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Written } from '../model/written.js';
import { bornLeases } from './born-leases.js';
import { type CoveringLease, isLive, leasesOn, type ServerKeys, sessionsAbove, witnessed } from './leases.js';
import { pluginLeasesOn } from './uses.js';

/** A session that has a lease and is also listed by Claude Code, or seen running, is one session. */
export function coveringLeasesOf(
  keys: ServerKeys,
  server: Process | undefined,
  written: Written,
  snapshot: Snapshot,
): CoveringLease[] {
  const leases = [...leasesOn(keys, written.leases, snapshot), ...pluginLeasesOn(keys, written.uses, snapshot)];
  const live = new Set(leases.filter((hold) => hold.live === 'yes').map((hold) => hold.holderPid));
  const placed = placedByLease(written.leases, snapshot);
  const told = [...written.witnesses, ...snapshot.claudes].filter(
    ({ holder, path }) => path !== undefined || !placed.has(holder.pid),
  );
  const seen = witnessed(keys, told, snapshot);
  const born = keys.records.flatMap((record) => bornLeases(record, server, snapshot));
  for (const hold of [...sessionsAbove(server, snapshot), ...seen, ...born]) {
    if (live.has(hold.holderPid)) continue;
    if (hold.live === 'yes') live.add(hold.holderPid);
    leases.push(hold);
  }
  return leases;
}

/** Where no working directory of any process is shown, a session's own lease says where it works. */
function placedByLease(leases: readonly Lease[], snapshot: Snapshot): ReadonlySet<number> {
  const told = leases.filter((lease) => lease.path !== undefined && isLive(lease, snapshot) === 'yes');
  return new Set(snapshot.showsGroups === false ? told.flatMap(({ holder }) => holder?.pid ?? []) : []);
}

/**
 * An agent's tool may run a Claude, whose leases and lists then say that it uses the very server that runs it. A Claude
 * that only has the server's launcher above it counts: a script may have started both.
 */
export function heldFromOutside(
  leases: readonly CoveringLease[],
  server: Process | undefined,
  { processes }: Snapshot,
): CoveringLease[] {
  const below = server && processes ? descendants(processes, server.pid) : [];
  const inside = new Set<number>(below.map(({ pid }) => pid));
  return leases.filter(({ live, holderPid }) => live !== 'yes' || holderPid === undefined || !inside.has(holderPid));
}
