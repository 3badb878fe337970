import childProcess, { type SpawnOptions } from 'node:child_process';
import { EventEmitter } from 'node:events';
import fs, { fstatSync } from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { PassThrough } from 'node:stream';
import timers from 'node:timers/promises';
import { describe, expect, onTestFinished, test } from 'vitest';
import { startProbe } from '../../src/act/probe.js';
import { runOnce } from '../../src/act/run-once.js';
import { type SpawnRequest, spawnDetached } from '../../src/act/spawn.js';
import { startBackground } from '../../src/act/start-background.js';
import { startWatch, type Watching } from '../../src/act/start-watch.js';
import { ownStdio } from '../../src/act/stdio.js';
import { meanwhile } from '../support/in-between.js';

/*
 * How what outlives this program is started: by a stand-in for the system, which notes the command, its environment and
 * its descriptors. background.test.ts, watch-shell.test.ts and start.test.ts start the real ones.
 */

const notHere = process.platform === 'win32' ? ' (skipped: Windows has no shell, and lets no descriptor through)' : '';

interface Started {
  readonly command: string;
  readonly args: readonly string[];
  readonly options: SpawnOptions;
}

class StandIn extends EventEmitter {
  readonly stdout = new PassThrough();
  exitCode = null;
  signalCode = null;
  isHeld = true;
  constructor(readonly pid: number | undefined) {
    super();
  }
  unref(): void {
    this.isHeld = false;
  }
}

/** What is started, and what became of it as far as its starter knows. */
function standInForSpawn(happens: (child: StandIn) => void, pid: number | undefined = 5_000_042) {
  const started: Started[] = [];
  const children: StandIn[] = [];
  const { spawn } = childProcess;
  const put = (call: unknown): void => {
    Object.assign(childProcess, { spawn: call });
    syncBuiltinESMExports();
  };
  put((command: string, args: readonly string[], options: SpawnOptions) => {
    started.push({ command, args, options });
    const child = new StandIn(pid);
    children.push(child);
    setImmediate(() => happens(child));
    return child;
  });
  onTestFinished(() => put(spawn));
  return { started, children };
}

/** Descriptors in place of those that this process has; the flags are in octal, as the kernel shows them. */
function standInForDescriptors(flags: Readonly<Record<number, string | undefined>>): void {
  const { readdirSync, readFileSync } = fs;
  const put = (calls: object): void => {
    Object.assign(fs, calls);
    syncBuiltinESMExports();
  };
  put({
    readdirSync: (path: string, ...how: []) =>
      path === '/proc/self/fd' ? Object.keys(flags) : readdirSync(path, ...how),
    readFileSync: (path: string, ...how: []) => {
      const fd = /^\/proc\/self\/fdinfo\/(\d+)$/.exec(String(path))?.[1];
      if (fd === undefined) return readFileSync(path, ...how);
      const said = flags[Number(fd)];
      if (said === undefined) throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
      return said;
    },
  });
  onTestFinished(() => put({ readdirSync, readFileSync }));
}

const INHERITED = 'pos:\t0\nflags:\t0100001\nmnt_id:\t15\n';
const CLOSES = 'pos:\t0\nflags:\t02100002\nmnt_id:\t15\n';

describe.skipIf(notHere)(`what is started has no descriptor of whoever started this program${notHere}`, () => {
  test('where there is none, it gets nothing', () => {
    standInForDescriptors({ 0: INHERITED, 1: INHERITED, 2: INHERITED, 20: CLOSES });
    const opened = meanwhile('openSync');
    expect(ownStdio('ignore').stdio).toEqual(['ignore', 'ignore', 'ignore']);
    expect(ownStdio('pipe').stdio).toEqual(['ignore', 'pipe', 'ignore']);
    expect(opened).toEqual([]);
  });

  test('each gets a placeholder up to the highest one, which holds nothing, and is closed again', () => {
    standInForDescriptors({ 2: INHERITED, 3: CLOSES, 4: INHERITED, 7: INHERITED });
    const { stdio, done } = ownStdio('pipe');
    const placeholder = stdio[4];
    expect(stdio).toEqual(['ignore', 'pipe', 'ignore', 'ignore', placeholder, 'ignore', 'ignore', placeholder]);
    expect(fstatSync(Number(placeholder)).isCharacterDevice()).toBe(true);
    done();
    expect(() => fstatSync(Number(placeholder))).toThrow('EBADF');
  });

  test('the first after the standard streams counts, and one far above what scripts use does not', () => {
    standInForDescriptors({ 2: INHERITED, 3: INHERITED, 4096: INHERITED });
    const { stdio, done } = ownStdio('ignore');
    done();
    expect(stdio).toHaveLength(4);
    standInForDescriptors({ 4095: INHERITED });
    const far = ownStdio('ignore');
    far.done();
    expect(far.stdio).toHaveLength(4_096);
  });

  test('one that is gone by the time it is looked at, or says nothing of itself, needs none', () => {
    standInForDescriptors({ 4: INHERITED, 5: undefined, 6: 'pos:\t0\n' });
    const { stdio, done } = ownStdio('ignore');
    done();
    expect(stdio).toHaveLength(5);
  });

  test('where they cannot be listed, there is nothing to be done about them', () => {
    const { readdirSync } = fs;
    const put = (call: unknown): void => {
      Object.assign(fs, { readdirSync: call });
      syncBuiltinESMExports();
    };
    onTestFinished(() => put(readdirSync));
    put(() => {
      throw Object.assign(new Error('ENOENT'), { code: 'ENOENT' });
    });
    expect(ownStdio('ignore').stdio).toHaveLength(3);
  });
});

describe('a server', () => {
  const REQUEST: SpawnRequest = { command: 'opencode', args: ['serve'], cwd: '/work', env: { A: 'a' } };

  test('is started detached, by its own command, where it was said, and can be let go', async () => {
    const { started, children } = standInForSpawn((child) => child.emit('spawn'));
    const spawned = await spawnDetached(REQUEST);
    if (typeof spawned === 'string') expect.fail(spawned);
    expect(started).toMatchObject([
      {
        command: 'opencode',
        args: ['serve'],
        options: { cwd: '/work', env: { A: 'a' }, detached: true, windowsHide: true, windowsVerbatimArguments: false },
      },
    ]);
    expect([spawned.pid, spawned.ended(), children[0]?.isHeld]).toEqual([5_000_042, undefined, true]);
    spawned.unref();
    expect(children[0]?.isHeld).toBe(false);
  });

  test('has one line for arguments where that is said', async () => {
    const { started } = standInForSpawn((child) => child.emit('spawn'));
    await spawnDetached({ ...REQUEST, isLine: true });
    expect(started[0]?.options.windowsVerbatimArguments).toBe(true);
  });

  test.each([
    ['by its own exit', 3, null, 'exit code 3'],
    ['by a signal', null, 'SIGKILL', 'ended by SIGKILL'],
  ])('that has ended %s says how', async (_what, code, signal, said) => {
    const { children } = standInForSpawn((child) => child.emit('spawn'));
    const spawned = await spawnDetached(REQUEST);
    children[0]?.emit('exit', code, signal);
    expect(typeof spawned === 'string' ? spawned : spawned.ended()).toBe(said);
  });

  test('that cannot be started is why', async () => {
    standInForSpawn((child) => child.emit('error', new Error('spawn opencode ENOENT')), undefined);
    expect(await spawnDetached(REQUEST)).toBe('spawn opencode ENOENT');
  });

  test('that has no pid was not started', async () => {
    standInForSpawn((child) => child.emit('spawn'), 1);
    expect(await spawnDetached(REQUEST)).toBe('no process was created');
  });

  test.each([
    ['which the system says', 'E2BIG', 'E2BIG'],
    ['an argument that no command can have', 'ERR_INVALID_ARG_VALUE', 'ERR_INVALID_ARG_VALUE'],
  ])('that cannot be started for a reason that is thrown is why too: %s', async (_what, code, said) => {
    const { spawn } = childProcess;
    const put = (call: unknown): void => {
      Object.assign(childProcess, { spawn: call });
      syncBuiltinESMExports();
    };
    onTestFinished(() => put(spawn));
    put(() => {
      throw Object.assign(new Error(code), { code });
    });
    expect(await spawnDetached(REQUEST)).toBe(said);
    put(() => {
      throw new Error('a mistake');
    });
    await expect(spawnDetached(REQUEST)).rejects.toThrow('a mistake');
  });
});

/** What a session has, and what a run after it needs. */
const CALLERS = {
  PATH: '/bin',
  HOME: '/home/me',
  CLAUDE_CODE_SESSION: 'x',
  CLAUDECODE: '1',
  AI_AGENT: 'x',
  AGENT: '1',
  OPENCODE: '1',
  OPENCODE_PID: '42',
  OPENCODE_SERVER_PASSWORD: 'secret',
  OPENCODE_REAP_OLDER_THAN: '5m',
  OPENCODE_REAP_STATE_DIR: '/state',
  OPENCODE_PLUGIN_DATA: '/data',
  OPENCODE_JOBS_DIR: '/jobs',
  API_KEY: 'secret',
  NODE_OPTIONS: '--require gone.js',
  NOTHING: undefined,
};

describe.skipIf(notHere)('the background run', () => {
  test('is given away by a shell, detached, and without what belongs to the session', () => {
    const { started, children } = standInForSpawn(() => undefined);
    startBackground('/program.cjs', '/state', CALLERS);
    const [one] = started;
    expect(one?.command).toBe('/bin/sh');
    expect(one?.args).toEqual([
      '-c',
      '"$0" "$@" &',
      process.execPath,
      '/program.cjs',
      'sweep',
      '--state-dir',
      '/state',
    ]);
    expect(one?.options).toMatchObject({ cwd: '/', detached: true, windowsHide: true });
    expect(Object.keys(one?.options.env ?? {}).sort()).toEqual([
      'API_KEY',
      'HOME',
      'NODE_OPTIONS',
      'OPENCODE_JOBS_DIR',
      'OPENCODE_PLUGIN_DATA',
      'OPENCODE_REAP_OLDER_THAN',
      'OPENCODE_REAP_STATE_DIR',
      'PATH',
    ]);
    expect(children[0]?.isHeld).toBe(false);
  });

  test('has no folder of its own where none was said, and one that cannot be started fails nothing', () => {
    const { started, children } = standInForSpawn(() => undefined);
    startBackground('/program.cjs', undefined, {});
    expect(started[0]?.args.slice(3)).toEqual(['/program.cjs', 'sweep']);
    expect(children[0]?.emit('error', new Error('EAGAIN'))).toBe(true);
  });
});

describe.skipIf(notHere)('the watch', () => {
  const WATCHING: Watching = {
    token: 'a-token',
    claim: '/state/watch.json',
    stateDir: '/state',
    everyMs: 3_600_000,
    firstMs: 1_500,
    programs: ['/one.cjs', '/two.cjs'],
  };
  const says = (text: string) => (child: StandIn) => {
    child.stdout.write(text);
    child.stdout.end();
    child.stdout.on('end', () => child.emit('close'));
  };

  test('is a shell that is given away, gets its paths as arguments, and what a look needs, no secret', async () => {
    const { started } = standInForSpawn(says('5000077\n'));
    expect(await startWatch(WATCHING, CALLERS)).toBe(5_000_077);
    const [one] = started;
    const [flag, give, name, shell, , script, its, ...args] = one?.args ?? [];
    expect([one?.command, flag, give, name, shell]).toEqual([
      '/bin/sh',
      '-c',
      '"$@" </dev/null >/dev/null 2>&1 & echo $!',
      'sh',
      '/bin/sh',
    ]);
    expect([its, ...args]).toEqual([
      'opencode-reap-watch',
      'a-token',
      '/state/watch.json',
      '/state',
      '3600',
      '2',
      process.execPath,
      '/one.cjs',
      '/two.cjs',
    ]);
    for (const path of ['a-token', '/state', '.cjs']) expect(script).not.toContain(path);
    expect(one?.options).toMatchObject({
      cwd: '/',
      detached: true,
      windowsHide: true,
    });
    // What this very process has inherited may follow.
    expect([one?.options.stdio].flat().slice(0, 3)).toEqual(['ignore', 'pipe', 'ignore']);
    expect(Object.keys(one?.options.env ?? {}).sort()).toEqual([
      'HOME',
      'OPENCODE_JOBS_DIR',
      'OPENCODE_PLUGIN_DATA',
      'OPENCODE_REAP_OLDER_THAN',
      'OPENCODE_REAP_STATE_DIR',
      'PATH',
    ]);
  });

  test('looks a second apart at most often, and may have one program', async () => {
    const { started } = standInForSpawn(says('5000077\n'));
    await startWatch({ ...WATCHING, everyMs: 1, firstMs: 0, programs: ['/one.cjs'] }, {});
    expect(started[0]?.args.slice(-5)).toEqual(['1', '1', process.execPath, '/one.cjs', '']);
  });

  test('sleeps a minute at a time, ends by its exit code 10, and gives up after a day of looks in vain', async () => {
    const { started } = standInForSpawn(says('5000077\n'));
    await startWatch(WATCHING, {});
    const script = started[0]?.args.find((arg) => arg.includes('opencode-reap, which')) ?? '';
    expect(script).toContain('[ "$slice" -gt 60 ] && slice=60\n');
    expect(script).toContain('[ $code -eq 10 ] && exit 0\n');
    expect(script).toContain('[ "$idle" -lt 144 ] || exit 0\n');
  });

  test('is not started without a program', async () => {
    const { started } = standInForSpawn(says('5000077\n'));
    expect([await startWatch({ ...WATCHING, programs: [] }, {}), started]).toEqual([undefined, []]);
  });

  test.each<[string, (child: StandIn) => void]>([
    ['cannot be started', (child) => child.emit('error', new Error('EAGAIN'))],
    ['says no pid', says('')],
    ['says something else', says('sh: cannot fork\n')],
  ])('has no pid where it %s', async (_what, happens) => {
    standInForSpawn(happens);
    expect(await startWatch(WATCHING, {})).toBeUndefined();
  });
});

describe('a process of ours that exists to be looked at', () => {
  test('listens, has its tag and a session of its own, and exits when it is told to', async () => {
    const { spawn } = childProcess;
    const seen: Started[] = [];
    const put = (call: unknown): void => {
      Object.assign(childProcess, { spawn: call });
      syncBuiltinESMExports();
    };
    onTestFinished(() => put(spawn));
    let child: childProcess.ChildProcess | undefined;
    put((command: string, args: readonly string[], options: SpawnOptions) => {
      seen.push({ command, args, options });
      child = spawn(command, args, options);
      return child;
    });
    const probe = await startProbe('a tag');
    expect(probe).toMatchObject({ pid: child?.pid, tag: 'a tag' });
    expect(probe?.port).toBeGreaterThan(0);
    expect(seen[0]?.options).toMatchObject({ detached: true, windowsHide: true, env: { OPENCODE_REAP_TAG: 'a tag' } });
    const ended = new Promise((resolve) => child?.once('exit', resolve));
    probe?.end();
    expect(await ended).toBe(0);
  });
});

test('that process is given up after five seconds, and the wait for it keeps this program no longer', async () => {
  const { setTimeout: sleep } = timers;
  const put = (call: unknown): void => {
    Object.assign(timers, { setTimeout: call });
    syncBuiltinESMExports();
  };
  onTestFinished(() => put(sleep));
  const waits: unknown[] = [];
  put(async (ms: number, value: unknown, how: unknown) => {
    waits.push([ms, value, how]);
  });
  expect(await startProbe('a tag')).toBeUndefined();
  expect(waits).toEqual([[5_000, undefined, { ref: false }]]);
});

describe('a command that is run to its end', () => {
  const node = (script: string, timeoutMs = 60_000, input = '') =>
    runOnce(process.execPath, ['-e', script], input, timeoutMs);

  test('reads its input, and what it says on either output is told', () => {
    const ran = node(
      'process.stdin.on("data", (text) => { console.log("out " + text); console.error("error"); })',
      60_000,
      'said',
    );
    expect(ran).toMatchObject({ failure: undefined, printed: 'out said\nerror\n' });
    expect(ran.tookMs).toBeGreaterThan(0);
    expect(ran.tookMs).toBeLessThan(60_000);
  });

  test.each([
    ['exits with another code than 0', 'process.exit(3)', 'exit code 3'],
    // On Windows whoever ends a process gives it an exit code.
    [
      'is ended',
      'process.kill(process.pid, "SIGKILL"); setTimeout(() => undefined, 60_000)',
      process.platform === 'win32' ? 'exit code 1' : 'ended by SIGKILL',
    ],
  ])('has failed where it %s', (_what, script, said) => {
    expect(node(script).failure).toBe(said);
  });

  test('has failed where it takes too long, or is none', () => {
    expect(node('setTimeout(() => undefined, 60_000)', 1).failure).toBe('ETIMEDOUT');
    expect(runOnce('/no/such/command', [], '', 60_000).failure).toBe('ENOENT');
  });
});
