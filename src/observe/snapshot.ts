import { locate } from '../decide/locate.js';
import { type Environment, lineage, type ProcessTable, type Sockets } from '../decide/process.js';
import type { ServerRecord, Witness } from '../decide/record.js';
import type { Place, Snapshot } from '../decide/snapshot.js';
import { treeOf } from '../decide/tree.js';
import { bootMs } from './boot-clock.js';
import type { Eyes } from './eyes.js';
import { hashedPlaceOf } from './hashed-place.js';
import { workspaceOf } from './places.js';

/** Looks once at everything that the records and leases speak of. */
export async function takeSnapshot(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  eyes: Eyes,
): Promise<Snapshot> {
  return lookAtSockets(records, leases, await lookAtProcesses(records, eyes), eyes);
}

/** The first half: enough to tell which process a record leads to. */
export async function lookAtProcesses(records: readonly ServerRecord[], eyes: Eyes): Promise<Snapshot> {
  const processes = await eyes.processes();
  const table: ProcessTable = processes ?? new Map();
  const portHolders = await holdersOf(records, eyes);
  return {
    at: Date.now(),
    bootMs: bootMs(),
    machine: eyes.machine(),
    uid: process.getuid?.(),
    self: process.pid,
    lineage: lineage(table, process.pid),
    processes,
    showsEnvironments: eyes.environment(process.pid) !== undefined,
    environments: environmentsOf([...interesting(records, table), ...portHolders.values()], eyes),
    claudes: claudesIn(table, eyes),
    portHolders,
    sockets: new Map(),
    places: new Map(),
  };
}

/** The second half: the sockets of each server, and where the directories lead. */
export function lookAtSockets(
  records: readonly ServerRecord[],
  leases: readonly { readonly path: string | undefined }[],
  bare: Snapshot,
  eyes: Eyes,
): Snapshot {
  const workspaces = records.flatMap((record) => [record, ...record.alsoIn]).map(({ workspace }) => workspace);
  const places = placesOf([...workspaces, ...[...leases, ...bare.claudes].map(({ path }) => path)]);
  return { ...bare, places, sockets: new Map(records.flatMap((record) => socketsOf(record, bare, eyes))) };
}

/** A record without a process leads to whoever listens on its port, and to nothing where nobody does. */
async function holdersOf(records: readonly ServerRecord[], eyes: Eyes): Promise<Map<number, number>> {
  const ports = records.flatMap((record) =>
    record.spawned === undefined && record.provenBy === 'start time' ? (record.port ?? []) : [],
  );
  const found = await Promise.all([...new Set(ports)].map(async (port) => [port, await eyes.holder(port)] as const));
  return new Map(found.flatMap(([port, pid]) => (pid === undefined ? [] : [[port, pid] as const])));
}

/** Sessions of people who installed no hook, and of clients that keep no list. */
function claudesIn(table: ProcessTable, eyes: Eyes): Witness[] {
  const claudes = [...table.values()].filter(({ name, uid }) => name === 'claude' && uid === process.getuid?.());
  return claudes.flatMap(({ pid, startToken }) => {
    const cwd = eyes.cwd(pid);
    return cwd === undefined ? [] : [{ holder: { pid, startToken }, session: undefined, path: workspaceOf(cwd) }];
  });
}

/** Environments are private and cost a read each, so only those of servers and of recorded pids are looked at. */
function interesting(records: readonly ServerRecord[], table: ProcessTable): number[] {
  const servers = [...table.values()].filter((process) => process.command?.kind === 'serve').map(({ pid }) => pid);
  const recorded = records.flatMap(({ spawned, server }) => [spawned?.pid ?? [], server?.pid ?? []].flat());
  return [...new Set<number>([...servers, ...recorded])];
}

export function environmentsOf(pids: readonly number[], eyes: Eyes): Map<number, Environment> {
  return new Map(
    pids.flatMap((pid) => {
      const environment = eyes.environment(pid);
      return environment === undefined ? [] : [[pid, environment] as const];
    }),
  );
}

function socketsOf(record: ServerRecord, snapshot: Snapshot, eyes: Eyes): [string, Sockets][] {
  const sockets = socketsNow(record, snapshot, eyes);
  return sockets === undefined ? [] : [[record.id, sockets]];
}

export function socketsNow(record: ServerRecord, snapshot: Snapshot, eyes: Eyes): Sockets | undefined {
  const located = locate(record, snapshot);
  if (located.kind !== 'present') return undefined;
  const tree = treeOf(located.launcher, located.server, record.spawned?.pid, snapshot);
  return eyes.sockets(
    located.server.pid,
    tree.map(({ pid }) => pid),
  );
}

function placesOf(paths: readonly (string | undefined)[]): Map<string, Place> {
  return new Map(paths.flatMap((path) => (path === undefined ? [] : [[path, hashedPlaceOf(path)] as const])));
}
