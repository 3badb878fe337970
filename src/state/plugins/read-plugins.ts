import { basename } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import type { NamedFolders } from '../../model/folder-variables.js';
import type { ServerRecord, Use } from '../../model/record.js';
import type { Skipped, Unread, Written } from '../../model/written.js';
import { NO_OBJECT, numbersIn, TORN } from '../files/parse.js';
import { modifiedAt, readSmall } from '../files/read.js';
import { type Failure, recordFrom, type Source } from './format.js';
import { FORMATS } from './formats/index.js';
import { maybeDelegated } from './formats/opencode-delegate.js';
import { foldersNamedBy, foldersOf, type KnownFolders, type PluginFolders } from './plugin-folders.js';
import { scan } from './scan.js';
import { readerOf } from './state-file.js';

/** What plugins recorded. Their files are only ever read. */
export type PluginsWritten = Pick<Written, 'records' | 'uses' | 'unread' | 'skipped'>;

/** Most plugins write in place, so a file may be seen half written. */
const TORN_FOR_MS = 50;

export async function readPlugins(known: KnownFolders): Promise<PluginsWritten> {
  return whole(() => readOnce(foldersOf(known), known));
}

/** The same in the folders that environments name, and of each record who named its folder. */
export async function readNamed(named: readonly NamedFolders[], known: KnownFolders): Promise<NamedWritten> {
  const { places, namersOf } = foldersNamedBy(named, known);
  const written = await whole(() => readOnce(places, known));
  return { ...written, namersOf: ({ source }) => namersOf(source.file) };
}

export interface NamedWritten extends PluginsWritten {
  readonly namersOf: (record: ServerRecord) => readonly NamedFolders[];
}

async function whole(read: () => PluginsWritten): Promise<PluginsWritten> {
  const first = read();
  if (!first.unread.some(({ error }) => error === TORN)) return first;
  await sleep(TORN_FOR_MS);
  return read();
}

function readOnce(places: PluginFolders, known: KnownFolders): PluginsWritten {
  const found = scan(places, known.answers);
  const unread: Unread[] = [...found.unread];
  const skipped: Skipped[] = [...found.skipped];
  const read = readerOf(skipped, known.startTokens);
  const records = [...new Set(found.servers)].flatMap((file) => {
    const source = read(file);
    if (source === undefined) return [];
    const record = typeof source === 'string' ? source : recordIn(source);
    if (record === undefined) skipped.push({ file, because: 'unknown format' });
    if (record === undefined || record === 'no server') return [];
    if (typeof record === 'object' && 'id' in record) return [record];
    const failure = typeof record === 'string' ? { file, error: record } : record;
    unread.push({ ...failure, kind: 'server', mentions: numbersIn(readSmall(file)), modifiedAt: modifiedAt(file) });
    return [];
  });
  const uses = [...new Set([...found.servers, ...found.uses])].flatMap((file) => {
    const source = read(file);
    if (typeof source === 'object') return usesIn(source);
    if (source === undefined || !found.uses.includes(file)) return [];
    if (source === NO_OBJECT && !isList(file)) skipped.push({ file, because: 'unknown format' });
    else unread.push({ file, error: source, kind: 'use', modifiedAt: modifiedAt(file) });
    return [];
  });
  return { records, uses: [...uses, ...places.silentProjects.map(maybeDelegated)], unread, skipped };
}

/** Apart from these, job folders hold other files of their plugin's. */
const isList = (file: string): boolean => /^(state|refs)\.json$/.test(basename(file));

function recordIn(source: Source): ServerRecord | Failure | string | undefined {
  for (const format of FORMATS) {
    const said = format.serverIn?.(source);
    if (said !== undefined)
      return typeof said === 'string' || 'error' in said ? said : recordFrom(format, source, said);
  }
  // What a plugin leaves of a record that it has withdrawn.
  return source.json && Object.keys(source.json).length === 0 ? 'no server' : undefined;
}

const usesIn = (source: Source): readonly Use[] => FORMATS.flatMap(({ usesIn: uses }) => uses?.(source) ?? []);
