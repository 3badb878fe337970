import { closeSync, openSync, readdirSync, readSync } from 'node:fs';
import { hostname } from 'node:os';
import { isHidden, isOfEndedProcess, tryRead } from '../../common/errors.js';
import { timeNamespaceFrom } from '../../decide/start-tokens.js';
import { claudeRole } from '../../model/claude-process.js';
import { classify, isOpencode, isRunner } from '../../model/command-line.js';
import { type Host, parsePid } from '../../model/identity.js';
import { lineage, type Process, type ProcessTable, type Seen } from '../../model/process.js';
import { linkAt, textAt } from './read.js';

/** USER_HZ, which is 100 on every Linux that Node runs on, whatever the kernel's own tick is. */
const TICKS_PER_SECOND = 100;
/** A command line of 64 KiB says enough; a longer one is read no further. */
const buffer = Buffer.alloc(65_536);

let known: Host | undefined;

/** Read once: none of it changes while a process lives, but for the name, which is only shown. */
export function linuxHost(): Host {
  known ??= readMachine();
  return known;
}

const readMachine = (): Host => ({
  id: firstIn('/etc/machine-id', '/var/lib/dbus/machine-id'),
  boot: firstIn('/proc/sys/kernel/random/boot_id'),
  // The boot id is the same in every container; the namespace tells them apart.
  pidNamespace: linkAt('/proc/self/ns/pid'),
  timeNamespace: timeNamespaceFrom(linkAt('/proc/self/ns/time'), () => textAt('/proc/self/timens_offsets')),
  // The same as the system's own word, which takes node's `os`, and the hook 0.4 ms.
  name: firstIn('/proc/sys/kernel/hostname') ?? hostname(),
});

/** The text of the first of these files that has any, trimmed. */
export function firstIn(...files: readonly string[]): string | undefined {
  for (const file of files) {
    const text = textAt(file)?.trim();
    if (text) return text;
  }
  return undefined;
}

/**
 * Processes of other users may be hidden (hidepid); ours never are. Undefined when /proc, which has these names, does not
 * even show us, and when one process could not be read because this program or the machine has no file or memory to spare
 * just now: what is missing from the list has ended, for all who read it.
 */
export const linuxProcesses = (names?: readonly string[]): ProcessTable | undefined =>
  tryRead(() => listed(names ?? readdirSync('/proc')));

function listed(names: readonly string[]): ProcessTable | undefined {
  const table = new Map<number, Process>();
  const uptimeMs = uptime();
  for (const name of names) {
    const pid = parsePid(Number(name));
    const seen = pid && lookAt(pid, uptimeMs, mayMatter);
    if (seen && typeof seen !== 'string') table.set(seen.pid, seen);
  }
  lookAbove(table, (pid) => lookAt(pid, uptimeMs));
  return table.has(process.pid) ? table : undefined;
}

/** What is above a server may have started it, whatever it is, so all is read of it. */
export function lookAbove(table: Map<number, Process>, look: (pid: number) => Seen): void {
  const serving = [...table.values()].filter(({ command }) => command?.kind === 'serve');
  const above = new Set(serving.flatMap(({ parent }) => [...lineage(table, parent)]));
  for (const pid of above) {
    const seen = look(pid);
    if (typeof seen === 'object') table.set(pid, seen);
    else if (seen === 'gone') table.delete(pid);
  }
}

/** Synchronous, so that nothing happens between a look and the signal that follows it. */
export const linuxLook = (pid: number): Seen => tryRead(() => lookAt(pid, uptime())) ?? 'unknown';

/** Which process has a pid, and which one is above it: all that a hook needs, for a third of a whole look. */
export const linuxGlance = (pid: number): Seen =>
  tryRead(() => {
    const stat = statOf(pid);
    return typeof stat === 'object' ? parseFields(stat.text, fieldsOf(stat.text), undefined) : stat;
  }) ?? 'unknown';

function lookAt(
  pid: number,
  uptimeMs: number | undefined,
  isWorth = (_name: string, _bytes: number, _flags: number) => true,
): Seen {
  const stat = statOf(pid);
  if (typeof stat !== 'object') return stat;
  const fields = fieldsOf(stat.text);
  const bare = parseFields(stat.text, fields, uptimeMs);
  if (typeof bare === 'string') return bare;
  const bytes = Number(fields[20]);
  if (!isWorth(bare.name, bytes, Number(fields[6]))) return { ...bare, command: OTHER };
  const argv = argvOf(pid);
  const { owner, memoryBytes } = statusOf(pid);
  const executable = mayBeRenamed(bytes, owner) ? linkAt(`/proc/${pid}/exe`) : undefined;
  const claude = claudeRole(bare.name, argv, executable);
  return { ...bare, owner, memoryBytes, command: argv && classify(argv, executable), claude };
}

const OTHER = { kind: 'other' } as const;

/** The address space of a JavaScript runtime; none has less. */
const ROOMY_BYTES = 64 * 1024 * 1024;

/**
 * Claude Code may run under any name, by a link to it, and so may OpenCode. Reading what each process executes would
 * take a fifth longer (7 of 40 µs), so it is read only of those with room for one; and of our own user's, since the
 * kernel shows it of no others.
 */
export const mayBeRenamed = (bytes: number, owner: string | undefined): boolean =>
  bytes >= ROOMY_BYTES && owner === process.getuid?.().toString();

/** PF_KTHREAD of include/linux/sched.h. */
const KERNEL_THREAD = 0x200000;

/** So many characters of a program's name are shown at most. */
const LONGEST_NAME = 15;

/**
 * Whether a process may be an OpenCode, run one, or be a Claude Code. Of all others, most of the thousands on a busy
 * machine, `stat` alone is read, a third of the time: a program without the room of a runtime that is called like none of
 * what runs OpenCode is neither, whatever its arguments say, and nothing asks whose it is. The kernel calls a script by
 * the script's own name. What has no size is a thread of the kernel's, or the kernel does not tell.
 */
export const mayMatter = (name: string, bytes: number, flags: number): boolean =>
  bytes >= ROOMY_BYTES ||
  (bytes === 0 && (flags & KERNEL_THREAD) === 0) ||
  name.length >= LONGEST_NAME ||
  isOpencode(name) ||
  isRunner(name) ||
  claudeRole(name, undefined, undefined) !== undefined;

const statOf = (pid: number): Stat => statAt(`/proc/${pid}/stat`);

type Stat = { readonly text: string } | 'gone' | 'unknown';

export function statAt(file: string): Stat {
  try {
    return { text: slurp(file) };
  } catch (error) {
    if (isOfEndedProcess(error)) return 'gone';
    if (isHidden(error)) return 'unknown';
    throw error;
  }
}

export function parseStat(stat: string, argv: readonly string[] | undefined, uptimeMs: number | undefined): Seen {
  const seen = parseFields(stat, fieldsOf(stat), uptimeMs);
  return typeof seen === 'string' ? seen : { ...seen, command: argv && classify(argv) };
}

/** `stat` after the last `)`: a program may call itself `we) (ird`. Field numbers are those of proc(5), less 3. */
const fieldsOf = (stat: string): string[] => stat.slice(stat.lastIndexOf(')') + 2).split(' ', 24);

/** Where a start is among them. */
const STARTED = 19;
const msOf = (ticks: string | undefined): number => (Number(ticks) * 1000) / TICKS_PER_SECOND;

/** Without its command line, which the hook has no use for, and what is in `status`. */
function parseFields(stat: string, fields: readonly string[], uptimeMs: number | undefined): Seen {
  const pid = parsePid(Number.parseInt(stat, 10));
  const startToken = fields[STARTED];
  // A token that nothing follows may have been cut, and so be another one.
  if (pid === undefined || startToken === undefined || !/^\d{1,20}$/.test(startToken) || fields.length < 23)
    return 'unknown';
  if (!fields.slice(1, 5).every((field) => /^-?\d{1,10}$/.test(field))) return 'unknown';
  if (fields[0] === 'Z' || fields[0] === 'X') return 'gone';
  return {
    pid,
    startToken,
    parent: Number(fields[1]),
    group: Number(fields[2]),
    session: Number(fields[3]),
    terminal: fields[4] !== '0',
    tty: ttyFrom(Number(fields[4])),
    owner: undefined,
    name: stat.slice(stat.indexOf('(') + 1, stat.lastIndexOf(')')),
    command: undefined,
    ageMs: uptimeMs === undefined ? undefined : uptimeMs - msOf(startToken),
    memoryBytes: undefined,
    cpuMs: ((Number(fields[11]) + Number(fields[12])) * 1000) / TICKS_PER_SECOND,
  };
}

/** By the numbers of the kernel's list of devices; undefined for none and for rarer ones. */
export function ttyFrom(device: number): string | undefined {
  const major = (device >>> 8) & 0xfff;
  const minor = (device & 0xff) | ((device >>> 12) & 0xfff00);
  if (major >= 136 && major <= 143) return `pts/${minor + (major - 136) * 256}`;
  return major === 4 && minor > 0 && minor < 64 ? `tty${minor}` : undefined;
}

/**
 * By the boot clock, which counts suspends and which nobody sets. Starts are told by the machine's own, but an LXC container
 * has an `uptime` of its own (lxcfs), by which a server on a machine that is up for longer has yet to start. This program
 * has started as well, so it is at least as late as that and what it has run since.
 */
export const uptime = (): number | undefined => uptimeIn(readShort('/proc/uptime'), ourMs());

/** As late as it is at least. A start that cannot be seen says nothing. */
export const ourMs = (): number => (startedMs(process.pid) ?? 0) + process.uptime() * 1000;

/** When a process started, by the clock that tells starts; undefined when it cannot be seen. */
export function startedMs(pid: number): number | undefined {
  const text = readShort(`/proc/${pid}/stat`);
  return text === undefined ? undefined : msOf(fieldsOf(text)[STARTED]);
}

/** In milliseconds, and no less than that. */
export function uptimeIn(text: string | undefined, leastMs = 0): number | undefined {
  const seconds = Number.parseFloat(text ?? '');
  return Number.isFinite(seconds) ? Math.max(seconds * 1000, leastMs) : undefined;
}

const statusOf = (pid: number) => parseStatus(readShort(`/proc/${pid}/status`) ?? '');

/**
 * The effective uid, and the memory in use. `stat` counts memory in pages, whose size Node does not tell (4 to 64 KiB);
 * this is in kB. A kernel thread has none.
 */
export function parseStatus(status: string): Pick<Process, 'owner' | 'memoryBytes'> {
  const kilobytes = /^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1];
  return {
    owner: /^Uid:\t\d+\t(\d+)/m.exec(status)?.[1],
    memoryBytes: kilobytes === undefined ? undefined : Number(kilobytes) * 1024,
  };
}

/** Undefined when it cannot be read; a kernel thread has an empty one. */
function argvOf(pid: number): readonly string[] | undefined {
  return readShort(`/proc/${pid}/cmdline`)?.replace(/\0$/, '').split('\0');
}

/** Undefined when the process has ended, or is not for us to see. Any other error is about this very moment, and thrown. */
function readShort(file: string): string | undefined {
  try {
    return slurp(file);
  } catch (error) {
    if (isOfEndedProcess(error) || isHidden(error)) return undefined;
    throw error;
  }
}

/** open/read/close into one buffer costs a third less than readFileSync over a whole process table. */
function slurp(file: string): string {
  const fd = openSync(file, 'r');
  try {
    return buffer.toString('utf8', 0, readSync(fd, buffer, 0, buffer.length, 0));
  } finally {
    closeSync(fd);
  }
}
