import { linuxGlance } from './processes.js';
import { tableAt, textAt } from './read.js';
import { parseTcp, socketInodes } from './sockets.js';

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
  const inherited = inodes.length === 0 ? [] : (socketInodes(seen.parent) ?? []);
  const own = inodes.filter((inode) => !inherited.includes(inode));
  if (own.length === 0) return false;
  const read = (table: string) => tableAt(`/proc/${pid}/net/${table}`);
  const [tcp, udp, unix] = [read('tcp'), read('udp'), textAt(`/proc/${pid}/net/unix`)];
  if (tcp === undefined || udp === undefined || unix === undefined) return undefined;
  // IPv6 may be switched off. A UDP socket without a peer takes what anybody sends.
  const listening = new Set([
    ...parseTcp(`${tcp}\n${read('tcp6') ?? ''}`).flatMap(({ state, inode }) => (state === 'listen' ? [inode] : [])),
    ...parseTcp(`${udp}\n${read('udp6') ?? ''}`).flatMap(({ state, inode }) => (state === 'other' ? [inode] : [])),
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
