import fs from 'node:fs';
import path from 'node:path';
import type { Place } from '../model/snapshot.js';
import { type Crossing, crossingOf, unsureMounts } from './linux/mounts.js';

/** What the file system says of a directory. */
export interface Found extends Omit<Place, 'hashes'> {
  /** Its git top level. */
  readonly top: string | undefined;
  readonly isDirectory: boolean;
  readonly silent: readonly string[];
}

export interface Ground {
  readonly fs: Pick<
    typeof fs,
    'realpathSync' | 'statSync' | 'openSync' | 'fstatSync' | 'readSync' | 'closeSync' | 'readdirSync' | 'constants'
  >;
  readonly path: Pick<typeof path, 'join' | 'dirname' | 'basename' | 'resolve'>;
  /** Undefined where every file system answers. */
  readonly crossing: ((path: string) => Crossing | undefined) | undefined;
}

/**
 * Where a directory leads, and which git directory it shares with its worktrees; git is not run for it. What does not
 * answer, or answers with an error, is named in `silent`. A directory that no longer exists is compared as it was written.
 *
 * It uses nothing but its arguments: where it could wait forever it is run as text, by a process that may (ask-disk.ts).
 */
export function findPlace(
  directory: string,
  { fs, path: { join, dirname, basename, resolve }, crossing }: Ground,
): Found {
  const silent = new Set<string>();
  // Not there, not ours to see, or no path at all: that is an answer.
  const ANSWERS = /^(ENOENT|ENOTDIR|ESRCH|EACCES|EPERM|EINVAL|ELOOP|ENAMETOOLONG|ERR_INVALID_ARG_VALUE)$/;
  /** A `.git` file has one line, and a file of `worktrees` too. */
  const MAX_BYTES = 4096;
  const MOST_WORKTREES = 1000;

  function ask<T>(at: string, question: () => T): T | undefined {
    const over = crossing?.(at);
    if (over) silent.add(over.mount);
    if (over) return undefined;
    try {
      return question();
    } catch (error) {
      if (!ANSWERS.test(codeIn(error))) silent.add(brokenIn(at));
      return undefined;
    }
  }

  function codeIn(error: unknown): string {
    const { code }: { readonly code?: unknown } = Object(error);
    if (typeof code === 'string') return code;
    throw error;
  }

  /** The first step of a path that cannot be taken. */
  function brokenIn(at: string): string {
    const above = dirname(at);
    if (above === at) return at;
    try {
      return join(fs.realpathSync.native(above), basename(at));
    } catch (error) {
      codeIn(error);
      return brokenIn(above);
    }
  }

  /** Of a regular file only: a pipe would wait for somebody to write, and a device has no end. */
  function line(file: string): string | undefined {
    return ask(file, () => {
      const fd = fs.openSync(file, fs.constants.O_RDONLY | (fs.constants.O_NONBLOCK ?? 0));
      try {
        const bytes = Buffer.alloc(MAX_BYTES);
        const stat = fs.fstatSync(fd);
        const isWhole = stat.isFile() && stat.size <= MAX_BYTES;
        return isWhole ? bytes.toString('utf8', 0, fs.readSync(fd, bytes, 0, MAX_BYTES, 0)).trim() : undefined;
      } finally {
        fs.closeSync(fd);
      }
    });
  }

  const real = (at: string): string | undefined => ask(at, () => fs.realpathSync.native(at));
  const kind = (at: string): 'directory' | 'other' | undefined =>
    ask(at, () => {
      const stat = fs.statSync(at, { throwIfNoEntry: false });
      return stat && (stat.isDirectory() ? 'directory' : 'other');
    });

  function topOf(at: string): string | undefined {
    if (kind(join(at, '.git'))) return at;
    return dirname(at) === at ? undefined : topOf(dirname(at));
  }

  /** In a worktree `.git` is a file that names a folder below the common one, which that folder's `commondir` leads to. */
  function commonOf(top: string): string | undefined {
    const git = join(top, '.git');
    if (kind(git) === 'directory') return real(git);
    const named = /^gitdir: (.+)$/m.exec(line(git) ?? '')?.[1];
    if (named === undefined) return undefined;
    const folder = resolve(top, named);
    const common = line(join(folder, 'commondir'));
    return real(common ? resolve(folder, common) : folder);
  }

  /** A worktree on a file system that does not answer is known here by its path alone. */
  function askWorktrees(common: string): void {
    const folder = join(common, 'worktrees');
    const names = ask(folder, () => fs.readdirSync(folder)) ?? [];
    for (const name of names.slice(0, MOST_WORKTREES)) {
      const git = line(join(folder, name, 'gitdir'));
      if (git) kind(resolve(folder, name, git));
    }
  }

  const typed = real(directory);
  const at = typed ?? crossing?.(directory)?.real ?? ask(directory, () => resolve(directory)) ?? directory;
  const isDirectory = typed !== undefined && kind(typed) === 'directory';
  const top = silent.size > 0 ? undefined : topOf(at);
  const gitCommon = top === undefined ? undefined : commonOf(top);
  if (crossing && gitCommon !== undefined) askWorktrees(gitCommon);
  return { path: directory, real: at, gitCommon, top, isDirectory, silent: [...silent] };
}

/** Without asking any file system that may not answer. */
export function findWithoutWaiting(directory: string, mounts = unsureMounts()): Found {
  const crossing = mounts.size === 0 ? undefined : (at: string) => crossingOf(at, mounts);
  return findPlace(directory, { fs, path, crossing });
}
