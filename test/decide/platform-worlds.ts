import type { Process } from '../../src/model/process.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import type { Bearing } from './born-worlds.js';
import { FREE, SELF, tokenOf } from './given.js';

/* What each platform shows of a world: what it hides is unknown, and what only it shows is left out elsewhere. */

export const PLATFORMS = ['Linux', 'macOS', 'Windows'] as const;
export type PlatformName = (typeof PLATFORMS)[number];

export function asShownOn<Given extends Bearing>(platform: PlatformName, given: Given): Given {
  if (platform === 'macOS') return onMacos(given);
  return platform === 'Windows' ? onWindows(given) : onLinux(given);
}

/** There are no programs that draw consoles. */
function onLinux<Given extends Bearing>(given: Given): Given {
  const table = given.snapshot.processes;
  const consoles = [...(table?.values() ?? [])].filter(({ consoleHost }) => consoleHost !== undefined);
  if (table === undefined || consoles.length === 0) return given;
  const processes = new Map([...table].filter(([, one]) => !consoles.includes(one)));
  return { ...given, snapshot: { ...given.snapshot, processes } };
}

/** Environments and sockets of one's own user, no service, and no time of what was closed. */
function onMacos<Given extends Bearing>(given: Given): Given {
  const { environments, sockets, processes, owner } = given.snapshot;
  const isOwn = (pid: number | undefined): boolean =>
    pid !== undefined && owner !== undefined && processes?.get(pid)?.owner === owner;
  const snapshot: Snapshot = {
    ...given.snapshot,
    environments: new Map([...environments].filter(([pid]) => isOwn(pid))),
    sockets: new Map(
      [...sockets].map(([id, { inbound, listening, lately, ...rest }]) => [
        id,
        {
          ...rest,
          listening: listening.filter(({ pid }) => isOwn(pid)),
          inbound: inbound.map((one) => (isOwn(one.clientPid) ? one : { ...one, clientPid: undefined })),
          lately: lately?.map(() => 0),
        },
      ]),
    ),
  };
  return onLinux({ ...given, hidesBirths: true as const, snapshot });
}

/**
 * No environments, groups, sessions, terminals and working directories; the owners of servers and clients alone; the pid
 * of a parent that has ended.
 */
function onWindows<Given extends Bearing>(given: Given): Given {
  const { sockets, processes, claudes } = given.snapshot;
  const shown = withProcesses(given, (one) => {
    const isAsked = one.command?.kind !== 'other' || one.claude !== undefined || one.pid === SELF;
    const bare = { ...one, group: undefined, session: undefined, terminal: undefined };
    const from = one.parent > 1 ? one.parent : startedBy(one, processes);
    return { ...bare, ...parentOf(one, from, processes), owner: isAsked ? one.owner : undefined };
  });
  const listening = [...sockets.values()].flatMap((one) => one.listening);
  const snapshot: Snapshot = {
    ...shown.snapshot,
    showsEnvironments: false,
    showsGroups: false,
    environments: new Map(),
    listeners: new Map([...given.snapshot.listeners, ...listening.map(({ port, pid }) => [port, pid] as const)]),
    claudes: claudes.map((one) => ({ ...one, path: undefined })),
    sockets: new Map([...sockets].map(([id, one]) => [id, { ...one, lately: one.lately?.map(() => 0) ?? [] }])),
  };
  return { ...shown, hidesBirths: true as const, snapshot };
}

/** Elsewhere the first process takes in what has lost its parent; the group may still say who that was. */
const startedBy = ({ group }: Process, table: Snapshot['processes']): number =>
  group === undefined || table?.has(group) ? FREE : group;

function parentOf(
  { ageMs }: Process,
  from: number,
  table: Snapshot['processes'],
): Pick<Process, 'parent' | 'orphanOf'> {
  const parent = table?.get(from);
  if (parent === undefined) return { parent: from, orphanOf: from };
  // Its age is that of its start token: the very process that was recorded has never been younger.
  const isLater = parent.startToken !== undefined && parent.startToken !== tokenOf(parent.pid);
  const isYounger = isLater && parent.ageMs !== undefined && ageMs !== undefined && parent.ageMs < ageMs;
  return isYounger ? { parent: 0, orphanOf: from } : { parent: from, orphanOf: undefined };
}

function withProcesses<Given extends Bearing>(given: Given, change: (one: Process) => Process): Given {
  const { processes } = given.snapshot;
  if (processes === undefined) return given;
  const changed = new Map([...processes].map(([pid, one]) => [pid, change(one)]));
  return { ...given, snapshot: { ...given.snapshot, processes: changed } };
}
