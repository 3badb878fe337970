import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { tryRead } from './errors.js';
import { parseTcp } from './linux-sockets.js';

/** The flag of a socket that waits for connections, __SO_ACCEPTCON. */
const ACCEPTS = 0x10000;

/**
 * Whether a process waits for others: on TCP, on a Unix socket, as nx, tmux and ssh-agent do, or on UDP, as mosh does;
 * in its own network namespace, which need not be its server's. Undefined when that cannot be read.
 */
export function linuxListens(pid: number): boolean | undefined {
  const links = tryRead(() => readdirSync(`/proc/${pid}/fd`))?.map((fd) =>
    tryRead(() => readlinkSync(`/proc/${pid}/fd/${fd}`)),
  );
  const inodes = links?.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link ?? '')?.[1] ?? []);
  if (inodes === undefined || inodes.length === 0) return inodes && false;
  const read = (table: string) => tryRead(() => readFileSync(`/proc/${pid}/net/${table}`, 'utf8'));
  const [tcp, udp, unix] = [read('tcp'), read('udp'), read('unix')];
  if (tcp === undefined || udp === undefined || unix === undefined) return undefined;
  // IPv6 may be switched off. A UDP socket without a peer takes what anybody sends.
  const listening = new Set([
    ...parseTcp(`${tcp}\n${read('tcp6') ?? ''}`).flatMap(({ state, inode }) => (state === 'listen' ? [inode] : [])),
    ...parseTcp(`${udp}\n${read('udp6') ?? ''}`).flatMap(({ state, inode }) => (state === 'other' ? [inode] : [])),
    ...acceptingIn(unix),
  ]);
  return inodes.some((inode) => listening.has(inode));
}

/** `Num RefCount Protocol Flags Type St Inode Path` */
export const acceptingIn = (unix: string): string[] =>
  unix
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .flatMap(([, , , flags, , , inode]) => (inode && Number.parseInt(flags ?? '', 16) & ACCEPTS ? [inode] : []));
