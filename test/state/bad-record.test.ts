import { symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { type Fields, recordOf, recordsIn, startBystander, startFake, writeState } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { alive, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

// What must never reach a terminal as it is: controls but for the end of a line, and marks that turn text around.
// biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
const RAW = /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff]/;

const TEXTS = [
  '\u001b[31mred\u001b]0;title\u0007',
  'line\nerror: forged\r',
  'a\u202eb\u2066c\u200fd\u061ce\u009b2J',
  '__proto__',
  '../../../etc/passwd',
  '/',
  'nul\u0000byte',
  'half a \ud800 pair',
  'x'.repeat(70_000),
  '',
];
const NUMBERS = [-1, 0, 1, 1.5, 70_000, 2 ** 31, 1e21, 1e300];
const OTHERS: readonly unknown[] = [null, true, [], {}, [['x']], { pid: 1, startToken: '1', toString: 'x' }];
const VALUES: readonly unknown[] = [...TEXTS, ...NUMBERS, ...OTHERS];

let sandbox: Sandbox;
let bystander: number;

beforeEach(async () => {
  sandbox = await createSandbox('bad-record');
  bystander = startBystander(sandbox);
  await symlink('loop', join(sandbox.project, 'loop'));
});

afterEach(() => sandbox.dispose());

const run = async (...args: string[]): Promise<CliResult> => {
  const result = await runCli(sandbox, args);
  const said = `${result.stdout}${result.stderr}`;
  expect(said).not.toMatch(/^\s+at .+:\d+/m);
  expect(RAW.exec(said)).toBeNull();
  expect(said).not.toMatch(/^error: forged/m);
  expect([bystander, process.pid].every(alive)).toBe(true);
  return result;
};

/** Writes one record for each hostile value of each field. */
const spoil = async (record: Fields, values: Readonly<Record<string, readonly unknown[]>>): Promise<void> => {
  for (const [field, some] of Object.entries(values)) {
    for (const [at, value] of some.entries()) {
      const id = `${field}-${at}`;
      await writeState(sandbox.stateDir, `servers/${id}.json`, { ...record, id, [field]: value });
    }
  }
};

describe('records that lead to a process which is not a server', () => {
  test.each([
    [['pid', 'startToken', 'serverPid', 'serverStartToken', 'starter']],
    [['machine', 'uid', 'hostname', 'port']],
  ])('with anything at all as %s end nothing', async (fields) => {
    const values = Object.fromEntries(fields.map((field) => [field, VALUES]));
    await spoil(recordOf(sandbox, 'x', { pid: bystander, port: 4321 }), values);
    const { servers, summary } = JSON.parse((await run('--all-stale', '--older-than', '0s', '--json')).stdout);
    expect(summary).toMatchObject({ stale: 0, stopped: 0, failed: 0 });
    expect(servers.length).toBeGreaterThan(50);
  });

  test('with anything at all as plugin, tag, url, command, workspace, session, time or state end nothing', async () => {
    await spoil(recordOf(sandbox, 'x', { pid: bystander, port: 4321 }), {
      ...{ plugin: TEXTS, tag: VALUES, url: TEXTS, command: VALUES, workspace: VALUES },
      ...{ startedBySession: TEXTS, startedAt: VALUES, state: VALUES },
    });
    const { summary } = JSON.parse((await run('--all-stale', '--older-than', '0s', '--json')).stdout);
    expect(summary).toMatchObject({ stale: 0, stopped: 0, failed: 0 });
    expect((await run('list', '--older-than', '0s')).stdout.split('\n').length).toBeGreaterThan(50);
  });

  test.each([
    ['this test', () => process.pid],
    ['its parent', () => process.ppid],
    ['init', () => 1],
  ])('end nothing when it is %s', async (_, pid) => {
    const record = recordOf(sandbox, 'self', { pid: pid(), port: 4321 });
    await writeState(sandbox.stateDir, 'servers/self.json', { ...record, startToken: startToken(pid()) });
    await run('--all-stale', '--older-than', '0s');
    expect(recordsIn(sandbox.stateDir).map(({ fields }) => fields.id)).toContain('self');
  });
});

describe('records that lead to a server', () => {
  test('may say anything about it without breaking a line', async () => {
    // Such a server is asked about the workspaces that its records name.
    const server = await startFake(sandbox, { FAKE_OPENCODE: 'old' });
    const record = recordOf(sandbox, 'x', server);
    const loop = join(sandbox.project, 'loop');
    await spoil(record, { plugin: TEXTS.slice(0, 3), workspace: [...TEXTS, loop], startedAt: [1e300, -1] });
    for (const args of [
      ['list', '--all'],
      ['list', '--json'],
      ['why', 'plugin-0'],
      ['why', 'workspace-0', '--json'],
      ['-anv'],
    ]) {
      expect(await run(...args, '--older-than', '0s')).toMatchObject({ code: 0, stderr: '' });
    }
    expect(alive(server.pid)).toBe(true);
  });

  const misnamed = [
    ['the end of its name', 'copy-of-abc', 'abc'],
    ['a path that ends as its name does', 'abc', 'servers/abc'],
    ['a name with a control character', 'abc', 'a\u001bbc'],
  ];
  test.each(sampled(misnamed, 1))('are unread when their id is %s', async (_, name, id) => {
    const record = recordOf(sandbox, id, { pid: bystander, port: 4321 });
    const file = await writeState(sandbox.stateDir, `servers/${name}.json`, record);
    const { unread, servers } = JSON.parse((await run('list', '--json')).stdout);
    expect(unread).toContainEqual({ file, error: 'its id does not match its file name' });
    expect(servers.map((one: Fields) => one.id)).not.toContain(id);
  });

  test('may have a name that is printed with care', async () => {
    const server = await startFake(sandbox);
    const id = 'a\u001b[31mb\u202ec';
    await writeState(sandbox.stateDir, `servers/${id}.json`, recordOf(sandbox, id, server));
    for (const command of ['why', 'keep', 'unkeep']) expect((await run(command, `${server.pid}`)).code).toBe(0);
    expect(await run('adopt', `${server.pid}`)).toMatchObject({
      code: 0,
      stdout: expect.not.stringContaining('\u001b'),
    });
    expect((await run('stop', `${server.pid}`)).stdout).toMatch(/^stopped/);
    expect((await run('log')).stdout).toMatch(/stopped/);
  });
});

test('a lease may say anything about where it holds', async () => {
  const server = await startFake(sandbox);
  await writeState(sandbox.stateDir, 'servers/held.json', recordOf(sandbox, 'held', server));
  for (const [at, cwd] of [...TEXTS, join(sandbox.project, 'loop')].entries()) {
    await writeState(sandbox.stateDir, `leases/l${at}.json`, { schema: 'opencode-reap/1', cwd, port: server.port });
  }
  await writeFile(join(sandbox.stateDir, 'leases/odd.json'), JSON.stringify({ schema: 'opencode-reap/1', cwd: 5 }));
  const { servers, unread } = JSON.parse(
    (await run('--port', `${server.port}`, '--older-than', '0s', '--json')).stdout,
  );
  const held = servers.find(({ id }: Fields) => id === 'held');
  expect(held).toMatchObject({ verdict: 'unsure', reasons: expect.arrayContaining(['unleased']) });
  expect(unread.map(({ file }: Fields) => file)).toContain(join(sandbox.stateDir, 'leases/odd.json'));
});
