import { type BigIntStats, lstatSync, readFileSync, type Stats } from 'node:fs';
import { userInfo } from 'node:os';
import { isUnknownUser, tryRead } from '../../common/errors.js';
import type { Trust } from '../../model/record.js';
import { trustByPlace } from './trust-by-place.js';

const WORLD_WRITE = 0o002;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;

/**
 * Tells one file from any other. As numbers, those of NTFS are beyond 2^53. Some releases of node have 64 bits of a volume
 * on Windows 11 by a path, and 32 of the same volume by a descriptor (libuv/libuv#4698).
 */
export const idOf = ({ dev, ino }: Pick<BigIntStats, 'dev' | 'ino'>): string => `${BigInt.asUintN(32, dev)} ${ino}`;

/**
 * Whether only we could have written the file at a path: it is ours, in a folder of ours, and closed to others. `id` is of
 * the file that was opened, for where a path alone tells.
 */
export function trustOf(file: Stats, folder: Stats, path: string, id?: string): Trust {
  const us = process.getuid?.();
  if (us === undefined) return trustByPlace(path, (real) => id === undefined || idAt(real) === id);
  // In a folder like /tmp others can add files, but neither replace nor remove ours; a second name of a file may be
  // elsewhere.
  const isKept = Boolean(folder.mode & STICKY) && (folder.uid === 0 || folder.uid === us) && file.nlink === 1;
  const places = [['the file', file] as const, ...(isKept ? [] : [['its folder', folder] as const])];
  for (const [what, stat] of places) {
    if (stat.uid !== us) return { kind: 'untrusted', because: `${what} belongs to user ${stat.uid}` };
    if (stat.mode & WORLD_WRITE) return { kind: 'untrusted', because: `anyone can write to ${what}` };
    if (stat.mode & GROUP_WRITE && !isPrivateGroup(stat.gid)) {
      return { kind: 'untrusted', because: `group ${stat.gid} can write to ${what}` };
    }
  }
  return { kind: 'trusted' };
}

const idAt = (path: string): string | undefined => tryRead(() => idOf(lstatSync(path, { bigint: true })));

/** With umask 002, which is common, every file is writable by a group whose only member is its owner. */
function isPrivateGroup(gid: number): boolean {
  if (gid !== process.getgid?.()) return false;
  const us = nameOfUs();
  return us !== undefined && hasNobodyElse(gid, us, rows('/etc/passwd'), rows('/etc/group'));
}

/** Whether nobody but us is in a group, by the fields of the lists of users and groups. */
export function hasNobodyElse(
  gid: number,
  us: string,
  passwd: readonly string[][],
  group: readonly string[][],
): boolean {
  const users = passwd.filter((fields) => fields[3] === String(gid)).map((fields) => fields[0]);
  const members = group
    .filter((fields) => fields[2] === String(gid))
    .flatMap((fields) => (fields[3] ?? '').split(','))
    .filter(Boolean);
  const listed = [...users, ...members];
  // Where nobody knows us, root, in whose group OpenShift runs containers, may write everything as it is.
  if (us === NOBODY_KNOWN) return listed.every((name) => name === passwd.find((fields) => fields[2] === '0')?.[0]);
  // A user from elsewhere (LDAP) is in neither file, and neither are that group's other members.
  return users.includes(us) && listed.every((name) => name === us);
}

/** As whom a user counts whom this machine does not know. */
export const NOBODY_KNOWN = '';

/** Undefined where it cannot be told: whoever keeps the names may not answer just now. */
function nameOfUs(): string | undefined {
  try {
    return userInfo().username;
  } catch (error) {
    if (!isUnknownUser(error)) return undefined;
    return rows('/etc/nsswitch.conf').some(asksElsewhere) ? undefined : NOBODY_KNOWN;
  }
}

/** A line that says where users or groups are looked up, and not on this machine alone. */
export function asksElsewhere([what = '', where = '']: readonly string[]): boolean {
  const sources = where.replace(/#.*|\[[^\]]*\]/g, ' ').split(/\s+/);
  return /^\s*(passwd|group|initgroups)\s*$/.test(what) && sources.some((source) => !ON_THIS_MACHINE.has(source));
}

const ON_THIS_MACHINE: ReadonlySet<string> = new Set([
  '',
  'files',
  'compat',
  'altfiles',
  'systemd',
  'db',
  'extrausers',
]);

function rows(file: string): string[][] {
  const text = tryRead(() => readFileSync(file, 'utf8')) ?? '';
  return text.split('\n').map((line) => line.split(':'));
}
