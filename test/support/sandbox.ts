import { type ChildProcess, type SpawnOptions, spawn as spawnChild } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { endAll } from './inhabitants.js';
import { isPatient } from './patience.js';
import { reservePort } from './port.js';
import { startToken } from './proc.js';

export type Environment = Record<string, string>;
/** `undefined` removes a variable. */
export type Changes = Readonly<Record<string, string | undefined>>;

export interface Sandbox {
  readonly root: string;
  readonly home: string;
  readonly stateDir: string;
  readonly project: string;
  readonly binDir: string;
  env(changes?: Changes): Environment;
  track(pid: number): void;
  spawn(command: string, args?: readonly string[], options?: SpawnOptions): ChildProcess;
  reserve(): Promise<number>;
  dispose(): Promise<void>;
}

// Everything that makes a fresh opencode try the network. The machine may be offline, where each try costs a timeout.
const OFFLINE: Environment = {
  OPENCODE_DISABLE_AUTOUPDATE: '1',
  OPENCODE_DISABLE_MODELS_FETCH: '1',
  OPENCODE_DISABLE_LSP_DOWNLOAD: '1',
  OPENCODE_DISABLE_DEFAULT_PLUGINS: '1',
  OPENCODE_DISABLE_SHARE: '1',
};

/**
 * Servers and clients run for seconds, in which Bun's optimizing compiler costs more than it saves: a fifth of the
 * processor time that a server takes. With all that there is, as in CI, they are as their users have them.
 */
const SHORT_LIVED: Environment = isPatient ? {} : { BUN_JSC_useDFGJIT: '0' };

const environment = (root: string): Environment => ({
  HOME: join(root, 'home'),
  PATH: [join(root, 'bin'), dirname(process.execPath), '/usr/bin', '/bin'].join(':'),
  SHELL: '/bin/sh',
  LANG: 'C.UTF-8',
  TMPDIR: join(root, 'tmp'),
  XDG_CONFIG_HOME: join(root, 'home/.config'),
  XDG_DATA_HOME: join(root, 'home/.local/share'),
  XDG_STATE_HOME: join(root, 'home/.local/state'),
  XDG_CACHE_HOME: join(root, 'home/.cache'),
  XDG_RUNTIME_DIR: join(root, 'run'),
  OPENCODE_REAP_STATE_DIR: join(root, 'state'),
  // Some plugins write to /tmp by that name; what this machine's own plugins wrote there is not part of the tests.
  OPENCODE_REAP_TMP: join(root, 'tmp'),
  ...OFFLINE,
  ...SHORT_LIVED,
});

/**
 * A 1.14 downloads ripgrep from GitHub at its first prompt unless it is on the PATH; 1 is ripgrep's code for "no
 * match".
 */
const forgoRipgrep = (binDir: string): Promise<void> =>
  writeFile(join(binDir, 'rg'), '#!/bin/sh\nexit 1\n', { mode: 0o755 });

export const createSandbox = async (name: string): Promise<Sandbox> => {
  const root = await realpath(await mkdtemp(join(tmpdir(), `opencode-reap-${name}-`)));
  const base = environment(root);
  const at = (folder: string): string => join(root, folder);
  for (const folder of ['home', 'bin', 'tmp', 'run', 'project']) await mkdir(at(folder), { mode: 0o700 });
  await forgoRipgrep(at('bin'));
  const tracked = new Map<number, string>();
  const env = (changes: Changes = {}): Environment =>
    Object.fromEntries(
      Object.entries({ ...base, ...changes }).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
    );
  const track = (pid: number): void => void tracked.set(pid, startToken(pid) ?? '');
  const spawn: Sandbox['spawn'] = (command, args = [], options = {}) => {
    const child = spawnChild(command, args, { cwd: at('project'), env: env(), ...options });
    if (child.pid !== undefined) track(child.pid);
    return child;
  };
  const dispose = async (): Promise<void> => {
    await endAll(at('home'), tracked);
    await rm(root, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 });
  };
  const places = { root, home: at('home'), stateDir: at('state'), project: at('project'), binDir: at('bin') };
  return { ...places, env, track, spawn, reserve: reservePort, dispose };
};
