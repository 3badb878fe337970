import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

/**
 * The two shapes of a server. Up to 1.15.0 npm's `opencode` is a node script that runs the server as its child, so the
 * spawned pid is not the one that listens; from 1.15.4 on it is the server itself.
 */
export const RELEASES = { native: '1.18.33', launcher: '1.14.41' } as const;
export type Release = keyof typeof RELEASES;

/**
 * The releases that a test is run with: the one that shows more, and with EVERY_RELEASE, as in CI, both. A second one
 * costs two seconds of processor time for every server.
 */
export const releases = (one: Release): readonly Release[] =>
  process.env.EVERY_RELEASE ? (Object.keys(RELEASES) as Release[]) : [one];

const cache = fileURLToPath(new URL('../../node_modules/.cache/opencode-reap/', import.meta.url));
const folderOf = (release: Release): string => join(cache, `opencode-${RELEASES[release]}`);

/** What a user's PATH would have as `opencode` after installing that release. */
export const binOf = (release: Release): string =>
  join(folderOf(release), 'node_modules/opencode-ai/bin', release === 'native' ? 'opencode.exe' : 'opencode');

/**
 * Fetches the real servers once per checkout. They are not dev dependencies: npm installs four variants of 180 MB each,
 * and those who only want to run the program should not have to wait for them.
 */
export function fetchReleases(): void {
  for (const release of Object.keys(RELEASES) as Release[]) {
    if (!existsSync(binOf(release))) fetchRelease(release);
  }
}

export function fetchRelease(release: Release): void {
  const folder = folderOf(release);
  const partial = `${folder}.${process.pid}`;
  mkdirSync(partial, { recursive: true });
  // npm 11 runs install scripts only for packages named here; the script links the native binary into place.
  writeFileSync(
    join(partial, 'package.json'),
    JSON.stringify({ private: true, allowScripts: { 'opencode-ai': true } }),
  );
  const install = ['install', '--no-audit', '--no-fund', '--save-exact', `opencode-ai@${RELEASES[release]}`];
  // On Windows it is a script for a shell.
  const shell = process.platform === 'win32';
  try {
    execFileSync('npm', install, { cwd: partial, stdio: ['ignore', 'ignore', 'inherit'], shell });
  } catch (error) {
    rmSync(partial, { recursive: true, force: true });
    throw error;
  }
  rmSync(folder, { recursive: true, force: true });
  renameSync(partial, folder);
}
