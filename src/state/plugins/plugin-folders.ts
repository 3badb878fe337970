import { existsSync, readdirSync, realpathSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { errorCode, isAbsent, tryRead } from '../../common/errors.js';
import type { Variables } from '../../common/variables.js';
import { FOLDER_VARIABLES, type Folders, type NamedFolders } from '../../model/folder-variables.js';
import type { StartTokens } from '../../model/identity.js';
import { isForeign } from '../files/read.js';
import { configDirOf, homeOf } from '../folders.js';

/** The folders where plugins keep their state, by layout. */
export interface PluginFolders {
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
  /** Folders in a project, with `serve.lock` and a folder per job. */
  readonly projects: readonly string[];
  /** The same of projects that do not answer: what lies there may be a job. */
  readonly silentProjects: readonly string[];
  /** Folders that should list others and could not be read. */
  readonly unread: readonly { readonly file: string; readonly error: string }[];
}

export interface KnownFolders {
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
  /** Where sessions work, or may: some plugins write into the project. */
  readonly projects: readonly string[];
  /** Whether a path can be looked at without waiting forever. */
  readonly answers: (path: string) => boolean;
  /** What start tokens are here. */
  readonly startTokens: StartTokens;
}

/**
 * Every folder that a known plugin may have written to, whichever environment it had: a plugin's commands and its hooks
 * see different variables, so its records may be in any of several places.
 */
export function foldersOf({
  env,
  configDirs,
  pluginsDirs,
  tmpDirs,
  dataDirs,
  stateDir,
  projects,
  answers,
}: KnownFolders): PluginFolders {
  const home = homeOf(env);
  const chosen = stateDir === undefined ? [] : [stateDir];
  // Some write to `/tmp` by that name, whatever the temporary folder is; a sandboxed command of Claude Code has its own.
  const temporary = [env.TMPDIR || tmpdir(), env.OPENCODE_REAP_TMP || '/tmp', ...named(env, ['CLAUDE_CODE_TMPDIR'])];
  return foldersBelow({
    // Some know only the default one, and other sessions may see other variables.
    configDirs: [configDirOf(env), join(home, '.claude'), ...configDirs],
    pluginsDirs: [...pluginsDirs, ...named(env, ['CLAUDE_CODE_PLUGIN_CACHE_DIR'])],
    data: [...dataDirs, ...named(env, DATA_VARIABLES), ...chosen],
    temporary: [...temporary, ...tmpDirs],
    stateHomes: [env.XDG_STATE_HOME || join(home, '.local', 'state'), join(home, '.local', 'state')],
    homes: [home],
    projects,
    env,
    chosen,
    answers,
  });
}

/** What the folders of a plugin lie below. */
interface Ground {
  readonly configDirs: readonly string[];
  readonly pluginsDirs: readonly string[];
  readonly data: readonly string[];
  readonly temporary: readonly string[];
  readonly stateHomes: readonly string[];
  readonly homes: readonly string[];
  readonly projects: readonly string[];
  /** For the variables that name such a folder itself. */
  readonly env: Variables;
  readonly chosen: readonly string[];
  readonly answers: KnownFolders['answers'];
}

function foldersBelow(ground: Ground): PluginFolders {
  const { env, homes, chosen, answers } = ground;
  const silent: { file: string; error: string }[] = [];
  const distinct = (paths: readonly string[]): string[] => {
    const mute = new Set(paths.filter((path) => !answers(path)));
    silent.push(...[...mute].map((file) => ({ file, error: SILENT })));
    return distinctOf(paths.filter((path) => !mute.has(path)));
  };
  const below = (...path: string[]): string[] => homes.map((home) => join(home, ...path));
  const plugins = [...ground.configDirs.map((configDir) => join(configDir, 'plugins')), ...ground.pluginsDirs];
  const stores = distinct(plugins.map((folder) => join(folder, 'data'))).map(foldersIn);
  const data = [...stores.flatMap(({ folders }) => folders), ...ground.data];
  const temporary = ground.temporary.flatMap((folder) => [
    folder,
    join(folder, 'claude'),
    join(folder, `claude-${process.getuid?.()}`),
  ]);
  const projects = [...new Set(ground.projects)].map((folder) => ({
    folder: join(folder, '.opencode-delegate'),
    answers: answers(folder),
  }));
  const companions = temporary.map((folder) => join(folder, 'opencode-companion'));
  return {
    perWorkspace: distinct([
      ...data.flatMap((folder) => [join(folder, 'state'), join(folder, 'opencode-state')]),
      ...companions.flatMap((folder) => [folder, join(folder, 'state')]),
      ...named(env, ['KUSABI_STATE_DIR', 'OPENCODE_COMPANION_STATE_DIR']),
      ...[below('.kusabi'), below('.opencode-plugin-cc'), below('.opencode-companion-codex', 'state')].flat(),
      ...chosen,
    ]),
    shared: distinct([
      ...named(env, ['OPENCODE_PLUGIN_STATE_DIR']),
      ...ground.stateHomes.map((folder) => join(folder, 'opencode-plugin-cc')),
      ...chosen,
    ]),
    single: distinct([
      ...named(env, ['OPENCODE_PLUGIN_DIR', 'OPENCODE_SERVER_STATE_DIR']),
      ...[below('.opencode-plugin'), below('.claude', 'opencode-server')].flat(),
      ...chosen,
    ]),
    jobs: distinct([...named(env, ['OPENCODE_JOBS_DIR']), ...below('.claude', 'opencode-jobs'), ...chosen]),
    files: distinct([...temporary, ...chosen].map((folder) => join(folder, 'oc-bridge-state.json'))),
    projects: distinct(projects.flatMap((one) => (one.answers ? one.folder : []))),
    silentProjects: projects.flatMap((one) => (one.answers ? [] : one.folder)),
    unread: [...stores.flatMap(({ unread }) => unread), ...silent],
  };
}

export const SILENT = 'it does not answer';

const DATA_VARIABLES: readonly string[] = [
  'CLAUDE_PLUGIN_DATA',
  'OPENCODE_COMPANION_DATA_DIR',
  'OPENCODE_COMPANION_PLUGIN_DATA',
  'OPENCODE_COMPANION_DATA',
  'OPC_DATA_DIR',
];

const named = (env: Variables, names: readonly string[]): string[] => names.flatMap((name) => env[name] || []);

interface Store {
  readonly folders: readonly string[];
  readonly unread: PluginFolders['unread'];
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

/** Most are not there, and what is thrown costs four times as much as a look. */
const realOf = (path: string): string => (existsSync(path) ? (tryRead(() => realpathSync.native(path)) ?? path) : path);

/** PluginFolders that environments name, and the processes that name the one a file lies in. */
export interface FoldersOfProcesses {
  readonly places: PluginFolders;
  readonly namersOf: (file: string) => readonly NamedFolders[];
}

/** More than anybody has accounts with plugins of this kind. What lies in others may be a job. */
const MOST_PLACES = 64;

const KINDS = ['perWorkspace', 'shared', 'single', 'jobs', 'files', 'projects'] as const;
type Kind = (typeof KINDS)[number];

/**
 * The places that environments name beyond those that are known without them, in which we could have written. Whatever
 * an environment says, it is only where to look.
 */
export function foldersNamedBy(named: readonly NamedFolders[], known: KnownFolders): FoldersOfProcesses {
  const said = saidIn(named, known);
  const found: Record<Kind, string[]> = { perWorkspace: [], shared: [], single: [], jobs: [], files: [], projects: [] };
  const unread = new Map<string, string>();
  const namers = new Map<string, { readonly path: string; readonly who: NamedFolders[] }>();
  const silentProjects: string[] = [];
  const unnamed = said.length > 0 ? foldersOf(known) : { ...found, silentProjects, unread: [] };
  const isKnown = new Set(KINDS.flatMap((kind) => unnamed[kind].map((path) => `${kind} ${realOf(path)}`)));
  for (const { name, value, who } of said) {
    const { unread: more, ...there } = foldersBelow(groundOf(name, value, known.answers));
    silentProjects.push(...there.silentProjects.filter((folder) => !unnamed.silentProjects.includes(folder)));
    for (const { file, error } of more) if (error === SILENT || mayBeOurs(file)) unread.set(file, error);
    for (const kind of KINDS) {
      for (const path of there[kind].filter(mayBeOurs)) {
        const key = `${kind} ${realOf(path)}`;
        if (isKnown.has(key)) continue;
        if (namers.has(key)) namers.get(key)?.who.push(...who);
        else if (namers.size === MOST_PLACES) unread.set(path, TOO_MANY);
        else {
          namers.set(key, { path, who: [...who] });
          found[kind].push(path);
        }
      }
    }
  }
  for (const { file } of unnamed.unread) unread.delete(file);
  const holds = (path: string, file: string): boolean => file === path || file.startsWith(`${path}/`);
  return {
    places: { ...found, silentProjects, unread: [...unread].map(([file, error]) => ({ file, error })) },
    namersOf: (file) => [...new Set([...namers.values()].flatMap(({ path, who }) => (holds(path, file) ? who : [])))],
  };
}

const TOO_MANY = `only ${MOST_PLACES} of the folders that environments name were read`;

type Naming = Exclude<keyof Folders, 'HOME'>;
const NAMING = FOLDER_VARIABLES.filter((name): name is Naming => name !== 'HOME');

/** What one variable, or the directory that they work in, says of those processes. */
interface Saying {
  readonly name: Naming | 'cwd';
  readonly value: string;
  readonly who: NamedFolders[];
}

/** Each once, but for what our own environment says as well: most of what a session starts has all of it in common. */
function saidIn(named: readonly NamedFolders[], { env, answers }: KnownFolders): Saying[] {
  const said = new Map<string, Saying>();
  const home = homeOf(env);
  const isHome = (path: string): boolean =>
    path === home || (answers(path) && answers(home) && realOf(path) === realOf(home));
  for (const one of named) {
    const { HOME, ...folders } = one.folders;
    // Whoever has another home is somebody else, if not to the system: what a build, a test or a service has started.
    if (HOME !== undefined && !isHome(HOME)) continue;
    for (const name of [...NAMING, 'cwd'] as const) {
      const value = name === 'cwd' ? one.cwd : folders[name];
      const isOurs = env[name] === value && !['CLAUDE_PLUGIN_ROOT', 'OPENCODE_CONFIG_DIR', 'cwd'].includes(name);
      if (value === undefined || isOurs) continue;
      const key = `${name}=${value}`;
      const saying = said.get(key);
      if (saying) saying.who.push(one);
      else said.set(key, { name, value, who: [one] });
    }
  }
  return [...said.values()];
}

function groundOf(name: Saying['name'], value: string, answers: KnownFolders['answers']): Ground {
  const when = (...names: readonly Saying['name'][]): string[] => (names.includes(name) ? [value] : []);
  const root = when('CLAUDE_PLUGIN_ROOT', 'OPENCODE_CONFIG_DIR').flatMap((path) => pluginsDirAbove(path) ?? []);
  return {
    configDirs: when('CLAUDE_CONFIG_DIR'),
    pluginsDirs: [...when('CLAUDE_CODE_PLUGIN_CACHE_DIR'), ...root],
    data: DATA_VARIABLES.includes(name) ? [value] : [],
    temporary: when('TMPDIR', 'CLAUDE_CODE_TMPDIR'),
    stateHomes: when('XDG_STATE_HOME'),
    homes: [],
    projects: when('cwd'),
    env: { [name]: value },
    chosen: [],
    answers,
  };
}

/** A plugin lies in `cache/<marketplace>/<plugin>/<version>` there. */
const pluginsDirAbove = (path: string): string | undefined =>
  /^(.+)\/cache\/[^/]+\/[^/]+\/[^/]+(\/opencode-config)?\/*$/.exec(path)?.[1];

/** Whether something lies there that is not another user's. No path of more than the system takes leads anywhere. */
function mayBeOurs(path: string): boolean {
  try {
    const there = statSync(path, { throwIfNoEntry: false });
    return there !== undefined && (process.getuid === undefined || there.uid === process.getuid());
  } catch (error) {
    const code = errorCode(error);
    return !isAbsent(code) && code !== 'ENAMETOOLONG' && code !== 'ELOOP' && !isForeign(path);
  }
}
