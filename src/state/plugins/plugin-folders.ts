import { readdirSync, realpathSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode, isAbsent, tryRead } from '../../common/errors.js';
import type { Variables } from '../../common/variables.js';
import { configDirOf } from '../folders.js';

/** The folders where plugins keep their state, by layout. */
export interface Places {
  /** Folders that have a folder per workspace, with `server.json`, `state.json`, `servers/`, `jobs/`. */
  readonly perWorkspace: readonly string[];
  /** Folders for all workspaces, with `server/`, `broker/`, `jobs/`. */
  readonly shared: readonly string[];
  /** Folders with one server for everything: `server.json` or `pid`, and `sessions/`. */
  readonly single: readonly string[];
  /** Folders with a folder per job. */
  readonly jobs: readonly string[];
  /** Single files that are server records. */
  readonly files: readonly string[];
  /** Folders that should list others and could not be read. */
  readonly unread: readonly { readonly file: string; readonly error: string }[];
}

export interface Known {
  readonly env: Variables;
  /** Claude Code's config folders, as sessions saw them. */
  readonly configDirs: readonly string[];
  /** The folders that replaced their `plugins`. */
  readonly pluginsDirs: readonly string[];
  /** Temporary folders that sessions gave their sandboxed commands. */
  readonly tmpDirs: readonly string[];
  /** Plugins' data folders that were named explicitly. */
  readonly dataDirs: readonly string[];
  /** The folder that `--state-dir` names is searched as every kind of folder. */
  readonly stateDir: string | undefined;
  /** Whether a path can be looked at without waiting forever. */
  readonly answers: (path: string) => boolean;
  /** Whether start tokens are ticks here. */
  readonly startTicks: boolean;
}

/**
 * Every folder that a known plugin may have written to, whichever environment it had: a plugin's commands and its hooks
 * see different variables, so its records may be in any of several places.
 */
export function placesOf({ env, configDirs, pluginsDirs, tmpDirs, dataDirs, stateDir, answers }: Known): Places {
  const silent: { file: string; error: string }[] = [];
  const distinct = (paths: readonly string[]): string[] => {
    const mute = new Set(paths.filter((path) => !answers(path)));
    silent.push(...[...mute].map((file) => ({ file, error: SILENT })));
    return distinctOf(paths.filter((path) => !mute.has(path)));
  };
  const home = env.HOME || homedir();
  const chosen = stateDir === undefined ? [] : [stateDir];
  // Some plugins know only the default one, and other sessions may see other variables.
  const plugins = [configDirOf(env), join(home, '.claude'), ...configDirs].map((configDir) =>
    join(configDir, 'plugins'),
  );
  const stores = distinct([...plugins, ...pluginsDirs, ...named(env, ['CLAUDE_CODE_PLUGIN_CACHE_DIR'])]).map((folder) =>
    foldersIn(join(folder, 'data')),
  );
  const data = [...stores.flatMap(({ folders }) => folders), ...dataDirs, ...named(env, DATA_VARIABLES), ...chosen];
  // Some write to `/tmp` by that name, whatever the temporary folder is; a sandboxed command of Claude Code has its
  // own.
  const temporary = [
    env.TMPDIR || tmpdir(),
    env.OPENCODE_REAP_TMP || '/tmp',
    ...named(env, ['CLAUDE_CODE_TMPDIR']),
    ...tmpDirs,
  ].flatMap((folder) => [folder, join(folder, 'claude'), join(folder, `claude-${process.getuid?.()}`)]);
  const companions = temporary.map((folder) => join(folder, 'opencode-companion'));
  const perUser = [env.XDG_STATE_HOME || join(home, '.local', 'state'), join(home, '.local', 'state')];
  return {
    perWorkspace: distinct([
      ...data.flatMap((folder) => [join(folder, 'state'), join(folder, 'opencode-state')]),
      ...companions.flatMap((folder) => [folder, join(folder, 'state')]),
      ...named(env, ['KUSABI_STATE_DIR', 'OPENCODE_COMPANION_STATE_DIR']),
      ...[join(home, '.kusabi'), join(home, '.opencode-plugin-cc')],
      ...chosen,
    ]),
    shared: distinct([
      ...named(env, ['OPENCODE_PLUGIN_STATE_DIR']),
      ...perUser.map((folder) => join(folder, 'opencode-plugin-cc')),
      ...chosen,
    ]),
    single: distinct([
      ...named(env, ['OPENCODE_PLUGIN_DIR', 'OPENCODE_SERVER_STATE_DIR']),
      ...[join(home, '.opencode-plugin'), join(home, '.claude', 'opencode-server')],
      ...chosen,
    ]),
    jobs: distinct([...named(env, ['OPENCODE_JOBS_DIR']), join(home, '.claude', 'opencode-jobs'), ...chosen]),
    files: distinct([...temporary, ...chosen].map((folder) => join(folder, 'oc-bridge-state.json'))),
    unread: [...stores.flatMap(({ unread }) => unread), ...silent],
  };
}

export const SILENT = 'it does not answer';

const DATA_VARIABLES = [
  'CLAUDE_PLUGIN_DATA',
  'OPENCODE_COMPANION_DATA_DIR',
  'OPENCODE_COMPANION_PLUGIN_DATA',
  'OPENCODE_COMPANION_DATA',
  'OPC_DATA_DIR',
];

const named = (env: Variables, names: readonly string[]): string[] => names.flatMap((name) => env[name] || []);

interface Store {
  readonly folders: readonly string[];
  readonly unread: Places['unread'];
}

/** Every plugin's data folder: a variable of one session may lead one plugin's state into another's folder. */
function foldersIn(store: string): Store {
  try {
    return { folders: readdirSync(store).map((name) => join(store, name)), unread: [] };
  } catch (error) {
    const code = errorCode(error);
    return { folders: [], unread: isAbsent(code) ? [] : [{ file: store, error: code }] };
  }
}

/** Two names of one folder would yield two records of each server. */
function distinctOf(paths: readonly string[]): string[] {
  return [...new Map(paths.map((path) => [realOf(path), path])).values()];
}

const realOf = (path: string): string => tryRead(() => realpathSync.native(path)) ?? path;
