import { isAbsolute, join } from 'node:path';
import { type Candidate, candidateAt, candidateOf } from '../decide/candidate.js';
import type { NamedFolders } from '../model/folder-variables.js';
import type { Host } from '../model/identity.js';
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
import type { Details, Platform, ServerTree } from './platform.js';
import { questionPorts } from './server/questions.js';

/** What a snapshot is made from. */
export interface Sources {
  readonly platform: Platform;
  /** Claude Code's own list of sessions in one of its config folders; undefined when it cannot be read. */
  readonly claudeSessions: (configDir: string, host: Host) => readonly Witness[] | undefined;
}

/** What the machine shows, and where each record leads in it. */
export interface MachineLook {
  readonly snapshot: Snapshot;
  /** One for each record, in their order. */
  readonly candidates: readonly Candidate[];
}

/** Looks once at everything that the records and leases speak of. */
export async function takeSnapshot(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  sources: Sources,
): Promise<MachineLook> {
  return lookAtSockets(records, leases, await lookAtProcesses(records, sources), sources.platform);
}

/** What the machine shows of one server. */
export interface CloseLook {
  readonly snapshot: Snapshot;
  readonly candidate: Candidate;
}

/** The same for one record, such as that of a server which has only just been started. */
export async function lookAtRecord(record: ServerRecord, sources: Sources): Promise<CloseLook> {
  return lookAtServer(record, [], await lookAtProcesses([record], sources), sources.platform);
}

/** The first half: enough to tell which process a record leads to. */
export async function lookAtProcesses(records: readonly ServerRecord[], sources: Sources): Promise<Snapshot> {
  const { platform } = sources;
  const host = await platform.host();
  const processes = await platform.processes();
  const owner = process.getuid?.().toString() ?? (await platform.owner?.());
  const table: ProcessTable = processes ?? new Map();
  const listeners = await listenersOf(records, table, owner, platform);
  const clients = clientsIn(table, owner);
  const clientPids = clients.map(({ pid }) => pid);
  const launching = mayLaunch(table, platform.shows.groups !== false);
  const looked = [...interesting(records, table), ...pidsOf(listeners)];
  const serving = servingIn(table, owner);
  const leading = platform.shows.births ? leadingBelow(table) : [];
  const details = await platform.details({
    environment: [...new Set([...looked, ...clientPids])],
    cwd: clientPids,
    listens: launching,
    unit: serving,
    input: leading,
  });
  return {
    at: Date.now(),
    bootMs: bootMs(),
    setForwardMs: platform.setForwardMs?.(),
    machine: host,
    owner,
    self: process.pid,
    lineage: lineage(table, process.pid),
    processes,
    showsEnvironments: platform.shows.environments,
    showsGroups: platform.shows.groups !== false,
    environments: known('environment', looked, details),
    claudes: claudesIn(clients, details, (configDir) => sources.claudeSessions(configDir, host)),
    listeners,
    questions: questionPorts(),
    named: [],
    listens: known('listens', launching, details),
    units: known('unit', serving, details),
    inputs: platform.shows.births ? known('input', leading, details) : undefined,
    sockets: new Map(),
    places: new Map(),
  };
}

/** With the environments of what these records lead to, where nobody has looked at them yet. */
export async function withEnvironments(
  records: readonly ServerRecord[],
  snapshot: Snapshot,
  platform: Platform,
): Promise<Snapshot> {
  const pids = records.flatMap(({ spawned, server }) => [spawned, server].flatMap((one) => one?.pid ?? []));
  const missing = pids.filter((pid) => !snapshot.environments.has(pid));
  const environments = await environmentsOf(missing, platform);
  return { ...snapshot, environments: new Map([...snapshot.environments, ...environments]) };
}

/** The same with what other records lead to, which were read only because of what a first look showed. */
export async function withRecords(
  records: readonly ServerRecord[],
  snapshot: Snapshot,
  platform: Platform,
): Promise<Snapshot> {
  const listeners = await listenersOf(records, snapshot.processes ?? new Map(), snapshot.owner, platform);
  const listening = pidsOf(listeners).filter((pid) => !snapshot.environments.has(pid));
  const environments = new Map([...snapshot.environments, ...(await environmentsOf(listening, platform))]);
  const seen = { ...snapshot, environments, listeners: new Map([...snapshot.listeners, ...listeners]) };
  return withEnvironments(records, seen, platform);
}

/**
 * The folders that servers and clients of ours name or work in. What runs among pids of its own, as in a container, means other
 * folders by the same names, and other processes by what is written there.
 */
export async function namedFolders(
  { processes, environments, owner }: Snapshot,
  platform: Platform,
): Promise<NamedFolders[]> {
  const ours = [...(processes?.values() ?? [])].filter((one) => owner !== undefined && one.owner === owner);
  const clients = ours.filter(({ claude }) => claude !== undefined).map(({ pid }) => pid);
  const servers = ours.filter(({ command }) => command?.kind === 'serve').map(({ pid }) => pid);
  if (clients.length + servers.length === 0) return [];
  const all = [...clients, ...servers];
  const cwd = platform.shows.cwdOfAll ? all : [];
  const details = await platform.details({ environment: clients, cwd, elsewhere: all });
  const named = (pid: number, of: NamedFolders['of']): NamedFolders[] => {
    const { environment, cwd, isElsewhere } = details.get(pid) ?? {};
    const folders = (environments.get(pid) ?? environment)?.folders;
    return folders === undefined || isElsewhere !== false ? [] : [{ pid, folders, cwd, of }];
  };
  return [...clients.flatMap((pid) => named(pid, 'session')), ...servers.flatMap((pid) => named(pid, 'server'))];
}

/** The second half: the sockets of each server, and where the directories lead. */
export async function lookAtSockets(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  bare: Snapshot,
  platform: Platform,
): Promise<MachineLook> {
  const workspaces = records.flatMap((record) => [record, ...record.alsoIn]).map(({ workspace }) => workspace);
  const paths = [...workspaces, ...[...leases, ...bare.claudes].map(({ path }) => path)].flatMap((path) => path ?? []);
  const first = records.map((record) => candidateOf(record, bare));
  const below = [...new Set(first.flatMap((candidate) => mayBeApart(candidate, bare)))];
  const listens = known('listens', below, await platform.details({ listens: below }));
  const listening = {
    ...bare,
    places: hashedPlacesOf(paths),
    listens: new Map([...bare.listens, ...listens]),
  };
  // Which processes are the server's own decides which sockets are.
  const owners = first.map(({ record, located }) => candidateAt(record, located, listening));
  const snapshot = { ...listening, sockets: await socketsOf(owners, platform) };
  return { snapshot, candidates: records.map((record) => candidateOf(record, snapshot)) };
}

export async function lookAtServer(
  record: ServerRecord,
  leases: readonly { readonly path: string | undefined }[],
  bare: Snapshot,
  platform: Platform,
): Promise<CloseLook> {
  const { snapshot, candidates } = await lookAtSockets([record], leases, bare, platform);
  const [candidate = candidateOf(record, snapshot)] = candidates;
  return { snapshot, candidate };
}

/** What shares the server's session and group is its own, whatever it does; where there are none, anything may not be. */
function mayBeApart({ located, tree }: Candidate, { showsGroups }: Snapshot): number[] {
  if (located.kind !== 'present') return [];
  const { session, group } = located.server;
  return [...tree.members, ...tree.left]
    .filter((process) => showsGroups === false || process.session !== session || process.group !== group)
    .map(({ pid }) => pid);
}

/** That detail of each pid, where it is known. */
export const known = <What extends 'environment' | 'listens' | 'unit' | 'input'>(
  what: What,
  pids: readonly number[],
  details: ReadonlyMap<number, Details>,
) => mapOf(pids.map((pid) => [pid, details.get(pid)?.[what]]));

/** Without what could not be read. */
const mapOf = <Key, Value>(entries: readonly (readonly [Key, Value])[]) =>
  new Map(entries.flatMap(([key, value]) => (value === undefined ? [] : [[key, value] as const])));

const leadingBelow = (table: ProcessTable): number[] =>
  [...table.values()].flatMap(({ pid, parent, session }) =>
    session === pid && table.get(parent)?.command?.kind === 'serve' ? [pid] : [],
  );

/**
 * What has the command line of a server, and has something below it that has it too; where there are no groups, also a
 * shell or a script, whose server may be anywhere.
 */
function mayLaunch(table: ProcessTable, showsGroups: boolean): number[] {
  const serving = [...table.values()].filter(({ command }) => command?.kind === 'serve');
  const above = new Set(serving.flatMap(({ pid, parent }) => [...lineage(table, parent)].filter((one) => one !== pid)));
  const launches = ({ pid, command }: Process): boolean =>
    above.has(pid) || (!showsGroups && command?.kind === 'serve' && command.interpreted);
  return serving.filter(launches).map(({ pid }) => pid);
}

/**
 * A record without a process leads to whoever listens on its port, and to nothing where nobody does; so may any record
 * where there are no groups, in which its process would have left the server.
 */
async function listenersOf(
  records: readonly ServerRecord[],
  table: ProcessTable,
  us: string | undefined,
  platform: Platform,
): Promise<Map<number, number | 'nobody'>> {
  const ports = records.flatMap((record) =>
    platform.shows.groups === false || (record.spawned === undefined && record.provenBy === 'start time')
      ? (record.port ?? [])
      : [],
  );
  const found = await Promise.all(
    [...new Set(ports)].map(async (port) => [port, await listenerOn(port, table, us, platform)] as const),
  );
  return mapOf(found);
}

/** Undefined when it cannot be told which process it is, or when that is younger than the list. */
async function listenerOn(port: number, table: ProcessTable, us: string | undefined, platform: Platform) {
  const found = await platform.listener(port);
  if (found === undefined || found === 'nobody') return found;
  const { pid, owner } = found;
  // A record of ours leads to no process of another user's.
  if (pid === undefined) return owner === undefined || us === undefined || owner === us ? undefined : 'nobody';
  // Windows lists a port under the server that had it while what that has left holds it.
  return table.has(pid) ? pid : (await platform.look(pid)) === 'gone' ? 'nobody' : undefined;
}

const pidsOf = (listeners: ReadonlyMap<number, number | 'nobody'>): number[] =>
  [...listeners.values()].flatMap((one) => (one === 'nobody' ? [] : one));

const servingIn = (table: ProcessTable, us: string | undefined): number[] =>
  [...table.values()].filter(({ command, owner }) => command?.kind === 'serve' && owner === us).map(({ pid }) => pid);

const clientsIn = (table: ProcessTable, us: string | undefined): Process[] =>
  [...table.values()].filter(({ claude, owner }) => claude !== undefined && (owner === undefined || owner === us));

/**
 * Sessions of people who installed no hook, and of clients that keep no list: by where they work. Their environments
 * say where their own list is, which speaks for claimed spare processes, and for other sessions of that account.
 */
function claudesIn(
  clients: readonly Process[],
  details: ReadonlyMap<number, Details>,
  claudeSessions: (configDir: string) => readonly Witness[] | undefined,
): Witness[] {
  const lists = new Map<string, readonly Witness[] | undefined>();
  const listFor = (folder: string | undefined): readonly Witness[] | undefined => {
    if (folder === undefined) return undefined;
    if (!lists.has(folder)) lists.set(folder, claudeSessions(folder));
    return lists.get(folder);
  };
  const working = clients.flatMap((client) => {
    const known = details.get(client.pid) ?? {};
    const list = listFor(configDirOf(known));
    const isDoubtful = client.claude === 'spare' && (list === undefined || known.isElsewhere !== false);
    return client.claude === 'session' || isDoubtful ? workingAs(client, known) : [];
  });
  return [...working, ...[...lists.values()].flatMap((list) => list ?? [])];
}

/** A client may name its folder from where it works. */
function configDirOf({ environment, cwd = '/' }: Details): string | undefined {
  const folder = environment?.claudeConfigDir;
  return folder === undefined || isAbsolute(folder) ? folder : join(cwd, folder);
}

function workingAs({ pid, startToken }: Process, { cwd, hidesCwd }: Details): Witness[] {
  const isHidden = hidesCwd !== false;
  // One that ends has none any more.
  const path = isHidden ? undefined : cwd && workspaceOf(cwd);
  return path || isHidden ? [{ holder: { pid, startToken }, session: undefined, path }] : [];
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

export async function environmentsOf(pids: readonly number[], platform: Platform): Promise<Map<number, Environment>> {
  return known('environment', pids, await platform.details({ environment: pids }));
}

async function socketsOf(candidates: readonly Candidate[], platform: Platform): Promise<Map<string, Sockets>> {
  const present = candidates.filter(({ located }) => located.kind === 'present');
  const sockets = await platform.sockets(present.flatMap((candidate) => socketTreeOf(candidate) ?? []));
  return mapOf(present.map(({ record }, at) => [record.id, sockets[at]]));
}

export async function socketsNow(candidate: Candidate, platform: Platform): Promise<Sockets | undefined> {
  const tree = socketTreeOf(candidate);
  return tree && (await platform.sockets([tree]))[0];
}

const socketTreeOf = ({ located, tree }: Candidate): ServerTree | undefined =>
  located.kind === 'present' ? { server: located.server.pid, pids: tree.members.map(({ pid }) => pid) } : undefined;
