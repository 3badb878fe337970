import { spawnSync } from 'node:child_process';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { installFake, startFake, writeRecord } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { PROGRAM } from '../support/program.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';

const withoutScript =
  process.platform === 'linux' && spawnSync('script', ['--version']).status === 0
    ? ''
    : ' (skipped: script of util-linux is not installed)';

const COMMANDS = [
  'list',
  'list --all',
  '--dry-run --older-than 0s',
  '--dry-run --all-stale --older-than 0s',
  'why stale',
  'log',
] as const;
const MARK = '=====';

let sandbox: Sandbox;

beforeAll(async () => {
  sandbox = await createSandbox('widths');
  await installFake(sandbox);
  const record = async (id: string, workspace: string): Promise<void> => {
    await mkdir(workspace, { recursive: true });
    await writeRecord(sandbox, id, await startFake(sandbox), { workspace, plugin: 'opencode-plugin-cc (naicud)' });
  };
  await record('ended', join(sandbox.home, 'code/shop'));
  expect((await runCli(sandbox, ['--all-stale', '--older-than', '0s'])).stdout).toMatch(/^1 stopped/m);
  const long = 'code/a workspace with a name that is longer than what a column of a narrow table has room for';
  await record('stale', join(sandbox.home, long));
  // The others are then elsewhere.
  await record('kept', sandbox.project);
  expect((await runCli(sandbox, ['keep', 'kept'])).code).toBe(0);
  await startFake(sandbox);
});
afterAll(() => sandbox.dispose());

/** What each command writes to a terminal of that width, line by line as it was written: no terminal has wrapped it. */
function shownAt(columns: number, changes: Changes, commands: readonly string[] = COMMANDS): Map<string, string[]> {
  // Without what is shown while it looks, on a machine that takes long.
  const run = (words: string): string => `echo '${MARK}'; '${process.execPath}' '${PROGRAM}' ${words} 2>/dev/null`;
  const line = `stty columns ${columns} rows 50; ${commands.map(run).join('; ')}; true`;
  const env = sandbox.env({ TERM: 'xterm-256color', ...changes });
  const { stdout } = spawnSync('script', ['-qec', line, '/dev/null'], { cwd: sandbox.project, env, encoding: 'utf8' });
  const [, ...parts] = stdout.replaceAll('\r', '').split(`${MARK}\n`);
  return new Map(commands.map((words, at) => [words, (parts[at] ?? '').trimEnd().split('\n')]));
}

/** A path stays whole on a line of its own, so that it can be copied. */
const isPath = (line: string): boolean => /^ *\/\S+$/.test(line);

// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const ESCAPE = /\u001b\[[\d;]*[A-Za-z]/g;

describe.skipIf(withoutScript)(`at a terminal${withoutScript}`, () => {
  test.each(sampled([60, 80, 120, 160], 1))('of %i columns no line is longer than that', (columns) => {
    for (const [words, lines] of shownAt(columns, {})) {
      expect(lines.length, words).toBeGreaterThan(1);
      const plain = lines.map((line) => line.replace(ESCAPE, ''));
      expect(
        plain.filter((line) => line.length > columns && !isPath(line)),
        words,
      ).toEqual([]);
      expect(lines.join('\n'), words).toMatch(ESCAPE);
    }
  });

  test.each(sampled([60, 80], 1))(
    'of %i columns help and doctor are no wider either; a command line and a path stay whole',
    (columns) => {
      const commands = ['--help', 'start --help', 'log --help', 'install --help', 'doctor', 'completion --help'];
      for (const [words, lines] of shownAt(columns, { NO_COLOR: '1' }, commands)) {
        expect(lines.length, words).toBeGreaterThan(5);
        const wide = lines.filter((line) => line.length > columns && !/^ +\S*opencode-reap /.test(line));
        expect(
          wide.filter((line) => !/ {2}[~/]\S+$/.test(line)),
          words,
        ).toEqual([]);
      }
    },
  );

  test('of 0 columns, which is one that was never told its size, a line may have any length', () => {
    const tables = ['list', 'list --all', 'log'];
    const shown = shownAt(0, { NO_COLOR: '1' }, tables);
    for (const words of tables) {
      const wide = shown.get(words)?.some((line) => /^\w+ .* WORKSPACE .*(REASON|DETAIL)$/.test(line));
      expect([words, wide]).toEqual([words, true]);
    }
  });

  test.each<[string, Changes]>([
    ['LANG=C', { LANG: 'C' }],
    ['TERM=dumb', { LANG: 'C', TERM: 'dumb' }],
    ['NO_COLOR', { LANG: 'C', NO_COLOR: '1' }],
  ])('with %s every sign is ASCII, with colors only where the terminal has them', (_name, changes) => {
    for (const [words, lines] of shownAt(60, changes)) {
      const text = lines.join('\n');
      expect(text.replace(ESCAPE, ''), words).toMatch(/^[\n\u0020-\u007e]+$/);
      expect(ESCAPE.test(text), words).toBe(changes.TERM === undefined && changes.NO_COLOR === undefined);
      ESCAPE.lastIndex = 0;
      const plain = lines.map((line) => line.replace(ESCAPE, ''));
      expect(
        plain.filter((line) => line.length > 60 && !isPath(line)),
        words,
      ).toEqual([]);
    }
  });

  test('with LANG=C what is shown while it looks, and an error, is ASCII as well', () => {
    const output = new URL('../../dist/modules/cli/output.js', import.meta.url);
    const script = `import { complain, progress } from '${output}';
      const shown = progress('looking', {});
      setTimeout(() => { shown.say('a line that stays …'); shown.end(); complain('it’s wrong', 'do …'); }, 1000);`;
    const line = `'${process.execPath}' --input-type=module -e "$SCRIPT"`;
    const env = sandbox.env({ TERM: 'xterm', LANG: 'C', SCRIPT: script });
    const { stdout } = spawnSync('script', ['-qec', line, '/dev/null'], { env, encoding: 'utf8' });
    const text = stdout.replace(ESCAPE, '').replaceAll('\r', '');
    expect(text).toContain('looking *');
    expect(text).toContain('a line that stays *\n');
    expect(text).toMatch(/error: it's wrong\nhint: do \*\n$/);
    expect(text).toMatch(/^[\n\u0020-\u007e]+$/);
  });
});
