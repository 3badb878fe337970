import { readFileSync, type Stats } from 'node:fs';
import { userInfo } from 'node:os';
import { tryRead } from '../../common/errors.js';
import type { Trust } from '../../model/record.js';

const WORLD_WRITE = 0o002;
const GROUP_WRITE = 0o020;
const STICKY = 0o1000;

/** Whether only we could have written a file: ours, in a folder of ours, closed to others. */
export function trustOf(file: Stats, folder: Stats): Trust {
  const us = process.getuid?.();
  // Windows keeps neither owner nor mode; a user's profile is the user's own there.
  if (us === undefined) return { kind: 'trusted' };
  // In a folder like /tmp others can add files, and neither replace nor remove ours; a second name may be from elsewhere.
  const isKept = Boolean(folder.mode & STICKY) && (folder.uid === 0 || folder.uid === us) && file.nlink === 1;
  const places = [['the file', file] as const, ...(isKept ? [] : [['its folder', folder] as const])];
  for (const [what, stat] of places) {
    if (stat.uid !== us) return { kind: 'untrusted', because: `${what} belongs to user ${stat.uid}` };
    if (stat.mode & WORLD_WRITE) return { kind: 'untrusted', because: `everybody may write ${what}` };
    if (stat.mode & GROUP_WRITE && !isPrivateGroup(stat.gid)) {
      return { kind: 'untrusted', because: `group ${stat.gid} may write ${what}` };
    }
  }
  return { kind: 'trusted' };
}

/** With umask 002, which is common, everybody's files are writable by a group that has nobody else in it. */
function isPrivateGroup(gid: number): boolean {
  if (gid !== process.getgid?.()) return false;
  // In a container we may be in no list of users at all.
  const us = tryRead(() => userInfo().username);
  const users = rows('/etc/passwd')
    .filter((fields) => fields[3] === String(gid))
    .map((fields) => fields[0]);
  const members = rows('/etc/group')
    .filter((fields) => fields[2] === String(gid))
    .flatMap((fields) => (fields[3] ?? '').split(','))
    .filter(Boolean);
  // A user from elsewhere (LDAP) is in neither file, and neither are that group's other members.
  return users.includes(us) && [...users, ...members].every((name) => name === us);
}

function rows(file: string): string[][] {
  const text = tryRead(() => readFileSync(file, 'utf8')) ?? '';
  return text.split('\n').map((line) => line.split(':'));
}
