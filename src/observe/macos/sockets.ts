import type { Connection, Listening, Sockets } from '../../model/process.js';
import type { Listener, ServerTree } from '../platform.js';
import { ANY, type End, type OpenFile, parseLsof, type TcpSocket, tcpSockets } from './lsof.js';
import { type NetstatRow, parseNetstat } from './netstat.js';
import type { Row } from './ps-rows.js';
import { ask, type Tools } from './tools.js';

/** The TCP sockets of all processes of this user; those of other users are left out without a word. */
export async function ownTcp(tools: Tools): Promise<readonly TcpSocket[] | undefined> {
  const files = await openFiles(['-iTCP'], 'pfnT', tools);
  return files && tcpSockets(files);
}

/**
 * Nothing is found with code 1. With that code and an answer, something was not found that had been asked for; whether to
 * believe the rest depends on what that was.
 */
export async function openFiles(
  which: readonly string[],
  fields: string,
  tools: Tools,
  mayLack = false,
): Promise<OpenFile[] | undefined> {
  // `-w` is without warnings; `-b` asks no file system that may not answer.
  const result = await ask(tools.lsof, ['-nP', '-w', '-b', ...which, '-F', fields], tools);
  const isWhole =
    result.kind === 'finished' && (result.code === 0 || (result.code === 1 && (mayLack || result.stdout === '')));
  return isWhole ? parseLsof(result.stdout) : undefined;
}

/** The TCP sockets of everybody, without their processes. */
export async function everyTcp(tools: Tools): Promise<readonly NetstatRow[] | undefined> {
  const [file, ...args] = tools.netstat;
  const result = await ask(file, args, tools);
  return result.kind === 'finished' && result.code === 0 ? parseNetstat(result.stdout) : undefined;
}

/** What a tree listens on. While it becomes its program, what a server starts has the server's sockets as well. */
export function listeningOf(pids: ReadonlySet<number>, own: readonly TcpSocket[], rows: Rows): Listening[] {
  const found = new Map<string, Listening>();
  for (const { pid, state, local } of own) {
    if (state !== 'LISTEN' || !pids.has(pid)) continue;
    const key = keyOf(local);
    const other = found.get(key);
    if (other === undefined || rows.get(other.pid)?.parent === pid) found.set(key, { ...local, pid });
  }
  return [...found.values()];
}

type Rows = ReadonlyMap<number, Row>;

/**
 * The sockets of a tree as lsof shows them. A connection that the server has not accepted, being stopped or stuck, has a
 * file at the client's end alone.
 */
export function socketsOf({ pids }: ServerTree, own: readonly TcpSocket[], rows: Rows): Sockets {
  const tree = new Set(pids);
  const listening = listeningOf(tree, own, rows);
  const ports = new Set(listening.map(({ port }) => port));
  const established = own.filter(isEstablished);
  const owners = ownersOf(established, rows);
  const accepted = established.filter(({ pid, local }) => tree.has(pid) && ports.has(local.port));
  const waiting = established.filter(
    ({ pid, local, peer }) =>
      !tree.has(pid) && isLoopback(peer.host) && listening.some(takes(peer)) && !owners.has(pairOf(peer, local)),
  );
  const inbound = new Map<string, Connection>();
  for (const { local, peer } of accepted)
    inbound.set(pairOf(peer, local), {
      port: local.port,
      clientPid: owners.get(pairOf(peer, local)),
      clientPort: peer.port,
    });
  for (const { pid, local, peer } of waiting)
    inbound.set(pairOf(local, peer), { port: peer.port, clientPid: pid, clientPort: local.port });
  const outbound = established.filter(({ pid, local }) => tree.has(pid) && !ports.has(local.port));
  return {
    listening,
    inbound: [...inbound.values()],
    outbound: new Set(outbound.map(({ local, peer }) => pairOf(local, peer))).size,
    lately: undefined,
    ourNetwork: true,
  };
}

/** The same with what only the list of everybody's shows: connections of other users, and those that have just ended. */
export function withEveryTcp(sockets: Sockets, own: readonly TcpSocket[], every: readonly NetstatRow[]): Sockets {
  const known = own.filter(isEstablished);
  const isKnown = ({ local, peer }: Connected<NetstatRow>): boolean =>
    known.some((one) => isPair(one, local, peer) || isPair(one, peer, local));
  const others = every
    .filter(isEstablished)
    .filter((row) => sockets.listening.some(takes(row.local)) && !isKnown(row))
    .map(({ local, peer }) => ({ port: local.port, clientPid: undefined, clientPort: peer.port }));
  const ended = every.filter((row) => ENDING.test(row.state) && sockets.listening.some((one) => isEndOf(row, one)));
  // How long ago is not shown.
  return { ...sockets, inbound: [...sockets.inbound, ...others], lately: ended.map(() => 0) };
}

/** Opening, closing, or closed within the last minute; what a hung server never closes (CLOSE_WAIT) is none of these. */
const ENDING = /^(SYN_SENT|SYN_RE?CV?D?|FIN_WAIT_?[12]|LAST_ACK|CLOSING|TIME_WAIT)$/;

function isEndOf({ local, peer }: NetstatRow, listening: Listening): boolean {
  if (takes(local)(listening)) return true;
  if (peer === undefined || peer.port !== listening.port) return false;
  // The same port of another machine is another server's: what is connected from its own address stays on this one.
  const isHere = isLoopback(peer.host) || peer.host === local.host;
  return listening.host === ANY ? isHere : peer.host === listening.host;
}

/** Whoever this user can see to listen on a port, at that very address before every one. */
export function listenerOn(port: number, host: string | undefined, own: readonly TcpSocket[], rows: Rows) {
  const on = own.filter(({ state, local }) => state === 'LISTEN' && local.port === port);
  const all = listeningOf(new Set(on.map(({ pid }) => pid)), on, rows);
  return host === undefined ? all[0] : [host, ANY, '::'].flatMap((at) => all.find((one) => one.host === at) ?? [])[0];
}

/** Of a port on which somebody listens, and nobody that this user can see. */
export const isOthers = (port: number, host: string | undefined, every: readonly NetstatRow[]): boolean =>
  every.some(
    ({ state, local }) =>
      state === 'LISTEN' && local.port === port && (host === undefined || [host, ANY].includes(local.host)),
  );

export const SOMEBODY: Listener = { pid: undefined, owner: undefined };

type Connected<T> = T & { readonly peer: End };
const isEstablished = <T extends { readonly state: string; readonly peer: End | undefined }>(
  one: T,
): one is Connected<T> => one.state === 'ESTABLISHED' && one.peer !== undefined;

const takes =
  ({ host, port }: End) =>
  (listening: Listening): boolean =>
    listening.port === port && (listening.host === ANY || listening.host === host);

const isLoopback = (host: string): boolean => /^127\.|^::1$/.test(host);
const keyOf = ({ host, port }: End): string => `${host} ${port}`;
const pairOf = (from: End, to: End): string => `${keyOf(from)} ${keyOf(to)}`;

/** Whose the end of a connection is that begins it with `local`. */
function ownersOf(established: readonly Connected<TcpSocket>[], rows: Rows): ReadonlyMap<string, number> {
  const owners = new Map<string, number>();
  for (const { pid, local, peer } of established) {
    const other = owners.get(pairOf(local, peer));
    if (other === undefined || rows.get(other)?.parent === pid) owners.set(pairOf(local, peer), pid);
  }
  return owners;
}

const isPair = (one: Connected<TcpSocket>, local: End, peer: End): boolean =>
  isSame(one.local, local) && isSame(one.peer, peer);

/** A long address may have been cut. */
const isSame = (whole: End, cut: End): boolean => whole.port === cut.port && whole.host.startsWith(cut.host);
