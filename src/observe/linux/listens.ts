import { linuxGlance } from './processes.js';
import { tableAt, tableIfAny } from './read.js';
import { socketInodes } from './sockets.js';
import { parseTcp } from './tcp-table.js';

/** The flag of a socket that waits for connections, __SO_ACCEPTCON. */
const ACCEPTS = 0x10000;

/**
 * Whether a process waits for others: on TCP, on a Unix socket, as nx, tmux and ssh-agent do, or on UDP, as mosh does;
 * in its own network namespace, which need not be its server's. What its parent has as well is the parent's. Undefined
 * when it cannot be read.
 */
export function linuxListens(pid: number): boolean | undefined {
  const seen = linuxGlance(pid);
  const inodes = socketInodes(pid);
  if (typeof seen === 'string' || inodes === undefined) return undefined;
  const inherited = socketInodes(seen.parent) ?? [];
  const own = inodes.filter((inode) => !inherited.includes(inode));
  return waitsAt(own, (table) => (table.endsWith('6') ? tableIfAny : tableAt)(`/proc/${pid}/net/${table}`));
}

type Table = 'tcp' | 'tcp6' | 'udp' | 'udp6' | 'unix';

/**
 * Whether one of these sockets waits for others, by the tables of its network, of which those for IPv6 may be empty; none
 * are read for no sockets.
 */
export function waitsAt(own: readonly string[], read: (table: Table) => string | undefined): boolean | undefined {
  if (own.length === 0) return false;
  const [tcp, tcp6, udp, udp6] = [read('tcp'), read('tcp6'), read('udp'), read('udp6')];
  const unix = read('unix');
  if ([tcp, tcp6, udp, udp6].includes(undefined) || unix === undefined) return undefined;
  // A UDP socket without a peer takes what anybody sends.
  const listening = new Set([
    ...parseTcp(`${tcp}\n${tcp6}`).flatMap(({ state, inode }) => (state === 'listen' ? [inode] : [])),
    ...parseTcp(`${udp}\n${udp6}`).flatMap(({ state, inode }) => (state === 'other' ? [inode] : [])),
    ...acceptingIn(unix),
  ]);
  return own.some((inode) => listening.has(inode));
}

/** `Num RefCount Protocol Flags Type St Inode Path` */
export const acceptingIn = (unix: string): string[] =>
  unix
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, , , flags, , , inode]) => (inode && Number.parseInt(flags ?? '', 16) & ACCEPTS ? [inode] : []));
