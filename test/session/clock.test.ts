import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { openWorld, type World } from '../../src/run/world.js';
import { runInBackground } from '../../src/session/background.js';
import { ensureServer } from '../../src/start/ensure-server.js';
import { launch } from '../../src/start/launch.js';
import type { Wanted } from '../../src/start/request.js';
import { runCli } from '../support/cli.js';
import {
  type Fake,
  identityOf,
  installFake,
  machine,
  SCHEMA,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { callHook } from '../support/hooks.js';
import { sampled } from '../support/patience.js';
import { alive, cmdline, connectionsOf, environ, pids } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

const HOUR = 3_600_000;
const POLICY = { olderThanMs: 0, graceMs: 1_000, limit: 5 };

let box: Sandbox;
let world: World;
/** What a suspend adds to the boot clock. */
let sleptMs = 0;
beforeEach(async () => {
  box = await createSandbox('clock');
  sleptMs = 0;
  const opened = await openWorld(box.stateDir, box.env());
  world = { ...opened, clock: () => opened.clock() + sleptMs };
});
afterEach(async () => {
  vi.useRealTimers();
  await box.dispose();
});

const log = (): string[] => {
  const file = join(box.stateDir, 'log.ndjson');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  return lines.map((line) => JSON.parse(line)).map(({ event, detail }) => `${event} ${detail}`);
};
const requests = (): string[] => readdirSync(join(box.stateDir, 'requests'));
const ask = (fields: object = {}): Promise<string> => {
  const { boot } = machine();
  const waits = { at: new Date().toISOString(), boot, bootMs: world.clock(), lingerMs: 0 };
  return writeState(box.stateDir, 'requests/a.json', { schema: SCHEMA, ...waits, ...fields });
};
const recorded = async (): Promise<Fake> => {
  const fake = await startFake(box);
  await writeRecord(box, 'one', fake);
  return fake;
};
/** Another process that is connected to it; what this process asks would be the run's own question. */
const connected = async ({ pid, port }: Fake): Promise<() => Promise<void>> => {
  const code = `require('node:net').connect(${port}, '127.0.0.1', () => console.log('there'))`;
  const client = box.spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'ignore'] });
  await new Promise((resolve) => client.stdout?.once('data', resolve));
  const left = new Promise((resolve) => client.once('exit', resolve));
  return async () => {
    client.kill('SIGKILL');
    await left;
    await waitFor('its connection is closed', () => connectionsOf(pid) === 0);
  };
};

describe('the background run waits by the boot clock (a stand-in for a server)', () => {
  test('after a night’s suspend it looks once more before it ends', async () => {
    const server = await recorded();
    const disconnect = await connected(server);
    await ask();
    const swept = runInBackground(POLICY, world);
    await waitFor('it finds a client', () => log().some((line) => line.startsWith('spared idle')));
    await disconnect();
    sleptMs = 8 * HOUR;
    await swept;
    expect(alive(server.pid)).toBe(false);
  });

  test('and ends although that look spares the server', async () => {
    const server = await recorded();
    const disconnect = await connected(server);
    await ask();
    const swept = runInBackground(POLICY, world);
    await waitFor('it finds a client', () => log().length === 1);
    sleptMs = 8 * HOUR;
    await swept;
    expect([alive(server.pid), log().length]).toEqual([true, 2]);
    await disconnect();
  });

  test.each(sampled([-24 * HOUR, 24 * HOUR], 1))('a wall clock that is set by %i ms changes nothing', async (byMs) => {
    const server = await recorded();
    await ask({ lingerMs: 3_000 });
    const [began, swept] = [performance.now(), runInBackground(POLICY, world)];
    await sleep(500);
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + byMs });
    await swept;
    expect(alive(server.pid)).toBe(false);
    expect(performance.now() - began).toBeGreaterThan(2_900);
    expect(performance.now() - began).toBeLessThan(10_000);
  });

  const moments: [string, object][] = [
    ['of an earlier version, with a time to come', { boot: undefined, bootMs: undefined, at: '2100-01-01T00:00:00Z' }],
    ['of an earlier version, with a time long ago', { boot: undefined, bootMs: undefined, at: '2000-01-01T00:00:00Z' }],
    ['of another boot', { boot: 'another', bootMs: 1 }],
    ['with a moment to come', { bootMs: 1e12 }],
  ];
  test.each(sampled(moments, 2))('a request %s lingers from when it is first seen', async (_, fields) => {
    await ask({ lingerMs: 1_500, ...fields });
    const began = performance.now();
    await runInBackground(POLICY, world);
    expect(requests()).toEqual([]);
    expect(performance.now() - began).toBeGreaterThan(1_400);
    expect(performance.now() - began).toBeLessThan(5_000);
  });

  test('it waits for the session’s process, but no longer than 90 s', async () => {
    const ending = box.spawn('sleep', ['600'], { stdio: 'ignore' }).pid ?? 0;
    await ask({ ending: identityOf(ending) });
    const swept = runInBackground(POLICY, world);
    await sleep(1_500);
    expect(requests()).toHaveLength(1);
    process.kill(ending, 'SIGKILL');
    await swept;
    expect(requests()).toEqual([]);

    const stuck = box.spawn('sleep', ['600'], { stdio: 'ignore' }).pid ?? 0;
    await ask({ ending: identityOf(stuck) });
    const sweptAgain = runInBackground(POLICY, world);
    await sleep(1_500);
    expect(requests()).toHaveLength(1);
    sleptMs = 90_000;
    await sweptAgain;
    expect([requests(), alive(stuck)]).toEqual([[], true]);
  });

  test('a server that is only too young is looked at once it is old enough', async () => {
    const server = await recorded();
    await ask({ olderThanMs: 6_000 });
    const began = performance.now();
    await runInBackground(POLICY, world);
    expect([alive(server.pid), performance.now() - began < 15_000]).toEqual([false, true]);
  });
});

describe('a frozen process blocks no other', () => {
  const claimOf = (): string => join(box.stateDir, 'sweep.json');
  const sweepers = (): number[] =>
    pids().filter((pid) => cmdline(pid)[2] === 'sweep' && environ(pid).includes(`HOME=${box.home}`));

  test('a background run that is stopped loses its claim, and leaves when it goes on', async () => {
    await installFake(box);
    const { pid } = JSON.parse((await runCli(box, ['start', '--port', `${await box.reserve()}`, '--json'])).stdout);
    const env = { OPENCODE_REAP_LINGER: '3s', OPENCODE_REAP_OLDER_THAN: '0s' };
    const hook = async () =>
      callHook(box, ['session-start', '--port', '1'], '{"session_id":"s","cwd":"/nowhere"}', env).called;
    await hook();
    const frozen = (await waitFor('the run', () => sweepers().find((one) => existsSync(claimOf()) && one))) ?? 0;
    process.kill(frozen, 'SIGSTOP');
    // What it has not done for 5 minutes, by the time in its claim.
    const renewed = new Date(Date.now() - 301_000);
    utimesSync(claimOf(), renewed, renewed);
    await hook();
    await waitFor('another run ends the server', () => log().some((line) => line.startsWith('stopped')), 20_000);
    expect(alive(pid)).toBe(false);
    const before = log();
    expect(before.filter((line) => line.startsWith('stopped'))).toHaveLength(1);
    await ask({ lingerMs: 0 });
    process.kill(frozen, 'SIGCONT');
    await waitFor('it leaves', () => !alive(frozen));
    expect(log()).toEqual(before);
  });
});

const wantedOn = (port: number, command: string): Wanted => ({
  ...{ port, hostname: '127.0.0.1', workspace: box.project, sessionId: undefined, plugin: 'a test', command },
  ...{ args: [], env: box.env(), readyTimeoutMs: 5_000, retireAfterMs: 0, program: undefined },
});

test('a process that was frozen until another took its claim starts nothing', async () => {
  const started = join(box.root, 'started');
  const command = join(box.binDir, 'opencode');
  writeFileSync(command, `#!/bin/sh\necho >>${started}\nexec sleep 600\n`, { mode: 0o755 });
  const refused = await launch(wantedOn(await box.reserve(), command), world, () => false);
  expect(refused).toMatchObject({ kind: 'refused' });
  await sleep(300);
  expect([existsSync(started), readdirSync(join(box.stateDir, 'servers'))]).toEqual([false, []]);
});

test('a process that gets the claim on a port that was just taken starts nothing', async () => {
  const port = await box.reserve();
  const [folder, started] = [join(box.root, 'counted'), join(box.root, 'started')];
  await mkdir(folder);
  const command = join(folder, 'opencode');
  writeFileSync(command, `#!/bin/sh\necho >>${started}\nexec sleep 600\n`, { mode: 0o755 });
  await installFake(box);
  let pid: number | undefined;
  // The claim is what reads the clock first, after the port was found free.
  const clock = (): number => {
    if (pid === undefined) {
      pid = box.spawn('opencode', ['serve', '--port', `${port}`], { detached: true, stdio: 'ignore' }).pid ?? 0;
      const listens = `const t=setInterval(()=>fetch('http://127.0.0.1:${port}').then(()=>clearInterval(t),()=>0),50)`;
      spawnSync(process.execPath, ['-e', listens], { timeout: 10_000 });
    }
    return world.clock();
  };
  const wanted = wantedOn(port, command);
  expect(await ensureServer(wanted, { ...world, clock })).toMatchObject({ alreadyRunning: true, pid });
  expect(existsSync(started)).toBe(false);
  await rm(folder, { recursive: true });
});
