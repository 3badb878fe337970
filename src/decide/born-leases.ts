import type { Process } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Answer } from './alive.js';
import type { CoveringLease } from './leases.js';

/** The live sessions that a server in no file was started in, by processes; those with a lease or a list are elsewhere. */
export function bornLeases({ birth }: ServerRecord, server: Process | undefined, snapshot: Snapshot): CoveringLease[] {
  if (birth === undefined) return [];
  const session = birth.sessions[0];
  const lease = (holderPid: number, live: Answer): CoveringLease[] =>
    live === 'no' ? [] : [{ file: undefined, session, holderPid, live, covers: 'yes' }];
  const client = birth.clientPid === undefined ? undefined : snapshot.processes?.get(birth.clientPid);
  return [
    ...(client ? lease(client.pid, isOlder(client, server)) : []),
    ...clientsAbove(birth.proof.kind === 'parent' ? birth.proof.pid : undefined, snapshot).flatMap(({ pid }) =>
      lease(pid, 'yes'),
    ),
  ];
}

/** The client has started it, so it is older; whoever has its pid since is not. */
function isOlder(client: Process, server: Process | undefined): Answer {
  if (client.ageMs === undefined || server?.ageMs === undefined) return 'unknown';
  return client.ageMs >= server.ageMs ? 'yes' : 'no';
}

/** Claude Code before 2.1.214 does not tell its pid to what it starts. */
function clientsAbove(pid: number | undefined, { processes }: Snapshot): Process[] {
  const above: Process[] = [];
  for (let at = pid === undefined ? undefined : processes?.get(pid); at && !above.includes(at); ) {
    above.push(at);
    at = processes?.get(at.parent);
  }
  return above.filter(({ claude }) => claude === 'session' || claude === 'spare');
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
