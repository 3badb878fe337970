import { lstatSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
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

/**
 * Where such file systems are mounted. None where the system keeps no such list. What lies at the root is none either: if
 * that does not answer, nothing runs here.
 */
export const unsureMounts = heldFor(
  LIST_HOLDS_MS,
  () => mountsAt('/proc/self/mountinfo'),
  () => process.uptime() * 1000,
);

/** What was read, until it is older than that. */
export function heldFor<T>(ms: number, read: () => T, nowMs: () => number): () => T {
  let held: { readonly what: T; readonly until: number } | undefined;
  return () => {
    const now = nowMs();
    if (held === undefined || held.until < now) held = { what: read(), until: now + ms };
    return held.what;
  };
}

export const mountsAt = (file: string): ReadonlySet<string> => mountsIn(textAt(file) ?? '');

/** Of what `/proc/self/mountinfo` lists. */
export function mountsIn(mountinfo: string): ReadonlySet<string> {
  const unsure = new Set<string>();
  for (const line of mountinfo.split('\n')) {
    if (!ANSWERING.has(typeOf(line))) unsure.add(pointOf(line));
    // Of several at one place, the last one is seen. Most often there is none, and a hook has no time to look where.
    else if (unsure.size > 0) unsure.delete(pointOf(line));
  }
  for (const answering of ['/', '']) unsure.delete(answering);
  return unsure;
}

const pointOf = (line: string): string => unescaped(line.split(' ')[4] ?? '');

function typeOf(line: string): string {
  const at = line.indexOf(' - ') + 3;
  return line.slice(at, line.indexOf(' ', at));
}

/** Blanks, tabs, line feeds and backslashes are written in octal. */
const unescaped = (point: string): string =>
  point.replace(/\\([0-7]{3})/g, (_, digits: string) => String.fromCharCode(Number.parseInt(digits, 8)));

/** The kernel follows no more (MAXSYMLINKS in include/linux/namei.h). */
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
  for (let links = 0; ; ) {
    const [step, ...left] = steps;
    if (step === undefined) return undefined;
    const next = join(at, step);
    if (mounts.has(next)) return { mount: next, real: [next, ...left].join('/') };
    const target = tryRead(() => (lstatSync(next).isSymbolicLink() ? readlinkSync(next) : ''));
    if (target === undefined) return undefined;
    if (target === '') {
      at = next;
      steps = left;
    } else {
      links += 1;
      if (links > MOST_LINKS) return undefined;
      if (target.startsWith('/')) at = '/';
      steps = [...stepsOf(target), ...left];
    }
  }
}
