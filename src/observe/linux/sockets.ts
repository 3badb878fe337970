import { readdirSync } from 'node:fs';
import { tryRead } from '../../common/errors.js';
import type { Connection, Listening, Sockets } from '../../model/process.js';
import type { Listener, ServerTree } from '../platform.js';
import { linuxGlance } from './processes.js';
import { linkAt, tableAt } from './read.js';

/** A row of /proc/net/tcp. Addresses are in host order, IPv4 ones mapped into IPv6 written as IPv4. */
export interface Row {
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly state: 'listen' | 'established' | 'other';
  /** Of a connection that was closed within the last minute; 0 when it is opening or closing now. */
  readonly endedMsAgo: number | undefined;
  readonly uid: number;
  readonly inode: string;
}

/**
 * The sockets of each tree, as its own network namespace shows them (`/proc/net` would show ours). Undefined when the
 * file descriptors of the server cannot be read.
 */
export function linuxSockets(trees: readonly ServerTree[]): (Sockets | undefined)[] {
  const seen = socketsAt(trees);
  // A client that ends between two reads leaves a row that nobody owns, which a second look no longer shows.
  const isTorn = seen.map((one) => one?.inbound.some(({ clientPid }) => clientPid === undefined));
  const again = socketsAt(trees.filter((_, at) => isTorn[at]));
  return seen.map((one, at) => (isTorn[at] ? again.shift() : one));
}

/** What many trees have in common, read once: the table of each network, and after that whose each socket is. */
interface Shared extends Owners {
  readonly tables: Map<string | undefined, readonly Row[]>;
}

/** The owners of sockets by their inodes, as far as one was looked for, and the processes that are still to be read. */
interface Owners {
  readonly found: Map<string, number>;
  unread?: number[];
}

function socketsAt(trees: readonly ServerTree[]): (Sockets | undefined)[] {
  const shared: Shared = { tables: new Map(), found: new Map() };
  return trees.map((tree) => socketsOf(tree, shared));
}

function rowsFor(pid: number, { tables }: Shared): readonly Row[] | undefined {
  const space = network(pid);
  const rows = tables.get(space) ?? tcpRows(pid);
  if (space !== undefined && rows !== undefined) tables.set(space, rows);
  return rows;
}

function socketsOf({ server, pids }: ServerTree, shared: Shared): Sockets | undefined {
  const rows = rowsFor(server, shared);
  const ours = new Map<string, number>();
  for (const pid of pids) own(ours, pid);
  if (rows === undefined || socketInodes(server) === undefined) return undefined;
  const listening = rows.flatMap((row) => listeningOf(row, ours));
  const ports = new Set(listening.map(({ port }) => port));
  // What its MCP servers listen for is asked by the server itself, and whose a closed connection was is not shown.
  const servers = listening.filter(({ pid }) => pid === server);
  const asked = servers.length > 0 ? servers : listening;
  const established = rows.filter((row) => row.state === 'established');
  return {
    listening,
    inbound: clients(
      established.filter((row) => ports.has(row.localPort)),
      established,
      shared,
    ),
    outbound: established.filter((row) => ours.has(row.inode) && !ports.has(row.localPort)).length,
    lately: rows.flatMap((row) => (asked.some((one) => isEndOf(row, one)) ? (row.endedMsAgo ?? []) : [])),
    ourNetwork: network(server) !== undefined && network(server) === network('self'),
  };
}

/** Who listens on the port in our own network, at that very address before every one. */
export function linuxListener(port: number, host?: string): Listener | 'nobody' | undefined {
  const rows = tcpRows(process.pid)?.filter((row) => row.state === 'listen' && row.localPort === port);
  const row = host === undefined ? rows?.[0] : rows && listenerAt(host, rows);
  if (row === undefined) return rows && 'nobody';
  return { pid: ownerOf(row.inode, { found: new Map() }), owner: String(row.uid) };
}

const ANY = ['0.0.0.0', Array(8).fill('0000').join(':')];

/** An IPv4 connection goes to who listens at its address, else at all IPv4 ones, else at all of both kinds. */
export const listenerAt = (host: string, rows: readonly Row[]): Row | undefined =>
  [host, ...ANY].map((at) => rows.find(({ local }) => local === at)).find(Boolean);

const network = (pid: number | 'self'): string | undefined => linkAt(`/proc/${pid}/ns/net`);

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

/** Reads the descriptors of no more processes than it takes, the youngest first: clients of a server are most often. */
function ownerOf(inode: string, owners: Owners): number | undefined {
  const { found } = owners;
  owners.unread ??= readdirSync('/proc').flatMap((name) => (/^\d+$/.test(name) ? Number(name) : []));
  for (let pid: number | undefined; !found.has(inode); own(found, pid)) {
    pid = owners.unread.pop();
    if (pid === undefined) return undefined;
  }
  const owner = found.get(inode);
  const parent = owner === undefined ? undefined : parentOf(owner);
  if (parent === undefined || !socketInodes(parent)?.includes(inode)) return owner;
  found.set(inode, parent);
  return ownerOf(inode, owners);
}

/** Until it has become its program, what a server starts has the server's own sockets: they are its parent's. */
function own(owners: Map<string, number>, pid: number): void {
  for (const inode of socketInodes(pid) ?? []) {
    const other = owners.get(inode);
    if (other === undefined || parentOf(other) === pid) owners.set(inode, pid);
  }
}

function parentOf(pid: number): number | undefined {
  const seen = linuxGlance(pid);
  return typeof seen === 'string' ? undefined : seen.parent;
}

export function socketInodes(pid: number): string[] | undefined {
  const folder = `/proc/${pid}/fd`;
  return tryRead(() => readdirSync(folder))?.flatMap(
    (fd) => /^socket:\[(\d+)\]$/.exec(linkAt(`${folder}/${fd}`) ?? '')?.[1] ?? [],
  );
}

/** IPv6 may be switched off; IPv4's table is always there. One that changes while it is read shows some rows twice. */
function tcpRows(pid: number): Row[] | undefined {
  const v4 = tableAt(`/proc/${pid}/net/tcp`);
  const v6 = tableAt(`/proc/${pid}/net/tcp6`);
  if (v4 === undefined) return undefined;
  const rows = [...parseTcp(v4), ...parseTcp(v6 ?? '')];
  // Only a socket that nobody owns, such as one that waits to be accepted, has no inode.
  return [...new Map(rows.map((row) => [row.inode === '0' ? row : row.inode, row])).values()];
}

const TIME_WAIT = '06';
/** TCP_TIMEWAIT_LEN, which no setting changes. */
const TIME_WAIT_MS = 60_000;
const TICK_MS = 10;

/**
 * As include/net/tcp_states.h numbers them: SYN_SENT, SYN_RECV and NEW_SYN_RECV are opening; FIN_WAIT1, FIN_WAIT2,
 * LAST_ACK and CLOSING are closing, for a minute at most. CLOSE_WAIT (08) is neither: a server that hangs keeps what its
 * clients have closed in it forever.
 */
const PASSING = /^(02|03|0C|04|05|09|0B)$/;

/** A row in TIME_WAIT has a timer that runs out with it, in ticks: `03:00001770` has all of its minute left. */
function endedMsAgo(state: string, timer = ''): number | undefined {
  if (PASSING.test(state)) return 0;
  const left = Number.parseInt(timer.split(':')[1] ?? '', 16) * TICK_MS;
  if (state !== TIME_WAIT) return undefined;
  return left >= 0 && left <= TIME_WAIT_MS ? TIME_WAIT_MS - left : 0;
}

export function parseTcp(text: string): Row[] {
  return text
    .split('\n')
    .slice(1)
    .flatMap((line) => {
      const fields = line.trim().split(/\s+/);
      const [local, remote, state, timer, uid, inode] = [
        fields[1],
        fields[2],
        fields[3],
        fields[5],
        Number(fields[7]),
        fields[9],
      ];
      if (!local || !remote || !state || !inode) return [];
      const [localHost, localPort] = parseAddress(local);
      const [remoteHost, remotePort] = parseAddress(remote);
      const named = state === '0A' ? 'listen' : state === '01' ? 'established' : 'other';
      const ends = { local: localHost, localPort, remote: remoteHost, remotePort };
      return [{ ...ends, state: named, endedMsAgo: endedMsAgo(state, timer), uid, inode } as const];
    });
}

/** `0100007F:1000`: each 32-bit word in the byte order of the machine, which is little-endian wherever Node runs. */
function parseAddress(text: string): [host: string, port: number] {
  const [hex = '', port = ''] = text.split(':');
  const bytes = (hex.match(/.{8}/g) ?? []).flatMap((word) => (word.match(/../g) ?? []).reverse());
  const mapped = bytes.length === 16 && bytes.slice(0, 12).join('') === `${'00'.repeat(10)}ffff`.toUpperCase();
  const v4 = bytes.length === 4 ? bytes : mapped ? bytes.slice(12) : undefined;
  const host = v4
    ? v4.map((byte) => Number.parseInt(byte, 16)).join('.')
    : (bytes.join('').match(/.{4}/g) ?? []).join(':');
  return [host, Number.parseInt(port, 16)];
}
