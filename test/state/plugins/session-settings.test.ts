import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { beforeEach, expect, onTestFinished, test } from 'vitest';
import { givesToAll } from '../../../src/state/plugins/session-settings.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('settings');
  const made = sandbox;
  onTestFinished(() => made.dispose());
});

const configDir = (): string => join(sandbox.home, '.claude');
const given = (answers = (_path: string): boolean => true) => givesToAll(configDir(), sandbox.project, { answers });
const write = (file: string, text: string): void => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};

const FILES: readonly (readonly [string, () => string])[] = [
  ['the user’s', () => join(configDir(), 'settings.json')],
  ['the user’s local ones', () => join(configDir(), 'settings.local.json')],
  ['the project’s', () => join(sandbox.project, '.claude/settings.json')],
  ['the user’s own for the project', () => join(sandbox.project, '.claude/settings.local.json')],
];

test.each(FILES)('settings give a plugin’s folder to everything where %s name it', (_whose, file) => {
  expect(given()).toBe(false);
  for (const name of ['CLAUDE_PLUGIN_ROOT', 'CLAUDE_PLUGIN_DATA']) {
    write(file(), JSON.stringify({ env: { [name]: '/p' } }));
    expect(given()).toBe(true);
  }
  write(file(), JSON.stringify({ env: { PATH: '/bin' }, CLAUDE_PLUGIN_ROOT: '/p' }));
  expect(given()).toBe(false);
});

test.each(FILES)('cannot be told where %s cannot be understood, or do not answer', (_whose, file) => {
  write(file(), '{"env":');
  expect(given()).toBeUndefined();
  write(file(), '{}');
  expect(given((path) => path !== file())).toBeUndefined();
  expect(given()).toBe(false);
});

test('one file that names it is enough, whatever the others are', () => {
  write(join(configDir(), 'settings.json'), '[');
  write(join(sandbox.project, '.claude/settings.json'), JSON.stringify({ env: { CLAUDE_PLUGIN_ROOT: '' } }));
  expect(given()).toBe(true);
});
