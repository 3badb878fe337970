import { homedir, userInfo } from 'node:os';
import { join, resolve } from 'node:path';
import { isUnknownUser } from '../common/errors.js';
import type { Variables } from '../common/variables.js';

/** The paths inside one state folder, by what they hold. */
export interface StateFolder {
  readonly root: string;
  readonly servers: string;
  readonly closing: string;
  readonly leases: string;
  readonly requests: string;
  readonly runs: string;
  readonly starts: string;
  readonly keep: string;
  /** Where sessions said that plugins keep their state, for the watch. */
  readonly places: string;
  /** Since when servers do not answer. */
  readonly silent: string;
  /** When the watch last saw each server in use. */
  readonly lastUses: string;
  /** What a person is to be told. */
  readonly notice: string;
  readonly log: string;
}

export const stateFolder = (root: string): StateFolder => ({
  root,
  servers: join(root, 'servers'),
  closing: join(root, 'closing'),
  leases: join(root, 'leases'),
  requests: join(root, 'requests'),
  runs: join(root, 'runs'),
  starts: join(root, 'starts'),
  keep: join(root, 'keep'),
  places: join(root, 'places'),
  silent: join(root, 'silent'),
  lastUses: join(root, 'last-uses.json'),
  notice: join(root, 'notice.json'),
  log: join(root, 'log.ndjson'),
});

/** Where our own state is: what the caller chose, else the environment, else the platform's per-user folder. */
export function chosenRoot(chosen: string | undefined, env: Variables, platform = process.platform): string {
  const named = chosen || env.OPENCODE_REAP_STATE_DIR;
  return named ? resolve(named) : (xdgRoot(env, platform) ?? defaultRoot(env, platform));
}

/** Leases may be in any of these: a session's hook may have seen another environment than ours. */
export function everyRoot(chosen: string | undefined, env: Variables, platform = process.platform): string[] {
  const roots = [chosenRoot(chosen, env, platform), xdgRoot(env, platform), defaultRoot(env, platform)];
  return [...new Set(roots.flatMap((root) => root ?? []))];
}

function xdgRoot(env: Variables, platform: NodeJS.Platform): string | undefined {
  const usesXdg = platform !== 'darwin' && platform !== 'win32';
  return usesXdg && env.XDG_STATE_HOME ? join(env.XDG_STATE_HOME, 'opencode-reap') : undefined;
}

function defaultRoot(env: Variables, platform: NodeJS.Platform): string {
  const home = homeOf(env);
  if (platform === 'darwin') return join(home, 'Library', 'Application Support', 'opencode-reap');
  if (platform === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'opencode-reap');
  return join(home, '.local', 'state', 'opencode-reap');
}

/** Where our programs stay although npx, a version manager or a clone goes. */
export function programRoot(env: Variables, platform = process.platform): string {
  if (platform === 'darwin' || platform === 'win32') return join(defaultRoot(env, platform), 'bin');
  return join(env.XDG_DATA_HOME || join(homeOf(env), '.local', 'share'), 'opencode-reap');
}

/** A user whom the machine does not know, as a container may be run by, has the home that a container gives to one. */
export function homeOf(env: Variables): string {
  if (env.HOME) return env.HOME;
  try {
    // Node takes an empty HOME for the home folder, and so every path for one below the current directory.
    return homedir() || userInfo().homedir;
  } catch (error) {
    if (isUnknownUser(error)) return '/';
    throw error;
  }
}

/** Claude Code's config folder. */
export const configDirOf = (env: Variables): string => env.CLAUDE_CONFIG_DIR || join(homeOf(env), '.claude');
