import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorsIn } from '../support/answers.js';
import { runCli } from '../support/cli.js';
import { type Fake, installFake, recordsIn, startFake, writeRecord, writeState } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const schema = JSON.parse(readFileSync(new URL('../../docs/answers.schema.json', import.meta.url), 'utf8'));

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('answers');
  server = await startFake(sandbox);
  await writeRecord(sandbox, 'one', server);
});

afterEach(() => sandbox.dispose());

/** The whole of standard output, as one answer of a kind. */
const answer = async (kind: string, ...args: string[]) => {
  const { stdout, stderr } = await runCli(sandbox, [...args, '--json']);
  expect(stderr).toBe('');
  const printed = JSON.parse(stdout);
  expect(errorsIn(printed, kind)).toEqual([]);
  return printed;
};

/** Every line on standard error, each of which is one error. */
const errors = async (args: string[], env: Record<string, string> = {}) => {
  const { code, stdout, stderr } = await runCli(sandbox, args, { env });
  const said = stderr
    .trimEnd()
    .split('\n')
    .map((line) => JSON.parse(line));
  expect(said.flatMap((one) => errorsIn(one, 'error'))).toEqual([]);
  return { code, stdout, said };
};

describe('the schema of the answers describes what is printed by', () => {
  test('a run, list, why and stop', async () => {
    await answer('report', '--dry-run');
    await answer('report', 'list', '--all');
    expect(await answer('server', 'why', 'one')).toMatchObject({ id: 'one' });
    expect(await answer('server', 'stop', 'one')).toMatchObject({ outcome: { kind: 'stopped' } });
  });

  test('keep, unkeep and adopt', async () => {
    expect(await answer('mark', 'keep', 'one')).toMatchObject({ id: 'one', port: server.port, kept: true });
    expect(await answer('mark', 'unkeep', 'one')).toMatchObject({ kept: false });
    const { port } = await startFake(sandbox);
    expect(await answer('adopted', 'adopt', `:${port}`)).toMatchObject({ adopted: true, port });
  });

  test('start, of a server that it starts and of one that is there', async () => {
    await installFake(sandbox);
    const port = `${await sandbox.reserve()}`;
    expect(await answer('started', 'start', '--port', port)).toMatchObject({ alreadyRunning: false });
    expect(await answer('started', 'start', '--port', port)).toMatchObject({ alreadyRunning: true });
    const { port: other } = await startFake(sandbox);
    expect(await answer('started', 'start', '--port', `${other}`)).toMatchObject({ id: null });
  });

  test('log, line by line', async () => {
    await answer('server', 'stop', 'one');
    const { stdout } = await runCli(sandbox, ['log', '--json']);
    const printed = stdout
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(printed).toMatchObject([{ event: 'stopped', id: 'one', by: 'person' }]);
    expect(errorsIn(printed[0], 'logLine')).toEqual([]);
  });

  test('doctor, install and uninstall', async () => {
    expect((await answer('doctor', 'doctor')).findings.length).toBeGreaterThan(3);
    expect(await answer('settings', 'install', '--dry-run')).toMatchObject({ dryRun: true, changed: true });
    expect(await answer('settings', 'install')).toMatchObject({ dryRun: false, scope: 'user' });
    expect(await answer('settings', 'uninstall')).toMatchObject({ changed: true });
  });
});

test('the schema of the answers refuses anything else', async () => {
  const kinds = Object.keys(schema.$defs).filter((kind) => !['pid', 'port'].includes(kind));
  expect(kinds).toHaveLength(9);
  expect(kinds.filter((kind) => errorsIn({}, kind).length === 0)).toEqual([]);
  const closed = kinds.filter((kind) => kind !== 'logLine');
  expect(closed.filter((kind) => !errorsIn({ more: 1 }, kind).join().includes('additional properties'))).toEqual([]);
});

describe('with --json, errors are lines of JSON on standard error, and standard output has no half answer:', () => {
  const wrong: [number, string[], string][] = [
    [2, ['--json', '--frobnicate'], "unknown option '--frobnicate'"],
    [2, ['--frobnicate', '--json'], "unknown option '--frobnicate'"],
    [2, ['why', '--json'], "missing required argument 'server'"],
    [2, ['frobnicate', '--json'], "unknown command 'frobnicate'"],
    [4, ['why', 'two', '--json'], 'no known server has the id, pid or port two'],
    [1, ['start', '--json', '--port', '0'], 'opencode'],
  ];
  test.each(sampled(wrong, 3))('exit code %i for %j', async (code, args, error) => {
    const result = await errors(args, { PATH: sandbox.root });
    expect(result).toEqual({
      code,
      stdout: '',
      said: [{ error: expect.stringContaining(error), hint: expect.any(String) }],
    });
  });

  test('what could not be read stands beside the answer', async () => {
    const files = [
      await writeState(sandbox.stateDir, 'servers/broken.json', '{'),
      await writeState(sandbox.stateDir, 'servers/torn.json', '{'),
    ];
    const { code, stdout, said } = await errors(['list', '--json']);
    expect([code, errorsIn(JSON.parse(stdout), 'report')]).toEqual([1, []]);
    expect(said.map(({ error }) => error).sort()).toEqual(
      files.map((file) => `could not read ${file}: not valid JSON`),
    );
  });

  test('nothing in them controls a terminal, and what follows -- asks for nothing', async () => {
    const { stderr } = await runCli(sandbox, ['why', '\u001b[31mred\u009b\n', '--json']);
    expect(JSON.parse(stderr).error).not.toMatch(/[\p{Cc}]/u);
    expect(stderr.trimEnd()).not.toMatch(/[\p{Cc}]/u);
    expect((await runCli(sandbox, ['why', '--', 'two', '--json'])).stderr).toMatch(/^error: /);
  });
});

describe('a server that is not there is exit code 4', () => {
  test.each(sampled(['why', 'stop', 'keep', 'unkeep', 'adopt']))('to %s', async (command) => {
    const said = { stdout: '', stderr: expect.stringMatching(/^error: [^\n]+\nhint: [^\n]+\n$/) };
    expect(await runCli(sandbox, [command, 'two'])).toEqual({ code: 4, ...said });
  });

  test('unless a file that may be about it could not be read', async () => {
    await writeState(sandbox.stateDir, 'servers/two.json', '{');
    expect(await runCli(sandbox, ['why', 'two'])).toMatchObject({ code: 1 });
  });
});

describe('-q says what was stopped and nothing else:', () => {
  const line = () => expect.stringMatching(new RegExp(`^stopped pid ${server.pid} on port ${server.port}: .+\\n$`));

  test('a run', async () => {
    expect(await runCli(sandbox, ['-q', '--older-than', '1d'])).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await runCli(sandbox, ['-qn', '--older-than', '0s'])).toEqual({ code: 0, stdout: '', stderr: '' });
    await startFake(sandbox);
    expect(await runCli(sandbox, ['-q', '--older-than', '0s'])).toEqual({ code: 0, stdout: line(), stderr: '' });
  });

  test('stop', async () => {
    const { code, stdout, stderr } = await runCli(sandbox, ['stop', 'one', '-q']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^stopped.*\n$/);
  });
});

describe('a folder that is named and not there', () => {
  const missing: [string, string[]][] = [
    ['--state-dir', ['list']],
    ['--state-dir', ['keep', 'one']],
    ['--state-dir', ['--all-stale']],
    ['--workspace', ['--older-than', '0s']],
    ['--workspace', ['install']],
  ];
  test.each(sampled(missing, 2))('%s of %j is wrong usage', async (option, args) => {
    const folder = join(sandbox.root, 'none');
    const { code, stdout, stderr } = await runCli(sandbox, [...args, option, folder]);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(`error: ${option} names ${folder}, which is not a folder`);
  });

  test('is made by what writes a first record there', async () => {
    const folder = join(sandbox.root, 'made/by');
    const other = await startFake(sandbox);
    expect(await runCli(sandbox, ['adopt', `${other.port}`, '--state-dir', folder])).toMatchObject({
      code: 0,
      stderr: '',
    });
    expect((await runCli(sandbox, ['list', '--state-dir', folder])).stdout).toContain(` ${other.port} `);
    await installFake(sandbox);
    const port = await sandbox.reserve();
    const started = await runCli(sandbox, ['start', '--port', `${port}`, '--state-dir', `${folder}-2`]);
    expect(started).toEqual({ code: 0, stdout: `http://127.0.0.1:${port}\n`, stderr: '' });
    expect(recordsIn(`${folder}-2`)).toHaveLength(1);
  });

  test('is none to what hooks start, nor if the environment names it', async () => {
    const folder = join(sandbox.root, 'none');
    expect(await runCli(sandbox, ['watch', 'token', '--state-dir', folder])).not.toMatchObject({ code: 2 });
    const env = { OPENCODE_REAP_STATE_DIR: folder };
    expect(await runCli(sandbox, ['list'], { env })).toMatchObject({ code: 0, stderr: '' });
  });
});

describe('an option that a command does not take is refused', () => {
  const refused: [string[], string][] = [
    [['--dry-run', 'keep', 'one'], "'keep' does not take --dry-run"],
    [['-q', 'list'], "'list' does not take --quiet"],
    [['--json', 'completion', 'bash'], "'completion' does not take --json"],
    [['--exit-code', '-q'], '--exit-code needs --dry-run'],
  ];
  test.each(sampled(refused, 2))('%j', async (args, error) => {
    const { code, stdout, stderr } = await runCli(sandbox, args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toContain(error);
    process.kill(server.pid, 0);
  });
});

describe('the hint of wrong usage', () => {
  const hints: [string[], string][] = [
    [['lst'], 'did you mean list?'],
    [['help', 'stpo'], 'did you mean stop?'],
    [['stpo', 'one'], 'did you mean stop?'],
    [['list', '--al'], 'did you mean --all?'],
    [['list', 'all'], 'opencode-reap list --help lists its options'],
    [['why'], 'opencode-reap why --help lists its options'],
    [['start', '--port', 'x'], 'opencode-reap start --help lists its options'],
    [['--limit', 'x'], 'opencode-reap --help lists commands and options'],
    [['xyzzy'], 'opencode-reap --help lists commands and options'],
  ];
  test.each(sampled(hints, 3))('of %j is: %s', async (args, hint) => {
    expect((await runCli(sandbox, args)).stderr).toMatch(`\nhint: ${hint}\n`);
  });
});
