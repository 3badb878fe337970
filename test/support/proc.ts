import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { uptime } from 'node:os';
import { lstart } from './lstart.js';
import { THROUGH_MACOS } from './program.js';

// The tests look at the machine with these few lines and never with the code under test: one mistake in
// `src/observe` would otherwise be made twice and agree with itself.

/** A process may end between being listed and being read; PID 1 answers EACCES even to root. */
const VANISHED = new Set(['ENOENT', 'ESRCH', 'EACCES', 'EPERM', 'ENOTDIR']);

const unlessVanished = <T>(read: () => T, otherwise: T): T => {
  try {
    return read();
  } catch (error) {
    if (error instanceof Error && 'code' in error && VANISHED.has(String(error.code))) return otherwise;
    throw error;
  }
};

const readText = (file: string): string => unlessVanished(() => readFileSync(file, 'utf8'), '');

export const pids = (): number[] =>
  unlessVanished(() => readdirSync('/proc'), [])
    .filter((name) => /^\d+$/.test(name))
    .map(Number);

/**
 * Field `n` of /proc/PID/stat as numbered in proc(5); the command (field 2) may itself contain spaces and parentheses.
 */
const statField = (pid: number, n: number): string | undefined => {
  const stat = readText(`/proc/${pid}/stat`);
  const end = stat.lastIndexOf(')');
  return end < 0 ? undefined : stat.slice(end + 2).split(' ')[n - 3];
};

/** A zombie has ended: only its parent has not reaped it yet. */
export const alive = (pid: number): boolean => !['Z', 'X', undefined].includes(statField(pid, 3));

/** The letter of /proc/PID/stat; undefined once it has ended. */
export const processState = (pid: number): string | undefined => statField(pid, 3);

export const parent = (pid: number): number => Number(statField(pid, 4) ?? 0);
export const processGroup = (pid: number): number => Number(statField(pid, 5) ?? 0);
export const sessionId = (pid: number): number => Number(statField(pid, 6) ?? 0);

/** As the platform writes it that servers are looked at through: ticks since boot, or epoch seconds. */
export const startToken = (pid: number): string | undefined => {
  const ticks = statField(pid, 22);
  return THROUGH_MACOS && ticks !== undefined ? String(bootedAt() + Math.floor(Number(ticks) / 100)) : ticks;
};

/** As Claude Code lists a session's process, or one that started so many seconds later. */
export const procStart = (pid: number, seconds = 0): string => {
  const token = Number(startToken(pid));
  return THROUGH_MACOS ? lstart(token + seconds) : String(token + seconds * 100);
};

/** Since it started. */
export const ageMs = (pid: number): number => uptime() * 1000 - Number(statField(pid, 22)) * 10;

const bootedAt = (): number => Number(/^btime (\d+)$/m.exec(readText('/proc/stat'))?.[1]);
export const cpuTicks = (pid: number): number => Number(statField(pid, 14) ?? 0) + Number(statField(pid, 15) ?? 0);

const entries = (file: string): string[] => readText(file).split('\0').filter(Boolean);
export const cmdline = (pid: number): string[] => entries(`/proc/${pid}/cmdline`);
export const environ = (pid: number): string[] => entries(`/proc/${pid}/environ`);

export const children = (pid: number): number[] => pids().filter((other) => parent(other) === pid && alive(other));

/** These, and everything below them. */
export const withDescendants = (roots: readonly number[]): number[] => {
  const parents = pids().map((pid) => [pid, parent(pid)] as const);
  const found = new Set(roots);
  for (let size = 0; size < found.size; ) {
    size = found.size;
    for (const [pid, ppid] of parents) if (found.has(ppid)) found.add(pid);
  }
  return [...found];
};

/** Everything below `root`, without `root` itself. */
export const descendants = (root: number): number[] => withDescendants([root]).filter((pid) => pid !== root);

const LISTEN = '0A';

/**
 * Port by socket inode, of every socket that listens. Each of the two lists takes the kernel some 4 ms, no matter how
 * short it is, so whoever waits for a port reads no more of them than it has to.
 */
const listeningIn = (file: string): [string, number][] => {
  const rows = readText(file).split('\n').slice(1);
  const columns = rows.map((row) => row.trim().split(/\s+/)).filter((column) => column[3] === LISTEN);
  return columns.map((column) => [column[9] ?? '', Number.parseInt(column[1]?.split(':')[1] ?? '', 16)]);
};
const LISTS = ['/proc/net/tcp', '/proc/net/tcp6'] as const;

const socketInodes = (pid: number): string[] => {
  const fds = unlessVanished(() => readdirSync(`/proc/${pid}/fd`), []);
  const links = fds.map((fd) => unlessVanished(() => readlinkSync(`/proc/${pid}/fd/${fd}`), ''));
  return links.flatMap((link) => /^socket:\[(\d+)\]$/.exec(link)?.[1] ?? []);
};

/** The ports that this process itself listens on; an inherited socket counts for every process that has it open. */
export const portsOf = (pid: number): number[] => {
  const own = socketInodes(pid);
  if (own.length === 0) return [];
  const sockets = new Map(LISTS.flatMap(listeningIn));
  return own.flatMap((inode) => sockets.get(inode) ?? []);
};

/** The process that listens on the port, or undefined when none does. */
export const portHolder = (port: number): number | undefined => {
  for (const file of LISTS) {
    const wanted = listeningIn(file).flatMap(([inode, at]) => (at === port ? [inode] : []));
    if (wanted.length > 0) return pids().find((pid) => socketInodes(pid).some((one) => wanted.includes(one)));
  }
  return undefined;
};

/** Connections to or from a port that were closed within the last minute, by the kernel's own list. */
export const closedLately = (port: number): number => {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readText('/proc/net/tcp').match(new RegExp(`:${hex} (\\S+ )?0[4569B] `, 'g'))?.length ?? 0;
};

/** How many TCP connections a process has open, in either direction. */
export const connectionsOf = (pid: number): number => {
  const fds = unlessVanished(() => readdirSync(`/proc/${pid}/fd`), []);
  const links = new Set(fds.map((fd) => unlessVanished(() => readlinkSync(`/proc/${pid}/fd/${fd}`), '')));
  const rows = ['tcp', 'tcp6'].flatMap((table) => readText(`/proc/${pid}/net/${table}`).split('\n').slice(1));
  const established = rows.map((row) => row.trim().split(/\s+/)).filter((row) => row[3] === '01');
  return established.filter((row) => links.has(`socket:[${row[9]}]`)).length;
};
