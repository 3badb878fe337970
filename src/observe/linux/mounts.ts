import { lstatSync, readlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { tryRead } from '../../common/errors.js';
import { textAt } from './read.js';

/** Where a path leads onto a file system that may not answer: whatever asks it may wait forever. */
export interface Crossing {
  /** Where that is mounted. */
  readonly mount: string;
  /** The path as far as it could be resolved without asking. */
  readonly real: string;
}

/** File systems that a kernel answers for by itself. Any other has a server, or a program, that may be gone. */
const ANSWERING = new Set(
  (
    'aufs bcachefs bpf btrfs cgroup cgroup2 configfs cramfs debugfs devpts devtmpfs ecryptfs efivarfs erofs exfat ext2 ' +
    'ext3 ext4 f2fs fusectl hfs hfsplus hugetlbfs iso9660 jffs2 jfs mqueue msdos nilfs2 nsfs ntfs ntfs3 overlay proc ' +
    'pstore ramfs reiserfs romfs rootfs securityfs selinuxfs squashfs sysfs tmpfs tracefs ubifs udf vfat xfs zfs'
  ).split(' '),
);

/** Reading the list takes as long as looking at ten directories. */
const LIST_HOLDS_MS = 200;
let listed: { readonly mounts: ReadonlySet<string>; readonly until: number } | undefined;

/**
 * Where such file systems are mounted. None where the system keeps no such list. What lies at the root is none either: if
 * that does not answer, nothing runs here.
 */
export function unsureMounts(): ReadonlySet<string> {
  const now = process.uptime() * 1000;
  if (listed === undefined || listed.until < now)
    listed = { mounts: mountsIn(textAt('/proc/self/mountinfo') ?? ''), until: now + LIST_HOLDS_MS };
  return listed.mounts;
}

/** Of what `/proc/self/mountinfo` lists. */
export function mountsIn(mountinfo: string): ReadonlySet<string> {
  const lines = mountinfo.split('\n');
  // Most often there is none, and a hook has no time for the rest.
  if (lines.every((line) => line === '' || ANSWERING.has(typeOf(line)))) return new Set();
  // Of several at one place, the last one is seen.
  const types = new Map(lines.map((line) => [unescaped(line.split(' ', 5)[4] ?? ''), typeOf(line)]));
  for (const answering of ['/', '']) types.delete(answering);
  return new Set([...types].flatMap(([point, type]) => (ANSWERING.has(type) ? [] : [point])));
}

function typeOf(line: string): string {
  const at = line.indexOf(' - ') + 3;
  return line.slice(at, line.indexOf(' ', at));
}

/** Blanks, tabs, line feeds and backslashes are written in octal. */
const unescaped = (point: string): string =>
  point.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** Far more links than any path may have. */
const MOST_LINKS = 40;

const stepsOf = (path: string): string[] => path.split('/').filter((step) => step !== '' && step !== '.');

/**
 * Follows a path one step at a time, and stops before the step that would ask such a file system. Undefined when there is
 * none on the way, or when the path ends before.
 */
export function crossingOf(path: string, mounts: ReadonlySet<string>): Crossing | undefined {
  if (mounts.size === 0) return undefined;
  let at = '/';
  // Step by step as the kernel goes: what follows `..` lies where the link before it leads.
  const whole = path.startsWith('/') ? path : `${tryRead(() => process.cwd()) ?? ''}/${path}`;
  let steps = stepsOf(whole);
  for (let links = 0; steps.length > 0; ) {
    const [step = '', ...left] = steps;
    const next = step === '..' ? dirname(at) : join(at, step);
    if (mounts.has(next)) return { mount: next, real: [next, ...left].join('/') };
    const target = tryRead(() => (lstatSync(next).isSymbolicLink() ? readlinkSync(next) : ''));
    if (target === undefined) return undefined;
    if (target !== '') links += 1;
    if (links > MOST_LINKS) return undefined;
    if (target.startsWith('/')) at = '/';
    else if (target === '') at = next;
    steps = target === '' ? left : [...stepsOf(target), ...left];
  }
  return undefined;
}
