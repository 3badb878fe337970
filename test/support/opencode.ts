import type { SpawnOptions } from 'node:child_process';
import { existsSync, realpathSync } from 'node:fs';
import { rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { type Answer, request } from './client.js';
import { alive, descendants, portsOf } from './proc.js';
import { binOf, RELEASES, type Release } from './releases.js';
import type { Changes, Sandbox } from './sandbox.js';
import { inTurn } from './turn.js';
import { waitFor } from './wait.js';

export { abort, createSession, isIdle, prompt, pty, request, shell, status } from './client.js';
export { RELEASES, type Release, releases } from './releases.js';
export { waitFor } from './wait.js';

/** Puts `opencode` on the sandbox's PATH as npm does, as a symlink, and returns its path. */
export const installOpencode = async (sandbox: Sandbox, release: Release): Promise<string> => {
  const program = realpathSync(binOf(release));
  const link = join(sandbox.binDir, 'opencode');
  await rm(link, { force: true });
  await symlink(program, link);
  return link;
};

export interface ServerOptions {
  readonly release: Release;
  readonly port: number;
  readonly cwd?: string;
  readonly env?: Changes;
  /** Arguments after `serve --port N`. */
  readonly args?: readonly string[];
  readonly stdio?: SpawnOptions['stdio'];
  readonly password?: string;
}

export interface Server {
  /** The spawned process: the server or its launcher. */
  readonly pid: number;
  readonly port: number;
  readonly url: string;
}

/** The process that listens, in the tree of the spawned process. */
export const listenerOf = (pid: number): number | undefined =>
  [pid, ...descendants(pid)].find((one) => portsOf(one).length > 0);

const healthy = async (url: string, password: string | undefined, timeoutMs: number): Promise<boolean> => {
  const asked = { timeoutMs, ...(password === undefined ? {} : { password }) };
  const answer = await request(url, '/global/health', asked).catch((error: unknown): Answer | undefined => {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  });
  return answer?.status === 200 && answer.type.includes('json');
};

/** Spawned like plugins do it, detached and without a handle on it; returns once it answers. */
export const spawnServer = (sandbox: Sandbox, options: ServerOptions): Promise<Server> =>
  inTurn(() => spawnAndWait(sandbox, options));

const spawnAndWait = async (sandbox: Sandbox, options: ServerOptions): Promise<Server> => {
  const { release, port, cwd = sandbox.project, args = [], stdio = 'ignore', password } = options;
  const command = join(sandbox.binDir, 'opencode');
  if (!existsSync(command) || realpathSync(command) !== realpathSync(binOf(release))) {
    await installOpencode(sandbox, release);
  }
  const secret = password === undefined ? {} : { OPENCODE_SERVER_PASSWORD: password };
  const env = sandbox.env({ ...secret, ...options.env });
  const child = sandbox.spawn('opencode', ['serve', '--port', `${port}`, ...args], { cwd, env, stdio, detached: true });
  const { pid } = child;
  if (pid === undefined) throw new Error(`opencode ${RELEASES[release]} could not be spawned`);
  child.unref();
  const url = `http://127.0.0.1:${port}`;
  // A 1.18 accepts connections for up to 450 ms before it can answer, and never answers those: ask again on a new
  // connection.
  let patienceMs = 200;
  const answers = async (): Promise<boolean> => {
    if (!alive(pid)) throw new Error(`opencode ${RELEASES[release]} ended before it answered on port ${port}`);
    patienceMs = Math.min(patienceMs * 1.2, 1_500);
    return healthy(url, password, patienceMs);
  };
  await waitFor(`opencode ${RELEASES[release]} answers on port ${port}`, answers, 60_000);
  return { pid, port, url };
};
