import {
  closeSync,
  fchmodSync,
  fsyncSync,
  lstatSync,
  mkdirSync,
  openSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  statSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { errorCode } from '../state/files.js';

/** A settings file as it is on disk. It is another program's, and a person's: it is replaced whole or not at all. */
export interface SettingsFile {
  readonly path: string;
  /** Where it really is: dotfiles are often links into a repository. */
  readonly real: string;
  readonly isLink: boolean;
  /** Undefined where there is none yet. */
  readonly text: string | undefined;
  /** Windows editors put it before the text, and Claude Code reads over it. */
  readonly mark: '' | '\ufeff';
  readonly mode: number | undefined;
}

/** The file, or a sentence that says why it cannot be read. */
export function readSettings(path: string): SettingsFile | string {
  try {
    const real = realPath(path);
    const isLink = isSymbolicLink(path);
    const stat = statSync(real, { throwIfNoEntry: false });
    if (stat === undefined) return { path, real, isLink, text: undefined, mark: '', mode: undefined };
    if (!stat.isFile()) return 'not a regular file';
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(readFileSync(real));
    const mark = text.startsWith('\ufeff') ? '\ufeff' : '';
    return { path, real, isLink, text: text.slice(mark.length), mark, mode: stat.mode & 0o7777 };
  } catch (error) {
    const code = errorCode(error);
    return code === 'ERR_ENCODING_INVALID_ENCODED_DATA' ? 'it is not UTF-8' : code;
  }
}

/** Follows links, to a file that may not be there yet. */
function realPath(path: string): string {
  try {
    return realpathSync(path);
  } catch (error) {
    if (errorCode(error) !== 'ENOENT') throw error;
    return isSymbolicLink(path) ? realPath(resolve(dirname(path), readlinkSync(path))) : path;
  }
}

const isSymbolicLink = (path: string): boolean => lstatSync(path, { throwIfNoEntry: false })?.isSymbolicLink() === true;

/** Puts a new text in place of what was read; a sentence where that failed, and then nothing has changed. */
export function writeSettings({ path, real, text, mark, mode }: SettingsFile, next: string): string | undefined {
  const temporary = join(dirname(real), `.opencode-reap-${process.pid}-${process.hrtime.bigint()}.tmp`);
  try {
    mkdirSync(dirname(real), { recursive: true });
    writeWhole(temporary, mark + next, mode);
    const now = readSettings(path);
    if (typeof now === 'string' || now.text !== text) return discard(temporary, 'it has just been changed');
    renameSync(temporary, real);
    return undefined;
  } catch (error) {
    return discard(temporary, errorCode(error));
  }
}

/** Takes the file away that we have made, where it is still what was read. */
export function removeSettings({ path, real, text }: SettingsFile): string | undefined {
  const now = readSettings(path);
  if (typeof now === 'string' || now.text !== text) return 'it has just been changed';
  unlinkSync(real);
  return undefined;
}

function writeWhole(file: string, text: string, mode: number | undefined): void {
  const fd = openSync(file, 'wx', mode ?? 0o666);
  try {
    if (mode !== undefined) fchmodSync(fd, mode);
    writeFileSync(fd, text);
    fsyncSync(fd);
  } finally {
    closeSync(fd);
  }
}

function discard(temporary: string, because: string): string {
  try {
    unlinkSync(temporary);
  } catch (error) {
    if (!['ENOENT', 'EACCES', 'EROFS', 'ENOTDIR'].includes(errorCode(error))) throw error;
  }
  return because;
}
