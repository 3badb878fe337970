import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { filesIn, installFake, recordsIn } from './support/fake.js';
import { inhabitants } from './support/inhabitants.js';
import { type Answered, BUILDS, callLibrary } from './support/library.js';
import { installOpencode, type Release } from './support/opencode.js';
import { alive, portHolder } from './support/proc.js';
import { createSandbox, type Sandbox } from './support/sandbox.js';
import { waitFor } from './support/wait.js';

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

describe('a server that cannot be had', () => {
  const ensure = (options: object): Promise<Answered> => callLibrary(sandbox, 'ensureServer', [options]);

  test.each<[string, string, object, RegExp]>([
    ['is missing', '', {}, /^opencode could not be started: .*ENOENT/],
    ['ends at once', '#!/bin/sh\nexit 3\n', {}, /^opencode ended before it answered .exit code 3/],
    ['never listens', '#!/bin/sh\nexec sleep 60\n', { readyTimeout: 500 }, /^opencode did not answer within 500 ms/],
  ])('is an error with a hint when it %s, and leaves nothing', async (_, script, options, message) => {
    if (script) await writeFile(join(sandbox.binDir, 'opencode'), script, { mode: 0o755 });
    const began = performance.now();
    const { error } = await ensure({ port: await sandbox.reserve(), sessionId: 'a-session', ...options });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(error).toEqual({ message: expect.stringMatching(message), hint: expect.stringMatching(/./) });
    await waitFor('nothing is left running', () => inhabitants(sandbox).length === 0, 1_000);
    expect(filesIn(sandbox.stateDir)).toEqual([]);
  });

  test.each<[object, RegExp]>([
    [{ hostname: '0.0.0.0' }, /^0\.0\.0\.0 is not kept to this machine/],
    [{ port: 65_536 }, /^65536 is no port/],
    [{ readyTimeout: '5s' }, /^readyTimeout cannot be 5s/],
  ])('is an error when it is asked for with %j', async (options, message) => {
    expect((await ensure(options)).error).toEqual({
      message: expect.stringMatching(message),
      hint: expect.any(String),
    });
    expect(filesIn(sandbox.stateDir)).toEqual([]);
  });

  test('is an error when nothing can be written', async () => {
    await installFake(sandbox);
    await writeFile(sandbox.stateDir, '');
    const message = expect.stringContaining(`could not write ${sandbox.stateDir}`);
    expect((await ensure({ port: await sandbox.reserve() })).error).toMatchObject({ message });
  });
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
