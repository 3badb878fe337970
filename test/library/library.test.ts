import { rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ScanOptions, ServerOptions } from '../../src/library/api.js';
import {
  filesIn,
  identityOf,
  installFake,
  machine,
  recordsIn,
  SCHEMA,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { BUILDS, callLibrary } from '../support/library.js';
import { installOpencode, releases } from '../support/opencode.js';
import { isThorough } from '../support/patience.js';
import { alive, cmdline, portHolder } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await createSandbox('library');
});

afterEach(() => sandbox.dispose());

const stop = async (id: unknown): Promise<void> => {
  expect((await callLibrary(sandbox, 'stopServer', [id])).value).toMatchObject({ kind: 'stopped' });
};

describe('two processes that ask for a server at the same moment', () => {
  const race = async (): Promise<void> => {
    const port = await sandbox.reserve();
    // The one has the package, the other a vendored copy: they share the state folder, and so the claim on the port.
    const [one, other] = await Promise.all(
      Object.values(BUILDS).map((build) => callLibrary(sandbox, 'ensureServer', [{ port }], { build })),
    );
    const url = `http://127.0.0.1:${port}`;
    expect([one, other]).toMatchObject([
      { value: { url }, stderr: '' },
      { value: { url }, stderr: '' },
    ]);
    expect([one?.value?.alreadyRunning, other?.value?.alreadyRunning].sort()).toEqual([false, true]);
    expect({ ...one?.value, alreadyRunning: true }).toEqual({ ...other?.value, alreadyRunning: true });
    const { id, pid } = one?.value ?? {};
    expect(recordsIn(sandbox.stateDir).map(({ fields }) => [fields.id, fields.serverPid])).toEqual([[id, pid]]);
    expect(portHolder(port)).toBe(pid);
    await stop(id);
    await waitFor('nothing of it is left', () => inhabitants(sandbox).length === 0, 2_000);
    expect(filesIn(sandbox.stateDir)).toEqual([join(sandbox.stateDir, 'log.ndjson')]);
  };

  // Twenty in all with every release. The stand-in is up in a moment, so most are its: what races is our own claim.
  const [many, few] = isThorough ? [16, 2] : [3, 1];
  test.each<[number, string, () => Promise<unknown>]>([
    [many, 'stand-in', () => installFake(sandbox)],
    // That a real one is started is shown by start.test.ts.
    ...(isThorough ? releases('native') : []).map(
      (release) => [few, release, () => installOpencode(sandbox, release)] as [number, string, () => Promise<unknown>],
    ),
  ])('get one, with one record, %i times (%s)', async (times, _, install) => {
    await install();
    for (let round = 0; round < times; round += 1) await race();
  });
});

test('a caller beaten to the port by a process without a claim on it gets that server', async () => {
  await installFake(sandbox);
  const real = join(sandbox.binDir, 'opencode');
  await rename(real, `${real}.mjs`);
  const beaten = `#!/bin/sh\n(env -u OPENCODE_REAP_TAG setsid "$0.mjs" "$@" &)\nsleep 0.5\nexit 1\n`;
  await writeFile(real, beaten, { mode: 0o755 });
  const port = await sandbox.reserve();
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port }]);
  expect(value).toEqual({
    url: `http://127.0.0.1:${port}`,
    pid: portHolder(port),
    alreadyRunning: true,
    startedByPlugin: false,
  });
  expect(filesIn(sandbox.stateDir)).toEqual([]);
});

test('no caller gets a server that its starter may still end', async () => {
  const fake = await startFake(sandbox);
  const { port, pid } = fake;
  const ask = async () => callLibrary(sandbox, 'ensureServer', [{ port, readyTimeout: 300 }]);
  await writeRecord(sandbox, 'aaaaaaaaaa', fake, { state: 'starting', starter: identityOf(process.pid) });
  expect((await ask()).error?.message).toMatch(`process ${process.pid} is starting a server there`);
  await writeRecord(sandbox, 'aaaaaaaaaa', fake, { state: 'starting', starter: { pid: process.pid, startToken: '1' } });
  expect((await ask()).value).toMatchObject({ alreadyRunning: true, pid, id: 'aaaaaaaaaa' });
});

test('what is healthy is had without any time to wait', async () => {
  const { port, pid } = await startFake(sandbox);
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port, readyTimeout: 0 }]);
  expect(value).toMatchObject({ alreadyRunning: true, pid });
});

test('the time that a stop takes does not count, not even when another process is faster then', async () => {
  await installFake(sandbox);
  const port = await sandbox.reserve();
  const by = { schema: SCHEMA, machine: machine() };
  const us = identityOf(process.pid);
  const source = { format: 'native', file: 'x' };
  const stop = { ...by, id: 'x', run: us, tree: [], source, port, record: null };
  const fence = await writeState(sandbox.stateDir, 'closing/x.json', stop);
  const asked = callLibrary(sandbox, 'ensureServer', [{ port, readyTimeout: 1_500 }]);
  await sleep(1_700);
  const claim = await writeState(sandbox.stateDir, `starts/${port}.json`, { ...by, holder: us });
  await rm(fence);
  await sleep(400);
  await rm(claim);
  expect((await asked).value).toMatchObject({ alreadyRunning: false, pid: portHolder(port) });
});

test('a run that has let go of a server keeps nobody from its port, though its fence stays beside the record', async () => {
  await installFake(sandbox);
  const port = await sandbox.reserve();
  const us = identityOf(process.pid);
  const source = { format: 'native', file: 'x' };
  const fence = { schema: SCHEMA, machine: machine(), id: 'x', run: us, tree: [], source, port, record: null };
  await writeState(sandbox.stateDir, `closing/x@${us.pid}-${us.startToken}.back.json`, fence);
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port }]);
  expect(value).toMatchObject({ alreadyRunning: false, pid: portHolder(port) });
});

test('a server that has become healthy when the time is up is not ended', async () => {
  await installFake(sandbox);
  const port = await sandbox.reserve();
  const env = { FAKE_OPENCODE: 'late' };
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port, readyTimeout: 1_200 }], { env });
  expect(value).toMatchObject({ alreadyRunning: false, pid: portHolder(port) });
});

test('what is null is left out', async () => {
  const { port } = await startFake(sandbox);
  const nothing = {
    host: null,
    cwd: null,
    plugin: null,
    command: null,
    env: null,
    args: null,
    retireAfter: null,
    secure: null,
  } satisfies ServerOptions;
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port, ...nothing, readyTimeout: null }]);
  expect(value).toMatchObject({ alreadyRunning: true });
  const scanned = { stateDir: null, olderThan: null } satisfies ScanOptions;
  const { error } = await callLibrary(sandbox, 'scan', [scanned]);
  expect(error).toBeUndefined();
  expect((await callLibrary(sandbox, 'attachSession', [{ sessionId: 's', port: null, server: null }])).value).toEqual({
    held: true,
    servers: [],
  });
});

test('a server that ends while it is being held is not what the caller gets', async () => {
  const { port } = await startFake(sandbox, { FAKE_OPENCODE: 'last' });
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port, sessionId: 'a-session' }]);
  expect(value).toMatchObject({ alreadyRunning: false, pid: portHolder(port) });
});

test('a server is found by scan, left by a dry run and by the wrong workspace, and ended by reap', async () => {
  await installFake(sandbox);
  const asked = { port: 0, plugin: 'a-plugin', cwd: sandbox.project, host: 'localhost' };
  const { value } = await callLibrary(sandbox, 'ensureServer', [asked]);
  const { id, pid, url } = value ?? {};
  // No port is left to the server, which might choose the default one.
  expect(Number(/--port\0(\d+)/.exec(cmdline(Number(pid)).join('\0'))?.[1])).toBe(Number(new URL(String(url)).port));
  expect(portHolder(Number(new URL(String(url)).port))).toBe(pid);
  const olderThan = 0;
  const [scanned, ...others] = Object.values((await callLibrary(sandbox, 'scan', [{ olderThan }])).value ?? {});
  expect([scanned, others]).toMatchObject([{ id, serverPid: pid, plugin: 'a-plugin', verdict: 'stale' }, []]);
  const reap = async (options: object) => (await callLibrary(sandbox, 'reap', [{ olderThan, ...options }])).value;
  expect(await reap({ dryRun: true })).toMatchObject({ dryRun: true, summary: { stale: 1, stopped: 0 } });
  expect(await reap({ workspace: sandbox.home })).toMatchObject({ servers: [], staleElsewhere: 1 });
  expect(alive(Number(pid))).toBe(true);
  const half = String(id).slice(0, -1);
  expect((await callLibrary(sandbox, 'stopServer', [half])).value).toMatchObject({ kind: 'withheld' });
  expect(await reap({ all: true })).toMatchObject({ schema: 'opencode-reap/1', summary: { stopped: 1 } });
  expect(alive(Number(pid))).toBe(false);
  const missing = { kind: 'withheld', because: `no known server has the id, pid or port ${id}` };
  expect((await callLibrary(sandbox, 'stopServer', [id])).value).toEqual(missing);
});
