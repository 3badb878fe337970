import { type Dirent, lstatSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { errorCode, isAbsent, tryRead } from '../../common/errors.js';
import type { Skipped, Unread } from '../../model/written.js';
import { isForeign } from '../files/read.js';
import { type KnownFolders, type PluginFolders, SILENT } from './plugin-folders.js';

/** Files that may say something about a server or its users; their content decides whether they do. */
export interface Scan {
  readonly servers: readonly string[];
  readonly uses: readonly string[];
  readonly unread: readonly Unread[];
  readonly skipped: readonly Skipped[];
}

/** More than anyone has workspaces or keeps jobs; a larger folder is not read to its end, and is reported. */
const MOST_ENTRIES = 5_000;

/** `<hash>` or `<slug>-<hash>`, with 12 or 16 hex digits. */
const WORKSPACE = /^([^/]*-)?[0-9a-f]{12}([0-9a-f]{4})?$/;

/** About the servers of all workspaces, next to their folders. */
const FOR_ALL = 'server-auth.json';

const JSON_FILE = /^[^.].*\.json$/;

/**
 * Lists each folder once, one level at a time. No record is read through a link; jobs and sessions are, since they only
 * spare.
 */
export function scan(places: PluginFolders, answers: KnownFolders['answers']): Scan {
  const unread: Unread[] = places.unread.map((one) => ({ ...one, kind: 'use' }));
  const skipped: Skipped[] = [];
  const list = (folder: string, links = skipped): Entry[] => listed(folder, answers, unread, skipped, links);
  const entries = places.perWorkspace.flatMap((folder) => list(folder));
  const workspaces = entries.filter((entry) => entry.isFolder && WORKSPACE.test(entry.name));
  const forAll = entries.filter(({ name, isFolder, isLink }) => name === FOR_ALL && !isFolder && !isLink);
  const recordsIn = (folder: string): string[] =>
    list(folder).flatMap((entry) =>
      entry.isFolder || entry.isLink || !JSON_FILE.test(entry.name) ? [] : [entry.path],
    );
  const usesIn = (folder: string): string[] =>
    list(folder, []).flatMap(({ name, path, isFolder }) => {
      if (isFolder) return [join(path, 'job.json'), join(path, 'meta.json')];
      return JSON_FILE.test(name) ? [path] : [];
    });
  const own = workspaces.filter(({ isLink }) => !isLink);
  return {
    servers: [
      ...own.flatMap(({ path }) => [join(path, 'server.json'), ...recordsIn(join(path, 'servers'))]),
      ...forAll.map(({ path }) => path),
      ...places.shared.flatMap((path) => [join(path, 'broker', 'port.json'), ...recordsIn(join(path, 'server'))]),
      ...places.single.flatMap((path) => [join(path, 'server.json'), join(path, 'pid')]),
      ...places.files,
      // A repository brings links along with its other files.
      ...places.projects.flatMap((folder) => (isLink(folder, skipped) ? [] : join(folder, 'serve.lock'))),
    ],
    uses: [
      ...workspaces.flatMap(({ path }) => [join(path, 'state.json'), ...usesIn(join(path, 'jobs'))]),
      ...places.shared.flatMap((path) => [join(path, 'broker', 'refs.json'), ...usesIn(join(path, 'jobs'))]),
      ...places.single.flatMap((path) => usesIn(join(path, 'sessions'))),
      ...places.jobs.flatMap((folder) =>
        list(folder, []).flatMap(({ name, path }) =>
          name.startsWith('oc-') ? [join(path, 'pid'), join(path, 'started')] : [],
        ),
      ),
      ...places.projects.flatMap((folder) =>
        list(join(folder, 'jobs'), []).flatMap(({ path, isFolder }) => (isFolder ? [join(path, 'meta.json')] : [])),
      ),
    ],
    unread,
    skipped,
  };
}

interface Entry {
  readonly name: string;
  readonly path: string;
  /** Also true for a link that leads to a folder, or may. */
  readonly isFolder: boolean;
  readonly isLink: boolean;
}

function listed(
  folder: string,
  answers: KnownFolders['answers'],
  unread: Unread[],
  skipped: Skipped[],
  links: Skipped[],
): Entry[] {
  const entries = entriesOf(folder);
  if (typeof entries === 'string') {
    if (isForeign(folder)) skipped.push({ file: folder, because: 'it belongs to another user' });
    else unread.push({ file: folder, error: entries, kind: 'use' });
    return [];
  }
  if (entries.length > MOST_ENTRIES) {
    unread.push({
      file: folder,
      error: `only ${MOST_ENTRIES} of its ${entries.length} entries were read`,
      kind: 'use',
    });
  }
  return entries.slice(0, MOST_ENTRIES).flatMap((entry) => {
    const path = join(folder, entry.name);
    const isLink = entry.isSymbolicLink();
    if (isLink && !answers(path)) {
      unread.push({ file: path, error: SILENT, kind: 'use' });
      return [];
    }
    const isFolder = isLink ? leadsToFolder(path) : entry.isDirectory();
    if ((isLink || isFolder) && isForeign(path)) {
      skipped.push({ file: path, because: 'it belongs to another user' });
      return [];
    }
    if (isLink) links.push({ file: path, because: 'a symbolic link' });
    return [{ name: entry.name, path, isFolder, isLink }];
  });
}

function isLink(folder: string, skipped: Skipped[]): boolean {
  const is = tryRead(() => lstatSync(folder).isSymbolicLink()) === true;
  if (is) skipped.push({ file: folder, because: 'a symbolic link' });
  return is;
}

function leadsToFolder(link: string): boolean {
  try {
    return statSync(link).isDirectory();
  } catch (error) {
    return !isAbsent(errorCode(error));
  }
}

/** A folder that does not exist has no entries. */
function entriesOf(folder: string): Dirent[] | string {
  try {
    return readdirSync(folder, { withFileTypes: true });
  } catch (error) {
    const code = errorCode(error);
    return isAbsent(code) ? [] : code;
  }
}
