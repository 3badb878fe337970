import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bootMs } from '../../src/observe/boot-clock.js';
import { type Asks, judgeAgain, judgeAll, judgeAnew, judgeOnceMore, judgeUnrecorded } from '../../src/run/judge.js';
import { survey } from '../../src/run/survey.js';
import { first, json, type Routes } from '../support/hand-made.js';
import {
  CLIENT,
  environmentOf,
  HOST,
  ID,
  OTHER,
  POLICY,
  processOf,
  type Scripted,
  SERVE,
  SERVER,
  scripted,
  tokenOf,
} from '../support/scripted.js';

/*
 * Which servers are asked, what they are judged by, and how long what a question has caused is waited for, on a machine
 * that stands in for a real one.
 */

const STATUS = 'GET /session/status';
const questions = (stage: Scripted): string[] => stage.steps.filter((step) => step.startsWith('GET'));

/** Judged, with what it was asked. */
async function judged(stage: Scripted, asks?: Asks) {
  const [server] = await judgeAll(await survey(stage.world), POLICY, stage.world, asks);
  const { verdict, answered, seen } = server ?? expect.fail('no server');
  return { kind: verdict.kind, verdict, isAsked: answered !== undefined, activity: seen.activity.kind };
}

const leased = (stage: Scripted): void =>
  void stage.write('leases/one.json', {
    schema: 'opencode-reap/1',
    holder: { pid: process.pid, startToken: tokenOf(process.pid), machine: HOST },
    port: stage.port,
    servers: [],
    at: new Date().toISOString(),
  });

describe('a server is asked', () => {
  test('where nothing else spares it, and judged by its answer', async () => {
    expect(await judged(await scripted())).toMatchObject({ kind: 'stale', isAsked: true, activity: 'idle' });
  });

  test.each<[Asks | undefined, string, boolean]>([
    [undefined, 'spared', false],
    ['undecided', 'spared', false],
    ['none', 'spared', false],
    ['all', 'spared', true],
  ])('although something spares it, only where all are (%s)', async (asks, kind, isAsked) => {
    const stage = await scripted();
    leased(stage);
    expect(await judged(stage, asks)).toMatchObject({ kind, isAsked });
    expect(questions(stage).length > 0).toBe(isAsked);
  });

  test('never where none is', async () => {
    const stage = await scripted();
    expect(await judged(stage, 'none')).toMatchObject({ kind: 'unsure', isAsked: false, activity: 'not asked' });
    expect(questions(stage)).toEqual([]);
  });

  test.each<[string, (stage: Scripted) => unknown]>([
    [
      'it cannot be told that it is the one',
      (stage) => stage.processes.set(SERVER, processOf(SERVER, { command: undefined })),
    ],
    [
      'it is another process',
      (stage) => stage.processes.set(SERVER, processOf(SERVER, { command: { kind: 'other' } })),
    ],
    ['it has ended', (stage) => stage.processes.delete(SERVER)],
    ['it is another machine’s', (stage) => rewrite(stage, { machine: { ...HOST, id: 'another', boot: 'another' } })],
    ['it cannot be told whose it is', (stage) => rewrite(stage, { machine: { ...HOST, pidNamespace: undefined } })],
  ])('never where %s', async (_what, change) => {
    const stage = await scripted();
    change(stage);
    for (const asks of ['undecided', 'all'] as const) expect((await judged(stage, asks)).isAsked).toBe(false);
    expect(questions(stage)).toEqual([]);
  });

  test('never where nobody has recorded it: it is none of our business', async () => {
    const stage = await scripted();
    stage.processes.set(OTHER, processOf(OTHER, { command: SERVE, group: OTHER, session: OTHER }));
    const [server] = await judgeUnrecorded(await survey(stage.world), POLICY, stage.world);
    expect(server).toMatchObject({ record: { server: { pid: OTHER } }, seen: { activity: { kind: 'not asked' } } });
    expect(questions(stage)).toEqual([]);
  });
});

const rewrite = (stage: Scripted, but: object): void => {
  const record = JSON.parse(stage.text());
  stage.write(`servers/${ID}.json`, { ...record, ...but });
};

describe('a server that was judged is judged again', () => {
  test('by asking at once where it was asked, and by a look after its answer', async () => {
    const stage = await scripted();
    const before = await stage.judged();
    const again = await judgeAgain(before, POLICY, stage.world, 'undecided');
    expect(again.verdict.kind).toBe('stale');
    expect(stage.steps.slice(0, 2)).toEqual(['look server', 'sockets']);
    expect(stage.steps.indexOf('list')).toBeGreaterThan(stage.steps.indexOf(STATUS));
  });

  test.each<[string, Asks, boolean]>([
    ['without a question where none is wanted', 'none', false],
    ['by a look and then a question where it was not asked', 'undecided', true],
  ])('%s', async (_what, asks, isAsked) => {
    const stage = await scripted();
    const { answered: _, ...unasked } = await stage.judged();
    const before = asks === 'none' ? await stage.judged() : unasked;
    stage.steps.length = 0;
    const again = await judgeAgain(before, POLICY, stage.world, asks);
    expect([again.answered !== undefined, stage.steps[0]]).toEqual([isAsked, 'look around']);
  });

  test('with when it was asked and when it had answered', async () => {
    const stage = await scripted();
    const before = await stage.judged();
    stage.before(STATUS, 1, () => stage.clock.pass(700));
    const now = bootMs();
    const { answered } = await judgeAgain(before, POLICY, stage.world, 'undecided');
    expect(answered).toMatchObject({ askedAtMs: now, answeredAtMs: now + 700 });
  });

  test('as it is written by then, and anew', async () => {
    const stage = await scripted();
    const before = await stage.judged();
    leased(stage);
    expect((await judgeAnew(before.record, POLICY, stage.world)).verdict.kind).toBe('spared');
  });
});

describe('what a question has caused', () => {
  /** As a status makes 1.18 run `git`. */
  const tool = (stage: Scripted, ms?: number): void => {
    stage.processes.set(
      OTHER,
      processOf(OTHER, { parent: SERVER, session: OTHER, group: OTHER, ageMs: -stage.clock.now() }),
    );
    stage.environments.set(OTHER, environmentOf({ opencodePid: `${SERVER}` }));
    if (ms !== undefined) stage.clock.at(stage.clock.now() + ms, () => stage.processes.delete(OTHER));
  };

  test.each([
    ['is waited for', 2_900, 'stale'],
    ['is a tool where it goes on', 4_000, 'spared'],
  ])('%s', async (_what, ms, kind) => {
    const stage = await scripted();
    stage.before(STATUS, 1, () => tool(stage, ms));
    const began = stage.clock.now();
    expect((await judged(stage)).kind).toBe(kind);
    // By looks that are 50 ms apart.
    expect(stage.clock.now() - began).toBe(Math.min(ms, 3_050));
  });

  test('is no tool that ran before: that spares it at once', async () => {
    const stage = await scripted();
    tool(stage);
    stage.clock.pass(3_001);
    const began = stage.clock.now();
    expect(await judged(stage)).toMatchObject({ kind: 'spared', isAsked: false });
    expect(stage.clock.now()).toBe(began);
  });

  test('is no tool that came since it was judged, and before it is asked again', async () => {
    const stage = await scripted();
    const before = await stage.judged();
    tool(stage);
    stage.clock.pass(3_001);
    const began = stage.clock.now();
    expect((await judgeAgain(before, POLICY, stage.world, 'undecided')).verdict.kind).toBe('spared');
    expect(stage.clock.now()).toBe(began);
  });

  test('is nothing to wait for where something else spares it', async () => {
    const stage = await scripted();
    stage.before(STATUS, 1, () => {
      tool(stage);
      leased(stage);
    });
    const began = stage.clock.now();
    expect((await judged(stage)).kind).toBe('spared');
    expect(stage.clock.now()).toBe(began);
  });

  test('may be the question of another run, before it is asked and after it', async () => {
    const stage = await scripted();
    const run = { schema: 'opencode-reap/1', holder: { pid: CLIENT, startToken: tokenOf(CLIENT) }, machine: HOST };
    stage.write('runs/other.json', { ...run, at: new Date().toISOString() });
    stage.processes.set(CLIENT, processOf(CLIENT, { session: CLIENT, group: CLIENT }));
    stage.inbound.push({ port: stage.port, clientPid: CLIENT, clientPort: 50_000 });
    stage.clock.at(stage.clock.now() + 500, () => stage.inbound.pop());
    expect(await judged(stage)).toMatchObject({ kind: 'stale', isAsked: true });
    expect(stage.clock.now()).toBeGreaterThanOrEqual(7_500);
  });
});

describe('what a server has said', () => {
  test('counts with what is seen by now: one that hung and has a client is not known to hang', async () => {
    const stage = await scripted();
    const { record } = await stage.judged();
    const now = bootMs();
    const answered = { activity: { kind: 'hung', because: 'a test' } as const, askedAtMs: now, answeredAtMs: now };
    const before = await judgeOnceMore(record, answered, POLICY, stage.world);
    stage.sockets = { outbound: 1 };
    const after = await judgeOnceMore(record, answered, POLICY, stage.world);
    expect([before, after].map(({ verdict }) => verdict.kind)).toEqual(['stale', 'unsure']);
  });

  test.each<[string, object, string | undefined, string | undefined]>([
    ['is where it works, if its record says nothing', { workspace: undefined }, '/said', '/said'],
    ['is not where it works, if its record says', {}, '/said', 'ROOT'],
    ['is nothing about where it works', { workspace: undefined }, undefined, undefined],
  ])('%s', async (_what, but, worksIn, place) => {
    const stage = await scripted({ record: but });
    const { record } = await stage.judged();
    const activity = { kind: 'idle', directories: 1, worksIn } as const;
    const now = bootMs();
    const said = await judgeOnceMore(record, { activity, askedAtMs: now, answeredAtMs: now }, POLICY, stage.world);
    expect(said.record.workspace).toBe(place === 'ROOT' ? stage.root : place);
  });
});

test('a silence that earlier runs have noted counts, and one of another process does not', async () => {
  for (const [key, kind] of [
    [`${SERVER}-${tokenOf(SERVER)}`, 'stale'],
    [`${SERVER}-another`, 'unsure'],
  ] as const) {
    const stage = await scripted();
    stage.sockets = { listening: [], outbound: 1 };
    const [sinceMs, lastMs] = [bootMs() - 11 * 60_000, bootMs() - 2 * 60_000];
    const { boot, pidNamespace } = HOST;
    stage.write('silent/one.json', { schema: 'opencode-reap/1', boot, pidNamespace, key, sinceMs, lastMs, looks: 2 });
    expect((await judged(stage)).kind).toBe(kind);
  }
});

describe('where a server cannot list its sessions, it is asked about', () => {
  const old = (): Routes => {
    const { '/experimental/session': _, ...routes } = first({ '/project': json([{ worktree: '/project' }]) });
    return routes;
  };
  const directories = (stage: Scripted & { asked(): readonly URL[] }): (string | null)[] =>
    stage
      .asked()
      .filter(({ pathname }) => pathname === '/session/status')
      .map(({ searchParams }) => searchParams.get('directory'));

  test('its own directory, its projects, and those of its record', async () => {
    const stage = await scripted({ routes: old() });
    expect((await judged(stage)).kind).toBe('stale');
    expect(directories(stage)).toEqual([null, '/project', stage.root]);
  });

  test('those of jobs on its port as well, each once', async () => {
    const stage = await scripted({ routes: old() });
    const folder = join(stage.root, 'home/.claude/plugins/data/opc/state/project-0123456789abcdef/jobs');
    const fields = { status: 'running', serverUrlRef: `http://127.0.0.1:${stage.port}`, pid: 5_000_077 };
    stage.write('../home/.claude/plugins/data/opc/state/project-0123456789abcdef/jobs/x', '');
    for (const [id, workspaceRoot] of [
      ['job-1', '/job'],
      ['job-2', stage.root],
    ])
      writeFileSync(
        join(folder, `${id}.json`),
        JSON.stringify({ ...fields, id, workspaceRoot, startedAt: new Date().toISOString() }),
        { mode: 0o600 },
      );
    await judged(stage, 'all');
    expect(directories(stage)).toEqual([null, '/project', stage.root, '/job']);
  });
});
