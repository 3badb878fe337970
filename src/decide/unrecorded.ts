import type { Process } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Candidate } from './candidate.js';
import { launcherOf, servingBelow, topAbove } from './launcher.js';
import { processesOf } from './locate.js';

/** The format of a record that is not in any file. */
export const UNRECORDED = 'unrecorded';

/**
 * Every server of ours that no record leads to, once each, as a record that proves nothing: so that it can be listed,
 * asked about, adopted or stopped when the user names it, and is never stopped otherwise.
 */
export function unrecordedIn(candidates: readonly Candidate[], snapshot: Snapshot): ServerRecord[] {
  const recorded = new Set(candidates.flatMap(pidsOf));
  const servers = [...(snapshot.processes?.values() ?? [])].filter((process) => isServer(process, snapshot));
  return servers
    .filter((process) => !recorded.has(process.pid) && !onlyStarts(process, snapshot))
    .map((process) => asRecord(process, snapshot));
}

const isServer = ({ command, owner }: Process, snapshot: Snapshot): boolean =>
  command?.kind === 'serve' && owner === snapshot.owner;

/**
 * A process with a server below it in its own group is a launcher, or a script that runs more, and never the server.
 */
const onlyStarts = (process: Process, snapshot: Snapshot): boolean =>
  servingBelow(process, snapshot).some((child) => isServer(child, snapshot));

function asRecord(server: Process, snapshot: Snapshot): ServerRecord {
  const top = launcherOf(server, topAbove(server, snapshot), snapshot) ?? server;
  const identity = ({ pid, startToken }: Process) => ({ pid, startToken });
  return {
    id: `pid-${server.pid}`,
    source: { format: UNRECORDED, file: '' },
    trust: { kind: 'trusted' },
    ownership: 'unrecorded',
    plugin: undefined,
    tag: undefined,
    spawned: identity(top),
    server: identity(server),
    starter: undefined,
    machine: snapshot.machine,
    uid: undefined,
    hostname: undefined,
    port: server.command?.kind === 'serve' ? server.command.port : undefined,
    portIsStated: false,
    url: undefined,
    workspace: undefined,
    workspaceHash: undefined,
    startedAt: server.ageMs === undefined ? undefined : snapshot.at - server.ageMs,
    state: 'ready',
    password: undefined,
    provenBy: 'start token',
    alsoIn: [],
  };
}

function pidsOf({ record, located }: Candidate): number[] {
  if (located.kind === 'unknown') return [record.spawned?.pid ?? [], record.server?.pid ?? []].flat();
  return processesOf(located).map(({ pid }) => pid);
}
