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
import { holds, modifiedAt } from './read.js';

/**
 * Makes a change that the next run makes as well, so that one which fails now (a full disk, a folder that is somebody
 * else's) stops nothing else. Returns why it failed.
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
 * Whether a file must outlive a power failure. A server's record must; what only means something while a process lives
 * need not, and the hook that writes it has no time for the disk: 1 to 100 ms.
 */
export type Durability = 'durable' | 'until reboot';

/** Puts a whole file in place, over what was there. */
export function replaceFile(file: string, text: string, durability: Durability = 'durable'): void {
  const temporary = writeTemporary(file, text, durability);
  try {
    renameSync(temporary, file);
  } catch (error) {
    attempt(() => removeFile(temporary));
    throw error;
  }
}

/** Puts a whole file in place unless there is one; false when somebody else was first. */
export function createFile(file: string, text: string, durability: Durability = 'durable'): boolean {
  const temporary = writeTemporary(file, text, durability);
  try {
    return linkNew(temporary, file);
  } finally {
    attempt(() => removeFile(temporary));
  }
}

/** False where there is one already. */
function linkNew(from: string, to: string): boolean {
  try {
    linkSync(from, to);
    return true;
  } catch (error) {
    if (errorCode(error) === 'EEXIST') return false;
    throw error;
  }
}

/**
 * Removes a file if it still holds what was read from it; false when it was changed or is gone. One that was changed is
 * not even moved, but for a change in the very moment between the look and the move.
 */
export function removeUnchanged(file: string, text: string): boolean {
  if (!holds(file, text)) return false;
  const aside = temporaryFor(file);
  if (!moveFile(file, aside)) return false;
  const unchanged = holds(aside, text);
  // Whoever wrote it meanwhile gets it back, unless they have already written once more.
  if (!unchanged) linkNew(aside, file);
  attempt(() => removeFile(aside));
  return unchanged;
}

export function removeFile(file: string): void {
  try {
    unlinkSync(file);
  } catch (error) {
    if (!isMissing(error)) throw error;
  }
}

/** False when it is not there, as when another run was faster: of two that move one file, one does. */
export function moveFile(from: string, to: string): boolean {
  try {
    renameSync(from, to);
    return true;
  } catch (error) {
    if (isMissing(error)) return false;
    throw error;
  }
}

/** The name of a file that is whole, and as safe on the disk as was asked; one that could not be written is gone again. */
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
    // Some file systems say only here that there was no room.
    closeSync(fd);
  }
}

/** A disk that is nearly full takes a part, without an error; asked for the rest, it says why. */
export function writeAll(fd: number, text: string): void {
  const bytes = Buffer.from(text);
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(fd, bytes, done);
    if (written === 0) throw Object.assign(new Error('ENOSPC: nothing was written'), { code: 'ENOSPC' });
    done += written;
  }
}

/** The folder is nearly always there, and looking first would cost the hook more than the write does. */
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

/** Unique without randomness, which would cost the hook 2 ms: one process, one clock that only goes on, one count. */
function temporaryFor(file: string): string {
  temporaries += 1;
  return join(dirname(file), `.${process.pid}-${process.hrtime.bigint()}-${temporaries}.tmp`);
}

/** Temporary files of writers that were killed; an hour is far longer than any write takes. */
export function sweepTemporary(folder: string, now: number): void {
  const names = tryRead(() => readdirSync(folder)) ?? [];
  const listed = names.filter((name) => /^\.\d+-\d+-\d+\.tmp$/.test(name));
  for (const name of listed) {
    const file = join(folder, name);
    if (now - modifiedAt(file) > 3_600_000) attempt(() => removeFile(file));
  }
}

/** Gives a file another time, which works on a full disk too; one that is not there, or not ours to mark, stays as it is. */
export const setModified = (file: string, at: number): void =>
  void attempt(() => utimesSync(file, at / 1000, at / 1000));
