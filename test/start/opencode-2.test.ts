import { execFileSync } from 'node:child_process';
import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { errorsIn } from '../support/answers.js';
import { type CliResult, runCli } from '../support/cli.js';
import { filesIn, logOf, recordsIn } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { type Answered, BUILDS, callLibrary } from '../support/library.js';
import { request } from '../support/opencode.js';
import { doneBy, installSecond, type Settings, standIn, startSecond } from '../support/opencode-2.js';
import { onDemand, sampled } from '../support/patience.js';
import { alive, cmdline, environ, portHolder } from '../support/proc.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';
import { killedAt, sweepSteps } from '../support/steps.js';
import { waitFor } from '../support/wait.js';
import { watchesOf } from '../support/watching.js';

// No OpenCode 2 can be installed here: every server is a stand-in that speaks its routes.

let sandbox: Sandbox;
let port: number;

beforeEach(async () => {
  sandbox = await createSandbox('opencode-2');
  port = await sandbox.reserve();
  await installSecond(sandbox);
});

afterEach(() => sandbox.dispose());

interface How {
  readonly settings?: Settings;
  readonly env?: Changes;
  readonly build?: string;
}

const started = (words: readonly string[] = [], { settings = {}, env = {} }: How = {}): Promise<CliResult> =>
  runCli(sandbox, ['start', '--port', `${port}`, ...words], { env: { ...standIn(settings), ...env } });

const startedJson = async (how?: How, ...words: string[]) => {
  const { code, stdout, stderr } = await started(['--json', ...words], how);
  expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
  expect(errorsIn(JSON.parse(stdout), 'started')).toEqual([]);
  return JSON.parse(stdout);
};

const ensure = (
  options: object = {},
  { settings = {}, env = {}, build = BUILDS.package }: How = {},
): Promise<Answered> =>
  callLibrary(sandbox, 'ensureServer', [{ port, ...options }], { build, env: { ...standIn(settings), ...env } });

const recordIn = () => recordsIn(sandbox.stateDir)[0]?.fields ?? {};

const statusFor = async (url: string, password?: string): Promise<number> =>
  (await request(url, '/api/info', password === undefined ? {} : { password })).status;

const passwordsOf = (pid: number): string[] => environ(pid).filter((one) => /^OPENCODE_(SERVER_)?PASSWORD=/.test(one));

/** Nothing runs, and nothing but the log is written down. */
const expectNothingLeft = (): void => {
  expect(inhabitants(sandbox).map(cmdline)).toEqual([]);
  expect(filesIn(sandbox.stateDir).filter((file) => !file.endsWith('/log.ndjson'))).toEqual([]);
};

const OURS = /^opencode-reap-[\w-]{32}$/;

describe('a stand-in for OpenCode 2', () => {
  test('is started with a password that only its callers are told, is used again, and is looked after by the watch', async () => {
    const url = `http://127.0.0.1:${port}`;
    expect(await started()).toEqual({ code: 0, stdout: `${url}\n`, stderr: '' });
    const listener = portHolder(port) ?? 0;
    const { id, password, ...rest } = recordIn();
    expect(rest).toMatchObject({ state: 'ready', serverPid: listener, url });
    expect(password).toMatch(OURS);
    expect([await statusFor(url), await statusFor(url, String(password))]).toEqual([401, 200]);
    expect(statSync(recordsIn(sandbox.stateDir)[0]?.file ?? '').mode & 0o777).toBe(0o600);
    expect(watchesOf(sandbox)).toHaveLength(1);

    const answer = { url, pid: listener, alreadyRunning: true, startedByPlugin: true, id, password };
    expect(await startedJson()).toEqual(answer);
    for (const build of Object.values(BUILDS))
      expect(await ensure({}, { build })).toEqual({ value: answer, stderr: '' });

    // Nothing that a person or a log reads shows it, and no command line.
    const shown = [await started()];
    for (const words of [
      ['list', '--all'],
      ['list', '--json'],
      ['why', `:${port}`],
      ['why', `:${port}`, '--json'],
      ['doctor'],
    ])
      shown.push(await runCli(sandbox, words));
    shown.push(await runCli(sandbox, ['stop', `:${port}`, '--yes', '--json', '--verbose']));
    shown.push(await runCli(sandbox, ['log', '--json']));
    const said = shown.map(({ stdout, stderr }) => `${stdout}${stderr}`);
    expect(said.filter((text) => text.includes(String(password)))).toEqual([]);
    expect(alive(listener)).toBe(false);
    expect(JSON.stringify(logOf(sandbox.stateDir))).not.toContain(password);
  });

  test('has its password in one variable, which OpenCode 1 does not read, and in no command line', async () => {
    const { pid, password } = await startedJson();
    expect(passwordsOf(pid)).toEqual([`OPENCODE_PASSWORD=${password}`]);
    expect(inhabitants(sandbox).filter((one) => cmdline(one).some((word) => word.includes(password)))).toEqual([]);
  });

  test('is told to a shell that evaluates what --print-env prints', { ...onDemand }, async () => {
    const { stdout, code, stderr } = await started(['--print-env']);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const script = 'eval "$1"; echo "$OPENCODE_SERVER_URL $OPENCODE_PASSWORD $OPENCODE_SERVER_PASSWORD"';
    const said = execFileSync('/bin/sh', ['-c', script, 'sh', stdout], { encoding: 'utf8' }).trim();
    const password = String(recordIn().password);
    expect(said.split(' ')).toEqual([`http://127.0.0.1:${port}`, password, password]);
    expect((await started(['--print-env', '--json'])).code).toBe(2);
  });

  test.each(sampled(['OPENCODE_PASSWORD', 'OPENCODE_SERVER_PASSWORD'], 1))(
    'has the user’s password where %s has one, however odd, and it is not written down',
    async (name) => {
      const odd = `it's $HOME "and" \\ more`;
      const how = { env: { [name]: odd } };
      const { password, pid, url } = await startedJson(how);
      expect([password, passwordsOf(pid)]).toEqual([odd, [`${name}=${odd}`]]);
      expect([await statusFor(url, odd), recordIn()]).toEqual([200, expect.not.objectContaining({ password: odd })]);
      const { stdout } = await started(['--print-env'], how);
      const script = 'eval "$1"; printf %s "$OPENCODE_PASSWORD"';
      expect(execFileSync('/bin/sh', ['-c', script, 'sh', stdout], { encoding: 'utf8' })).toBe(odd);
      // Another caller does not have it; the server's environment does.
      expect((await ensure()).value).toMatchObject({ alreadyRunning: true, password: odd });
      expect(filesIn(sandbox.stateDir).filter((file) => readFileSync(file, 'utf8').includes("it's"))).toEqual([]);
      const refused = `the OpenCode on port ${port} was not started with a password of its own`;
      expect((await ensure({ secure: true }, how)).error?.message).toBe(refused);
    },
  );

  test('prints no password that would control a terminal', async () => {
    const how = { env: { OPENCODE_PASSWORD: 'a\u001b[2Jb' } };
    const { stdout, stderr } = await started(['--print-env'], how);
    expect([stdout, stderr]).toEqual(['', 'error: its password has control characters in it\nhint: use --json\n']);
    expect((await startedJson(how)).password).toBe('a\u001b[2Jb');
  });

  test('can be secure, with its password in both variables', { ...onDemand }, async () => {
    const { value } = await ensure({ secure: true }, { env: { OPENCODE_PASSWORD: 'everybody-knows' } });
    expect(value).toMatchObject({ alreadyRunning: false, password: expect.stringMatching(OURS) });
    const { password, pid } = value ?? {};
    const both = [`OPENCODE_PASSWORD=${password}`, `OPENCODE_SERVER_PASSWORD=${password}`];
    expect(passwordsOf(Number(pid)).sort()).toEqual(both);
    expect((await ensure({ secure: true })).value).toEqual({ ...value, alreadyRunning: true });
    expect((await ensure()).value).toEqual({ ...value, alreadyRunning: true });
  });

  const outer: [string, Changes][] = [
    [
      'from a tool of an OpenCode 2',
      { OPENCODE_TERMINAL: '1', OPENCODE_PASSWORD: 'outer', OPENCODE_SERVER_PASSWORD: 'outer' },
    ],
    [
      'from anything below a server of ours',
      { OPENCODE_PASSWORD: 'opencode-reap-outer', OPENCODE_SERVER_PASSWORD: 'opencode-reap-outer' },
    ],
  ];
  test.each(sampled(outer, 1))('gets no password of an outer server when it is started %s', async (_, env) => {
    const { password, pid } = await startedJson({ env });
    expect(password).toMatch(OURS);
    expect(password).not.toContain('outer');
    expect(environ(pid).filter((one) => one.includes('outer'))).toEqual([]);
  });

  test('chooses its port itself, when it is asked to', async () => {
    const { code, stdout } = await runCli(sandbox, ['start', '--port', '0', '--json']);
    const { url, pid, password } = JSON.parse(stdout);
    expect([code, await statusFor(url, password), portHolder(Number(new URL(url).port))]).toEqual([0, 200, pid]);
  });

  test.each(sampled(['--service', '--stdio'], 1))(
    'is not started where it would belong to others: %s',
    async (mode) => {
      const { code, stdout, stderr } = await started(['--', mode]);
      const error = `error: opencode serve ${mode} is not a server that can be reaped later\n`;
      expect([code, stdout, stderr]).toEqual([1, '', `${error}hint: leave that argument out\n`]);
      expectNothingLeft();
    },
  );

  test('is one server with one password for all who start it at the same moment', { ...onDemand }, async () => {
    const delays = [0, 0, 300, 600];
    const all = await Promise.all(
      delays.map(async (ms, at) => {
        await sleep(ms);
        return at % 2 === 0 ? startedJson() : (await ensure({}, { build: BUILDS.vendored })).value;
      }),
    );
    const [first, ...others] = all.filter(({ alreadyRunning }) => alreadyRunning === false);
    expect(others).toEqual([]);
    for (const one of all) expect({ ...one, alreadyRunning: false }).toEqual(first);
    expect([recordsIn(sandbox.stateDir).length, portHolder(port)]).toEqual([1, first?.pid]);
    expect(await statusFor(first.url, first.password)).toBe(200);
  });
});

describe('a stand-in for OpenCode 2 is ready', () => {
  test('only once it has answered with its pid, after it answered nothing at first and 503 for a while', async () => {
    const began = performance.now();
    const { url } = await startedJson({ settings: { bootMs: 800, startsForMs: 1_500 } });
    expect((await doneBy({ url })).phase).toBe('ready');
    expect(performance.now() - began).toBeGreaterThan(1_500);
  });

  test('never while it starts for longer than it may, and is ended', async () => {
    const { code, stderr } = await started(['--ready-timeout', '1s'], { settings: { startsForMs: 60_000 } });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: opencode did not answer within 1 s\nhint: /)]);
    expectNothingLeft();
  });

  test('never when its release has no such route, and is ended', { ...onDemand }, async () => {
    const { stderr } = await started(['--ready-timeout', '1s'], { settings: { answers: { '/api/info': 'missing' } } });
    expect(stderr).toMatch(/^error: opencode gave no answer that is understood within 1 s\n/);
    expectNothingLeft();
  });

  test('never when it says that it is another process, and is ended', async () => {
    const { code, stderr } = await started([], { settings: { pid: process.pid } });
    const error = `error: opencode says that it is process ${process.pid}, which was not started here\nhint: `;
    expect([code, stderr]).toEqual([1, expect.stringContaining(error)]);
    expectNothingLeft();
  });

  test('never when it does not accept the password it was given, and is ended', async () => {
    const link = join(sandbox.binDir, 'opencode');
    const script = readFileSync(link, 'utf8').replace('\n', '\nexport OPENCODE_PASSWORD=another\n');
    writeFileSync(link, script);
    const { stderr } = await started(['--ready-timeout', '1s']);
    expect(stderr).toMatch(/^error: opencode did not accept its password within 1 s\n/);
    expectNothingLeft();
  });

  test('also as releases up to 2.0.16 refuse: every path, as OpenCode 1 does', { ...onDemand }, async () => {
    const settings: Settings = { refusesPages: true, bootMs: 800, startsForMs: 800 };
    const first = await startedJson({ settings });
    expect([await statusFor(first.url, first.password), (await doneBy(first)).phase]).toEqual([200, 'ready']);
    expect(await startedJson()).toEqual({ ...first, alreadyRunning: true });
    expect((await ensure({ secure: true })).value).toEqual({ ...first, alreadyRunning: true });
  });

  test.each(sampled(['json', 'bare'] as const, 1))('whatever its refusals look like: %s', async (refusal) => {
    const first = await startedJson({ settings: { refusal } });
    expect(await startedJson()).toEqual({ ...first, alreadyRunning: true });
  });
});

/** Undefined where it swallows the question, as it does at first. */
const infoSoon = async (url: string, password: string): Promise<number | undefined> => {
  const answer = request(url, '/api/info', { password, timeoutMs: 300 });
  return answer.then(({ status }) => status).catch(() => undefined);
};

describe('a stand-in for OpenCode 2 that is already on the port', () => {
  const locked = (pid: number): string =>
    `error: the OpenCode on port ${port} (pid ${pid}) wants a password that is not known here\n` +
    'hint: set OPENCODE_PASSWORD to its password, or choose another port\n';

  test('is refused if its password is not known, and used if the caller’s environment has it', async () => {
    const other = await startSecond(sandbox, { password: 'the-user-s' });
    port = other.port;
    expect(await started()).toEqual({ code: 1, stdout: '', stderr: locked(other.pid) });
    expect(await started([], { env: { OPENCODE_PASSWORD: 'wrong' } })).toMatchObject({
      code: 1,
      stderr: locked(other.pid),
    });
    const { value } = await ensure({}, { env: { OPENCODE_PASSWORD: '', OPENCODE_SERVER_PASSWORD: 'the-user-s' } });
    expect(value).toEqual({
      url: other.url,
      pid: other.pid,
      alreadyRunning: true,
      startedByPlugin: false,
      password: 'the-user-s',
    });
    expect([alive(other.pid), recordsIn(sandbox.stateDir)]).toEqual([true, []]);
  });

  test('is used with the password of its own environment once the user has handed it over', async () => {
    const other = await startSecond(sandbox, { password: 'the-user-s' });
    port = other.port;
    expect((await runCli(sandbox, ['adopt', `:${port}`])).code).toBe(0);
    expect((await ensure()).value).toMatchObject({ pid: other.pid, startedByPlugin: false, password: 'the-user-s' });
  });

  test('is refused if it says that it is another process', async () => {
    const other = await startSecond(sandbox, { password: 'known', settings: { pid: process.pid } });
    port = other.port;
    const { error } = await ensure({}, { env: { OPENCODE_PASSWORD: 'known' } });
    expect(error?.message).toBe(
      `the OpenCode on port ${port} says that it is process ${process.pid}, but process ${other.pid} listens there`,
    );
  });

  test('is waited for while it starts', async () => {
    const settings: Settings = { bootMs: 400, startsForMs: 2_000 };
    const other = await startSecond(sandbox, { password: 'known', settings, untilReady: false });
    port = other.port;
    const env = { OPENCODE_PASSWORD: 'known' };
    await waitFor('it answers', async () => (await infoSoon(other.url, 'known')) === 503);
    const { error } = await ensure({ readyTimeout: 0 }, { env });
    expect(error?.message).toBe(`port ${port} cannot be used: the OpenCode on it is starting or stopping`);
    const { value } = await ensure({}, { env });
    expect([value?.pid, (await doneBy(other)).phase]).toEqual([other.pid, 'ready']);
  });
});

/** Refuses everyone below /api, as OpenCode 2 does, and writes down what it is told. */
const ASKS = `const [port, file] = process.argv.slice(1);
require('node:http').createServer(({ url, headers }, reply) => {
  require('node:fs').appendFileSync(file, url + ' ' + (headers.authorization ?? 'nothing') + '\\n');
  reply.writeHead(url.startsWith('/api') ? 401 : 200).end();
}).listen(Number(port), '127.0.0.1');`;

test.each([
  ['node', 'is held by something that is not OpenCode'],
  // A terminal's client may listen as well, and anything may be called that.
  ['opencode', 'wants a password that is not known here'],
])('the user’s password is not told to what only asks for it as OpenCode 2 does: %s', async (argv0, error) => {
  const file = join(sandbox.root, 'told');
  sandbox.spawn(process.execPath, ['-e', ASKS, '--', `${port}`, file], { argv0, stdio: 'ignore' });
  await waitFor('it listens', () => portHolder(port) !== undefined);
  const { code, stderr } = await started([], { env: { OPENCODE_PASSWORD: 'the-user-s' } });
  expect([code, stderr]).toEqual([1, expect.stringContaining(error)]);
  const told = readFileSync(file, 'utf8').trim().split('\n');
  expect(told).toContain('/api/info nothing');
  expect(told.filter((line) => !line.endsWith(' nothing'))).toEqual([]);
});

test('SIGKILL before any step of `start`: the next one has a stand-in for OpenCode 2, and its password', {
  ...onDemand,
  timeout: 600_000,
}, async () => {
  await sweepSteps(async (step) => {
    port = await sandbox.reserve();
    const { code } = await started(['--retire-after', '0'], { env: killedAt(step) });
    const { url, password, pid } = await startedJson();
    expect([step, await statusFor(url, password), portHolder(port)]).toEqual([step, 200, pid]);
    await runCli(sandbox, ['stop', `:${port}`, '--yes']);
    const servers = inhabitants(sandbox).map(cmdline);
    const left = servers.filter((words) => words.includes('serve'));
    expect([step, left, recordsIn(sandbox.stateDir)]).toEqual([step, [], []]);
    return code === null;
  });
});
