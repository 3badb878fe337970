import { execFileSync } from 'node:child_process';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import {
  type Fake,
  type Fields,
  filesIn,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

let sandbox: Sandbox;
let server: Fake;
let bystander: number;

beforeEach(async () => {
  sandbox = await createSandbox('bad-input');
  server = await startFake(sandbox);
  bystander = startBystander(sandbox);
  await writeRecord(sandbox, 'good', server);
});

afterEach(() => sandbox.dispose());

const ESCAPE = '\u001b[31m';
// What must never reach a terminal as it is: controls but for the end of a line, and marks that turn text around.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

const run = async (...args: string[]): Promise<CliResult> => {
  const result = await runCli(sandbox, args);
  const said = `${result.stdout}${result.stderr}`;
  expect(said).not.toMatch(/^\s+at .+:\d+/m);
  expect(said).not.toMatch(RAW);
  return result;
};

const reap = (...args: string[]): Promise<CliResult> => run('--all-stale', '--older-than', '0s', ...args);

const TEXTS: Readonly<Record<string, string>> = {
  'broken.json': '{"schema": "opencode-reap/1",',
  'empty.json': '',
  'list.json': '[]',
  'null.json': 'null',
  'number.json': '42',
  'foreign.json': JSON.stringify({ schema: 'opencode-reap/999', id: 'foreign' }),
  'foreign-kind.json': JSON.stringify({ schema: { toString: 1 }, id: 'foreign-kind' }),
  'schemaless.json': JSON.stringify({ id: 'schemaless' }),
  'bare.json': JSON.stringify({ schema: SCHEMA }),
  'huge.json': JSON.stringify({ schema: SCHEMA, padding: 'x'.repeat(2 * 1024 * 1024) }),
  [`${ESCAPE}red\u202e\u009b2J\n.json`]: '{',
  '__proto__.json': '{"__proto__": {"schema": "opencode-reap/1"}}',
};

/** Every way not to be a readable file of ours. Returns the names. */
const fillWithJunk = async (folder: string): Promise<string[]> => {
  const at = (name: string): string => join(folder, name);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  for (const [name, text] of Object.entries(TEXTS)) await writeFile(at(name), text);
  await mkdir(at('folder.json'));
  execFileSync('mkfifo', [at('pipe.json')]);
  await symlink(join(sandbox.stateDir, 'servers', 'good.json'), at('link.json'));
  await symlink(at('loop.json'), at('loop.json'));
  await writeFile(at('mine-and-locked.json'), '{}', { mode: 0o000 });
  // Only names that end in `.json` are read.
  await writeFile(at('notes.txt'), 'hello');
  return [...Object.keys(TEXTS), 'folder.json', 'pipe.json', 'link.json', 'loop.json', 'mine-and-locked.json'];
};

const shown = (name: string): string =>
  [...name]
    .map((c) => (RAW.test(c) || c === '\n' ? `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}` : c))
    .join('');

describe.each([
  ['servers', 'stopped'],
  ['leases', 'unsure'],
  ['closing', 'stopped'],
  ['runs', 'stopped'],
])('junk in %s/', (folder, fate) => {
  test(`is named and left alone, and the good server is ${fate}`, async () => {
    const names = await fillWithJunk(join(sandbox.stateDir, folder));
    const before = filesIn(sandbox.stateDir);
    const { code, stdout, stderr } = await reap();
    expect(code).toBe(1);
    const lines = stderr.trimEnd().split('\n');
    expect(lines.filter((line) => !/^(error: could not read |hint: )/.test(line))).toEqual([]);
    const paths = names.map((name) => shown(join(sandbox.stateDir, folder, name)));
    const errors = lines.filter((line) => line.startsWith('error: '));
    expect(errors).toHaveLength(paths.length);
    expect(paths.filter((path) => !errors.some((error) => error.includes(`${path}: `)))).toEqual([]);
    expect(stdout).toMatch(new RegExp(`^${fate} `, 'm'));
    expect([alive(bystander), alive(server.pid)]).toEqual([true, fate !== 'stopped']);
    const gone = before.filter((file) => !filesIn(sandbox.stateDir).includes(file));
    expect(gone).toEqual(fate === 'stopped' ? [join(sandbox.stateDir, 'servers/good.json')] : []);

    const { unread, servers } = JSON.parse((await reap('--json', '--dry-run')).stdout);
    expect(unread.map(({ file }: Fields) => file).sort()).toEqual(
      names.map((name) => join(sandbox.stateDir, folder, name)).sort(),
    );
    if (fate === 'unsure')
      expect(servers).toMatchObject([{ id: 'good', reasons: expect.arrayContaining(['unleased']) }]);
  });
});

test('junk in keep/ keeps what it is named after, and nothing else', async () => {
  await fillWithJunk(join(sandbox.stateDir, 'keep'));
  await writeFile(join(sandbox.stateDir, 'keep', 'good.json'), '{');
  const kept = await reap('--json');
  expect(JSON.parse(kept.stdout)).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['unkept'] }], unread: [] });
  await rm(join(sandbox.stateDir, 'keep', 'good.json'));
  expect((await reap()).stdout).toMatch(/^stopped/m);
});

test.each([
  ['servers', 1, []],
  ['leases', 1, ['unsure']],
  ['keep', 1, ['unsure']],
  ['closing', 1, ['stale']],
  ['runs', 1, ['stale']],
])('a file where %s/ should be is not an empty folder', async (folder, code, verdicts) => {
  if (folder === 'servers') await rm(join(sandbox.stateDir, folder), { recursive: true });
  await writeFile(join(sandbox.stateDir, folder), '');
  const result = await reap('--dry-run', '--json');
  const { unread, servers } = JSON.parse(result.stdout);
  expect(result.code).toBe(code);
  // A plugin's server of a test beside this one may be seen as well, which no file here is about.
  const recorded = servers.filter(({ id }: Fields) => id === 'good');
  expect(
    recorded.map(({ verdict }: Fields) => verdict),
    result.stdout,
  ).toEqual(verdicts);
  expect(unread).toEqual([{ file: join(sandbox.stateDir, folder), error: 'ENOTDIR' }]);
});

test('a log with junk in it is still shown', async () => {
  const lines = ['{', '[]', 'null', '{"event":"odd"}', `{"event":"${'x'.repeat(3)}","detail":"\\u001b[31m","pid":{}}`];
  await writeState(sandbox.stateDir, 'log.ndjson', lines.join('\n'));
  expect((await run('log')).code).toBe(0);
  expect((await run('log', '--json')).code).toBe(0);
});
