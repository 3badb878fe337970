import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { isoTime } from '../state/files/iso-time.js';
import { jsonNames, readSmall } from '../state/files/read.js';
import { createFile, removeFile } from '../state/files/write.js';
import type { StateFolder } from '../state/folders.js';
import { giveTo, giveToFoldersOwner, makeFolder } from './owner.js';
import type { SettingsScope } from './paths.js';
import type { SettingsFile } from './settings-file.js';

/*
 * Copies of a settings file from before install or uninstall changed it. The user can go back to one, and uninstall
 * reads there what was empty before install.
 */

const folderOf = ({ root }: StateFolder): string => join(root, 'backups');

/** There is one settings file per project, so the scope alone does not identify the backed-up file. */
const prefix = (scope: SettingsScope, { path }: SettingsFile): string =>
  `settings-${scope}-${createHash('sha256').update(path).digest('hex').slice(0, 8)}-`;

/** Returns the path of the backup; undefined if there was no file. */
export function backUp(folder: StateFolder, scope: SettingsScope, file: SettingsFile): string | undefined {
  if (file.text === undefined) return undefined;
  const at = isoTime().replace(/[:.]/g, '-');
  const backup = join(folderOf(folder), `${prefix(scope, file)}${at}.json`);
  makeFolder(folderOf(folder), 0o700);
  createFile(backup, file.mark + file.text);
  giveToFoldersOwner(backup);
  giveTo(backup, file.stat);
  return backup;
}

/** Removes the backup of a change that was not made. */
export function dropBackup(backup: string | undefined): void {
  if (backup !== undefined) removeFile(backup);
}

/** The texts of a settings file's backups, newest first. */
export function backupsOf(folder: StateFolder, scope: SettingsScope, file: SettingsFile): string[] {
  const listed = jsonNames(folderOf(folder));
  const names = listed.kind === 'names' ? listed.names.filter((name) => name.startsWith(prefix(scope, file))) : [];
  return names.reverse().flatMap((name) => {
    const read = readSmall(join(folderOf(folder), name));
    return read.kind === 'text' ? [read.text.replace(/^\ufeff/, '')] : [];
  });
}
