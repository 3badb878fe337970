import { tryRead } from '../common/errors.js';
import type { Variables } from '../common/variables.js';
import { comparable } from '../decide/start-tokens.js';
import type { NamedFolders } from '../model/folder-variables.js';
import type { Place } from '../model/snapshot.js';
import type { Unread, Written } from '../model/written.js';
import { bootMs } from '../observe/boot-clock.js';
import { answers } from '../observe/directories.js';
import type { Platform } from '../observe/platform.js';
import type { Sources } from '../observe/snapshot.js';
import { thisPlatform } from '../observe/this-platform.js';
import { listedSessions } from '../state/claude-sessions.js';
import { chosenRoot, configDirOf, everyRoot, type StateFolder, stateFolder } from '../state/folders.js';
import { readOthers } from '../state/others/read-others.js';
import { readLastUses } from '../state/ours/last-uses.js';
import type { Actor } from '../state/ours/log.js';
import { readRegistry } from '../state/ours/registry.js';
import { notedFolders, type SessionFolders } from '../state/ours/session-folders.js';
import { readSilences } from '../state/ours/silences.js';
import { type NamedWritten, readNamed, readPlugins } from '../state/plugins/read-plugins.js';

/** Where this program looks and writes. */
export interface World extends Sources, SessionFolders {
  readonly folder: StateFolder;
  /** All of our state folders: a session's hook may have chosen another one than we did. */
  readonly leaseFolders: readonly StateFolder[];
  /** The folder that `--state-dir` named. */
  readonly stateDir: string | undefined;
  /** Where sessions may work, beside those that are known: some plugins write into the project. */
  readonly projects: readonly string[];
  readonly env: Variables;
  /** On whose behalf this runs, for the log. */
  readonly by: Actor;
  /** The session whose end led to this run, for the log. */
  readonly session?: string | undefined;
  /** Milliseconds since boot; everything that waits goes by it. */
  readonly clock: () => number;
}

/** Another platform may be looked at than the one that we run on. */
export async function openWorld(
  stateDir: string | undefined,
  env: Variables,
  by: Actor = 'person',
  platform?: Platform,
): Promise<World> {
  const looking = platform ?? (await thisPlatform());
  return {
    folder: stateFolder(chosenRoot(stateDir, env)),
    leaseFolders: everyRoot(stateDir, env).map(stateFolder),
    configDirs: [configDirOf(env)],
    dataDirs: [],
    pluginsDirs: [],
    tmpDirs: [],
    stateDir,
    projects: [tryRead(() => process.cwd()) ?? []].flat(),
    env,
    by,
    platform: looking,
    claudeSessions: (configDir, host) =>
      answers(configDir) ? listedSessions(configDir, { host, startTokens: looking.shows.startTokens }) : undefined,
    clock: bootMs,
  };
}

/** What is asked about a workspace is also looked for in it. */
export const inProject = (world: World, { path, real }: Pick<Place, 'path' | 'real'>): World => ({
  ...world,
  projects: [...world.projects, path, real],
});

/** With the folders that sessions have noted: a caller by hand has none of their variables, and neither has the watch. */
export function withNotedFolders(world: World, unread: Unread[]): World {
  const noted = notedFolders(world.folder, unread);
  const both = (which: keyof SessionFolders): string[] => [...new Set([...world[which], ...noted[which]])];
  return {
    ...world,
    configDirs: both('configDirs'),
    dataDirs: both('dataDirs'),
    pluginsDirs: both('pluginsDirs'),
    tmpDirs: both('tmpDirs'),
  };
}

/** Everything that we and plugins recorded. */
export async function readWritten(here: World): Promise<Written> {
  const unread: Unread[] = [];
  const world = withNotedFolders(here, unread);
  const host = await world.platform.host();
  const { startTokens } = world.platform.shows;
  const configDirs = world.configDirs.filter(answers);
  const ours = readRegistry(world.folder, world.leaseFolders, configDirs, { host, startTokens });
  const worked = [...ours.leases, ...ours.witnesses].flatMap(({ path }) => path ?? []);
  const projects = [...new Set([...world.projects, ...worked])];
  const plugins = await readPlugins({ ...world, projects, answers, startTokens });
  const written = {
    ...ours,
    records: [...ours.records, ...plugins.records],
    uses: plugins.uses,
    unread: [...unread, ...ours.unread, ...plugins.unread],
    skipped: plugins.skipped,
    registrations: readOthers(world.env, answers),
    lastUses: readLastUses(world.folder, host.boot),
    silences: readSilences(world.folder, host),
  };
  return comparable(written, host);
}

/** What plugins wrote down where processes say, and nobody else did. */
export async function readWhere(named: readonly NamedFolders[], world: World): Promise<NamedWritten> {
  const { startTokens } = world.platform.shows;
  const found = await readNamed(named, { ...withNotedFolders(world, []), answers, startTokens });
  return comparable({ ...found, witnesses: [], fences: [], kept: [] }, await world.platform.host());
}
