import { DEFAULTS } from '../common/defaults.js';
import { isLive } from '../decide/leases.js';
import type { Lease } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { takeSnapshot } from '../observe/snapshot.js';
import type { World } from '../run/world.js';
import { readSmall } from '../state/files/read.js';
import { readFolder } from '../state/files/read-folder.js';
import { attempt, removeFile } from '../state/files/write.js';
import type { StateFolder } from '../state/folders.js';
import { type Besides, parseLease } from '../state/ours/lease-file.js';
import { leasesOf } from '../state/ours/leases.js';
import { claudeAbove } from './holder.js';
import { type Cover, type LeaseOwner, leaseFile, leaseOf, writeLease } from './lease.js';

/*
 * What a plugin's own process says about its session. It is a child of the shell tool's and soon gone, so the holder is
 * never the caller but the Claude process above it.
 */

export interface AttachRequest {
  readonly session: string | undefined;
  /** CLAUDE_PID as the caller has it. */
  readonly claudePid: string | undefined;
  readonly workspace: string;
  /** Undefined when none was named. */
  readonly port: number | undefined;
  /** The id of a server; undefined for none, or for all of them. */
  readonly server: string | undefined;
}

/** As declared in `library/api.ts`, which is on a higher floor. */
export interface SessionLease {
  readonly held: boolean;
  readonly holderPid: number | undefined;
  readonly servers: readonly string[];
}

/**
 * Writes or renews the lease of the Claude process above us, and a second one that names the server, at least by its
 * port.
 */
export async function attach(wanted: AttachRequest, world: World): Promise<SessionLease> {
  const { folder } = world;
  const { snapshot } = await takeSnapshot([], [], world);
  const owners = ownersOf(wanted, snapshot, folder);
  for (const owner of owners) {
    note(owner, wanted, folder);
    for (const other of elsewhere(world)) noteIfWritable(owner, wanted, other);
  }
  return said(owners[0], folder);
}

/** A process with another state folder than ours does not read leases here, but every process reads the default one. */
const elsewhere = ({ folder, leaseFolders, stateDir }: World): readonly StateFolder[] =>
  stateDir === undefined ? [] : leaseFolders.slice(-1).filter(({ root }) => root !== folder.root);

const noteIfWritable = (owner: LeaseOwner, wanted: AttachRequest, folder: StateFolder): void =>
  void attempt(() => note(owner, wanted, folder));

/** A server without an id is held by its port, which the lease that a hook wrote, or will write, may not name. */
function note(owner: LeaseOwner, wanted: AttachRequest, folder: StateFolder): void {
  const { workspace: cwd, port = DEFAULTS.port, server } = wanted;
  const before = leaseIn(leaseFile(owner, undefined, folder));
  hold(owner, { cwd, port: before?.port ?? port, servers: [] }, undefined, folder);
  if (server !== undefined) write(owner, { cwd: undefined, port: undefined, servers: [server] }, { server }, folder);
  else if (wanted.port !== undefined && port !== (before ? before.port : DEFAULTS.port))
    hold(owner, { cwd: undefined, port, servers: [] }, { port }, folder);
}

/**
 * Takes a server, or all of them, back from the session. Anything else that a known process holds ends only with that
 * process.
 */
export async function release(wanted: AttachRequest, world: World): Promise<SessionLease> {
  const { snapshot } = await takeSnapshot([], [], world);
  const { session, server } = wanted;
  const above = holderAbove(wanted, snapshot);
  const owners = [above, undefined].map((holder) => ({ holder, session }));
  for (const owner of above ? owners : owners.slice(1)) {
    if (owner.holder === undefined && session === undefined) continue;
    const files = [world.folder, ...elsewhere(world)].flatMap((folder) => leasesOf(folder, owner.holder, session));
    for (const file of files) takeBack(file, server, session);
  }
  return said(
    owners.find(({ holder }) => holder !== undefined || session !== undefined),
    world.folder,
  );
}

/** If the machine cannot be determined, a lease by identity would never be known to have ended. */
function holderAbove({ claudePid }: AttachRequest, { processes, machine }: Snapshot): LeaseOwner['holder'] {
  if (machine.boot === undefined) return undefined;
  const holder = claudeAbove(process.ppid, claudePid, (pid) => processes?.get(pid) ?? 'gone');
  return holder?.startToken === undefined ? undefined : { ...holder, machine };
}

/** A detached worker has no Claude above it, but its session may have left a lease. */
function ownersOf(wanted: AttachRequest, snapshot: Snapshot, folder: StateFolder): LeaseOwner[] {
  const { session } = wanted;
  const { machine } = snapshot;
  const holder = holderAbove(wanted, snapshot);
  if (holder) return [{ holder, session }];
  if (session === undefined) return [];
  const leases = readFolder<Lease>('lease', folder.leases, parseLease, []);
  const live = leases.filter((lease) => lease.session === session && isLive(lease, snapshot) === 'yes');
  const holders = new Map(live.flatMap((lease) => (lease.holder ? [[lease.holder.pid, lease.holder] as const] : [])));
  return holders.size === 0
    ? [{ holder: undefined, session }]
    : [...holders.values()].map((known) => ({ holder: { ...known, machine }, session }));
}

/** What a hook said about the session's workspace is better than what we know; without a holder it must be renewed. */
function hold(owner: LeaseOwner, cover: Cover, besides: Besides | undefined, folder: StateFolder): void {
  const isThere = readSmall(leaseFile(owner, besides, folder)).kind !== 'absent';
  if (owner.holder === undefined || !isThere) write(owner, cover, besides, folder);
}

const write = (owner: LeaseOwner, cover: Cover, besides: Besides | undefined, folder: StateFolder): void =>
  writeLease(leaseOf(owner, cover, besides, folder));

/** A nested client may have its outer one's pid, so only what this very session has said is taken back. */
function takeBack(file: string, server: string | undefined, session: string | undefined): void {
  const lease = leaseIn(file);
  if (lease === undefined || (lease.session !== undefined && lease.session !== session)) return;
  const namesIt = server === undefined ? lease.servers.length > 0 : lease.servers.includes(server);
  if (namesIt || (server === undefined && lease.holder === undefined)) removeFile(file);
}

/** Undefined when there is none, or when another version wrote it: that spares as it is. */
function leaseIn(file: string): Lease | undefined {
  const read = readSmall(file);
  const lease = read.kind === 'text' ? parseLease(file, read.text, read.trust, read.modifiedAt) : undefined;
  return typeof lease === 'object' ? lease : undefined;
}

function said(owner: LeaseOwner | undefined, folder: StateFolder): SessionLease {
  const leases = owner ? leasesOf(folder, owner.holder, owner.session).flatMap((file) => leaseIn(file) ?? []) : [];
  const servers = [...new Set(leases.flatMap((lease) => lease.servers))];
  return { held: leases.length > 0, holderPid: leases.length > 0 ? owner?.holder?.pid : undefined, servers };
}
