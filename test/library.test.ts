import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { filesIn, installFake, recordsIn, startFake } from './support/fake.js';
import { inhabitants } from './support/inhabitants.js';
import { BUILDS, callLibrary } from './support/library.js';
import { installOpencode, type Release } from './support/opencode.js';
import { alive, portHolder } from './support/proc.js';
import { createSandbox, type Sandbox } from './support/sandbox.js';

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
    expect(inhabitants(sandbox)).toEqual([]);
    expect(filesIn(sandbox.stateDir)).toEqual([join(sandbox.stateDir, 'log.ndjson')]);
  };

  // Twenty in all. The stand-in is up in a moment, so most are its: what races is our own claim, not the server.
  test.each<[number, string, () => Promise<unknown>]>([
    [16, 'stand-in', () => installFake(sandbox)],
    ...(['native', 'launcher'] satisfies Release[]).map(
      (release) => [2, release, () => installOpencode(sandbox, release)] as [number, string, () => Promise<unknown>],
    ),
  ])('get one, with one record, %i times (%s)', async (times, _, install) => {
    await install();
    for (let round = 0; round < times; round += 1) await race();
  });
});

test('whoever is beaten to the port by somebody without a claim on it gets that server', async () => {
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

test('what is null is left out', async () => {
  const { port } = await startFake(sandbox);
  const nothing = { host: null, cwd: null, plugin: null, command: null, env: null, retireAfter: null, secure: null };
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port, ...nothing, readyTimeout: null }]);
  expect(value).toMatchObject({ alreadyRunning: true });
  const { error } = await callLibrary(sandbox, 'scan', [{ stateDir: null, olderThan: null }]);
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
  expect(portHolder(Number(new URL(String(url)).port))).toBe(pid);
  const olderThan = 0;
  const [scanned, ...others] = Object.values((await callLibrary(sandbox, 'scan', [{ olderThan }])).value ?? {});
  expect([scanned, others]).toMatchObject([{ id, serverPid: pid, plugin: 'a-plugin', verdict: 'stale' }, []]);
  const reap = async (options: object) => (await callLibrary(sandbox, 'reap', [{ olderThan, ...options }])).value;
  expect(await reap({ dryRun: true })).toMatchObject({ dryRun: true, summary: { stale: 1, stopped: 0 } });
  expect(await reap({ workspace: sandbox.home })).toMatchObject({ servers: [], staleElsewhere: 1 });
  expect(alive(Number(pid))).toBe(true);
  expect(await reap({ all: true })).toMatchObject({ schema: 'opencode-reap/1', summary: { stopped: 1 } });
  expect(alive(Number(pid))).toBe(false);
  const missing = { kind: 'withheld', because: `no server is known by the id, pid or port ${id}` };
  expect((await callLibrary(sandbox, 'stopServer', [id])).value).toEqual(missing);
});
