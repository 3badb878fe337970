import type { Process } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Answer } from './alive.js';
import type { CoveringLease } from './leases.js';

/**
 * The client that a server in no file was started in, while that lives. Sessions with a lease or a list, and those above
 * it, hold it as they hold any server.
 */
export function bornLeases({ birth }: ServerRecord, server: Process | undefined, snapshot: Snapshot): CoveringLease[] {
  const client = birth?.clientPid === undefined ? undefined : snapshot.processes?.get(birth.clientPid);
  if (client === undefined) return [];
  const live = isOlder(client, server);
  if (live === 'no') return [];
  return [{ file: undefined, session: birth?.sessions[0], holderPid: client.pid, live, covers: 'yes' }];
}

/** The client has started it, so it is older; whoever has its pid since is not. */
function isOlder(client: Process, server: Process | undefined): Answer {
  if (client.ageMs === undefined || server?.ageMs === undefined) return 'unknown';
  return client.ageMs >= server.ageMs ? 'yes' : 'no';
}

/** Undefined where no program of a plugin's is its parent. */
export function parentAtTerminal(
  { birth }: ServerRecord,
  { processes }: Snapshot,
): { readonly pid: number; readonly is: Answer } | undefined {
  if (birth?.proof.kind !== 'parent') return undefined;
  const { pid } = birth.proof;
  const parent = processes?.get(pid);
  if (parent === undefined) return undefined;
  return { pid, is: parent.terminal === undefined ? 'unknown' : parent.terminal ? 'yes' : 'no' };
}
