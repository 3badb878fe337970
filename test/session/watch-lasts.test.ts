import { spawnSync } from 'node:child_process';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { openWorld } from '../../src/run/world.js';
import { lookOnce } from '../../src/session/watch.js';
import { type CliResult, runCli } from '../support/cli.js';
import {
  identityOf,
  installFake,
  machine,
  recordOf,
  SCHEMA,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { BUILDS, callLibrary } from '../support/library.js';
import { isThorough, onDemand } from '../support/patience.js';
import { alive, children, cmdline, descendants, environ, parent, processGroup, sessionId } from '../support/proc.js';
import { DIST, PROGRAM } from '../support/program.js';
import { test } from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';
import { watchesOf } from '../support/watching.js';

/* Servers are stand-ins here: what is looked at is the watch. */

const BUNDLE = join(DIST, 'opencode-reap.cjs');
const EVERY = { OPENCODE_REAP_WATCH_EVERY: '1s', OPENCODE_REAP_OLDER_THAN: '0s' };
const LATER = { ...EVERY, OPENCODE_REAP_RETIRE_AFTER: '4s' };

const start = async (sandbox: Sandbox, env = LATER, ...args: string[]): Promise<number> => {
  await installFake(sandbox);
  const { stdout, stderr } = await runCli(sandbox, ['start', '--port', '0', '--json', ...args], { env });
  if (stdout === '') throw new Error(stderr);
  return JSON.parse(stdout).pid;
};

const theWatch = async (sandbox: Sandbox): Promise<number> =>
  waitFor('the watch', () => watchesOf(sandbox).length === 1 && watchesOf(sandbox)[0]);

describe.concurrent('the watch (of stand-ins for servers) outlives', { timeout: 60_000 }, () => {
  test('the hook that started it, cancelled as the client does it', async ({ sandbox, expect }) => {
    await installFake(sandbox);
    const line = `"${process.execPath}" "${PROGRAM}" start --port 0; sleep 600`;
    const options = { detached: true, stdio: 'ignore', env: sandbox.env(LATER) } as const;
    const hook = sandbox.spawn('/bin/sh', ['-c', line], options).pid ?? 0;
    const watch = await theWatch(sandbox);
    // It is there before the server is, and would end without one.
    await waitFor('the start is over', () => descendants(hook).every((pid) => cmdline(pid).includes('600')));
    const tree = [hook, ...descendants(hook)];
    process.kill(-hook, 'SIGTERM');
    for (const pid of tree) if (alive(pid)) process.kill(pid, 'SIGTERM');
    await sleep(500);
    for (const pid of tree) if (alive(pid)) process.kill(pid, 'SIGKILL');
    await sleep(500);
    expect([alive(watch), tree.includes(watch), parent(watch)]).toEqual([true, false, 1]);
    await waitFor('the server retires, and the watch ends', () => watchesOf(sandbox).length === 0);
  });

  test.skipIf(withoutTmux)(`the terminal that it was started in${withoutTmux}`, async ({ sandbox, expect }) => {
    await installFake(sandbox);
    const socket = join(sandbox.root, 'tmux');
    const env = sandbox.env({ ...LATER, TERM: 'xterm-256color' });
    const tmux = (...words: string[]) =>
      spawnSync('tmux', ['-S', socket, '-f', '/dev/null', ...words], { env, cwd: sandbox.project, encoding: 'utf8' });
    const line = `"${process.execPath}" "${PROGRAM}" start --port 0; exec sleep 600`;
    tmux('new-session', '-d', line);
    const watch = await theWatch(sandbox);
    tmux('kill-server');
    await sleep(500);
    expect([alive(watch), sessionId(watch) === processGroup(watch)]).toEqual([true, true]);
    await waitFor('the server retires, and the watch ends', () => watchesOf(sandbox).length === 0);
  });

  test('the node that started it', { ...onDemand }, async ({ sandbox }) => {
    await installFake(sandbox);
    const folder = join(sandbox.root, 'versions');
    mkdirSync(folder);
    copyFileSync(process.execPath, join(folder, 'node'));
    const env = sandbox.env({ ...LATER, PATH: `${folder}:${sandbox.env().PATH}` });
    const began = sandbox.spawn(join(folder, 'node'), [PROGRAM, 'start', '--port', '0'], { env, stdio: 'ignore' });
    await new Promise((resolve) => began.once('exit', resolve));
    const watch = await theWatch(sandbox);
    rmSync(folder, { recursive: true });
    await waitFor('the server retires, and the watch ends', () => !alive(watch));
  });

  test('the program that started it, where there is an installed copy; else it waits for one', async ({
    sandbox,
    expect,
  }) => {
    await installFake(sandbox);
    const [cached, installed] = [join(sandbox.root, 'npx'), join(sandbox.home, '.local/share/opencode-reap')];
    for (const folder of [cached, installed]) mkdirSync(folder, { recursive: true });
    copyFileSync(BUNDLE, join(cached, 'opencode-reap.cjs'));
    const env = sandbox.env(LATER);
    const words = [join(cached, 'opencode-reap.cjs'), 'start', '--port', '0'];
    const began = sandbox.spawn(process.execPath, words, { env, stdio: 'ignore' });
    await new Promise((resolve) => began.once('exit', resolve));
    rmSync(cached, { recursive: true });
    const watch = await theWatch(sandbox);
    await sleep(6_000);
    expect(alive(watch)).toBe(true);
    copyFileSync(BUNDLE, join(installed, 'opencode-reap.cjs'));
    await waitFor('the server retires, and the watch ends', () => !alive(watch));
  });
});

describe.concurrent('the watch (of stand-ins for servers)', { timeout: 60_000 }, () => {
  test('costs less than 2 MB while it waits, and holds nothing of who started it', async ({ sandbox, expect }) => {
    await installFake(sandbox);
    const held = openSync(join(sandbox.root, 'held'), 'w');
    // A script that locks with `flock 200` while it starts a server.
    const stdio = ['ignore', 'ignore', 'ignore', held, ...Array(196).fill('ignore'), held];
    const secret = { API_KEY: 'hush', OPENCODE_SERVER_PASSWORD: 'hush', CLAUDE_CODE_SESSION_ID: 'x', CLAUDECODE: '1' };
    const env = sandbox.env({ ...LATER, ...secret, NODE_OPTIONS: '--no-warnings', OPENCODE_JOBS_DIR: '/jobs' });
    const began = sandbox.spawn(process.execPath, [PROGRAM, 'start', '--port', '0'], { env, stdio });
    await new Promise((resolve) => began.once('exit', resolve));
    const watch = await theWatch(sandbox);
    const waiting = await waitFor('it sleeps', () => {
      const below = descendants(watch);
      // What it has just forked is the shell itself for a moment.
      return below.length === 1 && below.every((pid) => cmdline(pid)[0]?.endsWith('sleep')) && [watch, ...below];
    });
    const kilobytes = (what: string): number[] =>
      waiting.map((pid) =>
        Number(new RegExp(`^${what}: +(\\d+)`, 'm').exec(readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8'))?.[1]),
      );
    const sum = (numbers: readonly number[]): number => numbers.reduce((all, one) => all + one, 0);
    expect(sum(kilobytes('Pss'))).toBeLessThan(2_000);
    // What several have in common counts for each of them here.
    expect(Math.max(...kilobytes('Rss'))).toBeLessThan(2_500);
    for (const pid of waiting) {
      const open = readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
      expect(open.filter((path) => path !== '/dev/null' && !path.endsWith('watch.json'))).toEqual([]);
      expect(readlinkSync(`/proc/${pid}/cwd`)).toBe('/');
      const names = environ(pid).map((variable) => variable.split('=')[0]);
      expect(environ(pid).join('\n')).not.toContain('hush');
      expect(names.filter((name) => /^(CLAUDE|NODE_OPTIONS|API_KEY)/.test(name ?? ''))).toEqual([]);
      expect(names).toContain('OPENCODE_JOBS_DIR');
    }
  });

  test('ends when the state folder is removed, and the program too', async ({ sandbox }) => {
    await installFake(sandbox);
    const program = join(sandbox.root, 'opencode-reap.cjs');
    copyFileSync(BUNDLE, program);
    const words = [program, 'start', '--port', '0'];
    const began = sandbox.spawn(process.execPath, words, { env: sandbox.env(LATER), stdio: 'ignore' });
    await new Promise((resolve) => began.once('exit', resolve));
    const watch = await theWatch(sandbox);
    rmSync(program);
    rmSync(sandbox.stateDir, { recursive: true });
    await waitFor('it ends', () => !alive(watch), 5_000);
  });

  test('that ends looks once more, so that what was recorded meanwhile has a watch', async ({ sandbox, expect }) => {
    const fake = await startFake(sandbox);
    const record = { ...recordOf(sandbox, 'late', fake), workspace: sandbox.project };
    const opened = await openWorld(sandbox.stateDir, sandbox.env(LATER));
    const made = { at: new Date().toISOString(), bootMs: opened.clock() };
    const holder = identityOf(process.pid);
    const claim = { schema: SCHEMA, holder, machine: machine(), holdsMs: 60_000, token: 'ours', ...made };
    await writeState(sandbox.stateDir, 'watch.json', claim);
    mkdirSync(join(sandbox.stateDir, 'servers'), { mode: 0o700 });
    let asked = 0;
    const clock = (): number => {
      asked += 1;
      // It renews its claim before it looks and after that.
      if (asked === 3)
        writeFileSync(join(sandbox.stateDir, 'servers/late.json'), JSON.stringify(record), { mode: 0o600 });
      return opened.clock();
    };
    const policy = { olderThanMs: 0, graceMs: 0, limit: 5 };
    expect(await lookOnce('ours', policy, PROGRAM, { ...opened, clock })).toBeUndefined();
    expect(asked).toBeGreaterThanOrEqual(3);
    await theWatch(sandbox);
  });

  test('ends at once with the last server, no matter what stops that, and with its sleep', async ({
    sandbox,
    expect,
  }) => {
    const never = { ...EVERY, OPENCODE_REAP_RETIRE_AFTER: '1h' };
    const pids = [await start(sandbox, never), await start(sandbox, never)];
    const watch = await theWatch(sandbox);
    expect(await runCli(sandbox, ['stop', `${pids[0]}`, '--yes'])).toMatchObject({ code: 0 });
    expect(alive(watch)).toBe(true);
    const below = children(watch);
    expect((await runCli(sandbox, ['stop', `${pids[1]}`, '--yes'])).code).toBe(0);
    await waitFor('nothing of it is left', () => ![watch, ...below].some(alive), 2_000);
    expect(existsSync(join(sandbox.stateDir, 'watch.json'))).toBe(false);
  });

  test('that was killed while it ended leaves nothing: its notes go with the next run, or stay while a server does', async ({
    sandbox,
    expect,
  }) => {
    const { stateDir } = sandbox;
    const fake = await startFake(sandbox);
    await writeRecord(sandbox, 'one', fake);
    const notes = [
      await writeState(stateDir, 'last-uses.json', { schema: SCHEMA, boot: 'x', servers: {} }),
      await writeState(stateDir, 'places/0123456789ab.json', { schema: SCHEMA, dataDirs: ['/gone'] }),
    ];
    const left = () => notes.filter((file) => existsSync(file));
    await runCli(sandbox, ['--all-stale', '--older-than', '1h']);
    expect([alive(fake.pid), left()]).toEqual([true, notes]);
    await runCli(sandbox, ['--all-stale', '--older-than', '0s']);
    expect([alive(fake.pid), left()]).toEqual([false, []]);
  });

  test('is started anew after it was killed, and one that stands still is replaced and leaves', async ({
    sandbox,
    expect,
  }) => {
    await start(sandbox, { ...EVERY, OPENCODE_REAP_RETIRE_AFTER: '1h' });
    const first = await theWatch(sandbox);
    process.kill(first, 'SIGKILL');
    await waitFor('it is gone', () => !alive(first));
    const ensure = () => runCli(sandbox, ['retire', 'x'], { env: LATER });
    await ensure();
    const second = await theWatch(sandbox);
    process.kill(second, 'SIGSTOP');
    // What its claim says it may be silent for.
    const file = join(sandbox.stateDir, 'watch.json');
    const { holdsMs } = JSON.parse(readFileSync(file, 'utf8'));
    const { utimesSync, statSync } = await import('node:fs');
    const renewed = statSync(file).mtimeMs - holdsMs - 1_000;
    const third = await waitFor('another', async () => {
      // A look that was under way when it was stopped may renew the claim once more.
      utimesSync(file, renewed / 1000, renewed / 1000);
      await ensure();
      return watchesOf(sandbox).find((pid) => pid !== second);
    });
    process.kill(second, 'SIGCONT');
    await waitFor('the frozen one leaves', () => !alive(second), 5_000);
    expect(watchesOf(sandbox)).toEqual([third]);
  });

  test('runs from the vendored file alone', { ...onDemand }, async ({ sandbox, expect }) => {
    await installFake(sandbox);
    const copy = join(sandbox.root, 'plugin/opencode-reap.mjs');
    mkdirSync(join(sandbox.root, 'plugin'));
    copyFileSync(BUILDS.vendored, copy);
    const { value } = await callLibrary(sandbox, 'ensureServer', [{ port: 0 }], { build: copy, env: LATER });
    const watch = await theWatch(sandbox);
    await waitFor('the server retires', () => !alive(Number(value?.pid)));
    await waitFor('the watch ends', () => !alive(watch));
    expect(existsSync(join(sandbox.stateDir, 'watch.json'))).toBe(false);
  });

  test('looks where the sessions that ask for it keep their plugins’ data', async ({ sandbox, expect }) => {
    const { pid } = await startFake(sandbox);
    await writeRecord(sandbox, 'one', { pid, port: 1, url: '' });
    const data = join(sandbox.root, 'elsewhere');
    mkdirSync(data);
    await runCli(sandbox, ['retire', 'x'], { env: { ...LATER, CLAUDE_PLUGIN_DATA: data } });
    const [file = ''] = readdirSync(join(sandbox.stateDir, 'places'));
    expect(JSON.parse(readFileSync(join(sandbox.stateDir, 'places', file), 'utf8'))).toMatchObject({
      dataDirs: [data],
    });
  });
});

describe.concurrent('of many who want a watch (of stand-ins for servers) one starts it', { timeout: 90_000 }, () => {
  const many = (sandbox: Sandbox, times: number, words: string[]): Promise<CliResult[]> =>
    Promise.all(Array.from({ length: times }, () => runCli(sandbox, words, { env: EVERY, timeoutMs: 60_000 })));

  const [BATCHES, EACH] = isThorough ? [4, 25] : [1, 12];
  test(`${EACH * BATCHES}, none of which does anything else`, async ({ sandbox, expect }) => {
    await writeRecord(sandbox, 'one', await startFake(sandbox));
    const most: number[] = [];
    for (let batch = 0; batch < BATCHES; batch += 1) {
      expect((await many(sandbox, EACH, ['retire', 'x'])).every(({ code }) => code === 0)).toBe(true);
      most.push(watchesOf(sandbox).length);
    }
    expect(most).toEqual(Array(BATCHES).fill(1));
  });

  test('and five real starts', { ...onDemand }, async ({ sandbox, expect }) => {
    await installFake(sandbox);
    const started = await many(sandbox, 5, ['start', '--port', '0']);
    expect(started.map(({ code }) => code)).toEqual([0, 0, 0, 0, 0]);
    expect(watchesOf(sandbox)).toHaveLength(1);
  });
});
