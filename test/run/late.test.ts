import { mkdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { describe, type ExpectStatic, onTestFinished } from 'vitest';
import { type Fake, identityOf, machine, recordOf, SCHEMA, writeRecord, writeState } from '../support/fake.js';
import { BUILDS } from '../support/library.js';
import { sampled } from '../support/patience.js';
import { alive, portsOf, processState } from '../support/proc.js';
import { attach, type Report, reapJson, test } from '../support/reaped.js';
import type { Changes, Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

/*
 * Asking a server may take many seconds. Anything that arrives in the meantime counts: right before the server is asked
 * to dispose, and right before the first signal, everything cheap is looked at once more. With stand-ins, since a real
 * server cannot be made to answer one question late; stopping.test.ts has the same with real ones, which take long to
 * dispose.
 */

const STAND_IN = fileURLToPath(new URL('../support/asked-opencode.mjs', import.meta.url));
const NOW = ['--older-than', '0s', '--grace', '1s'];
const ID = 'stand-in-1';

interface Asked extends Fake {
  /** What it was asked so far. */
  asked(): string[];
  /** Until the question that it holds back has come. */
  held(): Promise<unknown>;
  /** Lets it answer that question. */
  go(): void;
}

const there = (file: string): boolean => statSync(file, { throwIfNoEntry: false }) !== undefined;

/** A recorded stand-in that is idle. */
const startAsked = async (sandbox: Sandbox, env: Changes): Promise<Asked> => {
  const folder = join(sandbox.root, 'asked');
  mkdirSync(folder);
  symlinkSync(STAND_IN, join(sandbox.binDir, 'opencode'));
  const port = await sandbox.reserve();
  const options = { env: sandbox.env({ ...env, ASKED: folder }), detached: true, stdio: 'ignore' } as const;
  const child = sandbox.spawn('opencode', ['serve', '--port', `${port}`], options);
  child.unref();
  const fake = { pid: child.pid ?? 0, port, url: `http://127.0.0.1:${port}` };
  await waitFor('the stand-in listens', () => portsOf(fake.pid).includes(port));
  await writeRecord(sandbox, ID, fake);
  return {
    ...fake,
    asked: () => readFileSync(join(folder, 'log'), 'utf8').trim().split('\n'),
    held: () => waitFor('the question that is held back', () => there(join(folder, 'held'))),
    go: () => writeFileSync(join(folder, 'go'), ''),
  };
};

type Arrival = (sandbox: Sandbox, server: Asked) => Promise<unknown>;

const client: Arrival = async (_sandbox, { url }) => onTestFinished(await attach(url));

/** As `keep` writes it, which would take longer than the question on a machine with much to do. */
const keepMark: Arrival = (sandbox) => writeState(sandbox.stateDir, `keep/${ID}.json`, { schema: SCHEMA, id: ID });

/** Of this very process, which lives. */
const lease: Arrival = (sandbox, { port }) =>
  writeState(sandbox.stateDir, 'leases/late.json', {
    schema: SCHEMA,
    holder: { ...identityOf(process.pid), machine: machine() },
    port,
    servers: [],
    at: new Date().toISOString(),
  });

/** As the plugin of TheViniAlmeida notes one, on the server that its URL leads to. */
const job: Arrival = async (sandbox, { url }) => {
  const folder = join(sandbox.home, '.claude/plugins/data/opc/state/project-0123456789abcdef/jobs');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const fields = {
    id: 'job-1',
    status: 'running',
    serverUrlRef: url,
    pid: process.pid,
    startedAt: new Date().toISOString(),
  };
  writeFileSync(join(folder, 'job-1.json'), JSON.stringify(fields));
};

const ARRIVALS: readonly [string, Arrival, RegExp][] = [
  ['a client', client, /^1 client connection open/],
  ['a keep mark', keepMark, /^the user wants it kept$/],
  ['a lease', lease, /^1 live session may use it/],
  ['a job of a plugin', job, /^1 plugin job/],
];

/**
 * How many questions about busy sessions come before: judged, looked at again behind the fence, and after disposing.
 */
const MOMENTS: readonly [string, number][] = [
  ['judged', 1],
  ['asked behind the fence', 2],
  ['asked for the last time', 3],
];

const because = ({ servers: [server] }: Report): string | undefined =>
  server?.outcome?.because ?? server?.guards.find(({ name }) => server.reasons.includes(name))?.detail;

const expectLeftAlone = (expect: ExpectStatic, server: Asked, report: Report, why: RegExp): void => {
  expect(because(report)).toMatch(why);
  expect(alive(server.pid)).toBe(true);
};

describe.concurrent('a stand-in stays when, while it is', () => {
  const cases = MOMENTS.flatMap(([when, nth]) =>
    ARRIVALS.map(([who, ...arrival]) => [when, who, nth, ...arrival] as const),
  );
  test.for(sampled(cases, 5))('%s, %s arrives', async ([, , nth, arrive, why], { sandbox, expect }) => {
    const server = await startAsked(sandbox, { HOLD_AT: `${nth}` });
    const run = reapJson(sandbox, NOW);
    await server.held();
    await arrive(sandbox, server);
    server.go();
    expectLeftAlone(expect, server, await run, why);
    expect(server.asked().includes('POST /global/dispose')).toBe(nth === 3);
    expect(there(join(sandbox.stateDir, `servers/${ID}.json`))).toBe(true);
    expect(there(join(sandbox.stateDir, `closing/${ID}.json`))).toBe(false);
  });

  test('judged, its record says that the user has started it', async ({ sandbox, expect }) => {
    const server = await startAsked(sandbox, { HOLD_AT: '1' });
    const run = reapJson(sandbox, NOW);
    await server.held();
    await writeRecord(sandbox, ID, server, { startedByPlugin: false });
    server.go();
    expectLeftAlone(expect, server, await run, /^the record says that the user started it$/);
  });

  test('judged, the record of its plugin goes', async ({ sandbox, expect }) => {
    const server = await startAsked(sandbox, { HOLD_AT: '1' });
    const { schema: _, ...record } = recordOf(sandbox, ID, server);
    writeFileSync(join(sandbox.stateDir, `servers/${ID}.json`), '{}');
    const folder = join(sandbox.home, '.claude/plugins/data/opencode-jv/state/0123456789abcdef');
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    const file = join(folder, 'server.json');
    writeFileSync(file, JSON.stringify({ lastServerPid: record.pid, lastServerStartedAt: Date.now() }));
    const run = reapJson(sandbox, ['--all-stale', ...NOW]);
    await server.held();
    writeFileSync(file, JSON.stringify({ lastServerPid: null, lastServerStartedAt: null }));
    server.go();
    expectLeftAlone(expect, server, await run, /^its record was changed or removed while it was being judged$/);
  });
});

/**
 * Loaded before a run: it stops itself right after it has written the tree down for the last time (`fsyncSync`), or in the
 * middle of the last look, which comes next (`look`): when it reads /proc, or asks lsof.
 */
const pauseIn = (step: 'fsyncSync' | 'look'): string => `const fs = require('node:fs');
let left = 3;
const { fsyncSync, readdirSync } = fs;
const pause = () => process.kill(process.pid, 'SIGSTOP');
fs.fsyncSync = (fd) => {
  fsyncSync(fd);
  if (--left === 0 && '${step}' === 'fsyncSync') pause();
};
const look = (at) => {
  if (left !== 0 || !/^\\/proc$|\\/lsof$/.test(at) || '${step}' !== 'look') return;
  left = -1;
  pause();
};
fs.readdirSync = (...args) => {
  look(args[0]);
  return readdirSync(...args);
};
const tools = require('node:child_process');
const { execFile } = tools;
tools.execFile = (...args) => {
  look(args[0]);
  return execFile(...args);
};
require('node:module').syncBuiltinESMExports();`;

describe.concurrent('a run that is paused between its last question and its signal', () => {
  const pausedRun = async (
    sandbox: Sandbox,
    step: 'fsyncSync' | 'look',
  ): Promise<{ resume: () => void; run: Promise<Report> }> => {
    const preload = join(sandbox.root, 'pause.cjs');
    writeFileSync(preload, pauseIn(step));
    const run = reapJson(sandbox, NOW, { env: { NODE_OPTIONS: `--require ${preload}` } });
    const fence = join(sandbox.stateDir, 'closing', `${ID}.json`);
    const pid = await waitFor('the run is paused', () => {
      const holder = there(fence) ? JSON.parse(readFileSync(fence, 'utf8')).run.pid : undefined;
      return holder !== undefined && processState(holder) === 'T' && holder;
    });
    return { resume: () => process.kill(pid, 'SIGCONT'), run };
  };

  test('sees who has come meanwhile to the stand-in', async ({ sandbox, expect }) => {
    const server = await startAsked(sandbox, {});
    const { resume, run } = await pausedRun(sandbox, 'fsyncSync');
    await client(sandbox, server);
    resume();
    expectLeftAlone(expect, server, await run, /^1 client connection open/);
  });

  const pauses = sampled(
    [
      ['its question', 'fsyncSync', 6_000],
      ['its last look', 'look', 3_000],
    ] as const,
    1,
  );
  test.for(pauses)(
    'asks the stand-in once more when %s was too long ago',
    async ([, step, ms], { sandbox, expect }) => {
      const server = await startAsked(sandbox, {});
      const { resume, run } = await pausedRun(sandbox, step);
      const statuses = (): number => server.asked().filter((line) => line === 'GET /session/status').length;
      const before = statuses();
      await sleep(ms);
      resume();
      expect((await run).servers[0]?.outcome).toMatchObject({ kind: 'stopped' });
      expect([before, statuses()]).toEqual([3, 4]);
    },
  );
});

describe.concurrent('what a question makes a stand-in start in a session of its own', () => {
  test('is waited for when it is over in a moment', async ({ sandbox, expect }) => {
    const server = await startAsked(sandbox, { TOOL_MS: '400' });
    const report = await reapJson(sandbox, NOW);
    expect(report).toMatchObject({ code: 0, servers: [{ outcome: { kind: 'stopped' } }] });
    expect(alive(server.pid)).toBe(false);
  });

  test('is a tool when it goes on', async ({ sandbox, expect }) => {
    const server = await startAsked(sandbox, { TOOL_MS: '20000' });
    expectLeftAlone(expect, server, await reapJson(sandbox, NOW), /^a tool or shell runs in it/);
  });
});

/** A plugin's own process: listens to a server, and has everything reaped. */
const CALLER = `const { get } = await import('node:http');
const [url, file] = process.argv.slice(1);
const { reap } = await import(file);
await new Promise((resolve) => get(url + '/global/event', { agent: false }, (events) => resolve(events.resume())));
const { servers } = await reap({ all: true, olderThan: 0 });
process.stdout.write(JSON.stringify(servers.map(({ verdict, guards }) => [verdict, guards.find(({ name }) => name === 'idle').detail])));
process.exit();`;

test.for(sampled(Object.entries(BUILDS), 1))(
  'a caller of the library (%s) is a client of the stand-in that it is connected to',
  async ([, build], { sandbox, expect }) => {
    const server = await startAsked(sandbox, {});
    const child = sandbox.spawn(process.execPath, ['--input-type=module', '-e', CALLER, server.url, build]);
    let printed = '';
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      printed += text;
    });
    await new Promise((resolve) => child.once('close', resolve));
    expect(JSON.parse(printed)).toEqual([['spared', `1 client connection open (pid ${child.pid})`]]);
    expect(alive(server.pid)).toBe(true);
  },
);
