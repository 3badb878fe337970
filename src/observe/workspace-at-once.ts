import { lstatSync, realpathSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { tryRead } from '../common/errors.js';
import { crossingOf, unsureMounts } from './linux/mounts.js';

/**
 * What a session works on, for the hook, which has no time to wait: the git top level, else the directory itself, and as
 * typed where that lies on a file system that may not answer. Apart from find-directory.ts, which would take the hook a
 * millisecond to load and to run.
 */
export function workspaceAtOnce(directory: string): string {
  const mounts = unsureMounts();
  if (crossingOf(directory, mounts)) return directory;
  const real = tryRead(() => realpathSync.native(directory));
  if (real === undefined) return resolve(directory);
  for (let at = real; ; at = dirname(at)) {
    const git = join(at, '.git');
    // A link is not followed: it may lead onto such a file system.
    if (!mounts.has(git) && tryRead(() => lstatSync(git, { throwIfNoEntry: false }))) return at;
    if (dirname(at) === at) return real;
  }
}
