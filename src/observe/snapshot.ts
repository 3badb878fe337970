import { isAbsolute, join } from 'node:path';
import { locate } from '../decide/locate.js';
import { treeOf } from '../decide/tree.js';
import {
  descendants,
  type Environment,
  lineage,
  type Process,
  type ProcessTable,
  type Sockets,
} from '../model/process.js';
import type { ServerRecord, Witness } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { bootMs } from './boot-clock.js';
import { workspaceOf } from './directories.js';
import { hashedPlacesOf } from './hashed-directory.js';
import type { Platform } from './platform.js';
import { questionPorts } from './server/questions.js';

/** Looks once at everything that the records and leases speak of. */
export async function takeSnapshot(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  platform: Platform,
): Promise<Snapshot> {
  return lookAtSockets(records, leases, await lookAtProcesses(records, platform), platform);
}

/** The first half: enough to tell which process a record leads to. */
export async function lookAtProcesses(records: readonly ServerRecord[], platform: Platform): Promise<Snapshot> {
  const processes = await platform.processes();
  const table: ProcessTable = processes ?? new Map();
  const listeners = await listenersOf(records, platform);
  return {
    at: Date.now(),
    bootMs: bootMs(),
    machine: platform.host(),
    uid: process.getuid?.(),
    self: process.pid,
    lineage: lineage(table, process.pid),
    processes,
    showsEnvironments: platform.environment(process.pid) !== undefined,
    environments: environmentsOf([...interesting(records, table), ...listeners.values()], platform),
    claudes: claudesIn(table, platform),
    listeners,
    questions: questionPorts(),
    named: [],
    listens: new Map(mayLaunch(table).flatMap((pid) => listensAt(pid, platform))),
    sockets: new Map(),
    places: new Map(),
  };
}

/** With the environments of what these records lead to, where nobody has looked at them yet. */
export function withEnvironments(records: readonly ServerRecord[], snapshot: Snapshot, platform: Platform): Snapshot {
  const pids = records.flatMap(({ spawned, server }) => [spawned, server].flatMap((one) => one?.pid ?? []));
  const missing = pids.filter((pid) => !snapshot.environments.has(pid));
  return { ...snapshot, environments: new Map([...snapshot.environments, ...environmentsOf(missing, platform)]) };
}

/** The second half: the sockets of each server, and where the directories lead. */
export function lookAtSockets(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  bare: Snapshot,
  platform: Platform,
): Snapshot {
  const workspaces = records.flatMap((record) => [record, ...record.alsoIn]).map(({ workspace }) => workspace);
  const paths = [...workspaces, ...[...leases, ...bare.claudes].map(({ path }) => path)].flatMap((path) => path ?? []);
  // Whose a process below a server is decides whose its sockets are.
  const snapshot = {
    ...bare,
    places: hashedPlacesOf(paths),
    listens: new Map([...bare.listens, ...records.flatMap((record) => listensBelow(record, bare, platform))]),
  };
  return { ...snapshot, sockets: new Map(records.flatMap((record) => socketsOf(record, snapshot, platform))) };
}

/** What shares the server's session and group is its own, whatever it does. */
function listensBelow(record: ServerRecord, snapshot: Snapshot, platform: Platform): [number, boolean][] {
  const located = locate(record, snapshot);
  if (located.kind !== 'present') return [];
  const { members, left } = treeOf(record, located, snapshot);
  const { session, group } = located.server;
  return [...members, ...left]
    .filter((process) => process.session !== session || process.group !== group)
    .flatMap(({ pid }) => listensAt(pid, platform));
}

function listensAt(pid: number, platform: Platform): [number, boolean][] {
  const listens = platform.listens(pid);
  return listens === undefined ? [] : [[pid, listens]];
}

/** What has the command line of a server, and a child that has it too. */
function mayLaunch(table: ProcessTable): number[] {
  const serving = [...table.values()].filter(({ command }) => command?.kind === 'serve');
  return serving.map(({ parent }) => parent).filter((pid) => table.get(pid)?.command?.kind === 'serve');
}

/** A record without a process leads to whoever listens on its port, and to nothing where nobody does. */
async function listenersOf(records: readonly ServerRecord[], platform: Platform): Promise<Map<number, number>> {
  const ports = records.flatMap((record) =>
    record.spawned === undefined && record.provenBy === 'start time' ? (record.port ?? []) : [],
  );
  const found = await Promise.all(
    [...new Set(ports)].map(async (port) => [port, await platform.listener(port)] as const),
  );
  return new Map(found.flatMap(([port, pid]) => (pid === undefined ? [] : [[port, pid] as const])));
}

/**
 * Sessions of people who installed no hook, and of clients that keep no list: by where they work. Their environments
 * say where their own list is, which speaks for the spares that were claimed, and for others of that account.
 */
function claudesIn(table: ProcessTable, platform: Platform): Witness[] {
  const isOurs = ({ uid }: Process): boolean => uid === undefined || uid === process.getuid?.();
  const clients = [...table.values()].filter((process) => process.claude !== undefined && isOurs(process));
  const lists = new Map<string, readonly Witness[] | undefined>();
  const listFor = ({ pid }: Process): readonly Witness[] | undefined => {
    const folder = configDirOf(pid, platform);
    if (folder === undefined) return undefined;
    if (!lists.has(folder)) lists.set(folder, platform.claudeSessions(folder));
    return lists.get(folder);
  };
  const working = clients.flatMap((client) => {
    const list = listFor(client);
    const isDoubtful = client.claude === 'spare' && (list === undefined || platform.isElsewhere(client.pid));
    return client.claude === 'session' || isDoubtful ? workingAs(client, platform) : [];
  });
  return [...working, ...[...lists.values()].flatMap((list) => list ?? [])];
}

/** A client may name its folder from where it works. */
function configDirOf(pid: number, platform: Platform): string | undefined {
  const folder = platform.environment(pid)?.claudeConfigDir;
  return folder === undefined || isAbsolute(folder) ? folder : join(platform.cwd(pid) ?? '/', folder);
}

function workingAs({ pid, startToken }: Process, platform: Platform): Witness[] {
  const cwd = platform.hidesCwd(pid) ? undefined : platform.cwd(pid);
  // Its directory may have been deleted since; one that ends has none any more.
  const path = cwd && workspaceOf(cwd.replace(/ \(deleted\)$/, ''));
  return path || platform.hidesCwd(pid) ? [{ holder: { pid, startToken }, session: undefined, path }] : [];
}

/** Environments are private and cost a read each, so only those of servers, what they run and recorded pids are looked at. */
function interesting(records: readonly ServerRecord[], table: ProcessTable): number[] {
  const serving = [...table.values()].filter((process) => process.command?.kind === 'serve').map(({ pid }) => pid);
  const servers = serving.flatMap((pid) => [pid, ...descendants(table, pid).map((below) => below.pid)]);
  const groups = new Set(serving.flatMap((pid) => table.get(pid)?.group ?? []));
  const beside = [...table.values()].filter(({ group }) => group !== undefined && groups.has(group));
  const recorded = records.flatMap(({ spawned, server }) => [spawned?.pid ?? [], server?.pid ?? []].flat());
  return [...new Set<number>([...servers, ...beside.map(({ pid }) => pid), ...recorded])];
}

export function environmentsOf(pids: readonly number[], platform: Platform): Map<number, Environment> {
  return new Map(
    pids.flatMap((pid) => {
      const environment = platform.environment(pid);
      return environment === undefined ? [] : [[pid, environment] as const];
    }),
  );
}

function socketsOf(record: ServerRecord, snapshot: Snapshot, platform: Platform): [string, Sockets][] {
  const sockets = socketsNow(record, snapshot, platform);
  return sockets === undefined ? [] : [[record.id, sockets]];
}

export function socketsNow(record: ServerRecord, snapshot: Snapshot, platform: Platform): Sockets | undefined {
  const located = locate(record, snapshot);
  if (located.kind !== 'present') return undefined;
  const { members } = treeOf(record, located, snapshot);
  return platform.sockets(
    located.server.pid,
    members.map(({ pid }) => pid),
  );
}
