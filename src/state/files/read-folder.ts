import { join } from 'node:path';
import type { Trust } from '../../model/record.js';
import type { Unread } from '../../model/written.js';
import { numbersIn } from './parse.js';
import { type FileRead, type Folder, jsonNames, lookAtFolder, modifiedAt, readSmall } from './read.js';

/** What a file holds, or a sentence that says why it could not be understood. */
export type Parser<T> = (file: string, content: string, trust: Trust, modifiedAt: number) => T | string;

/** Reads every file of a folder; a file that cannot be read or understood is added to `unread`. */
export function readFolder<T>(kind: Unread['kind'], folder: string, parse: Parser<T>, unread: Unread[]): T[] {
  const listed = jsonNames(folder);
  if (listed.kind === 'unread') {
    unread.push({ file: folder, error: listed.error, kind });
    return [];
  }
  return readAll(folder, listed.names).flatMap(({ file, read }) => {
    // It disappeared between the listing and the look, as fences and records do.
    if (read.kind === 'absent') return [];
    const parsed = read.kind === 'text' ? parse(file, read.text, read.trust, read.modifiedAt) : read.error;
    if (typeof parsed !== 'string') return [parsed];
    unread.push({ file, error: parsed, kind, mentions: numbersIn(read), modifiedAt: modifiedAt(file) });
    return [];
  });
}

/** One look at the folder serves all of its files, unless it is another one by the end. */
function readAll(folder: string, names: readonly string[]): { readonly file: string; readonly read: FileRead }[] {
  if (names.length === 0) return [];
  const readEach = (place: Folder | undefined) =>
    names.map((name) => {
      const file = join(folder, name);
      return { file, read: readSmall(file, undefined, place) };
    });
  const place = lookAtFolder(folder);
  const all = readEach(place);
  return place === undefined || lookAtFolder(folder)?.id === place.id ? all : readEach(undefined);
}
