import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { waitFor } from './opencode.js';
import { alive, environ, portHolder } from './proc.js';
import type { Changes, Sandbox } from './sandbox.js';

/** The port that those plugins always use, so only one test at a time can have a server on it. */
export const DEFAULT_PORT = 4096;

const isOfTest = (pid: number): boolean =>
  environ(pid).some((one) => one.startsWith(`HOME=${tmpdir()}/opencode-reap-`));
const holder = portHolder(DEFAULT_PORT);

/** Why a test that needs that port is skipped; empty if it can run. */
export const withoutDefaultPort =
  holder === undefined || isOfTest(holder)
    ? ''
    : ` (skipped: pid ${holder}, which is not a test's, listens on ${DEFAULT_PORT})`;

export const SESSION = '7ab48386-34d2-4ab0-b1da-da040a522746';

/** What the client gives to whatever its shell tool starts, and to a plugin's SessionStart hook. */
export const toolEnv = (clientPid: number, but: Changes = {}): Changes => ({
  AI_AGENT: 'claude-code_2-1-330_agent',
  CLAUDECODE: '1',
  CLAUDE_PID: String(clientPid),
  CLAUDE_CODE_SESSION_ID: SESSION,
  GIT_EDITOR: 'true',
  ...but,
});

export const hookEnv = (sandbox: Sandbox, clientPid: number, root: string, but: Changes = {}): Changes => ({
  AI_AGENT: 'claude-code_2-1-330_harness',
  CLAUDECODE: '1',
  CLAUDE_PID: String(clientPid),
  CLAUDE_CODE_SESSION_ID: SESSION,
  CLAUDE_PROJECT_DIR: sandbox.project,
  CLAUDE_PLUGIN_ROOT: root,
  CLAUDE_PLUGIN_DATA: join(sandbox.home, '.claude/plugins/data', `${basename(dirname(root))}-market`),
  CLAUDE_ENV_FILE: join(sandbox.home, '.claude/session-env', SESSION, 'sessionstart-hook-1.sh'),
  ...but,
});

export interface PluginFolder {
  readonly root: string;
  readonly companion: string;
  readonly prewarm: string;
}

/** A plugin with both stand-ins, where Claude Code installs one. */
export const installPlugin = (sandbox: Sandbox, name = 'opencode', version = '1.0.0'): PluginFolder => {
  const root = join(sandbox.home, '.claude/plugins/cache/market', name, version);
  const files = { 'opencode-companion.mjs': 'companion.mjs', 'warm-server-hook.mjs': 'prewarm.mjs' };
  for (const folder of ['.claude-plugin', 'scripts/lib']) mkdirSync(join(root, folder), { recursive: true });
  writeFileSync(join(root, '.claude-plugin/plugin.json'), JSON.stringify({ name, version }));
  writeFileSync(join(root, 'scripts/lib/opencode-server.mjs'), '');
  for (const [script, from] of Object.entries(files)) {
    cpSync(fileURLToPath(new URL(from, import.meta.url)), join(root, 'scripts', script));
  }
  return {
    root,
    companion: join(root, 'scripts/opencode-companion.mjs'),
    prewarm: join(root, 'scripts/warm-server-hook.mjs'),
  };
};

/** Runs node in the sandbox's project, as the shell tool does; returns its pid. */
export const runNode = (sandbox: Sandbox, args: readonly string[], env: Changes): number => {
  const child = sandbox.spawn(process.execPath, args, { env: sandbox.env(env), stdio: 'ignore', detached: true });
  child.unref();
  return child.pid ?? 0;
};

/** The process that listens there, once something does. */
export const onDefaultPort = (): Promise<number> =>
  waitFor(`a server on ${DEFAULT_PORT}`, () => portHolder(DEFAULT_PORT));

const TURN = join(tmpdir(), 'opencode-reap-default-port');

/**
 * Waits until no other test has a server with that port in its arguments: where several have, the port names none of
 * them. Returns what lets the next one begin.
 */
export const takeDefaultPort = async (): Promise<() => void> => {
  await waitFor(
    'no other test uses the port',
    () => {
      try {
        writeFileSync(TURN, String(process.pid), { flag: 'wx' });
        return true;
      } catch (error) {
        if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) throw error;
        // A killed worker cannot remove its file.
        if (!alive(Number(readFileSync(TURN, { encoding: 'utf8', flag: 'a+' }) || process.pid)))
          rmSync(TURN, { force: true });
        return false;
      }
    },
    230_000,
  );
  return () => rmSync(TURN, { force: true });
};
