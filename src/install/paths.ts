import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Variables } from '../common/variables.js';
import { configDirOf, programRoot } from '../state/folders.js';

/** Whose settings: the user's, a project's (shared by everyone who works on it), or the user's own for one project. */
export type SettingsScope = 'user' | 'project' | 'local';

export const SCOPES: readonly SettingsScope[] = ['user', 'project', 'local'];

export function settingsPath(scope: SettingsScope, workspace: string, env: Variables): string {
  if (scope === 'user') return join(configDirOf(env), 'settings.json');
  return join(workspace, '.claude', scope === 'project' ? 'settings.json' : 'settings.local.json');
}

/** The two files that the hooks need: the one that Claude Code calls, and the program that this one starts. */
export interface Build {
  readonly folder: string;
  readonly hook: string;
  readonly program: string;
}

const buildIn = (folder: string): Build => ({
  folder,
  hook: join(folder, 'hook.cjs'),
  program: join(folder, 'opencode-reap.cjs'),
});

export const installedBuild = (env: Variables): Build => buildIn(programRoot(env));

/** The build that is running: this is bundled into its program, and the hook lies beside it. */
export function runningBuild(): Build | undefined {
  const build = buildIn(dirname(import.meta.filename));
  return existsSync(build.hook) && existsSync(build.program) ? build : undefined;
}
