import { existsSync } from 'node:fs';
import { chmod, rm, utimes, writeFile } from 'node:fs/promises';
import { createServer as createHttpServer } from 'node:http';
import { type AddressInfo, createServer, type Server } from 'node:net';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import {
  deadPid,
  filesIn,
  identityOf,
  installFake,
  logOf,
  machine,
  recordsIn,
  SCHEMA,
  startFake,
  writeState,
} from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { sampled } from '../support/patience.js';
import { cmdline, portHolder } from '../support/proc.js';
import { THROUGH_MACOS } from '../support/program.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await createSandbox('refused');
});

afterEach(() => sandbox.dispose());

const expectRefusal = (result: CliResult, error: RegExp, hint: RegExp): void => {
  expect(result).toMatchObject({ code: 1, stdout: '' });
  const [first = '', second = '', ...rest] = result.stderr.split('\n');
  expect([first, second]).toEqual([expect.stringMatching(/^error: /), expect.stringMatching(/^hint: /)]);
  expect(rest).toEqual(['']);
  expect(first).toMatch(error);
  expect(second).toMatch(hint);
};

/** Neither a process nor a file, but for what the log says of it. */
const expectNothingLeft = (): void => {
  expect(filesIn(sandbox.stateDir).filter((file) => !file.endsWith('/log.ndjson'))).toEqual([]);
  expect(inhabitants(sandbox)).toEqual([]);
};

describe('a port that something else holds', () => {
  const listen = (server: Server): Promise<number> =>
    new Promise((resolve) => {
      server.listen(0, '127.0.0.1', () => resolve((server.address() as AddressInfo).port));
    });

  const holders: [string, () => Server][] = [
    ['answers 404 with a page', () => createHttpServer((_, reply) => reply.writeHead(404).end('<html></html>'))],
    ['answers 200 with a page', () => createHttpServer((_, reply) => reply.end('<html></html>'))],
    [
      'answers another JSON',
      () => createHttpServer((_, reply) => reply.setHeader('content-type', 'application/json').end('{}')),
    ],
    [
      'wants a password of its own',
      () => createHttpServer((_, reply) => reply.writeHead(401, { 'www-authenticate': 'Basic realm="x"' }).end()),
    ],
    [
      "wants one in OpenCode's way",
      () =>
        createHttpServer((_, reply) => reply.writeHead(401, { 'www-authenticate': 'Basic realm="Secure Area"' }).end()),
    ],
    ['speaks no HTTP', () => createServer((socket) => socket.end('220 mail\r\n'))],
    ['accepts and says nothing', () => createServer((socket) => socket.on('error', () => socket.destroy()))],
  ];
  test.each(sampled(holders, 3))('is refused when its holder %s', async (_, make) => {
    await installFake(sandbox);
    const server = make();
    const port = await listen(server);
    const began = performance.now();
    const result = await runCli(sandbox, ['start', '--port', `${port}`]);
    server.close();
    expect(performance.now() - began).toBeLessThan(8_000);
    expectRefusal(
      result,
      new RegExp(`port ${port} is held by something that is not OpenCode .pid ${process.pid}`),
      /another port/,
    );
    expectNothingLeft();
  });
});

// Only root can be another user for a moment.
const isRoot = process.getuid?.() === 0;
const unlessRoot = !isRoot
  ? ' (skipped: only root can listen as another user)'
  : THROUGH_MACOS
    ? ' (skipped: macOS shows whose a process is, and not whose a socket)'
    : '';

test.skipIf(unlessRoot)(`another user's OpenCode is refused${unlessRoot}`, async () => {
  const server = createHttpServer((_, reply) =>
    reply.setHeader('content-type', 'application/json').end('{"healthy":true}'),
  );
  process.seteuid?.(65_534);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  process.seteuid?.(0);
  const { port } = server.address() as AddressInfo;
  const result = await runCli(sandbox, ['start', '--port', `${port}`]);
  server.close();
  expectRefusal(result, new RegExp(`port ${port} belongs to another user`), /another port/);
});

test('an OpenCode on the port that does not answer is waited for no longer than one that is started', async () => {
  const { port, pid } = await startFake(sandbox, { FAKE_OPENCODE: 'silent' });
  const began = performance.now();
  const result = await runCli(sandbox, ['start', '--port', `${port}`, '--ready-timeout', '1s']);
  expect(performance.now() - began).toBeLessThan(8_000);
  expectRefusal(result, new RegExp(`the OpenCode server there .pid ${pid}. does not answer`), /another port/);
});

describe('a server that cannot be started', () => {
  const putOpencode = (script: string): Promise<void> =>
    writeFile(join(sandbox.binDir, 'opencode'), script, { mode: 0o755 });

  const start = async (...args: string[]): Promise<CliResult> =>
    runCli(sandbox, ['start', '--port', `${await sandbox.reserve()}`, ...args]);

  test('is missing from the PATH', async () => {
    expectRefusal(await start(), /opencode could not be started: .*ENOENT/, /install OpenCode|PATH/);
    expectNothingLeft();
  });

  test('may not be executed', async () => {
    await putOpencode('#!/bin/sh\n');
    await chmod(join(sandbox.binDir, 'opencode'), 0o600);
    expectRefusal(await start(), /opencode could not be started: .*EACCES/, /PATH/);
    expectNothingLeft();
  });

  test.each([
    ['exit 3', /ended before it answered .exit code 3/],
    ['kill -9 $$', /ended before it answered .ended by SIGKILL/],
  ])('ends at once: %s', async (script, error) => {
    await putOpencode(`#!/bin/sh\n${script}\n`);
    expectRefusal(await start(), error, /opencode serve --hostname 127.0.0.1 --port \d+/);
    expectNothingLeft();
  });

  test('listens and never answers, and is ended with what it started', async () => {
    await installFake(sandbox);
    const port = await sandbox.reserve();
    const args = ['start', '--port', `${port}`, '--ready-timeout', '1s'];
    const result = await runCli(sandbox, args, { env: { FAKE_OPENCODE: 'silent' } });
    expectRefusal(result, /opencode did not answer within 1 s/, /opencode serve/);
    expect(portHolder(port)).toBeUndefined();
    expectNothingLeft();
    const detail = expect.stringMatching(/opencode did not answer within 1 s; ended: pid \d+; nothing is left of it$/);
    expect(logOf(sandbox.stateDir)).toMatchObject([{ event: 'given up', by: 'person', port, detail }]);
  });

  test('cannot be written down, and is never begun', async () => {
    const ran = join(sandbox.root, 'ran');
    await putOpencode(`#!/bin/sh\ntouch "${ran}"\nexec sleep 60\n`);
    await writeState(sandbox.stateDir, 'servers', '');
    // A chosen port is claimed in that folder before; of any port only the record is written.
    for (const port of ['0', `${await sandbox.reserve()}`])
      expect(await runCli(sandbox, ['start', '--port', port, '--ready-timeout', '1s'])).toMatchObject({ code: 1 });
    await sleep(300);
    expect([existsSync(ran), inhabitants(sandbox)]).toEqual([false, []]);
  });

  test('has no folder to be written down in', async () => {
    await installFake(sandbox);
    await writeFile(sandbox.stateDir, '');
    expectRefusal(await start(), new RegExp(sandbox.stateDir), /--state-dir/);
    await rm(sandbox.stateDir);
    expectNothingLeft();
  });
});

describe('a claim on the port', () => {
  const claimBy = (port: number, holder: unknown, changes: object = {}): Promise<string> =>
    writeState(sandbox.stateDir, `starts/${port}.json`, { schema: SCHEMA, holder, machine: machine(), ...changes });
  /** A container that was rebuilt over a kept home: it cannot be told whether the holder lives. */
  const ELSEWHERE = { machine: { ...machine(), pidNamespace: 'pid:[1]' } };

  test('is void once its holder is dead', async () => {
    await installFake(sandbox);
    const port = await sandbox.reserve();
    await claimBy(port, { pid: await deadPid(sandbox), startToken: '1' });
    expect(await runCli(sandbox, ['start', '--port', `${port}`])).toMatchObject({ code: 0, stderr: '' });
    expect(filesIn(sandbox.stateDir)).toEqual(recordsIn(sandbox.stateDir).map(({ file }) => file));
  });

  const silences: [string, number, object][] = [
    ['longer than it says', 3, { ...ELSEWHERE, holdsMs: 120_000 }],
    ['10 minutes, as earlier versions wrote it', 11, ELSEWHERE],
    ['far into the future, since the clock was set back', -11, ELSEWHERE],
  ];
  test.each(sampled(silences, 1))(
    'is void once nobody can tell about its holder, for %s',
    async (_, minutes, changes) => {
      await installFake(sandbox);
      const port = await sandbox.reserve();
      const file = await claimBy(port, { pid: await deadPid(sandbox), startToken: '1' }, changes);
      const at = new Date(Date.now() - minutes * 60_000);
      await utimes(file, at, at);
      expect(await runCli(sandbox, ['start', '--port', `${port}`])).toMatchObject({ code: 0, stderr: '' });
    },
  );

  test('counts while its holder is surely alive, or may be, and has renewed it', async () => {
    await installFake(sandbox);
    const port = await sandbox.reserve();
    const start = () => runCli(sandbox, ['start', '--port', `${port}`, '--ready-timeout', '500ms']);
    const file = await claimBy(port, identityOf(process.pid), { holdsMs: 60_000 });
    expectRefusal(await start(), /process \d+ is starting a server there/, /./);
    await claimBy(port, identityOf(process.pid), { ...ELSEWHERE, holdsMs: 60_000 });
    expectRefusal(await start(), /process \d+ is starting a server there/, /./);
    expect(filesIn(sandbox.stateDir)).toEqual([file]);
  });

  test('is void once its holder, which lives, has not renewed it: by the boot clock, not by the file’s time', async () => {
    await installFake(sandbox);
    const port = await sandbox.reserve();
    const start = () => runCli(sandbox, ['start', '--port', `${port}`, '--ready-timeout', '500ms']);
    const at = new Date(Date.now() - 86_400_000);
    const silentMs = 60_000;
    const made = { at: at.toISOString(), bootMs: Math.round(uptime() * 1000) - silentMs };
    const file = await claimBy(port, identityOf(process.pid), { ...made, holdsMs: silentMs + 30_000 });
    await utimes(file, at, at);
    expectRefusal(await start(), /process \d+ is starting a server there/, /./);
    await claimBy(port, identityOf(process.pid), { ...made, holdsMs: silentMs - 10_000 });
    await utimes(file, at, at);
    expect(await start()).toMatchObject({ code: 0, stderr: '' });
  });

  test('that cannot be read is named, and left alone', async () => {
    await installFake(sandbox);
    const port = await sandbox.reserve();
    const file = await claimBy(port, 'nobody');
    expectRefusal(await runCli(sandbox, ['start', '--port', `${port}`]), new RegExp(file), /remove that file/);
    expect(filesIn(sandbox.stateDir)).toEqual([file]);
  });
});

test('any port but the default one is chosen before there is a server, a stand-in here', async () => {
  await installFake(sandbox);
  const { code, stdout } = await runCli(sandbox, ['start', '--port', '0', '--json']);
  expect(code).toBe(0);
  const { url, pid, alreadyRunning } = JSON.parse(stdout);
  expect({ alreadyRunning, holder: portHolder(Number(new URL(url).port)) }).toEqual({
    alreadyRunning: false,
    holder: pid,
  });
  // A server that is left to choose may take the default one.
  expect(cmdline(pid).join(' ')).toMatch(new RegExp(` --port ${new URL(url).port}$`));
});
