import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { secret } from '../../src/model/secret.js';
import type { Platform } from '../../src/observe/platform.js';
import { finishCrashed } from '../../src/run/finish-crashed.js';
import { judgeAll } from '../../src/run/judge.js';
import { type StopPolicy, stopServer } from '../../src/run/stop-server.js';
import { survey } from '../../src/run/survey.js';
import { first, json, second } from '../support/hand-made.js';
import { meanwhile } from '../support/in-between.js';
import {
  CLIENT,
  environmentOf,
  HOST,
  ID,
  identityOf,
  LAUNCHER,
  MCP,
  OTHER,
  POLICY,
  processOf,
  type Script,
  type Scripted,
  SERVE,
  SERVER,
  scripted,
  textIn,
  tokenOf,
} from '../support/scripted.js';

/*
 * Each step of the ladder, on a machine that stands in for a real one: what comes before what, what is there by then, and
 * whatever comes in between spares the server. late.test.ts, stopping.test.ts and meanwhile.test.ts have real processes.
 */

const NAMED: StopPolicy = { ...POLICY, named: true };

/** Stops the server, after what the test has prepared. */
async function stop(stage: Scripted, policy: StopPolicy = POLICY, prepare = (): void => undefined) {
  const judged = await stage.judged();
  prepare();
  return stopServer(judged, policy, stage.world);
}

/** Nothing was signaled, and the record is where it was. */
function expectLeftAlone(stage: Scripted, acts: readonly string[] = []): void {
  expect(stage.acts()).toEqual(acts);
  expect([existsSync(stage.record), existsSync(stage.fence)]).toEqual([true, false]);
}

/** Neither its record nor a fence is left. */
function expectForgotten(stage: Scripted): void {
  expect([existsSync(stage.record), existsSync(stage.fence)]).toEqual([false, false]);
}

const STATUS = 'GET /session/status';
const DISPOSE = 'POST /global/dispose';
const LOOK = 'look around';

describe('a stale server', () => {
  test('is fenced, looked at, told to let go, looked at again twice, and only then ended', async () => {
    const stage = await scripted();
    const outcome = await stop(stage);
    expect(outcome).toEqual({
      kind: 'stopped',
      signal: 'SIGTERM',
      tookMs: 0,
      processes: [SERVER, MCP],
      leftBehind: [],
      successor: undefined,
    });
    const order = [STATUS, LOOK, DISPOSE, STATUS, LOOK, LOOK, 'look server', 'SIGTERM server'];
    const upToSignal = stage.steps.slice(0, stage.steps.indexOf('SIGTERM server') + 1);
    const steps = upToSignal.filter(
      (one, at) => order.includes(one) && (one !== 'look server' || upToSignal[at + 1] === 'SIGTERM server'),
    );
    expect(steps).toEqual(order);
    expect(stage.acts()).toEqual([DISPOSE, 'SIGTERM server', 'SIGTERM mcp']);
    expectForgotten(stage);
  });

  test('has its fence before anything is asked of it, in which its record is, until it is gone', async () => {
    const stage = await scripted();
    const text = textIn(stage.record);
    const seen: unknown[] = [];
    const note = (): void => {
      const { record, run, tree } = JSON.parse(textIn(stage.fence) ?? '{}');
      seen.push([record, run.pid, tree, existsSync(stage.record)]);
    };
    const fenced = [text, process.pid, [SERVER, MCP].map(identityOf), false];
    await stop(stage, POLICY, () => {
      for (const step of [STATUS, DISPOSE, 'SIGTERM server', 'SIGTERM mcp', 'listener']) stage.before(step, 1, note);
    });
    expect(seen).toEqual([fenced, fenced, fenced, fenced, fenced]);
  });

  test('is told of step by step, for a person who waits', async () => {
    const stage = await scripted();
    stage.on('SIGTERM', SERVER, () => undefined);
    const told: string[] = [];
    await stop(stage, { ...POLICY, graceMs: 0, step: (step) => told.push(step) });
    expect(told).toEqual(['asking it to let go', 'SIGTERM', 'SIGKILL']);
  });

  test('takes as long as it takes, its grace included', async () => {
    const stage = await scripted();
    const began = stage.clock.now();
    stage.on('SIGTERM', SERVER, () => stage.clock.at(stage.clock.now() + 300, () => stage.processes.delete(SERVER)));
    const outcome = await stop(stage);
    expect(outcome).toMatchObject({ kind: 'stopped', signal: 'SIGTERM', tookMs: stage.clock.now() - began });
    expect(stage.clock.now() - began).toBeGreaterThan(290);
  });

  test('is ended with its launcher', async () => {
    const stage = await scripted({ record: { pid: LAUNCHER, startToken: tokenOf(LAUNCHER) } });
    stage.processes.set(LAUNCHER, processOf(LAUNCHER, { command: { ...SERVE, interpreted: true } }));
    stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, parent: LAUNCHER }));
    stage.environments.set(LAUNCHER, environmentOf());
    expect(await stop(stage)).toMatchObject({ kind: 'stopped', processes: [SERVER, LAUNCHER, MCP] });
    expect(stage.acts()).toEqual([DISPOSE, 'SIGTERM server', 'SIGTERM launcher', 'SIGTERM mcp']);
  });

  test('that is a plugin’s in its own file ends as well, and its file stays', async () => {
    const stage = await scripted();
    const judged = await stage.judged();
    const file = stage.write('plugin.json', 'the plugin’s own words');
    const record = { ...judged.record, source: { format: 'zaralcy', file } };
    expect(await stopServer({ ...judged, record }, POLICY, stage.world)).toMatchObject({ kind: 'stopped' });
    expect([textIn(file), existsSync(stage.fence)]).toEqual(['the plugin’s own words', false]);
  });
});

type Arrival = readonly [what: string, arrives: (stage: Scripted) => unknown, why: RegExp];
const ARRIVALS: readonly Arrival[] = [
  [
    'a client',
    (stage) => {
      stage.processes.set(CLIENT, processOf(CLIENT, { group: CLIENT, session: CLIENT }));
      stage.inbound.push({ port: stage.port, clientPid: CLIENT, clientPort: 50_000 });
    },
    /^1 client connection open \(pid 5000045\)$/,
  ],
  [
    'a keep mark',
    (stage) => stage.write(`keep/${ID}.json`, { schema: 'opencode-reap/1', id: ID }),
    /^the user wants it kept$/,
  ],
  [
    'a lease',
    (stage) =>
      stage.write('leases/late.json', {
        schema: 'opencode-reap/1',
        holder: { pid: process.pid, startToken: tokenOf(process.pid), machine: HOST },
        port: stage.port,
        servers: [],
        at: new Date().toISOString(),
      }),
    /^1 live session may use it/,
  ],
  ['a file that cannot be read', (stage) => stage.write('leases/torn.json', '{'), /^a lease could not be read$/],
];

/** Up to which it was not told to let go, and after which it was. */
const MOMENTS: readonly [when: string, step: string, nth: number, acts: string[]][] = [
  ['it is asked behind the fence', STATUS, 1, []],
  ['it is looked at after its answer', LOOK, 1, []],
  ['it is told to let go', DISPOSE, 1, [DISPOSE]],
  ['it is asked once more', STATUS, 2, [DISPOSE]],
  ['the last look begins', LOOK, 3, [DISPOSE]],
];

describe('a server is left alone where,', () => {
  const cases = MOMENTS.flatMap(([when, ...moment]) =>
    ARRIVALS.map(([who, ...arrival]) => [when, who, ...moment, ...arrival] as const),
  );
  test.each(cases)('before %s, %s comes', async (_when, _who, step, nth, acts, arrives, why) => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () => stage.before(step, nth, () => arrives(stage)));
    expect(outcome).toEqual({ kind: 'withheld', because: expect.stringMatching(why) });
    expectLeftAlone(stage, acts);
  });

  test('since it was judged, it became busy', async () => {
    const statuses: Record<string, unknown> = {};
    const stage = await scripted({ routes: first({ '/session/status': (...how) => json(statuses)(...how) }) });
    const outcome = await stop(stage, POLICY, () => Object.assign(statuses, { 'session-1': { type: 'busy' } }));
    expect(outcome).toEqual({ kind: 'withheld', because: expect.stringMatching(/^1 session busy/) });
    expectLeftAlone(stage);
  });

  test('another run has its fence', async () => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () => void stage.write(`closing/${ID}.json`, 'another’s'));
    expect(outcome).toEqual({ kind: 'withheld', because: 'another run is stopping it' });
    expect([stage.acts(), textIn(stage.fence), existsSync(stage.record)]).toEqual([[], 'another’s', true]);
  });

  test('its record says something else by now', async () => {
    const stage = await scripted();
    const judged = await stage.judged();
    const { password: _, ...record } = JSON.parse(textIn(stage.record) ?? '');
    stage.write(`servers/${ID}.json`, { ...record, startedByPlugin: false });
    expect(await stopServer(judged, POLICY, stage.world)).toEqual({
      kind: 'withheld',
      because: 'its record was changed or removed while it was being judged',
    });
    expectLeftAlone(stage);
    expect(stage.steps).toEqual([]);
  });

  test('this program cannot see itself, and so could not be told from another by its fence', async () => {
    const stage = await scripted();
    stage.processes.delete(process.pid);
    expect(await stop(stage)).toEqual({
      kind: 'withheld',
      because: 'this process cannot see itself, so it cannot claim the server',
    });
    expectLeftAlone(stage);
  });

  test('something fails that was not foreseen, which is thrown on', async () => {
    const stage = await scripted();
    const judged = await stage.judged();
    stage.before(STATUS, 1, () => undefined);
    stage.before('list', 1, () => {
      throw new Error('a mistake');
    });
    await expect(stopServer(judged, POLICY, stage.world)).rejects.toThrow('a mistake');
    expectLeftAlone(stage);
  });

  test.each<[string, string, (stage: Scripted) => void, object]>([
    [
      'may not be signaled',
      'EPERM',
      (stage) => stage.on('SIGTERM', SERVER, () => deny()),
      { kind: 'denied', pid: SERVER },
    ],
    [
      'survives',
      'SIGKILL',
      (stage) => {
        for (const name of ['SIGTERM', 'SIGKILL'] as const) stage.on(name, SERVER, () => undefined);
      },
      { kind: 'survived', pids: [SERVER] },
    ],
  ])('after all, it %s', async (_what, _how, prepare, said) => {
    const stage = await scripted();
    prepare(stage);
    expect(await stop(stage)).toEqual(said);
    expect([existsSync(stage.record), existsSync(stage.fence), stage.processes.has(MCP)]).toEqual([true, false, true]);
  });

  test('which ends after it was given up, as one that waited for a disk, leaves nothing for the next run', async () => {
    const stage = await scripted();
    for (const name of ['SIGTERM', 'SIGKILL'] as const) stage.on(name, SERVER, () => undefined);
    expect(await stop(stage)).toMatchObject({ kind: 'survived' });
    stage.processes.delete(SERVER);
    stage.processes.set(MCP, processOf(MCP, { parent: 1 }));
    const around = await survey(stage.world);
    await finishCrashed(around.deadFences, await judgeAll(around, POLICY, stage.world), around, 100, stage.world);
    expect(stage.acts().slice(-1)).toEqual(['SIGTERM mcp']);
    expect(readdirSync(join(stage.root, 'state/closing'))).toEqual([]);
  });

  test('or was not even due, is as before, with nothing beside its record', async () => {
    const stage = await scripted();
    stage.before(LOOK, 3, () => stage.inbound.push({ port: stage.port, clientPid: CLIENT, clientPort: 50_000 }));
    expect(await stop(stage)).toMatchObject({ kind: 'withheld' });
    expect(readdirSync(join(stage.root, 'state/closing'))).toEqual([]);
  });
});

const deny = (): never => {
  throw Object.assign(new Error('EPERM'), { code: 'EPERM' });
};

describe('the tree that a run notes for the one that may have to finish its work', () => {
  const treeIn = (stage: Scripted): unknown => JSON.parse(textIn(stage.fence) ?? '{}').tree;
  const joins = (stage: Scripted, pid: number) => (): void => {
    stage.processes.set(pid, processOf(pid, { parent: SERVER, ageMs: 0 }));
    stage.environments.set(pid, environmentOf({ opencodePid: `${SERVER}` }));
  };

  test.each([
    ['it is asked once more', STATUS, 2],
    ['the last look begins', LOOK, 3],
  ] as const)('is that of the last look, with what joins before %s', async (_when, step, nth) => {
    const stage = await scripted();
    let noted: unknown;
    await stop(stage, POLICY, () => {
      stage.before(step, nth, joins(stage, OTHER));
      stage.before('SIGTERM server', 1, () => {
        noted = treeIn(stage);
      });
    });
    expect(noted).toEqual([SERVER, MCP, OTHER].map(identityOf));
    expect(stage.acts()).toEqual([DISPOSE, 'SIGTERM server', 'SIGTERM mcp', 'SIGTERM other']);
  });

  test('is noted again where as many are others by then', async () => {
    const stage = await scripted();
    let noted: unknown;
    await stop(stage, POLICY, () => {
      stage.before(LOOK, 3, () => {
        stage.processes.delete(MCP);
        joins(stage, OTHER)();
      });
      stage.before('SIGTERM server', 1, () => {
        noted = treeIn(stage);
      });
    });
    expect(noted).toEqual([SERVER, OTHER].map(identityOf));
  });

  test('waits for the disk before the last look, and not after it', async () => {
    const stage = await scripted();
    const judged = await stage.judged();
    const synced = meanwhile('fsyncSync');
    const counts: number[] = [];
    stage.before(LOOK, 2, () => counts.push(synced.length));
    stage.before(LOOK, 3, () => counts.push(synced.length));
    stage.before('SIGTERM server', 1, () => counts.push(synced.length));
    await stopServer(judged, POLICY, stage.world);
    expect(counts).toEqual([1, 2, 2]);
  });
});

describe('a server that is going by itself', () => {
  test.each([
    ['it is asked', STATUS, 1, []],
    ['it is told to let go', DISPOSE, 1, [DISPOSE]],
    ['the last look begins', LOOK, 3, [DISPOSE]],
    ['it would get its signal', 'look server', 4, [DISPOSE]],
  ] as const)('is gone where it ends before %s, and what it has left ends', async (_when, step, nth, acts) => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () =>
      stage.before(step, nth, () => {
        stage.processes.delete(SERVER);
        stage.processes.set(MCP, processOf(MCP, { parent: 1 }));
      }),
    );
    expect(outcome).toEqual({ kind: 'gone' });
    expect(stage.acts()).toEqual([...acts, 'SIGTERM mcp']);
    expectForgotten(stage);
  });

  test.each([
    ['it is asked', STATUS, 1],
    ['it would get its signal', 'look server', 4],
  ] as const)('is not the one that has its pid before %s, which stays', async (_when, step, nth) => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () =>
      stage.before(step, nth, () => {
        stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, startToken: tokenOf(OTHER) }));
        stage.environments.set(SERVER, environmentOf({ tag: undefined }));
        stage.processes.delete(MCP);
      }),
    );
    expect(outcome).toEqual({ kind: 'gone' });
    expect(stage.acts().filter((act) => act.startsWith('SIG'))).toEqual([]);
    expect(stage.processes.has(SERVER)).toBe(true);
    expectForgotten(stage);
  });

  const ending = (stage: Scripted, ms: number) => (): void => {
    stage.processes.set(SERVER, processOf(SERVER, { command: undefined }));
    stage.clock.at(stage.clock.now() + ms, () => stage.processes.delete(SERVER));
  };

  test('has no command line while it ends, and is gone a moment later', async () => {
    const stage = await scripted();
    expect(await stop(stage, POLICY, () => stage.before(LOOK, 3, ending(stage, 400)))).toEqual({ kind: 'gone' });
    expect(stage.acts()).toEqual([DISPOSE, 'SIGTERM mcp']);
  });

  test('is left alone if it does not end in that moment', async () => {
    const stage = await scripted();
    expect(await stop(stage, POLICY, () => stage.before(LOOK, 3, ending(stage, 4_000)))).toMatchObject({
      kind: 'withheld',
    });
    expectLeftAlone(stage, [DISPOSE]);
  });
});

describe('a server that is not told to let go', () => {
  const NO_LISTENER = { listening: [] };

  test.each([
    ['stale', POLICY],
    ['named', NAMED],
  ])('is one that hangs, and is %s', async (_what, policy) => {
    const stage = await scripted();
    stage.sockets = NO_LISTENER;
    expect(await stop(stage, policy)).toMatchObject({ kind: 'stopped' });
    expect(stage.acts()).toEqual(['SIGTERM server', 'SIGTERM mcp']);
  });

  test('is one that hung when it was judged, and is named, so that it is not asked again', async () => {
    const stage = await scripted();
    const judged = await stage.judged();
    const hung = { ...judged, seen: { ...judged.seen, activity: { kind: 'hung', because: 'a test' } as const } };
    expect(await stopServer(hung, NAMED, stage.world)).toMatchObject({ kind: 'stopped' });
    expect(stage.acts()).toEqual(['SIGTERM server', 'SIGTERM mcp']);
  });

  test('is not one that hung when it was judged, and answers by now', async () => {
    const stage = await scripted();
    const judged = await stage.judged();
    const hung = { ...judged, seen: { ...judged.seen, activity: { kind: 'hung', because: 'a test' } as const } };
    expect(await stopServer(hung, POLICY, stage.world)).toMatchObject({ kind: 'stopped' });
    expect(stage.acts()).toEqual([DISPOSE, 'SIGTERM server', 'SIGTERM mcp']);
  });

  test('is one that runs what is not its own, which stays and is named', async () => {
    const stage = await scripted();
    stage.processes.set(OTHER, processOf(OTHER, { parent: MCP, session: OTHER, group: OTHER }));
    stage.environments.set(OTHER, environmentOf({ opencodePid: `${SERVER}` }));
    stage.listens.set(OTHER, true);
    const outcome = await stop(stage, NAMED);
    expect(outcome).toMatchObject({ kind: 'stopped', leftBehind: [{ pid: OTHER, ended: false }] });
    expect(stage.acts()).toEqual(['SIGTERM server', 'SIGTERM mcp']);
    expect(stage.processes.has(OTHER)).toBe(true);
  });

  test.each([
    ['stale', POLICY],
    ['named', NAMED],
  ])('is an OpenCode 2 that is %s, which has no such way', async (_what, policy) => {
    const stage = await scripted({ routes: second({ '/api/info': json({ version: '2.0.22', pid: SERVER }) }) });
    expect(await stop(stage, policy)).toMatchObject({ kind: 'stopped' });
    expect(stage.acts()).toEqual(['SIGTERM server', 'SIGTERM mcp']);
  });
});

describe('a server that the user named', () => {
  test('is told to let go, and is not asked again', async () => {
    const stage = await scripted();
    expect(await stop(stage, NAMED)).toMatchObject({ kind: 'stopped' });
    expect(stage.steps.filter((step) => /^(GET|POST)/.test(step))).toEqual([DISPOSE]);
    expectForgotten(stage);
  });

  test.each(ARRIVALS)('is stopped where %s comes meanwhile', async (_what, arrives) => {
    const stage = await scripted();
    expect(await stop(stage, NAMED, () => stage.before(LOOK, 1, () => arrives(stage)))).toMatchObject({
      kind: 'stopped',
    });
  });

  test('is left alone where another process has its pid', async () => {
    const stage = await scripted();
    const outcome = await stop(stage, NAMED, () =>
      stage.before(LOOK, 1, () => stage.processes.set(SERVER, processOf(SERVER, { startToken: 'another' }))),
    );
    expect(outcome).toEqual({ kind: 'gone' });
    expect(stage.acts()).toEqual(['SIGTERM mcp']);
  });

  test('is left alone where it cannot be told that it is the one', async () => {
    const stage = await scripted();
    const outcome = await stop(stage, NAMED, () =>
      stage.before(LOOK, 1, () => stage.processes.set(SERVER, processOf(SERVER, { command: undefined }))),
    );
    expect(outcome).toEqual({ kind: 'withheld', because: expect.stringContaining('command') });
    expectLeftAlone(stage);
  });

  test('is left alone where this program runs inside it: it would end itself halfway', async () => {
    const stage = await scripted();
    stage.processes.set(process.pid, processOf(process.pid, { parent: SERVER }));
    expect(await stop(stage, NAMED)).toEqual({ kind: 'withheld', because: 'this command runs inside it' });
    expectLeftAlone(stage);
  });
});

describe('a look counts for two seconds, and an answer for five', () => {
  const TOO_LATE = { kind: 'withheld', because: 'this machine is too busy for a last look right before the stop' };
  const statuses = (stage: Scripted): number => stage.steps.filter((step) => step === STATUS).length;
  const slow = (stage: Scripted, ms: number) => (): void => stage.clock.pass(ms);

  test('so that looks which take as long as that are enough', async () => {
    const stage = await scripted();
    expect(await stop(stage, POLICY, () => stage.before(LOOK, 'each', slow(stage, 2_000)))).toMatchObject({
      kind: 'stopped',
    });
    expect(statuses(stage)).toBe(2);
  });

  test('so that nothing is done by longer ones: three times, and then it is left alone', async () => {
    const stage = await scripted();
    expect(await stop(stage, POLICY, () => stage.before(LOOK, 'each', slow(stage, 2_001)))).toEqual(TOO_LATE);
    expectLeftAlone(stage);
    expect(statuses(stage)).toBe(3);
  });

  test('and it is looked at again where the first two were too long', async () => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () => {
      for (const nth of [1, 2]) stage.before(LOOK, nth, slow(stage, 2_001));
    });
    expect(outcome).toMatchObject({ kind: 'stopped' });
    expect([stage.acts()[0], statuses(stage)]).toEqual([DISPOSE, 4]);
  });

  test.each([
    ['five seconds are enough', 3_000, 2],
    ['more are not, and it is asked again', 3_001, 3],
  ])('so that after its last answer %s', async (_what, ms, asked) => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () => {
      stage.before(LOOK, 2, slow(stage, ms));
      stage.before(LOOK, 3, slow(stage, 2_000));
    });
    expect(outcome).toMatchObject({ kind: 'stopped' });
    expect([statuses(stage), stage.acts().filter((act) => act === DISPOSE)]).toEqual([asked, [DISPOSE]]);
  });

  test('and no signal is sent by the last look where it was too long, three times', async () => {
    const stage = await scripted();
    const outcome = await stop(stage, POLICY, () => {
      for (const nth of [3, 5, 7]) stage.before(LOOK, nth, slow(stage, 2_001));
    });
    expect(outcome).toEqual(TOO_LATE);
    expectLeftAlone(stage, [DISPOSE]);
    expect(statuses(stage)).toBe(4);
  });

  test('and one that hangs is asked again as well then', async () => {
    const stage = await scripted();
    stage.sockets = { listening: [] };
    const outcome = await stop(stage, POLICY, () =>
      stage.before(LOOK, 2, () => {
        stage.clock.pass(2_001);
        stage.sockets = undefined;
      }),
    );
    expect([outcome.kind, statuses(stage)]).toEqual(['stopped', 1]);
  });
});

/** Keeps its list of processes for a while, and ends by handle. */
const asOnWindows: Script['platform'] = (here, stage) => ({
  recent: async (pid) => here.look(pid),
  lookAnew: () => void stage.steps.push('anew'),
  runScript: async (script) => {
    const pids = [...script.matchAll(/'(\d+):/g)].map(([, pid]) => Number(pid));
    stage.steps.push(`script ${pids.map((pid) => (pid === SERVER ? 'server' : pid === MCP ? 'mcp' : pid))}`);
    for (const pid of pids) stage.processes.delete(pid);
    return JSON.stringify({ ended: pids.map((pid) => ({ pid, what: 'ended' })) });
  },
});

describe('where a list of processes is kept, as on Windows,', () => {
  test('it is made anew between each answer and what is done by it, and nothing is signaled', async () => {
    const stage = await scripted({ platform: asOnWindows });
    expect(await stop(stage)).toMatchObject({ kind: 'stopped', signal: 'SIGKILL' });
    const told = ['anew', STATUS, DISPOSE, 'script server', 'script mcp'];
    const steps = stage.steps.filter((step) => told.includes(step));
    expect(steps).toEqual([STATUS, 'anew', DISPOSE, STATUS, 'anew', 'script server', 'script mcp']);
    expectForgotten(stage);
  });

  test.each(MOMENTS)('it is left alone where, before %s, a client comes', async (_when, step, nth, acts) => {
    const stage = await scripted({ platform: asOnWindows });
    // There are four looks: one more before it is told to let go.
    const [[, arrives, why] = expect.fail('no arrival')] = ARRIVALS;
    const outcome = await stop(stage, POLICY, () =>
      stage.before(step, nth + (nth === 3 ? 1 : 0), () => arrives(stage)),
    );
    expect(outcome).toEqual({ kind: 'withheld', because: expect.stringMatching(why) });
    expectLeftAlone(stage, acts);
  });

  test.each<[string, number, number, 'stopped' | 'withheld']>([
    ['a look may take five seconds', 5_000, 0, 'stopped'],
    ['a look may take no more', 5_001, 0, 'withheld'],
    ['an answer may be fourteen seconds old', 5_000, 9_000, 'stopped'],
    ['an answer may be no older', 5_000, 9_001, 'withheld'],
  ])('%s', async (_what, lookMs, listMs, kind) => {
    const stage = await scripted({ platform: asOnWindows });
    const outcome = await stop(stage, POLICY, () => {
      // Each answer is followed by a look, and that by one by a list of its own.
      for (const nth of [2, 4, 6, 8]) stage.before(LOOK, nth, () => stage.clock.pass(lookMs));
      for (const nth of [1, 3, 5, 7]) stage.before(LOOK, nth, () => stage.clock.pass(listMs));
    });
    expect(outcome.kind).toBe(kind);
    expect(stage.steps.filter((step) => step === STATUS)).toHaveLength(kind === 'stopped' ? 2 : 3);
  });
});

describe('what has left the tree of a stopped server', () => {
  const stray = (stage: Scripted): void => {
    stage.processes.set(OTHER, processOf(OTHER, { session: OTHER, group: OTHER, name: 'tool', ageMs: 5 }));
    stage.environments.set(OTHER, environmentOf());
  };
  const asksWhetherItListens = (stage: Scripted): boolean =>
    stage.steps.slice(stage.steps.indexOf('SIGTERM mcp')).some((step) => step === 'details: listens other');

  test('is named, and stays', async () => {
    const stage = await scripted();
    stray(stage);
    expect(await stop(stage)).toMatchObject({ leftBehind: [{ pid: OTHER, name: 'tool', ended: false }] });
    expect([stage.acts(), asksWhetherItListens(stage)]).toEqual([[DISPOSE, 'SIGTERM server', 'SIGTERM mcp'], false]);
  });

  test('ends where that was asked for', async () => {
    const stage = await scripted();
    stray(stage);
    expect(await stop(stage, { ...POLICY, endStrays: true })).toMatchObject({
      leftBehind: [{ pid: OTHER, name: 'tool', ended: true }],
    });
    expect(stage.acts()).toEqual([DISPOSE, 'SIGTERM server', 'SIGTERM mcp', 'SIGTERM other']);
  });

  test('stays all the same where others may connect to it', async () => {
    const stage = await scripted();
    stray(stage);
    stage.listens.set(OTHER, true);
    expect(await stop(stage, { ...POLICY, endStrays: true })).toMatchObject({
      leftBehind: [{ pid: OTHER, ended: false }],
    });
    expect(stage.processes.has(OTHER)).toBe(true);
  });

  test('of an OpenCode 2 is known by its password, and only named', async () => {
    const password = secret('its password');
    const stage = await scripted({
      routes: second({ '/api/info': json({ version: '2.0.22', pid: SERVER }) }),
      record: { tag: undefined },
    });
    stray(stage);
    stage.environments.set(SERVER, environmentOf({ tag: undefined, passwordOfSecond: password }));
    stage.environments.set(MCP, environmentOf({ tag: undefined, opencodePid: `${SERVER}` }));
    stage.environments.set(OTHER, environmentOf({ tag: undefined, inTerminal: true, passwordOfSecond: password }));
    expect(await stop(stage, { ...POLICY, endStrays: true })).toMatchObject({
      leftBehind: [{ pid: OTHER, ended: false }],
    });
  });

  test('is nothing where processes or environments cannot be seen by then', async () => {
    let isOver = false;
    const stage = await scripted({
      platform: (here) => ({
        shows: { ...here.shows, environments: false },
        details: async (wanted) =>
          new Map([...(await here.details(wanted))].map(([pid, { environment: _, ...one }]) => [pid, one])),
        processes: async () => (isOver ? undefined : here.processes()),
      }),
    });
    stray(stage);
    const outcome = await stop(stage, POLICY, () =>
      stage.before('SIGTERM mcp', 1, () => {
        isOver = true;
      }),
    );
    expect(outcome).toMatchObject({ kind: 'stopped', leftBehind: [] });
  });
});

describe('who listens on its port afterwards', () => {
  const listening = (answers: readonly (number | 'nobody' | undefined)[]): Script => ({
    platform: (_here, stage) => {
      const left = [...answers];
      const listener: Platform['listener'] = async () => {
        // A second is over right at one of its looks, which are 5 ms apart, or between two of them.
        if (!stage.steps.includes('listener')) stage.clock.pass(left[0] === SERVER ? 0 : 1);
        stage.steps.push('listener');
        const pid = left.length > 1 ? left.shift() : left[0];
        return typeof pid === 'number' ? { pid, owner: undefined } : pid;
      };
      return { listener };
    },
  });
  const asked = (stage: Scripted): number => stage.steps.filter((step) => step === 'listener').length;

  test.each<[string, (number | 'nobody' | undefined)[], number | undefined, number]>([
    ['is nobody', ['nobody'], undefined, 1],
    ['is said at once', [OTHER], OTHER, 1],
    ['is nobody a moment later, while the port is not free yet', [SERVER, MCP, 'nobody'], undefined, 3],
    ['is asked again where that could not be told', [undefined, OTHER], OTHER, 2],
    ['is what still has the port after a second', [SERVER], SERVER, 202],
    ['is nobody known where it cannot be told for a second', [undefined], undefined, 201],
  ])('%s', async (_what, answers, successor, times) => {
    const stage = await scripted(listening(answers));
    expect(await stop(stage)).toMatchObject({ kind: 'stopped', successor });
    expect(asked(stage)).toBe(times);
  });

  test('is not asked where no port is known', async () => {
    const stage = await scripted({ ...listening([OTHER]), record: { port: undefined } });
    expect(await stop(stage)).toMatchObject({ kind: 'stopped', successor: undefined });
    expect(asked(stage)).toBe(0);
  });

  test('is looked for once more on Windows, where a port may be listed under what has ended', async () => {
    const stage = await scripted({
      platform: (here, one) => ({ ...asOnWindows(here, one), ...listening([SERVER]).platform?.(here, one) }),
    });
    expect(await stop(stage)).toMatchObject({ kind: 'stopped', successor: undefined });
    expect(stage.steps.slice(stage.steps.indexOf('script mcp')).filter((step) => step === 'anew')).toEqual(['anew']);
  });

  describe('and what has ended left a child there, which', () => {
    /** The port is free once that is gone. */
    const leaving = async (change: (stage: Scripted) => unknown = () => undefined, next?: number) => {
      const stage = await scripted({
        platform: (here, one) => ({
          ...asOnWindows(here, one),
          listener: async () => {
            const pid = one.processes.has(OTHER) ? SERVER : next;
            return pid === undefined ? 'nobody' : { pid, owner: undefined };
          },
        }),
      });
      const outcome = await stop(stage, POLICY, () =>
        stage.before('look around', 4, () => {
          // The list by which it was judged, and a later one.
          stage.processes.set(
            OTHER,
            processOf(OTHER, { parent: 0, orphanOf: SERVER, group: OTHER, session: OTHER, ageMs: 5 }),
          );
          change(stage);
        }),
      );
      return { outcome, acts: stage.acts().slice(1), stays: stage.processes.has(OTHER) };
    };

    test('ends, and the port is free', async () => {
      expect(await leaving()).toMatchObject({
        outcome: { kind: 'stopped', successor: undefined },
        acts: ['script server', 'script mcp', `script ${OTHER}`],
        stays: false,
      });
    });

    test.each([
      ['lives', true, CLIENT],
      ['has ended as well', false, undefined],
    ])('ends, and who has the port by then is named if that %s', async (_what, lives, successor) => {
      const alone = { group: CLIENT, session: CLIENT };
      const change = (stage: Scripted): void => {
        if (lives) stage.processes.set(CLIENT, processOf(CLIENT, alone));
      };
      expect((await leaving(change, CLIENT)).outcome).toMatchObject({ kind: 'stopped', successor });
    });

    test.each<[string, (stage: Scripted) => unknown]>([
      ['waits for others itself', (stage) => stage.listens.set(OTHER, true)],
      [
        'has below it what does',
        (stage) => {
          stage.processes.set(CLIENT, processOf(CLIENT, { parent: OTHER, group: OTHER, session: OTHER }));
          stage.listens.set(CLIENT, true);
        },
      ],
      [
        'somebody wants kept',
        (stage) =>
          stage.write('keep/x.json', {
            schema: 'opencode-reap/1',
            id: 'x',
            processes: [identityOf(OTHER)],
            machine: HOST,
          }),
      ],
    ])('stays where it %s', async (_what, change) => {
      expect(await leaving(change)).toMatchObject({ acts: ['script server', 'script mcp'], stays: true });
    });
  });
});
