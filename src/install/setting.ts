import { existsSync } from 'node:fs';
import { basename, resolve } from 'node:path';
import { HAS_SHELL } from '../act/start-background.js';
import type { Variables } from '../common/variables.js';
import { workspaceOf } from '../observe/directories.js';
import { chosenRoot, everyRoot, type StateFolder, stateFolder } from '../state/folders.js';
import { type Found, findOurs, type HookCall } from './handlers.js';
import { isBlank, parseDocument } from './json-edit.js';
import { type Build, installedBuild, SCOPES, type SettingsScope, settingsPath } from './paths.js';
import { readSettings } from './settings-file.js';

/** What install and uninstall work on. */
export interface Setting {
  readonly scope: SettingsScope;
  readonly path: string;
  readonly workspace: string;
  readonly env: Variables;
  readonly state: StateFolder;
  /** Every state folder that can be determined. */
  readonly roots: readonly string[];
  readonly build: Build;
  readonly call: HookCall;
}

export interface Wanted {
  readonly scope: SettingsScope;
  readonly port?: number;
  readonly stateDir?: string;
  readonly workspace?: string;
}

export function settingFor({ scope, port, stateDir, workspace }: Wanted, env: Variables): Setting {
  const place = workspaceOf(workspace ?? process.cwd());
  const build = installedBuild(env);
  // A session's hook sees the session's environment, which may differ from ours.
  const chosen = stateDir || env.OPENCODE_REAP_STATE_DIR;
  return {
    scope,
    path: settingsPath(scope, place, env),
    workspace: place,
    env,
    state: stateFolder(chosenRoot(stateDir, env)),
    roots: everyRoot(stateDir, env),
    build,
    call: {
      hook: build.hook,
      port,
      stateDir: chosen ? resolve(chosen) : undefined,
      form: HAS_SHELL ? 'shell' : 'exec',
      // Not Bun, nor a program with a bundled node.
      otherNode: /^node(js)?$/.test(basename(process.execPath)) ? process.execPath : undefined,
      isThere: existsSync,
    },
  };
}

/** One settings file, and our handlers in it; a sentence if it cannot be read. */
export interface Registered {
  readonly scope: SettingsScope;
  readonly path: string;
  readonly found: readonly Found[] | string;
  /** The whole content, for checks of more than our handlers. */
  readonly json: unknown;
}

/** Every settings file that applies to a session in this workspace. */
export function registeredIn(workspace: string, env: Variables): Registered[] {
  const { hook } = installedBuild(env);
  const paths = new Map(SCOPES.map((scope) => [settingsPath(scope, workspace, env), scope] as const).reverse());
  return [...paths].reverse().flatMap(([path, scope]) => {
    const file = readSettings(path);
    if (typeof file === 'string') return [{ scope, path, found: file, json: undefined }];
    if (file.text === undefined || isBlank(file.text)) return [];
    const root = parseDocument(file.text);
    const found = root ? findOurs(root, hook) : 'it is not valid JSON';
    return [{ scope, path, found, json: root?.value.json }];
  });
}
