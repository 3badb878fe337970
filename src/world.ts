import type { Eyes } from './observe/eyes.js';
import { openEyes } from './observe/open-eyes.js';
import { chosenRoot, configDirOf, everyRoot, type StateFolder, stateFolder, type Variables } from './state/folders.js';

/** Where this program looks and writes. */
export interface World {
  readonly folder: StateFolder;
  /** Every state folder of ours: a session's hook may have chosen another than we did. */
  readonly leaseFolders: readonly StateFolder[];
  /** Where Claude Code keeps its own list of sessions. */
  readonly configDirs: readonly string[];
  readonly eyes: Eyes;
}

export async function openWorld(stateDir: string | undefined, env: Variables): Promise<World> {
  return {
    folder: stateFolder(chosenRoot(stateDir, env)),
    leaseFolders: everyRoot(stateDir, env).map(stateFolder),
    configDirs: [configDirOf(env)],
    eyes: await openEyes(),
  };
}
