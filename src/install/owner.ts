import { lchownSync, mkdirSync, statSync } from 'node:fs';
import { dirname, resolve } from 'node:path';

/*
 * When run as root over another user's home (sudo that keeps HOME, the root of a container with a mounted home), what
 * we create belongs to the owner of the folder that it is created in: root's files would lock that user's sessions out.
 */

/** Creates a folder and its missing parents. */
export function makeFolder(folder: string, mode?: number): void {
  const whole = resolve(folder);
  const first = mkdirSync(whole, { recursive: true, mode });
  if (first === undefined) return;
  const made: string[] = [];
  for (let path = whole; path.length >= first.length; path = dirname(path)) made.unshift(path);
  made.forEach(giveToFoldersOwner);
}

export function giveToFoldersOwner(path: string): void {
  if (process.getuid?.() !== 0) return;
  const { uid, gid } = statSync(dirname(path));
  if (uid !== 0) lchownSync(path, uid, gid);
}

/** As root, gives a file that we created to the owner of the file that it is a copy of. */
export function giveTo(path: string, owner: { readonly uid: number; readonly gid: number } | undefined): void {
  if (process.getuid?.() === 0 && owner !== undefined) lchownSync(path, owner.uid, owner.gid);
}
