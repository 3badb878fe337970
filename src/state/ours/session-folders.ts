import { createHash } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import type { Unread } from '../../model/written.js';
import { formatOurs, parseOurs, texts } from '../files/parse.js';
import { jsonNames } from '../files/read.js';
import { readFolder } from '../files/read-folder.js';
import { createFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/** Folders in which plugins keep their state, as sessions named them. */
export interface SessionFolders {
  /** Claude Code's config folders, with its list of sessions and plugins' data. */
  readonly configDirs: readonly string[];
  /** Data folders of plugins that a session's hook named. */
  readonly dataDirs: readonly string[];
  /** Folders that list such data folders, as sessions saw them. */
  readonly pluginsDirs: readonly string[];
  /** Folders for temporary files of sessions' sandboxed commands. */
  readonly tmpDirs: readonly string[];
}

/** Writes them down for looks from elsewhere, which have no session's environment. Equal sets share one file. */
export function noteFolders(folder: StateFolder, { configDirs, dataDirs, pluginsDirs, tmpDirs }: SessionFolders): void {
  const places = { configDirs, dataDirs, pluginsDirs, tmpDirs };
  if (Object.values(places).every((paths) => paths.length === 0)) return;
  const text = formatOurs({ ...places });
  const name = createHash('sha256').update(text).digest('hex').slice(0, 12);
  const file = join(folder.places, `${name}.json`);
  if (!existsSync(file)) createFile(file, text, 'until reboot');
}

/** The files themselves; they are removed when the watch ends. */
export function folderFiles({ places }: StateFolder): string[] {
  const listed = jsonNames(places);
  return listed.kind === 'names' ? listed.names.map((name) => join(places, name)) : [];
}

/** Every folder that was noted. A folder that is gone holds nothing, but only its reader can tell that it is gone. */
export function notedFolders(folder: StateFolder, unread: Unread[]): SessionFolders {
  // What cannot be read may lead to a job.
  const noted = readFolder('use', folder.places, parseFolders, unread);
  const all = (which: keyof SessionFolders): string[] => [...new Set(noted.flatMap((places) => places[which]))];
  return {
    configDirs: all('configDirs'),
    dataDirs: all('dataDirs'),
    pluginsDirs: all('pluginsDirs'),
    tmpDirs: all('tmpDirs'),
  };
}

function parseFolders(_file: string, content: string): SessionFolders | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const { configDirs, dataDirs, pluginsDirs, tmpDirs } = json;
  return {
    configDirs: texts(configDirs),
    dataDirs: texts(dataDirs),
    pluginsDirs: texts(pluginsDirs),
    tmpDirs: texts(tmpDirs),
  };
}
