import { isAbsolute, join } from 'node:path';
import { type Candidate, candidateAt, candidateOf } from '../decide/candidate.js';
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

/** What the machine shows, and where each record leads in it. */
export interface Look {
  readonly snapshot: Snapshot;
  /** One for each record, in their order. */
  readonly candidates: readonly Candidate[];
}

/** Looks once at everything that the records and leases speak of. */
export async function takeSnapshot(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  platform: Platform,
): Promise<Look> {
  return lookAtSockets(records, leases, await lookAtProcesses(records, platform), platform);
}

/** What the machine shows of one server. */
export interface CloseLook {
  readonly snapshot: Snapshot;
  readonly candidate: Candidate;
}

/** The same for one record, such as that of a server which has only just been started. */
export async function lookAtRecord(record: ServerRecord, platform: Platform): Promise<CloseLook> {
  return lookAtServer(record, [], await lookAtProcesses([record], platform), platform);
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
): Look {
  const workspaces = records.flatMap((record) => [record, ...record.alsoIn]).map(({ workspace }) => workspace);
  const paths = [...workspaces, ...[...leases, ...bare.claudes].map(({ path }) => path)].flatMap((path) => path ?? []);
  const first = records.map((record) => candidateOf(record, bare));
  const listening = {
    ...bare,
    places: hashedPlacesOf(paths),
    listens: new Map([...bare.listens, ...first.flatMap((candidate) => listensBelow(candidate, platform))]),
  };
  // Whose a process below a server is decides whose its sockets are.
  const owners = first.map(({ record, located }) => candidateAt(record, located, listening));
  const sockets = new Map(owners.flatMap((candidate) => socketsOf(candidate, platform)));
  const snapshot = { ...listening, sockets };
  return { snapshot, candidates: records.map((record) => candidateOf(record, snapshot)) };
}

export function lookAtServer(
  record: ServerRecord,
  leases: readonly { readonly path: string | undefined }[],
  bare: Snapshot,
  platform: Platform,
): CloseLook {
  const { snapshot, candidates } = lookAtSockets([record], leases, bare, platform);
  const [candidate = candidateOf(record, snapshot)] = candidates;
  return { snapshot, candidate };
}

/** What shares the server's session and group is its own, whatever it does. */
function listensBelow({ located, tree }: Candidate, platform: Platform): [number, boolean][] {
  if (located.kind !== 'present') return [];
  const { session, group } = located.server;
  return [...tree.members, ...tree.left]
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

function socketsOf(candidate: Candidate, platform: Platform): [string, Sockets][] {
  const sockets = socketsNow(candidate, platform);
  return sockets === undefined ? [] : [[candidate.record.id, sockets]];
}

export function socketsNow({ located, tree }: Candidate, platform: Platform): Sockets | undefined {
  if (located.kind !== 'present') return undefined;
  return platform.sockets(
    located.server.pid,
    tree.members.map(({ pid }) => pid),
  );
}
