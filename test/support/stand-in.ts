import { once } from 'node:events';
import { readFile, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { Changes, Sandbox } from './sandbox.js';
import { waitFor } from './wait.js';

const SCRIPT = `const { spawnSync } = require('node:child_process');
require('node:readline').createInterface({ input: process.stdin }).on('line', (line) => {
  const { words, input, env } = JSON.parse(line);
  const options = { input, env: { ...process.env, ...env }, encoding: 'utf8' };
  const { stdout } = spawnSync('/bin/sh', ['-c', '"$0" "$@"; true', process.execPath, ...words], options);
  process.stdout.write(JSON.stringify(stdout) + '\\n');
});`;

export interface StandIn {
  readonly pid: number;
  /** Runs node below a shell of its own, as the client's shell tool does, and returns what it printed. */
  run(words: readonly string[], env?: Changes, input?: string): Promise<string>;
  end(): Promise<void>;
}

/** A process named `claude`, or like a real one may be, that otherwise does only what it is told. */
export const startStandIn = async (sandbox: Sandbox, cwd: string, name = 'claude'): Promise<StandIn> => {
  await symlink(process.execPath, join(sandbox.binDir, name));
  const child = sandbox.spawn(name, ['-e', SCRIPT], { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
  const { pid, stdin, stdout } = child;
  if (pid === undefined || stdin === null || stdout === null) throw new Error('the stand-in could not be spawned');
  const lines = createInterface({ input: stdout });
  return {
    pid,
    run: async (words, env = {}, input = '') => {
      const answered = once(lines, 'line');
      stdin.write(`${JSON.stringify({ words, env, input })}\n`);
      return JSON.parse((await answered)[0]);
    },
    end: async () => {
      const ended = once(child, 'exit');
      stdin.end();
      await ended;
    },
  };
};

/** Runs node without anything above it, like a detached worker, and returns what it printed. */
export const runOrphaned = async (sandbox: Sandbox, words: readonly string[], env: Changes = {}): Promise<string> => {
  const file = join(sandbox.root, `printed-${Math.random()}`);
  const script = 'out=$1; shift; { "$@" > "$out.part"; mv "$out.part" "$out"; } &';
  const options = { env: sandbox.env(env), stdio: 'ignore' } as const;
  sandbox.spawn('setsid', ['sh', '-c', script, 'sh', file, process.execPath, ...words], options);
  return waitFor('the end of what was detached', () => readFile(file, 'utf8').catch(() => ''));
};
