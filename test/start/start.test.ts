import { readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { type Fields, installFake, machine, recordsIn } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { installOpencode, releases, request } from '../support/opencode.js';
import { onDemand, sampled } from '../support/patience.js';
import { cmdline, environ, parent, portHolder, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const namesIn = (sandbox: Sandbox, folder: string): string[] => readdirSync(join(sandbox.stateDir, folder));

const recordsOf = (sandbox: Sandbox): Fields[] => recordsIn(sandbox.stateDir).map(({ fields }) => fields);

const serversOn = (sandbox: Sandbox, port: number): number[] =>
  inhabitants(sandbox).filter((pid) => cmdline(pid).includes('serve') && cmdline(pid).includes(`${port}`));

describe.each(releases('launcher'))('a %s server that `start` has started', (release) => {
  const SESSION = { CLAUDECODE: '1', CLAUDE_PID: '77', CLAUDE_CODE_SESSION_ID: 'session-1', OPENCODE_PID: '78' };
  let sandbox: Sandbox;
  let port: number;
  let listener: number;

  beforeAll(async () => {
    sandbox = await createSandbox(`start-${release}`);
    await installOpencode(sandbox, release);
    port = await sandbox.reserve();
    const started = await runCli(sandbox, ['start', '--port', `${port}`], { env: { ...SESSION, KEPT: 'yes' } });
    expect(started).toEqual({ code: 0, stdout: `http://127.0.0.1:${port}\n`, stderr: '' });
    listener = portHolder(port) ?? 0;
  });

  afterAll(() => sandbox.dispose());

  test('answers and outlives its starter', async () => {
    expect((await request(`http://127.0.0.1:${port}`, '/global/health')).body).toMatchObject({ healthy: true });
    expect(parent(release === 'native' ? listener : parent(listener))).toBe(1);
  });

  test('is written down completely', () => {
    const [record, ...others] = recordsOf(sandbox);
    const spawned = release === 'native' ? listener : parent(listener);
    expect(others).toEqual([]);
    expect(record).toEqual({
      schema: 'opencode-reap/1',
      id: expect.stringMatching(/^[0-9a-f]{10}$/),
      startedByPlugin: true,
      plugin: 'opencode-reap start',
      tag: expect.stringMatching(/^[0-9a-f]{32}$/),
      starter: { pid: expect.any(Number), startToken: expect.stringMatching(/^\d+$/) },
      pid: spawned,
      startToken: startToken(spawned),
      serverPid: listener,
      serverStartToken: startToken(listener),
      machine: { ...machine(), timeNamespace: expect.stringMatching(/^time:/), name: hostname() },
      uid: process.getuid?.(),
      hostname: '127.0.0.1',
      port,
      url: `http://127.0.0.1:${port}`,
      command: ['opencode', 'serve', '--hostname', '127.0.0.1', '--port', `${port}`],
      workspace: sandbox.project,
      startedBySession: 'session-1',
      startedAt: expect.stringMatching(/^\d{4}-\d\d-\d\dT[\d:.]+Z$/),
      state: 'ready',
      retireAfterMs: 1_800_000,
    });
    expect(namesIn(sandbox, 'servers')).toEqual([`${record?.id}.json`]);
  });

  test('is written down where no other user can read it', () => {
    const modeOf = (...path: string[]): string => (statSync(join(sandbox.stateDir, ...path)).mode & 0o777).toString(8);
    expect([modeOf(), modeOf('servers'), modeOf('starts')]).toEqual(['700', '700', '700']);
    expect(namesIn(sandbox, 'servers').map((name) => modeOf('servers', name))).toEqual(['600']);
    expect(namesIn(sandbox, 'starts')).toEqual([]);
  });

  test('carries its tag, and nothing of the session that started it', () => {
    const variables = environ(listener);
    expect(variables).toContain(`OPENCODE_REAP_TAG=${recordsOf(sandbox)[0]?.tag}`);
    expect(variables).toContain('KEPT=yes');
    const session = variables.filter((variable) => /^(CLAUDE|OPENCODE_PID=78)/.test(variable));
    expect(session).toEqual([]);
  });

  test('on any port leaves the default one to who asks for it, which OpenCode 1 itself would take', {
    ...onDemand,
  }, async () => {
    const { code, stdout } = await runCli(sandbox, ['start', '--port', '0', '--json']);
    const { url, pid, alreadyRunning } = JSON.parse(stdout);
    const other = Number(new URL(url).port);
    expect([code, alreadyRunning, portHolder(other)]).toEqual([0, false, pid]);
    expect([4096, port]).not.toContain(other);
    expect((await runCli(sandbox, ['stop', `:${other}`, '--yes'])).code).toBe(0);
  });

  test('is used again by the next `start`', async () => {
    const again = await runCli(sandbox, ['start', '--port', `${port}`]);
    expect(again).toEqual({ code: 0, stdout: `http://127.0.0.1:${port}\n`, stderr: '' });
    const { stdout } = await runCli(sandbox, ['start', '--port', `${port}`, '--json']);
    const id = recordsOf(sandbox)[0]?.id;
    const url = `http://127.0.0.1:${port}`;
    expect(JSON.parse(stdout)).toEqual({ url, pid: listener, alreadyRunning: true, startedByPlugin: true, id });
    expect(portHolder(port)).toBe(listener);
  });
});

test('a server is written down before its process exists', async () => {
  const sandbox = await createSandbox('start-before');
  try {
    await installFake(sandbox);
    // Loaded before the program: says what is written down at the moment of the spawn.
    const [preload, file] = [join(sandbox.root, 'preload.cjs'), join(sandbox.root, 'then')];
    const script = `const [fs, children] = [require('node:fs'), require('node:child_process')];
const { spawn } = children;
children.spawn = (command, ...rest) => {
  const folder = '${sandbox.stateDir}/servers/';
  if (command === 'opencode') fs.copyFileSync(folder + fs.readdirSync(folder).find((name) => /^\\w/.test(name)), '${file}');
  return spawn(command, ...rest);
};
require('node:module').syncBuiltinESMExports();`;
    writeFileSync(preload, script);
    const env = { NODE_OPTIONS: `--require ${preload}` };
    const started = await runCli(sandbox, ['start', '--port', `${await sandbox.reserve()}`, '--json'], { env });
    const then = JSON.parse(readFileSync(file, 'utf8'));
    const [record] = recordsOf(sandbox);
    expect(then).toMatchObject({ id: JSON.parse(started.stdout).id, state: 'spawning', tag: record?.tag });
    expect(then).not.toHaveProperty('pid');
    expect(environ(Number(record?.pid))).toContain(`OPENCODE_REAP_TAG=${then.tag}`);
  } finally {
    await sandbox.dispose();
  }
});

describe('starts at the same moment', () => {
  // Two at once are the library's to show. A stand-in answers so soon that the later ones meet it at every stage of
  // being written down.
  test.each(sampled([{ delays: [0, 40, 80, 120] }, { delays: [0, 20, 100, 140] }], 1))(
    'make one server ($delays ms apart)',
    async ({ delays }) => {
      const sandbox = await createSandbox('start-race');
      try {
        await installFake(sandbox);
        const port = await sandbox.reserve();
        const start = async (delay: number) => {
          await sleep(delay);
          return runCli(sandbox, ['start', '--port', `${port}`, '--json'], { timeoutMs: 50_000 });
        };
        const results = await Promise.all(delays.map(start));
        expect(results.map(({ code, stderr }) => `${code}${stderr}`)).toEqual(delays.map(() => '0'));
        const said: Fields[] = results.map(({ stdout }) => JSON.parse(stdout));
        const [first, ...others] = said.filter(({ alreadyRunning }) => alreadyRunning === false);
        expect(others).toEqual([]);
        for (const one of said) expect({ ...one, alreadyRunning: false }).toEqual(first);
        const { id, url, pid } = first ?? {};
        expect(recordsOf(sandbox)).toMatchObject([{ id, url, serverPid: pid, state: 'ready' }]);
        expect(namesIn(sandbox, 'starts')).toEqual([]);
        expect(serversOn(sandbox, port)).toEqual([recordsOf(sandbox)[0]?.pid]);
      } finally {
        await sandbox.dispose();
      }
    },
  );
});
