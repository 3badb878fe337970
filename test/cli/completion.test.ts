import { spawnSync } from 'node:child_process';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await createSandbox('completion');
});
afterAll(() => sandbox.dispose());

const scriptFor = async (shell: string): Promise<string> => {
  const { code, stdout } = await runCli(sandbox, ['completion', shell]);
  expect(code).toBe(0);
  return stdout;
};

const isThere = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

/** What bash offers for the last of these words. */
const offered = async (...words: string[]): Promise<string[]> => {
  const ask = `COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _opencode_reap; echo "\${COMPREPLY[@]}"`;
  const script = `${await scriptFor('bash')}${ask}`;
  return spawnSync('bash', ['-c', script, 'bash', ...words], { encoding: 'utf8' })
    .stdout.trim()
    .split(' ');
};

test('bash completes commands, and the options of each', async ({ skip }) => {
  if (!isThere('bash')) skip('bash is not installed');
  expect(await offered('opencode-reap', 'l')).toEqual(['list', 'log']);
  expect(await offered('opencode-reap', '--all')).toEqual(['--all-stale']);
  expect(await offered('opencode-reap', 'start', '--re')).toEqual(['--ready-timeout', '--retire-after']);
  // Commands that only hooks and servers start are not for people.
  expect(await offered('opencode-reap', 'sw')).toEqual(['']);
});

test.for(['zsh', 'fish'])('%s can read its script', async (shell, { skip }) => {
  const script = await scriptFor(shell);
  expect(script).toContain('--all-stale');
  if (!isThere(shell)) skip(`${shell} is not installed`);
  expect(spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' })).toMatchObject({ status: 0, stderr: '' });
});

test('no other shell is known', async () => {
  expect(await runCli(sandbox, ['completion', 'tcsh'])).toMatchObject({ code: 2, stdout: '' });
});
