import { type ChildProcess, execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { type Fake, logOf, startFake, writeRecord, writeState } from '../support/fake.js';
import { onDemand, sampled } from '../support/patience.js';
import { alive, children } from '../support/proc.js';
import { PROGRAM } from '../support/program.js';
import { expectNothingLeft, reapJson, startAndLeave, startWithMcp, test } from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

const NOW = ['--older-than', '0s', '--grace', '1s'];

const fileIn = (sandbox: Sandbox, name: string): string | undefined => {
  const file = join(sandbox.stateDir, name);
  return existsSync(file) ? readFileSync(file, 'utf8') : undefined;
};

/** Returns the pid of the run that is stopping the server. */
const stopperOf = (sandbox: Sandbox, id: string): Promise<number> =>
  waitFor('the fence', () => {
    const fence = fileIn(sandbox, `closing/${id}.json`);
    return fence === undefined ? undefined : Number(JSON.parse(fence).run.pid);
  });

const events = (sandbox: Sandbox) => logOf(sandbox.stateDir).map(({ event, pid }) => [event, pid]);

/** A recorded stand-in that takes 6 s to stop, since it does not answer the first request to dispose. */
const startSlow = async (sandbox: Sandbox, id = 'slow'): Promise<Fake> => {
  const slow = await startFake(sandbox, { FAKE_OPENCODE: 'slow' });
  await writeRecord(sandbox, id, slow);
  return slow;
};

/** Sends a run a signal while it is stopping that server. */
const interrupt = async (
  sandbox: Sandbox,
  args: readonly string[],
  id: string,
  name: NodeJS.Signals,
): Promise<CliResult> => {
  const run = runCli(sandbox, args);
  process.kill(await stopperOf(sandbox, id), name);
  return run;
};

const isAnnounced = ({ stateDir }: Sandbox, { pid }: ChildProcess): boolean => {
  const folder = join(stateDir, 'runs');
  return existsSync(folder) && readdirSync(folder).some((name) => name.startsWith(`${pid}-`));
};

const outputOf = async (child: ChildProcess): Promise<CliResult> => {
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const)
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  const [code] = await once(child, 'close');
  return { code, ...output };
};

test('Ctrl-C says what was stopped and what the next run finishes, with real servers', {
  ...onDemand,
  timeout: 120_000,
}, async ({ sandbox, provider, expect }) => {
  const quick = await startAndLeave(sandbox, 'native');
  const slow = await startWithMcp(sandbox, 'native', provider, ['stubborn']);
  const run = runCli(sandbox, [...NOW, '--verbose']);
  await waitFor('the quick one is in the log', () => logOf(sandbox.stateDir).length > 0);
  expect([alive(quick.listener), alive(slow.listener)]).toEqual([false, true]);
  process.kill(await stopperOf(sandbox, slow.id), 'SIGINT');
  const { code, stdout, stderr } = await run;
  expect([code, stdout]).toEqual([130, '']);
  const [stopped, interrupted, ...more] = stderr.split('\n');
  expect(stopped).toMatch(new RegExp(`^stopped pid ${quick.listener} on port ${quick.port}: SIGTERM, `));
  expect(interrupted).toBe(
    `interrupted while stopping pid ${slow.listener} on port ${slow.port}; the next run finishes it`,
  );
  expect(more).toEqual(['']);
  expect(events(sandbox)).toEqual([
    ['stopped', quick.listener],
    ['interrupted', slow.listener],
  ]);
  expect(alive(slow.listener)).toBe(true);
  const report = await reapJson(sandbox, NOW);
  expect(report).toMatchObject({ code: 0, servers: [{ id: slow.id, outcome: { kind: 'stopped' } }] });
  expect(events(sandbox).slice(2)).toEqual([
    ['resumed', slow.listener],
    ['stopped', slow.listener],
  ]);
  expectNothingLeft(expect, sandbox, slow);
});

describe.concurrent('a run that is stopping a slow stand-in', () => {
  const signals: [NodeJS.Signals, number, string[], number][] = [
    ['SIGINT', 130, ['--json'], 1],
    ['SIGTERM', 143, [], 2],
    ['SIGHUP', 129, ['--quiet'], 2],
  ];
  test.for(sampled(signals))('ends by %s with code %d: %j', async ([name, code, args, lines], { sandbox, expect }) => {
    const quick = await startFake(sandbox);
    await writeRecord(sandbox, 'quick', quick);
    const slow = await startSlow(sandbox);
    const record = fileIn(sandbox, 'servers/slow.json');
    const run = runCli(sandbox, [...NOW, ...args]);
    await waitFor('the quick one is in the log', () => logOf(sandbox.stateDir).length > 0);
    process.kill(await stopperOf(sandbox, 'slow'), name);
    const { stderr, ...result } = await run;
    expect(result).toEqual({ code, stdout: '' });
    const said = [
      expect.stringMatching(new RegExp(`^interrupted: stopped pid ${quick.pid} on port ${quick.port}: SIGTERM, `)),
      `interrupted while stopping pid ${slow.pid} on port ${slow.port}; the next run finishes it`,
    ];
    const isJson = args.includes('--json');
    const text = isJson ? JSON.parse(stderr).error.replace('; interrupted while', '\ninterrupted while') : stderr;
    expect(text.trimEnd().split('\n')).toEqual(said);
    expect(stderr.trimEnd().split('\n')).toHaveLength(lines);
    expect(logOf(sandbox.stateDir).at(-1)).toMatchObject({
      event: 'interrupted',
      detail: expect.stringContaining(name),
    });
    // What was written down about it is in the fence until then.
    expect(JSON.parse(fileIn(sandbox, 'closing/slow.json') ?? '').record).toBe(record);
    expect(await reapJson(sandbox, NOW)).toMatchObject({ servers: [{ id: 'slow', outcome: { kind: 'stopped' } }] });
    expectNothingLeft(expect, sandbox, slow);
  });

  test('says each stop as it happens, on a pipe when it is asked to', async ({ sandbox, expect }) => {
    const quick = await startFake(sandbox);
    await writeRecord(sandbox, 'quick', quick);
    const slow = await startSlow(sandbox);
    const child = sandbox.spawn(process.execPath, [PROGRAM, ...NOW, '-v'], { env: sandbox.env() });
    const [first] = await once(child.stderr?.setEncoding('utf8') ?? child, 'data');
    expect(first).toMatch(new RegExp(`^stopped pid ${quick.pid} on port ${quick.port}: SIGTERM, .*\n$`));
    expect([alive(slow.pid), child.exitCode]).toEqual([true, null]);
    child.kill('SIGINT');
    await once(child, 'close');
  });

  test('ends by a second Ctrl-C where the first has to wait', async ({ sandbox, expect }) => {
    await startSlow(sandbox);
    // Stands in for a disk that does not answer: it has to write down what it was doing.
    const file = join(sandbox.root, 'preload.cjs');
    writeFileSync(
      file,
      `const fs = require('node:fs');
       for (const name of ['appendFileSync', 'openSync']) {
         const real = fs[name];
         fs[name] = (path, ...more) => {
           if (String(path).endsWith('log.ndjson')) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20_000);
           return real(path, ...more);
         };
       }`,
    );
    const env = sandbox.env({ NODE_OPTIONS: `--require=${file}` });
    const child = sandbox.spawn(process.execPath, [PROGRAM, ...NOW], { env, stdio: 'ignore' });
    const closed = once(child, 'close');
    expect(await stopperOf(sandbox, 'slow')).toBe(child.pid);
    child.kill('SIGINT');
    await sleep(500);
    expect([child.exitCode, child.signalCode]).toEqual([null, null]);
    // On a busy machine two may arrive before the first is heard.
    for (let presses = 0; presses < 10 && child.signalCode === null; presses += 1) {
      child.kill('SIGINT');
      await sleep(200);
    }
    expect(await closed).toEqual([null, 'SIGINT']);
  });

  test('by name ends by Ctrl-C, and the same command finishes it, in use or not', async ({ sandbox, expect }) => {
    const slow = await startSlow(sandbox);
    const client = connect(slow.port, '127.0.0.1');
    await once(client, 'connect');
    const stop = ['stop', `:${slow.port}`, '--yes'];
    const { code, stdout, stderr } = await interrupt(sandbox, stop, 'slow', 'SIGINT');
    expect([code, stdout]).toEqual([130, '']);
    const again = `; the next run finishes it: opencode-reap stop :${slow.port}`;
    expect(stderr).toBe(`interrupted while stopping pid ${slow.pid} on port ${slow.port}${again}\n`);
    expect(await runCli(sandbox, stop)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^stopped pid /) });
    client.destroy();
    expectNothingLeft(expect, sandbox, slow);
  });

  test('of one that is not recorded, by name, is finished by the same command, too', async ({ sandbox, expect }) => {
    const slow = await startFake(sandbox, { FAKE_OPENCODE: 'slow' });
    const stop = ['stop', `${slow.pid}`];
    expect(await interrupt(sandbox, stop, `pid-${slow.pid}`, 'SIGINT')).toMatchObject({ code: 130 });
    expect(await runCli(sandbox, stop)).toMatchObject({ code: 0, stdout: expect.stringMatching(/^stopped pid /) });
    expectNothingLeft(expect, sandbox, slow);
  });

  test('ends after it was told to, and leaves nothing for a run that comes later', async ({ sandbox, expect }) => {
    const asked = join(sandbox.root, 'asked');
    // Ten minutes to end is for ever here, so that the next run surely finds it alive.
    const slow = await startFake(sandbox, {
      FAKE_OPENCODE_ENDS: '600000',
      FAKE_OPENCODE_CHILD: '1',
      FAKE_OPENCODE_ASKED: asked,
    });
    const [child = 0] = children(slow.pid);
    await writeRecord(sandbox, 'slow', slow);
    const run = runCli(sandbox, ['--older-than', '0s', '--grace', '60s']);
    await waitFor('it is told to end', () => existsSync(asked) && readFileSync(asked, 'utf8').includes('SIGTERM'));
    process.kill(await stopperOf(sandbox, 'slow'), 'SIGKILL');
    expect(await run).toMatchObject({ code: null });
    expect(await reapJson(sandbox, ['--older-than', '1h'])).toMatchObject({ servers: [{ verdict: 'spared' }] });
    expect(existsSync(join(sandbox.stateDir, 'servers/slow.json'))).toBe(true);
    process.kill(slow.pid, 'SIGKILL');
    await waitFor('it has ended', () => !alive(slow.pid));
    expect(alive(child)).toBe(true);
    expect(await reapJson(sandbox, NOW)).toMatchObject({ servers: [{ verdict: 'gone' }] });
    expect(alive(child)).toBe(false);
    expect(events(sandbox).map(([event]) => event)).toEqual(['resumed', 'spared', 'finished', 'gone']);
    expectNothingLeft(expect, sandbox, slow);
  });

  test('in the background loses no record when the machine is shut down', async ({ sandbox, expect }) => {
    const slow = await startSlow(sandbox);
    const request = { schema: 'opencode-reap/1', at: new Date().toISOString(), lingerMs: 0, olderThanMs: 0 };
    await writeState(sandbox.stateDir, 'requests/a.json', request);
    const record = fileIn(sandbox, 'servers/slow.json');
    const ended = await interrupt(sandbox, ['sweep', '--older-than', '0s'], 'slow', 'SIGTERM');
    expect(ended).toEqual({ code: 143, stdout: '', stderr: expect.any(String) });
    expect(JSON.parse(fileIn(sandbox, 'closing/slow.json') ?? '').record).toBe(record);
    const line = { event: 'interrupted', by: 'background run', pid: slow.pid };
    expect(logOf(sandbox.stateDir)).toMatchObject([line]);
    // The request is still there, and is what the next one is for.
    await runCli(sandbox, ['sweep', '--older-than', '0s']);
    expect(alive(slow.pid)).toBe(false);
    expectNothingLeft(expect, sandbox, slow);
  });
});

test('Ctrl-C before anything was stopped says that in one line', async ({ sandbox, expect }) => {
  // A stand-in that answers nothing is waited for.
  const silent = await startFake(sandbox, { FAKE_OPENCODE: 'silent' });
  await writeRecord(sandbox, 'silent', silent);
  for (const args of [NOW, ['--dry-run', '--older-than', '0s', '--json']]) {
    const child = sandbox.spawn(process.execPath, [PROGRAM, ...args], { env: sandbox.env() });
    const output = outputOf(child);
    await waitFor('it looks', () => isAnnounced(sandbox, child));
    child.kill('SIGINT');
    const { stderr, ...result } = await output;
    expect(result).toEqual({ code: 130, stdout: '' });
    const said = args.includes('--json') ? `${JSON.parse(stderr).error}\n` : stderr;
    expect([said, stderr.split('\n').length]).toEqual(['interrupted: nothing was stopped\n', 2]);
  }
  expect(alive(silent.pid)).toBe(true);
});

/** The program in a terminal of its own, which shows its exit code at the end. */
const onTerminal = (sandbox: Sandbox, words: string) => {
  const options = { cwd: sandbox.project, env: sandbox.env({ TERM: 'xterm' }), encoding: 'utf8' } as const;
  const tmux = (...args: string[]) => execFileSync('tmux', ['-S', join(sandbox.root, 'tmux'), ...args], options);
  const command = `trap : INT; "${process.execPath}" "${PROGRAM}" ${words}; echo "code $?"; sleep 60`;
  tmux('new-session', '-d', '-x', '120', '-y', '20', command);
  return { screen: () => tmux('capture-pane', '-p').trim(), keys: (...keys: string[]) => tmux('send-keys', ...keys) };
};

describe(`a question on a terminal${withoutTmux}`, () => {
  const answers: [string, string[], number][] = [
    ['yes', ['y', 'Enter'], 0],
    ['Ctrl-C', ['C-c'], 130],
    ['an empty line', ['Enter'], 0],
    ['no', ['n', 'Enter'], 0],
    ['Ctrl-D', ['C-d'], 0],
  ];
  test.skipIf(withoutTmux !== '').for(sampled(answers, 4))(
    'answered with %s',
    async ([answer, pressed, code], { sandbox, expect }) => {
      const fake = await startFake(sandbox);
      const client = connect(fake.port, '127.0.0.1');
      await once(client, 'connect');
      const { screen, keys } = onTerminal(sandbox, `stop :${fake.port}`);
      await waitFor('the question', () => screen().endsWith('[y/N]'));
      keys(...pressed);
      const shown = await waitFor('the end', () => /code \d+$/.test(screen()) && screen());
      client.destroy();
      const isYes = answer === 'yes';
      expect(shown).toMatch(new RegExp(`\n${isYes ? 'stopped pid .*: SIGTERM.*' : 'left alone'}\ncode ${code}$`));
      expect(shown).not.toMatch(/error|at .*:\d+|nothing was stopped/);
      expect(alive(fake.pid)).toBe(!isYes);
    },
  );
});

/** Which second is seen depends on how busy the machine is. */
const counting = (waiting: string): RegExp => new RegExp(`${waiting.replace(/[()]/g, '\\$&')}, [1-9]\\d* s …$`);

describe(`a run on a terminal${withoutTmux}`, () => {
  test.skipIf(withoutTmux !== '')('says each stop while it goes on, and at Ctrl-C', async ({ sandbox, expect }) => {
    const quick = await startFake(sandbox);
    await writeRecord(sandbox, 'quick', quick);
    const slow = await startSlow(sandbox);
    const { screen, keys } = onTerminal(sandbox, NOW.join(' '));
    const stopped = `stopped pid ${quick.pid} on port ${quick.port}: SIGTERM`;
    const waiting = `stopping port ${slow.port} (2 of 2), asking it to let go`;
    await waitFor('the first stop', () => screen().includes(`${stopped}, 1 process`) && screen().includes(waiting));
    await waitFor('it counts the seconds', () => counting(waiting).test(screen()));
    keys('C-c');
    const shown = await waitFor('the end', () => /code \d+$/.test(screen()) && screen());
    expect(shown).toMatch(
      new RegExp(`^${stopped}[^\n]*\n[^\n]*\ninterrupted while stopping pid ${slow.pid} [^]*\ncode 130$`),
    );
  });
});

describe(`a stop on a terminal${withoutTmux}`, () => {
  test.skipIf(withoutTmux !== '')('says which signal it waits for, of which server', async ({ sandbox, expect }) => {
    const deaf = await startFake(sandbox, { FAKE_OPENCODE: 'deaf' });
    const other = await startFake(sandbox);
    mkdirSync(sandbox.stateDir, { recursive: true });
    const { screen } = onTerminal(
      sandbox,
      `stop --yes --grace 9s :${other.port} :${deaf.port} --state-dir ${sandbox.stateDir}`,
    );
    process.kill(deaf.pid, 'SIGSTOP');
    const waiting = counting(`stopping port ${deaf.port} (2 of 2), SIGTERM`);
    await waitFor('SIGTERM', () => waiting.test(screen()), 30_000);
    process.kill(deaf.pid, 'SIGCONT');
    const shown = await waitFor('the end', () => /code \d+$/.test(screen()) && screen());
    expect(shown).toMatch(/^stopped pid .*: SIGTERM.*\nstopped pid .*: SIGTERM.*\ncode 0$/);
  });

  test('on a pipe, each stop is a plain line with --verbose, and nothing without', async ({ sandbox, expect }) => {
    const two = [await startFake(sandbox), await startFake(sandbox)];
    for (const [at, one] of two.entries()) await writeRecord(sandbox, `one-${at}`, one);
    const { stderr } = await runCli(sandbox, [...NOW, '--verbose']);
    const lines = two.map(({ pid, port }) => `stopped pid ${pid} on port ${port}: SIGTERM, `);
    expect(
      stderr
        .trim()
        .split('\n')
        .map((line) => /^stopped .+: SIGTERM, (?=1 process in \d+ m?s$)/.exec(line)?.[0])
        .sort(),
    ).toEqual(lines.sort());
    await writeRecord(sandbox, 'more', await startFake(sandbox));
    expect((await runCli(sandbox, NOW)).stderr).toBe('');
  });
});

describe('the reader of the output', () => {
  const bash = (sandbox: Sandbox, line: string): Promise<CliResult> =>
    outputOf(sandbox.spawn('bash', ['-c', line], { env: sandbox.env() }));
  const program = `"${process.execPath}" "${PROGRAM}"`;

  test.for(sampled(['list', 'list --json', 'log', '--help', 'why one', '--dry-run -v 2>&1']))(
    'may be gone before anything is printed: %s',
    async (words, { sandbox, expect }) => {
      await writeRecord(sandbox, 'one', await startFake(sandbox));
      const line = `(sleep 0.1; ${program} ${words}) | true; exit \${PIPESTATUS[0]}`;
      expect(await bash(sandbox, line)).toEqual({ code: 0, stdout: '', stderr: '' });
    },
  );

  test('may be gone while servers are stopped, which are stopped all the same', async ({ sandbox, expect }) => {
    const fakes = [await startFake(sandbox), await startFake(sandbox)];
    for (const fake of fakes) await writeRecord(sandbox, `on-${fake.port}`, fake);
    const line = `(sleep 0.1; ${program} --older-than 0s -v 2>&1) | true; exit \${PIPESTATUS[0]}`;
    expect(await bash(sandbox, line)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(fakes.map(({ pid }) => alive(pid))).toEqual([false, false]);
    expect(events(sandbox).map(([event]) => event)).toEqual(['stopped', 'stopped']);
  });

  test('may have no room for it', async ({ sandbox, expect }) => {
    const { code, stderr } = await bash(sandbox, `${program} log > /dev/full`);
    expect([code, stderr]).toEqual([
      1,
      'error: could not write the output: ENOSPC\nhint: redirect it somewhere else\n',
    ]);
  });
});

describe('an unexpected error', () => {
  const BUGS = {
    'thrown by what a command calls': "process.cwd = () => { throw new TypeError('a bug'); };",
    'thrown later': "setTimeout(() => { throw new TypeError('a bug'); }, 300);",
    'of a promise': "setTimeout(() => Promise.reject(new TypeError('a bug')), 300);",
  };
  const sentence =
    /^error: this is a bug in opencode-reap \d\S*: TypeError: a bug\nhint: [^\n]*OPENCODE_REAP_DEBUG=1[^\n]*\n/;

  test.for(sampled(Object.entries(BUGS), 1))(
    '%s is one sentence that says that it is one',
    async ([, code], { sandbox, expect }) => {
      // For the later ones something that is waited for: a stand-in that answers nothing.
      await writeRecord(sandbox, 'silent', await startFake(sandbox, { FAKE_OPENCODE: 'silent' }));
      const file = join(sandbox.root, 'preload.cjs');
      writeFileSync(file, code);
      const env = { NODE_OPTIONS: `--require=${file}` };
      const plain = await runCli(sandbox, NOW, { env });
      expect([plain.code, plain.stdout]).toEqual([1, '']);
      expect(plain.stderr).toMatch(new RegExp(`${sentence.source}$`));
      const json = await runCli(sandbox, [...NOW, '--json'], { env });
      expect([json.code, json.stdout]).toEqual([1, '']);
      expect(JSON.parse(json.stderr).error).toMatch(/TypeError: a bug$/);
      for (const [args, more] of [
        [['--verbose'], {}],
        [[], { OPENCODE_REAP_DEBUG: '1' }],
      ] as const) {
        const { stderr } = await runCli(sandbox, [...NOW, ...args], { env: { ...env, ...more } });
        expect(stderr).toMatch(sentence);
        expect(stderr).toMatch(/\n {4}at .*preload\.cjs/);
      }
    },
  );

  test('in a directory that no longer exists is the user’s to fix', async ({ sandbox, expect }) => {
    const gone = join(sandbox.root, 'gone');
    const line = `mkdir ${gone}; cd ${gone}; rmdir ${gone}; "${process.execPath}" "${PROGRAM}"`;
    const result = await outputOf(sandbox.spawn('bash', ['-c', line], { env: sandbox.env() }));
    expect(result).toEqual({
      code: 1,
      stdout: '',
      stderr:
        'error: the current directory no longer exists\nhint: change to another one, or name one with --workspace\n',
    });
  });
});
