import {
  closeSync,
  constants,
  fstatSync,
  lstatSync,
  openSync,
  readdirSync,
  readSync,
  type Stats,
  statSync,
} from 'node:fs';
import { dirname } from 'node:path';
import { errorCode, isAbsent, isMissing, tryRead } from '../../common/errors.js';
import type { Trust } from '../../model/record.js';
import { idOf, trustOf } from './trust.js';

/** A record is below 4 KB; a file larger than this was not written by any known program. */
const MAX_BYTES = 1024 * 1024;

export type FileRead =
  | {
      readonly kind: 'text';
      readonly text: string;
      readonly trust: Trust;
      /** Epoch milliseconds. */
      readonly modifiedAt: number;
    }
  | { readonly kind: 'absent' }
  | { readonly kind: 'unread'; readonly error: string };

/** A folder as it was looked at, once for all of its files. */
export interface Folder {
  readonly stats: Stats;
  readonly id: string;
}

/** Undefined when it is not there or cannot be seen. */
export const lookAtFolder = (folder: string): Folder | undefined =>
  tryRead(() => ({ stats: statSync(folder), id: idOf(statSync(folder, { bigint: true })) }));

/**
 * Reads a small regular file without following a link, and without blocking on what only looks like a file. Whoever reads
 * many of one folder passes it, and sees to it that it is still the same one afterwards.
 */
export const readSmall = (file: string, maxBytes = MAX_BYTES, folder?: Folder): FileRead =>
  readRegular(file, maxBytes, 'all', folder);

/** The same of a file of any size, of which only its first bytes matter. */
export const readHead = (file: string, bytes: number): FileRead => readRegular(file, bytes, 'head');

/** A lease or a claim is replaced as it is renewed, seconds apart. */
const ATTEMPTS = 3;

/**
 * What a file says and who could have written it are of one and the same file: if its name leads to another one by the
 * time both are known, that one is read.
 */
function readRegular(file: string, maxBytes: number, part: 'all' | 'head', folder?: Folder): FileRead {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const read = readOnce(file, maxBytes, part, folder);
    if (read !== 'replaced') return read;
  }
  return { kind: 'unread', error: 'it was replaced while it was read' };
}

function readOnce(file: string, maxBytes: number, part: 'all' | 'head', folder?: Folder): FileRead | 'replaced' {
  let fd: number;
  // Opening a pipe or a device may do something. Windows cannot be told not to follow a link or a junction either; that
  // the name leads to what was opened is compared below.
  const named = tryRead(() => lstatSync(file));
  if (named?.isSymbolicLink()) return { kind: 'unread', error: 'a symbolic link' };
  if (named?.isFile() === false) return { kind: 'unread', error: 'not a regular file' };
  try {
    // Of these, Windows has the first alone; undefined adds nothing.
    fd = openSync(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
  } catch (error) {
    return failed(error);
  }
  try {
    const stat = fstatSync(fd);
    if (!stat.isFile()) return { kind: 'unread', error: 'not a regular file' };
    if (part === 'all' && stat.size > maxBytes)
      return { kind: 'unread', error: `larger than ${maxBytes / 1024 / 1024} MiB` };
    const bytes = Buffer.allocUnsafe(Math.min(stat.size, maxBytes));
    const length = readSync(fd, bytes, 0, bytes.length, 0);
    const id = idOf(fstatSync(fd, { bigint: true }));
    const before = folder ?? lookAtFolder(dirname(file));
    if (before === undefined) return 'replaced';
    const trust = trustOf(stat, before.stats, file, id);
    const isIt = idOf(lstatSync(file, { bigint: true })) === id;
    // Between the two looks at its folder: then it is the file of that folder.
    if (!isIt || (folder === undefined && lookAtFolder(dirname(file))?.id !== before.id)) return 'replaced';
    return { kind: 'text', text: bytes.toString('utf8', 0, length), trust, modifiedAt: stat.mtimeMs };
  } catch (error) {
    return failed(error);
  } finally {
    closeSync(fd);
  }
}

function failed(error: unknown): FileRead {
  const code = errorCode(error);
  if (isAbsent(code)) return { kind: 'absent' };
  return { kind: 'unread', error: code === 'ELOOP' ? 'a symbolic link' : code };
}

/**
 * Whether a path belongs to another user. If we cannot look there, the owner of the folder that keeps us out decides.
 */
export function isForeign(path: string): boolean {
  try {
    return process.getuid !== undefined && lstatSync(path).uid !== process.getuid();
  } catch (error) {
    return !isAbsent(errorCode(error)) && isForeign(dirname(path));
  }
}

export type FolderRead =
  | { readonly kind: 'names'; readonly names: readonly string[] }
  | { readonly kind: 'unread'; readonly error: string };

/** The `.json` names in a folder, sorted; empty if the folder does not exist. Temporary files start with a dot. */
export function jsonNames(folder: string): FolderRead {
  try {
    const names = readdirSync(folder).filter((name) => name.endsWith('.json') && !name.startsWith('.'));
    return { kind: 'names', names: names.sort() };
  } catch (error) {
    return isMissing(error) ? { kind: 'names', names: [] } : { kind: 'unread', error: errorCode(error) };
  }
}

export function holds(file: string, text: string): boolean {
  const read = readSmall(file);
  return read.kind === 'text' && read.text === text;
}

/** What cannot be looked at is never old. */
export const modifiedAt = (file: string): number => tryRead(() => lstatSync(file).mtimeMs) ?? Number.POSITIVE_INFINITY;
