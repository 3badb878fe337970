import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { SessionLease } from '../api.js';
import type { Identity, Machine } from '../decide/identity.js';
import { isLive } from '../decide/leases.js';
import type { Lease } from '../decide/record.js';
import type { Snapshot } from '../decide/snapshot.js';
import { claudeAbove } from '../hook/holder.js';
import { takeSnapshot } from '../observe/snapshot.js';
import { readSmall, removeFile, replaceFile } from '../state/files.js';
import type { StateFolder } from '../state/folders.js';
import { formatLease, leaseName, type NativeLease, parseLease } from '../state/lease-file.js';
import { readFolder } from '../state/read-folder.js';
import type { World } from '../world.js';

/*
 * What a plugin's own process says about its session. It is a child of the shell tool's and soon gone, so the holder is
 * never the caller but the Claude process above it.
 */

export interface Attaching {
  readonly session: string | undefined;
  /** CLAUDE_PID as the caller has it. */
  readonly claudePid: string | undefined;
  readonly workspace: string;
  readonly port: number;
  /** The id of a server; undefined for none, or for all of them. */
  readonly server: string | undefined;
}

const WITHOUT_HOLDER_MS = 24 * 3_600_000;
const NOTHING: SessionLease = { held: false, holderPid: undefined, servers: [] };

/** Another process of the session may renew the same lease between our read and our write, in less than a millisecond. */
const SETTLED_MS = 20;
const ATTEMPTS = 4;

/** Writes or renews the lease of the Claude process above us, and has it name the server. */
export async function attach(wanted: Attaching, world: World): Promise<SessionLease> {
  const snapshot = await takeSnapshot([], [], world.eyes);
  const files = filesToWrite(wanted, snapshot, world.folder);
  for (let attempt = 0; attempt < ATTEMPTS; attempt += 1) {
    const lacking = files.filter((file) => lacks(file, wanted));
    if (attempt > 0 && lacking.length === 0) break;
    for (const file of attempt === 0 ? files : lacking) renew(file, wanted, snapshot);
    await sleep(SETTLED_MS);
  }
  return said(files[0]);
}

/** Takes a server, or all of them, out of the session's lease. One whose holder is known ends with that process only. */
export async function release(wanted: Attaching, world: World): Promise<SessionLease> {
  const snapshot = await takeSnapshot([], [], world.eyes);
  const holder = holderAbove(wanted, snapshot);
  const byHolder = holder && join(world.folder.leases, leaseName(holder, undefined));
  const bySession = sessionFile(wanted, world.folder);
  for (const file of [byHolder, bySession].flatMap((one) => one ?? [])) takeOut(file, wanted);
  return said(byHolder ?? bySession);
}

/** Where no machine can be told, a lease by identity would never be known to have ended. */
function holderAbove({ claudePid }: Attaching, { processes, machine }: Snapshot): Identity | undefined {
  if (machine.boot === undefined) return undefined;
  const holder = claudeAbove(process.ppid, claudePid, (pid) => processes?.get(pid) ?? 'gone');
  return holder?.startToken === undefined ? undefined : holder;
}

const sessionFile = ({ session }: Attaching, { leases }: StateFolder): string | undefined =>
  session === undefined ? undefined : join(leases, leaseName(undefined, session));

/** A worker that was detached has no Claude above it, but its session may have left a lease. */
function filesToWrite(wanted: Attaching, snapshot: Snapshot, folder: StateFolder): string[] {
  const holder = holderAbove(wanted, snapshot);
  if (holder) return [join(folder.leases, leaseName(holder, undefined))];
  const { session } = wanted;
  if (session === undefined) return [];
  const leases = readFolder<Lease>('lease', folder.leases, parseLease, []);
  const live = leases.filter((lease) => lease.session === session && isLive(lease, snapshot) === 'yes');
  return live.length > 0 ? live.map(({ file }) => file) : [join(folder.leases, leaseName(undefined, session))];
}

/** Undefined when there is none; a sentence for what another version has written, which spares as it is. */
function leaseIn(file: string): Lease | string | undefined {
  const read = readSmall(file);
  return read.kind === 'text' ? parseLease(file, read.text) : read.kind === 'unread' ? read.error : undefined;
}

function lacks(file: string, { server }: Attaching): boolean {
  const lease = leaseIn(file);
  return lease === undefined || (typeof lease === 'object' && server !== undefined && !lease.servers.includes(server));
}

function renew(file: string, wanted: Attaching, snapshot: Snapshot): void {
  const known = leaseIn(file);
  if (typeof known === 'string') return;
  const at = Date.now();
  const holder = known ? holderOf(known) : heldBy(holderAbove(wanted, snapshot), snapshot.machine);
  const servers = new Set([...(known?.servers ?? []), ...(wanted.server === undefined ? [] : [wanted.server])]);
  write(file, {
    holder,
    session: known?.session ?? wanted.session,
    cwd: known?.path ?? wanted.workspace,
    port: known?.port ?? wanted.port,
    servers: [...servers],
    at,
    expiresAt: holder ? undefined : at + WITHOUT_HOLDER_MS,
  });
}

/** A nested client may have its outer one's pid, so only a lease that is this session's own is changed. */
function takeOut(file: string, { session, server, workspace, port }: Attaching): void {
  const lease = leaseIn(file);
  if (typeof lease !== 'object' || (lease.session !== undefined && lease.session !== session)) return;
  if (lease.holder === undefined && server === undefined) {
    removeFile(file);
    return;
  }
  const { path, expiresAt } = lease;
  const servers = server === undefined ? [] : lease.servers.filter((one) => one !== server);
  const kept = { session: lease.session, cwd: path ?? workspace, port: lease.port ?? port, expiresAt };
  write(file, { ...kept, holder: holderOf(lease), servers, at: Date.now() });
}

const write = (file: string, lease: NativeLease): void => replaceFile(file, formatLease(lease), 'until reboot');

const heldBy = (holder: Identity | undefined, machine: Machine | undefined): NativeLease['holder'] =>
  holder && { ...holder, machine: machine ?? { id: undefined, boot: undefined, pidNamespace: undefined, name: '' } };

const holderOf = ({ holder, machine }: Lease): NativeLease['holder'] => heldBy(holder, machine);

function said(file: string | undefined): SessionLease {
  const lease = file === undefined ? undefined : leaseIn(file);
  if (lease === undefined) return NOTHING;
  return typeof lease === 'string'
    ? { ...NOTHING, held: true }
    : { held: true, holderPid: lease.holder?.pid, servers: lease.servers };
}
