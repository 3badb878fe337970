import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { filesIn, installFake, recordsIn, startFake, writeRecord } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { type Answered, BUILDS, callLibrary } from '../support/library.js';
import { installOpencode, releases, request } from '../support/opencode.js';
import { isPatient } from '../support/patience.js';
import { alive, closedLately, environ, portHolder } from '../support/proc.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let sandbox: Sandbox;
let port: number;

beforeEach(async () => {
  sandbox = await createSandbox('secure');
  port = await sandbox.reserve();
});

afterEach(() => sandbox.dispose());

const ensure = (options: object, build: string = BUILDS.package, changes: Changes = {}): Promise<Answered> =>
  // The names that the caller's own servers go by are no way in.
  callLibrary(sandbox, 'ensureServer', [{ port, ...options }], {
    build,
    env: { OPENCODE_SERVER_USERNAME: 'somebody', OPENCODE_SERVER_PASSWORD: 'everybody-knows', ...changes },
  });

describe.each(releases('launcher'))('a %s server with a password of its own', (release) => {
  test('lets in the caller that started it or uses it again, and is judged and stopped, with the password in no output', async () => {
    await installOpencode(sandbox, release);
    const first = await ensure({ secure: true });
    const { password, url, id } = first.value ?? {};
    expect(password).toEqual(expect.stringMatching(/^opencode-reap-[\w-]{32}$/));
    const statusFor = async (word?: string) =>
      (await request(String(url), '/global/health', word === undefined ? {} : { password: word })).status;
    expect([await statusFor(), await statusFor('everybody-knows')]).toEqual([401, 401]);
    expect(await statusFor(String(password))).toBe(200);

    // A caller without `secure` gets the same server, and still needs its password.
    for (const again of [await ensure({ secure: true }, BUILDS.vendored), await ensure({})]) {
      expect(again.value).toEqual({ ...first.value, alreadyRunning: true });
    }
    const [record, ...others] = recordsIn(sandbox.stateDir);
    expect([record?.fields.password, others]).toEqual([password, []]);
    expect(statSync(record?.file ?? '').mode & 0o777).toBe(0o600);

    const listener = portHolder(port) ?? 0;
    const said: CliResult[] = [];
    const run = async (...args: string[]): Promise<CliResult> => {
      const result = await runCli(sandbox, args);
      said.push(result);
      return result;
    };
    await run('start', '--port', `${port}`, '--json');
    await run('list', '--json');
    // Its caller may only now begin to use it, and for a minute it cannot be told whether it has.
    if (isPatient) await waitFor('the last who asked is forgotten', () => closedLately(port) === 0, 75_000);
    const judged = JSON.parse((await run('why', `:${port}`, '--older-than', '0s', '--json')).stdout);
    expect(judged).toMatchObject({ id, verdict: isPatient ? 'stale' : 'spared' });
    const words = isPatient ? ['--older-than', '0s', '--verbose'] : ['stop', `:${port}`, '--yes'];
    const ended = JSON.parse((await run(...words, '--json')).stdout);
    expect(isPatient ? ended.servers : [ended]).toMatchObject([{ id, outcome: { kind: 'stopped' } }]);
    await run('log', '--json');
    expect(said.filter(({ stdout, stderr }) => `${stdout}${stderr}`.includes(String(password)))).toEqual([]);
    expect(alive(listener)).toBe(false);
    const log = join(sandbox.stateDir, 'log.ndjson');
    expect(filesIn(sandbox.stateDir)).toEqual([log]);
    expect(readFileSync(log, 'utf8')).not.toContain(password);
  });
});

test('a server that asks for no password is not taken for one that does', async () => {
  await installFake(sandbox);
  const open = { FAKE_OPENCODE: 'open' };
  const { error } = await ensure({ secure: true }, BUILDS.package, open);
  expect(error?.message).toBe('opencode does not ask for its password');
  expect([inhabitants(sandbox), recordsIn(sandbox.stateDir)]).toEqual([[], []]);
  expect((await ensure({})).value).not.toHaveProperty('password');
  const refused = `the OpenCode server on port ${port} was not started with a password of its own`;
  expect((await ensure({ secure: true })).error?.message).toBe(refused);
  expect(environ(portHolder(port) ?? 0)).toContain('OPENCODE_SERVER_PASSWORD=everybody-knows');
});

test.each<[string, object]>([
  ['open', { error: { message: expect.stringMatching('does not ask for its password') } }],
  ['locked', { value: { alreadyRunning: true, password: 'its-own' } }],
])(
  'a server whose starter died before it had asked is asked by the caller that wants it secure: %s',
  async (lock, expected) => {
    const fake = await startFake(sandbox, { OPENCODE_SERVER_PASSWORD: 'its-own', FAKE_OPENCODE: lock });
    const starter = { pid: process.pid, startToken: 'of a process before this one' };
    await writeRecord(sandbox, 'aaaaaaaaaa', fake, { state: 'starting', starter, password: 'its-own' });
    expect(await callLibrary(sandbox, 'ensureServer', [{ port: fake.port, secure: true }])).toMatchObject(expected);
  },
);

test('the password of a server is for its own address', async () => {
  const fake = await startFake(sandbox, { OPENCODE_SERVER_PASSWORD: 'its-own' });
  await writeRecord(sandbox, 'aaaaaaaaaa', fake, { hostname: '127.0.0.2', password: 'its-own' });
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port: fake.port }]);
  expect(value).toEqual({ url: fake.url, pid: fake.pid, alreadyRunning: true, startedByPlugin: false });
});
