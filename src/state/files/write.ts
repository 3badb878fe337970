import {
  closeSync,
  fsyncSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  renameSync,
  unlinkSync,
  utimesSync,
  writeSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { errorCode, isMissing, tryRead } from '../../common/errors.js';
import { holds, modifiedAt, readSmall } from './read.js';
import { retryInUse } from './retry.js';

/**
 * Makes a change that the next run would make as well, so that a failure now (a full disk, another user's folder) stops
 * nothing else. Returns why it failed; undefined when it worked.
 */
export function attempt(change: () => void): string | undefined {
  try {
    change();
    return undefined;
  } catch (error) {
    return errorCode(error);
  }
}

/**
 * Whether a file must survive a power failure. A server's record must. A file that only matters while a process lives
 * need not, and the hook that writes it has no time for the disk: 1 to 100 ms.
 */
export type Durability = 'durable' | 'until reboot';

/** Puts a whole file in place, over an existing one. */
export function replaceFile(file: string, text: string, durability: Durability = 'durable'): void {
  const temporary = writeTemporary(file, text, durability);
  try {
    retryInUse(() => renameSync(temporary, file));
  } catch (error) {
    attempt(() => removeFile(temporary));
    throw error;
  }
}

/** Puts a whole file in place unless there is one; false when another process was first. */
export function createFile(file: string, text: string, durability: Durability = 'durable'): boolean {
  const temporary = writeTemporary(file, text, durability);
  try {
    return linkNew(temporary, file);
  } finally {
    attempt(() => removeFile(temporary));
  }
}

/** False when the target exists. */
function linkNew(from: string, to: string): boolean {
  try {
    retryInUse(() => linkSync(from, to));
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a file if it still holds what was read from it; false when it was changed or is gone. A changed file is not
 * even moved, unless it changes in the very moment between the look and the move.
 */
export function removeUnchanged(file: string, text: string): boolean {
  if (!holds(file, text)) return false;
  const aside = temporaryFor(file);
  if (!moveFile(file, aside)) return false;
  const unchanged = holds(aside, text);
  // Whoever wrote it in the meantime gets it back, unless they have already written it again.
  if (!unchanged) linkNew(aside, file);
  attempt(() => removeFile(aside));
  return unchanged;
}

/**
 * The text of a file that is gone afterwards: of two processes that take it, one gets it. Undefined when it is not there,
 * or nothing that only this user can have written.
 */
export function takeFile(file: string): string | undefined {
  const aside = temporaryFor(file);
  moveFile(file, aside);
  const read = readSmall(aside);
  attempt(() => removeFile(aside));
  return read.kind === 'text' && read.trust.kind === 'trusted' ? read.text : undefined;
}

export function removeFile(file: string): void {
  try {
    retryInUse(() => unlinkSync(file));
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/**
 * False when the file is not there, for example because another run was faster: of two that move one file, one
 * succeeds.
 */
export function moveFile(from: string, to: string): boolean {
  try {
    retryInUse(() => renameSync(from, to));
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** Returns the name of a complete file, as durable as asked; if it could not be written, it is removed again. */
function writeTemporary(file: string, text: string, durability: Durability): string {
  const temporary = temporaryFor(file);
  const fd = openNew(temporary);
  try {
    writeOut(fd, text, durability);
  } catch (error) {
    attempt(() => removeFile(temporary));
    throw error;
  }
  return temporary;
}

function writeOut(fd: number, text: string, durability: Durability): void {
  try {
    writeAll(fd, text);
    if (durability === 'durable') fsyncSync(fd);
  } finally {
    // Some file systems report only here that there was no space.
    closeSync(fd);
  }
}

/** A disk that is nearly full accepts a part, without an error; writing the rest then fails with the reason. */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(fd, bytes, done);
    if (written === 0) throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' });
    done += written;
  }
}

/** The folder nearly always exists, and checking first would cost the hook more than the write does. */
function openNew(file: string): number {
  try {
    return openSync(file, 'wx', 0o600);
  } catch (error) {
    if (!isMissing(error)) throw error;
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    return openSync(file, 'wx', 0o600);
  }
}

let temporaries = 0;

/**
 * Unique without randomness, which would cost the hook 2 ms: one process, a clock that only goes forward, and a
 * counter.
 */
function temporaryFor(file: string): string {
  temporaries += 1;
  return join(dirname(file), `.${process.pid}-${process.hrtime.bigint()}-${temporaries}.tmp`);
}

/** Removes temporary files of writers that were killed; an hour is far longer than any write takes. */
export function sweepTemporary(folder: string, now: number): void {
  const names = tryRead(() => readdirSync(folder)) ?? [];
  const listed = names.filter((name) => /^\.\d+-\d+-\d+\.tmp$/.test(name));
  for (const name of listed) {
    const file = join(folder, name);
    if (now - modifiedAt(file) > 3_600_000) attempt(() => removeFile(file));
  }
}

/**
 * Gives a file another time, which works on a full disk too; a file that is missing, or not ours to mark, stays as it
 * is.
 */
export const setModified = (file: string, at: number): void =>
  void attempt(() => utimesSync(file, at / 1000, at / 1000));
