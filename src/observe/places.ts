import { existsSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Place } from '../decide/snapshot.js';
import { tryRead } from './errors.js';

/** A directory that is no more is compared as it was written. */
export function placeOf(path: string): Omit<Place, 'hashes'> {
  const real = tryRead(() => realpathSync.native(path)) ?? path;
  const top = gitTop(real);
  return { path, real, gitCommon: top && gitCommon(top) };
}

/** What a session or a server works on: the git top level, else the directory itself. Git is not run for it. */
export function workspaceOf(directory: string): string {
  const real = tryRead(() => realpathSync.native(directory)) ?? resolve(directory);
  return gitTop(real) ?? real;
}

export const isDirectory = (path: string): boolean => tryRead(() => statSync(path).isDirectory()) === true;

function gitTop(directory: string): string | undefined {
  for (let at = directory; ; at = dirname(at)) {
    if (existsSync(join(at, '.git'))) return at;
    if (dirname(at) === at) return undefined;
  }
}

/** In a worktree `.git` is a file that names a folder below the common one, which that folder's `commondir` leads to. */
function gitCommon(top: string): string | undefined {
  const git = join(top, '.git');
  if (isDirectory(git)) return tryRead(() => realpathSync.native(git));
  const named = /^gitdir: (.+)$/m.exec(tryRead(() => readFileSync(git, 'utf8')) ?? '')?.[1];
  if (named === undefined) return undefined;
  const folder = resolve(top, named);
  const common = tryRead(() => readFileSync(join(folder, 'commondir'), 'utf8'))?.trim();
  return tryRead(() => realpathSync.native(common ? resolve(folder, common) : folder));
}
