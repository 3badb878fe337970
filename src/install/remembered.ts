import { createHash } from 'node:crypto';
import { join, resolve } from 'node:path';
import { parseObject, text } from '../state/files/parse.js';
import { jsonNames, readSmall } from '../state/files/read.js';
import { createFile, removeFile } from '../state/files/write.js';
import { giveToFoldersOwner, makeFolder } from './owner.js';

/*
 * The settings files that install has put the hooks into: several accounts and projects call the same copies, and one
 * of them does not show the others. They are noted in every state folder that can be determined, since another account
 * may have chosen a folder of its own, and all have at least the default one in common.
 */

const SCHEMA = 'opencode-reap/1';

const folderOf = (root: string): string => join(root, 'settings');

const fileIn = (root: string, path: string): string =>
  join(folderOf(root), `${createHash('sha256').update(resolve(path)).digest('hex').slice(0, 16)}.json`);

/** Notes a settings file. Returns a function that removes the note again, if it is new. */
export function remember(roots: readonly string[], path: string): () => void {
  const made = roots.map((root) => fileIn(root, path)).filter((file) => note(file, path));
  return () => made.forEach(removeFile);
}

function note(file: string, path: string): boolean {
  if (readSmall(file).kind !== 'absent') return false;
  makeFolder(join(file, '..'), 0o700);
  const isNew = createFile(file, `${JSON.stringify({ schema: SCHEMA, path: resolve(path) })}\n`);
  giveToFoldersOwner(file);
  return isNew;
}

export function forget(roots: readonly string[], path: string): void {
  for (const root of roots) removeFile(fileIn(root, path));
}

/** The paths of the settings files, and the notes that cannot be read: those might mean any file. */
export function remembered(roots: readonly string[]): { readonly paths: string[]; readonly unread: string[] } {
  const paths = new Set<string>();
  const unread: string[] = [];
  for (const folder of roots.map(folderOf)) {
    const listed = jsonNames(folder);
    if (listed.kind === 'unread' && listed.error !== 'ENOTDIR') unread.push(folder);
    for (const name of listed.kind === 'names' ? listed.names : []) {
      const path = pathIn(join(folder, name));
      if (path) paths.add(path);
      else if (path === undefined) unread.push(join(folder, name));
    }
  }
  return { paths: [...paths], unread };
}

/** Undefined if it cannot be read, empty if it has just disappeared. */
function pathIn(file: string): string | undefined {
  const read = readSmall(file);
  if (read.kind === 'absent') return '';
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  return typeof json === 'object' && json.schema === SCHEMA ? text(json.path) : undefined;
}
