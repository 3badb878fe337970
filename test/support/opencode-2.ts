import type { SpawnOptions } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { request } from './client.js';
import { alive } from './proc.js';
import type { Changes, Sandbox } from './sandbox.js';
import { waitFor } from './wait.js';

// No OpenCode 2 can be installed here, so what a test says about one, it says about a stand-in.

const SCRIPT = new URL('opencode-2-stand-in.mjs', import.meta.url);

/** What goes on in a stand-in; several at once are possible. Nothing of it, and it is idle. */
export type State =
  /** Nothing, but its directory is loaded, which any other state does as well. */
  | 'loaded'
  // Counted by /api/session/active.
  | 'prompt'
  | 'rate-limit'
  | 'permission'
  | 'form'
  | 'tool'
  | 'subagent'
  // Not counted there.
  | 'background shell'
  | 'pty'
  | 'persistent terminal'
  /** The daemon of persistent terminals, which has none. */
  | 'pty daemon'
  /** What a plugin inside of it has started to outlive it. */
  | 'detached by a plugin'
  /** A tool has ended and left two processes, by `setsid` and by `nohup`. */
  | 'left behind'
  /** A tool runs the command line `nested`. */
  | 'nested'
  /** Accepts connections and answers nothing. */
  | 'hung';

/** What it answers to a path instead of what it should; anything that is not a word is sent as JSON. */
export type Answer = 'missing' | 'garbage' | 'endless' | 'page' | 'error' | 'silent' | object;

export interface Settings {
  /** From its start. */
  readonly states?: readonly State[];
  readonly nested?: string;
  /** Started once for each directory that is loaded. Stubborn ones ignore their input's end and SIGTERM. */
  readonly mcp?: readonly ('plain' | 'stubborn' | 'listening')[];
  /** As the newest releases do, `own`, which is what it does unless told; previews left them in the server's. */
  readonly mcpSession?: 'own' | 'server';
  /** The directory that its states are in, if it is not the one it works in. */
  readonly directory?: string;
  readonly answers?: Readonly<Record<string, Answer>>;
  /** How it refuses who has no password: with an empty body (2.0.16), in JSON, or without a realm. */
  readonly refusal?: 'empty' | 'json' | 'bare';
  /** Up to 2.0.16 it refuses every path, and not only those of its API. */
  readonly refusesPages?: boolean;
  /** `ignore` is a wedged one; `default` dies at once and leaves its children. */
  readonly onSigterm?: 'end' | 'ignore' | 'default';
  readonly stubbornShells?: boolean;
  /** Gets a line for each question, `GET /api/info`, that outlives it. */
  readonly askedFile?: string;
  readonly version?: string;
  /** The pid that it says it has. */
  readonly pid?: number;
  /** From when it listens until it is ready; in the first half it answers nothing. */
  readonly bootMs?: number;
  /** The second half, in which it answers 503. */
  readonly startsForMs?: number;
}

/** For `env`, wherever the stand-in is started from. */
export const standIn = (settings: Settings): Changes => ({ STAND_IN: JSON.stringify(settings) });

const installing = new WeakMap<Sandbox, Promise<void>>();

/**
 * Puts the stand-in on the sandbox's PATH as `opencode`. Its command line is the real one's, `opencode serve …`, although
 * it is node that runs it. A file that is just being written cannot be run, so it is written once.
 */
export const installSecond = (sandbox: Sandbox): Promise<void> => {
  const known = installing.get(sandbox) ?? install(sandbox);
  installing.set(sandbox, known);
  return known;
};

const install = async (sandbox: Sandbox): Promise<void> => {
  const program = join(sandbox.root, 'opencode-2', 'opencode');
  const lines = [
    '#!/bin/bash',
    `if [ "$1" != serve ]; then exec '${process.execPath}' '${fileURLToPath(SCRIPT)}' "$@"; fi`,
    `export NODE_OPTIONS='--import=${SCRIPT}'`,
    `exec -a opencode '${program}' "$@"`,
  ];
  await mkdir(dirname(program));
  await symlink(process.execPath, program);
  const link = join(sandbox.binDir, 'opencode');
  await rm(link, { force: true });
  await writeFile(link, `${lines.join('\n')}\n`, { mode: 0o755 });
};

export interface Second {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
  readonly password: string;
}

export interface SecondOptions {
  readonly settings?: Settings;
  readonly env?: Changes;
  /** Both variables have it unless `env` says otherwise; one of its own unless told. */
  readonly password?: string;
  /** A free one unless told. */
  readonly port?: number;
  readonly args?: readonly string[];
  readonly spawn?: SpawnOptions;
  /** Unless it is false, returns once the stand-in answers as ready. */
  readonly untilReady?: boolean;
}

/** Detached and without a handle on it, as plugins start theirs. It is not recorded. */
export const startSecond = async (sandbox: Sandbox, options: SecondOptions = {}): Promise<Second> => {
  const { settings = {}, args = [], untilReady = true } = options;
  await installSecond(sandbox);
  const { port = await sandbox.reserve() } = options;
  const { password = `the password of ${port}` } = options;
  const secrets = { OPENCODE_PASSWORD: password, OPENCODE_SERVER_PASSWORD: password };
  const env = sandbox.env({ ...secrets, ...standIn(settings), ...options.env });
  const spawned: SpawnOptions = { env, detached: true, stdio: 'ignore', ...options.spawn };
  const child = sandbox.spawn('opencode', ['serve', '--port', `${port}`, ...args], spawned);
  const { pid } = child;
  if (pid === undefined) throw new Error('the stand-in could not be spawned');
  child.unref();
  const second = { pid, port, url: `http://127.0.0.1:${port}`, password };
  if (untilReady) await waitFor('the stand-in is ready', () => isReady(second));
  return second;
};

const isReady = async ({ pid, url }: Second): Promise<boolean> => {
  if (!alive(pid)) throw new Error('the stand-in ended before it was ready');
  return (await doneBy({ url }).catch(() => undefined))?.phase === 'ready';
};

/** What a stand-in has done so far. */
export interface Done {
  readonly phase: 'starting' | 'ready' | 'stopping';
  /** Every directory that it has loaded, each time that it did. */
  readonly loaded: readonly string[];
  readonly mcpStarts: number;
  /** `GET /api/info`, in order. */
  readonly asked: readonly string[];
  readonly children: readonly { readonly kind: 'mcp' | 'shell' | 'pty' | 'daemon'; readonly pid: number }[];
}

/** Asking this counts as nothing: it wants no password, works while it hangs, and leaves no connection behind. */
export const doneBy = async ({ url }: Pick<Second, 'url'>): Promise<Done> =>
  (await request(url, '/stand-in', { timeoutMs: 2_000 })).body as Done;

/** Ends what goes on in it, begins these, and returns once they are there. */
export const become = async (
  { url }: Pick<Second, 'url'>,
  states: readonly State[],
  answers?: Readonly<Record<string, Answer>>,
): Promise<Done> => (await request(url, '/stand-in', { body: { states, answers } })).body as Done;
