import { readdirSync, readlinkSync } from 'node:fs';
import { codeOf, isOfEndedProcess, tryRead } from '../../common/errors.js';
import type { Connection, Listening, Sockets } from '../../model/process.js';
import type { Listener, ServerTree } from '../platform.js';
import { linuxGlance } from './processes.js';
import { linkAt, tableAt, tableIfAny } from './read.js';
import { parseTcp, type Row } from './tcp-table.js';

/** What the kernel tells of sockets and of who has them. Undefined when it cannot be read. */
export interface Shown {
  /** The table of the network that a process is in. */
  readonly rows: (pid: number) => readonly Row[] | undefined;
  readonly network: (pid: number | 'self') => string | undefined;
  readonly inodes: (pid: number) => readonly string[] | undefined;
  readonly parent: (pid: number) => number | undefined;
  /** All processes, the youngest last most often. */
  readonly pids: () => number[];
}

const HERE: Shown = {
  rows: tcpRows,
  network: (pid) => linkAt(`/proc/${pid}/ns/net`),
  inodes: socketInodes,
  parent: parentOf,
  pids: () => (tryRead(() => readdirSync('/proc')) ?? []).flatMap((name) => Number(name) || []),
};

/**
 * The sockets of each tree, as its own network namespace shows them (`/proc/net` would show ours). Undefined when the
 * file descriptors of the server cannot be read.
 */
export function linuxSockets(trees: readonly ServerTree[], shown = HERE): (Sockets | undefined)[] {
  const seen = socketsAt(trees, shown);
  // A client that ends between two reads leaves a row that nobody owns, which a second look no longer shows.
  const isTorn = seen.map((one) => one?.inbound.some(({ clientPid }) => clientPid === undefined));
  const again = socketsAt(
    trees.filter((_, at) => isTorn[at]),
    shown,
  );
  return seen.map((one, at) => (isTorn[at] ? again.shift() : one));
}

/** What many trees have in common, read once: the table of each network, and after that whose each socket is. */
interface Shared extends Owners {
  readonly tables: Map<string | undefined, readonly Row[] | undefined>;
}

/** The owners of sockets by their inodes, as far as one was looked for, and the processes that are still to be read. */
interface Owners {
  readonly shown: Shown;
  readonly found: Map<string, number>;
  unread?: IterableIterator<number>;
}

function socketsAt(trees: readonly ServerTree[], shown: Shown): (Sockets | undefined)[] {
  const shared: Shared = { shown, tables: new Map(), found: new Map() };
  return trees.map((tree) => socketsOf(tree, shared));
}

function rowsFor(pid: number, { shown, tables }: Shared): readonly Row[] | undefined {
  const network = shown.network(pid);
  const rows = tables.get(network) ?? shown.rows(pid);
  // Two networks that cannot be told need not be one.
  if (network !== undefined) tables.set(network, rows);
  return rows;
}

function socketsOf({ server, pids }: ServerTree, shared: Shared): Sockets | undefined {
  const { shown } = shared;
  const rows = rowsFor(server, shared);
  const ours = { shown, found: new Map<string, number>() };
  for (const pid of pids) own(ours, pid);
  if (rows === undefined || shown.inodes(server) === undefined) return undefined;
  const listening = rows.flatMap((row) => listeningOf(row, ours.found));
  const ports = new Set(listening.map(({ port }) => port));
  // What its MCP servers listen for is asked by the server itself, and whose a closed connection was is not shown.
  const servers = listening.filter(({ pid }) => pid === server);
  const asked = servers.length > 0 ? servers : listening;
  const network = shown.network(server);
  const established = rows.filter((row) => row.state === 'established');
  return {
    listening,
    inbound: clients(
      established.filter((row) => ports.has(row.localPort)),
      established,
      shared,
    ),
    outbound: established.filter((row) => ours.found.has(row.inode) && !ports.has(row.localPort)).length,
    lately: rows.flatMap((row) => (asked.some((one) => isEndOf(row, one)) ? (row.endedMsAgo ?? []) : [])),
    ourNetwork: network !== undefined && network === shown.network('self'),
  };
}

/** Who listens on the port in our own network, at that very address before every one. */
export function linuxListener(port: number, host?: string, shown = HERE): Listener | 'nobody' | undefined {
  const rows = shown.rows(process.pid)?.filter((row) => row.state === 'listen' && row.localPort === port);
  const row = host === undefined ? rows?.[0] : rows && listenerAt(host, rows);
  if (row === undefined) return rows && 'nobody';
  return { pid: ownerOf(row.inode, { shown, found: new Map() }), owner: String(row.uid) };
}

const ANY = ['0.0.0.0', Array(8).fill('0000').join(':')];

/** An IPv4 connection goes to who listens at its address, else at all IPv4 ones, else at all of both kinds. */
export const listenerAt = (host: string, rows: readonly Row[]): Row | undefined =>
  [host, ...ANY].map((at) => rows.find(({ local }) => local === at)).find(Boolean);

function listeningOf(row: Row, owners: ReadonlyMap<string, number>): Listening[] {
  const pid = row.state === 'listen' ? owners.get(row.inode) : undefined;
  return pid === undefined ? [] : [{ host: row.local, port: row.localPort, pid }];
}

/** Names the process at the other end of each connection, where it is on this machine and ours to see. */
function clients(inbound: readonly Row[], established: readonly Row[], shared: Shared): Connection[] {
  return inbound.map((row) => {
    const peer = established.find((other) => mirrors(other, row));
    return { port: row.localPort, clientPid: peer && ownerOf(peer.inode, shared), clientPort: row.remotePort };
  });
}

/** Such a row has no owner anymore, so it is told by its addresses alone, at the server's end or at the client's. */
export const isEndOf = (row: Row, { host, port }: Listening): boolean =>
  (row.localPort === port && (isAny(host) || row.local === host)) ||
  (row.remotePort === port && (isAny(host) ? isHere(row) : row.remote === host));

const isAny = (host: string): boolean => ANY.includes(host);

/** The same port of another machine is another server's: what is connected from its own address stays on this one. */
const isHere = ({ local, remote }: Row): boolean => remote.startsWith('127.') || remote === local;

const mirrors = (a: Row, b: Row): boolean =>
  a.local === b.remote && a.localPort === b.remotePort && a.remote === b.local && a.remotePort === b.localPort;

/** A socket that a process was given is its parent's. */
function ownerOf(inode: string, owners: Owners): number | undefined {
  const { shown, found } = owners;
  const owner = anyOwnerOf(inode, owners);
  const parent = owner && shown.parent(owner);
  if (parent === undefined || !shown.inodes(parent)?.includes(inode)) return owner;
  found.set(inode, parent);
  return ownerOf(inode, owners);
}

/** Reads the descriptors of no more processes than it takes, the youngest first: clients of a server are most often. */
function anyOwnerOf(inode: string, owners: Owners): number | undefined {
  const { found } = owners;
  owners.unread ??= owners.shown.pids().reverse().values();
  if (!found.has(inode))
    for (const pid of owners.unread) {
      own(owners, pid);
      if (found.has(inode)) break;
    }
  return found.get(inode);
}

/** Until it has become its program, what a server starts has the server's own sockets: they are its parent's. */
function own({ shown, found }: Owners, pid: number): void {
  for (const inode of shown.inodes(pid) ?? []) {
    const other = found.get(inode);
    if (other === undefined || shown.parent(other) === pid) found.set(inode, pid);
  }
}

function parentOf(pid: number): number | undefined {
  const seen = linuxGlance(pid);
  return typeof seen === 'string' ? undefined : seen.parent;
}

export function socketInodes(pid: number): string[] | undefined {
  return inodesIn(`/proc/${pid}/fd`);
}

/** The sockets among the descriptors that this folder lists. */
export const inodesIn = (folder: string): string[] | undefined =>
  tryRead(() => readdirSync(folder).flatMap((fd) => /^socket:\[(\d+)\]$/.exec(targetOf(`${folder}/${fd}`))?.[1] ?? []));

/**
 * Empty for one that was closed since, and for a file whose path is too long to be told. One that may not be read
 * (AppArmor and SELinux allow the list alone) is not none.
 */
function targetOf(link: string): string {
  try {
    return readlinkSync(link);
  } catch (error) {
    if (isOfEndedProcess(error) || codeOf(error) === 'ENAMETOOLONG') return '';
    throw error;
  }
}

/** IPv6 may be switched off; IPv4's table is always there. */
function tcpRows(pid: number): readonly Row[] | undefined {
  const v4 = tableAt(`/proc/${pid}/net/tcp`);
  const v6 = tableIfAny(`/proc/${pid}/net/tcp6`);
  return v4 === undefined || v6 === undefined ? undefined : onceEach([...parseTcp(v4), ...parseTcp(v6)]);
}

/** A table that changes while it is read shows some rows twice. Only a socket that nobody owns has no inode. */
export const onceEach = (rows: readonly Row[]): Row[] => [
  ...new Map(rows.map((row) => [row.inode === '0' ? row : row.inode, row])).values(),
];
