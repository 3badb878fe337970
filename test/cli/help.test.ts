import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const PAGE = fileURLToPath(new URL('../../dist/opencode-reap.1', import.meta.url));

let sandbox: Sandbox;
/** What `--help` prints, by command; the empty name is the program. */
const helps = new Map<string, string>();

const helpOf = async (name: string): Promise<string> => {
  const { code, stdout, stderr } = await runCli(sandbox, name === '' ? ['--help'] : [name, '--help']);
  expect([code, stderr]).toEqual([0, '']);
  return stdout;
};

/** The first words of a block of help. */
const rowsOf = (help: string, block: string): string[] =>
  (help.split(`\n${block}:\n`)[1]?.split('\n\n')[0] ?? '')
    .split('\n')
    .flatMap((row) => /^ {2}(\S.*?)(?: {2,}|$)/.exec(row)?.[1] ?? []);

const longOptions = (help: string): string[] =>
  rowsOf(help, 'Options').flatMap((flags) => /--[a-z-]+/.exec(flags)?.[0] ?? []);

beforeAll(async () => {
  sandbox = await createSandbox('help');
  helps.set('', await helpOf(''));
  const commands = rowsOf(helps.get('') ?? '', 'Commands').map((row) => row.split(' ')[0] ?? '');
  for (const name of commands) if (name !== 'help') helps.set(name, await helpOf(name));
});

afterAll(() => sandbox.dispose());

describe('--help', () => {
  test('of every command has an example, in which every option is one of that command', () => {
    expect(helps.size).toBeGreaterThan(12);
    for (const [name, help] of helps) {
      const examples = rowsOf(help, 'Examples');
      expect([name, examples.length > 0]).toEqual([name, true]);
      for (const example of examples) {
        expect(example).toMatch(new RegExp(`\\bopencode-reap\\b${name === '' ? '' : ` ${name}\\b`}`));
        const used = example.replace(/ -- .*/, '').match(/--[a-z-]+/g) ?? [];
        expect([example, used.filter((option) => !longOptions(help).includes(option))]).toEqual([example, []]);
      }
    }
  });

  test('of the program has the exit codes, and that of a command does not', () => {
    const codes = rowsOf(helps.get('') ?? '', 'Exit codes');
    expect(codes).toEqual(['0', '1', '2', '3', '4', '130']);
    expect(helps.get('list')).not.toContain('Exit codes');
  });

  test('says of an option that several commands have what it means to each', () => {
    const meansIn = (name: string, option: string) =>
      new RegExp(`${option}[^\n]*? {2,}([^]*?)\\n(?: {2}-|\\n)`).exec(helps.get(name) ?? '')?.[1]?.replace(/\s+/g, ' ');
    expect(meansIn('', '--quiet')).toBe('print only what was stopped, and errors');
    expect(meansIn('stop', '--quiet')).toBe('print only what was stopped, and errors');
    expect(meansIn('start', '--quiet')).toBe('print only its URL, and errors');
    expect(meansIn('doctor', '--quiet')).toBe('print only what is broken');
    for (const name of ['adopt', 'keep', 'unkeep', 'install', 'uninstall'])
      expect(meansIn(name, '--quiet')).toBe('print only errors');
    expect(meansIn('', '--older-than')).toMatch(/^stop only servers at least this old /);
    for (const name of ['list', 'why', 'pick'])
      expect(meansIn(name, '--older-than')).toMatch(/^count younger servers as spared /);
  });

  test('goes to standard output alone, and is not printed for wrong usage', async () => {
    expect(await runCli(sandbox, ['list', '--frobnicate'])).toMatchObject({ stdout: '' });
    expect((await runCli(sandbox, ['help', 'list'])).stdout).toBe(helps.get('list'));
  });

  test('offers what a command takes, and nothing that it does not use', () => {
    const shared = ['--json', '--quiet', '--verbose', '--color', '--older-than', '--grace', '--dry-run', '--workspace'];
    const offered = [...helps].map(([name, help]) => [name, shared.filter((one) => longOptions(help).includes(one))]);
    expect(Object.fromEntries(offered)).toEqual({
      '': ['--json', '--quiet', '--verbose', '--color', '--older-than', '--grace', '--dry-run', '--workspace'],
      list: ['--json', '--verbose', '--color', '--older-than'],
      pick: ['--color', '--older-than', '--grace'],
      why: ['--json', '--color', '--older-than'],
      log: ['--json', '--color'],
      start: ['--json', '--quiet'],
      stop: ['--json', '--quiet', '--verbose', '--grace', '--dry-run'],
      adopt: ['--json', '--quiet'],
      keep: ['--json', '--quiet'],
      unkeep: ['--json', '--quiet'],
      install: ['--json', '--quiet', '--dry-run', '--workspace'],
      uninstall: ['--json', '--quiet', '--dry-run', '--workspace'],
      doctor: ['--json', '--quiet', '--color'],
      completion: [],
    });
  });
});

const isThere = (program: string, arg: string): boolean => spawnSync(program, [arg]).error === undefined;
const withoutMan = isThere('man', '--version') ? '' : ' (skipped: man is not installed)';
const withoutMandoc = isThere('mandoc', '-Tlint') ? '' : ' (skipped: mandoc is not installed)';

describe('the manual page', () => {
  const page = readFileSync(PAGE, 'utf8');

  test('says all that help says: commands, options, examples and exit codes', () => {
    const text = page.replaceAll('\\-', '-').replaceAll('\\&', '').replaceAll('\\(cq', '’');
    for (const [name, help] of helps) {
      const section = name === '' ? text : (text.split(`.SS "opencode-reap ${name}`)[1]?.split('\n.S')[0] ?? '');
      const rows = [...rowsOf(help, 'Options'), ...rowsOf(help, 'Examples'), ...rowsOf(help, 'Exit codes')];
      const wanted = rows.filter((row) => name === '' || !row.includes('--help'));
      expect(wanted.length).toBeGreaterThan(0);
      expect([name, wanted.filter((row) => !section.includes(`\\fB${row}\\fR`))]).toEqual([name, []]);
    }
    expect(text).not.toMatch(/sweep|retire <|undefined|\[object/);
    expect(page).toMatch(/^[\x20-\x7e\n]*$/);
  });

  test.skipIf(withoutMandoc)(`is clean to mandoc, but for the date that it does not have${withoutMandoc}`, () => {
    const { stdout } = spawnSync('mandoc', ['-T', 'lint', PAGE], { encoding: 'utf8' });
    const complaints = stdout.split('\n').filter((line) => line !== '' && !line.includes('missing date'));
    expect(complaints).toEqual([]);
  });

  test.skipIf(withoutMan)(`can be read with man${withoutMan}`, () => {
    const env = { PATH: process.env.PATH, MANWIDTH: '80', MANPAGER: 'cat', LC_ALL: 'C.UTF-8' };
    const { status, stdout, stderr } = spawnSync('man', ['--warnings', '-l', PAGE], { encoding: 'utf8', env });
    expect([status, stderr]).toEqual([0, '']);
    const lines = stdout.split('\n');
    expect(lines.filter((line) => /^[A-Z ]+$/.test(line))).toEqual(
      expect.arrayContaining(['NAME', 'SYNOPSIS', 'OPTIONS', 'COMMANDS', 'EXIT STATUS', 'ENVIRONMENT', 'EXAMPLES']),
    );
    expect(lines.map((line) => line.trim())).toContain('opencode-reap --dry-run');
    expect(Math.max(...lines.map((line) => line.length))).toBeLessThanOrEqual(80);
  });
});
