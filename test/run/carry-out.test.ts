import { existsSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bootMs } from '../../src/observe/boot-clock.js';
import { carryOut } from '../../src/run/carry-out.js';
import { type Judgement, judgeAll } from '../../src/run/judge.js';
import type { RunPolicy } from '../../src/run/policy.js';
import { stopNamed } from '../../src/run/stop-and-log.js';
import { survey } from '../../src/run/survey.js';

import {
  DEAD,
  HOST,
  HOUR,
  ID,
  identityOf,
  OTHER,
  POLICY,
  processOf,
  recordOf,
  type Scripted,
  SERVER,
  scripted,
  textIn,
  tokenOf,
} from '../support/scripted.js';

/*
 * Which of the servers that were judged are stopped, in which order things are done, and what is logged of it, on a machine
 * that stands in for a real one.
 */

const RUN: RunPolicy = { ...POLICY, dryRun: false, scope: { kind: 'all', port: undefined }, limit: 20 };

const NOW = new Date().toISOString();
const leased = (stage: Scripted): void =>
  void stage.write('leases/one.json', {
    schema: 'opencode-reap/1',
    holder: { ...identityOf(process.pid), machine: HOST },
    servers: [ID],
    at: NOW,
  });

/** A server that is recorded as well, and gone. */
const GONE = 'srv-gone';
const gone = (stage: Scripted): string =>
  stage.write(`servers/${GONE}.json`, {
    ...recordOf(stage.root, stage.port, { id: GONE, ...DEAD, serverPid: DEAD.pid }),
    serverStartToken: DEAD.startToken,
  });

/** Looks, judges, changes what the test wants to have changed, and carries out. */
async function carriedOut(
  stage: Scripted,
  policy: Partial<RunPolicy> = {},
  as = (server: Judgement): Judgement => server,
) {
  const run = { ...RUN, ...policy };
  const around = await survey(stage.world);
  const servers = (await judgeAll(around, run, stage.world)).map(as);
  stage.steps.length = 0;
  const done = await carryOut(servers, around, run, stage.world);
  return done.map(({ record, outcome }) => [record.id, outcome?.kind]);
}

interface Line {
  readonly event: string;
  readonly id: string;
  readonly at: string;
  readonly detail: string;
}

const logged = (stage: Scripted): Line[] =>
  (textIn(stage.world.folder.log) ?? '')
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line));
const events = (stage: Scripted): unknown[] => logged(stage).map(({ event, id }) => [event, id]);

describe('of the servers that were judged', () => {
  test('those that are stale are stopped, and logged once', async () => {
    const stage = await scripted();
    expect(await carriedOut(stage)).toEqual([[ID, 'stopped']]);
    expect(logged(stage)).toMatchObject([
      { event: 'stopped', id: ID, by: 'person', detail: expect.stringMatching(/^SIGTERM after every guard passed/) },
    ]);
    expect(existsSync(stage.record)).toBe(false);
  });

  test('those that are spared are left alone, and logged', async () => {
    const stage = await scripted();
    leased(stage);
    expect(await carriedOut(stage)).toEqual([[ID, undefined]]);
    expect([stage.acts(), events(stage), existsSync(stage.record)]).toEqual([[], [['spared', ID]], true]);
  });

  test('those that are gone lose their record at last, and are logged', async () => {
    const stage = await scripted();
    const record = gone(stage);
    const isThere: boolean[] = [];
    const around = await survey(stage.world);
    const servers = await judgeAll(around, RUN, stage.world);
    stage.before('SIGTERM server', 1, () => isThere.push(existsSync(record)));
    await carryOut(servers, around, RUN, stage.world);
    expect([...isThere, existsSync(record)]).toEqual([true, false]);
    expect(events(stage)).toEqual([
      ['stopped', ID],
      ['gone', GONE],
    ]);
  });

  test('a plugin’s own that is gone is no news: its file stays, so every run would find it', async () => {
    const stage = await scripted();
    gone(stage);
    const ofPlugin = (server: Judgement): Judgement => {
      const { record } = server;
      return record.id === GONE ? { ...server, record: { ...record, source: { format: 'a', file: '' } } } : server;
    };
    await carriedOut(stage, {}, ofPlugin);
    expect(events(stage)).toEqual([['stopped', ID]]);
  });

  test('none is stopped where more are stale than the limit, and those that are say so', async () => {
    const stage = await scripted();
    gone(stage);
    const done = await carriedOut(stage, { limit: 0 });
    expect(done.sort()).toEqual([
      [ID, 'withheld'],
      [GONE, undefined],
    ]);
    expect([stage.acts(), existsSync(stage.record)]).toEqual([[], true]);
    expect(events(stage).sort()).toEqual([
      ['gone', GONE],
      ['withheld', ID],
    ]);
  });

  test('as many as the limit are stopped', async () => {
    expect(await carriedOut(await scripted(), { limit: 1 })).toEqual([[ID, 'stopped']]);
  });
});

describe('the watch', () => {
  /** As its last look has left it: nothing has used the server for an hour. */
  const quiet = (stage: Scripted): void =>
    void stage.write('last-uses.json', {
      schema: 'opencode-reap/1',
      boot: HOST.boot,
      servers: { [`${SERVER}-${tokenOf(SERVER)}`]: { ms: bootMs() - HOUR, aheadMs: Date.now() - bootMs() } },
    });

  test('says that it has retired a server', async () => {
    const stage = await scripted();
    quiet(stage);
    expect(await carriedOut(stage, { quietForMs: HOUR / 2 })).toEqual([[ID, 'stopped']]);
    expect(logged(stage)).toMatchObject([{ event: 'stopped', detail: expect.stringMatching(/^retired: SIGTERM/) }]);
  });

  test('logs nothing of those that it leaves alone, which it finds every few minutes', async () => {
    const stage = await scripted();
    leased(stage);
    await carriedOut(stage, { quietForMs: 0 });
    expect(events(stage)).toEqual([]);
  });
});

describe('what a run that died was stopping', () => {
  const fence = (stage: Scripted, id: string, record: string | null, of = SERVER): string =>
    stage.write(`closing/${id}.json`, {
      schema: 'opencode-reap/1',
      id,
      run: DEAD,
      machine: HOST,
      tree: [identityOf(of)],
      record,
    });

  test('comes back first, so that it can be stopped', async () => {
    const stage = await scripted();
    fence(stage, ID, stage.text());
    rmSync(stage.record);
    expect(await carriedOut(stage)).toEqual([[ID, 'stopped']]);
    expect(events(stage)).toEqual([
      ['resumed', ID],
      ['stopped', ID],
    ]);
  });

  test('comes back where a person names it, and what else such runs have left stays as it is', async () => {
    const stage = await scripted();
    fence(stage, ID, stage.text());
    stage.processes.set(OTHER, processOf(OTHER));
    const left = fence(stage, 'a plugin’s', null, OTHER);
    rmSync(stage.record);
    const judged = (await judgeAll(await survey(stage.world), POLICY, stage.world)).find(
      ({ record }) => record.id === ID,
    );
    if (judged === undefined) expect.fail('it is not found');
    const done = await stopNamed(judged, { ...POLICY, named: true }, stage.world);
    expect([done.outcome?.kind, existsSync(left), stage.processes.has(OTHER)]).toEqual(['stopped', true, true]);
    expect(events(stage)).toEqual([
      ['resumed', ID],
      ['stopped', ID],
    ]);
    expect(logged(stage).at(-1)?.detail).toMatch(/^SIGTERM by hand/);
  });
});

test('whoever waits is told of each server when it begins, step by step, and when it is done', async () => {
  const stage = await scripted();
  gone(stage);
  const told: unknown[] = [];
  const record = (what: string, { record }: { record: { id: string } }) =>
    told.push([what, record.id, events(stage).length]);
  await carriedOut(stage, {
    told: {
      begins: (server) => record('begins', server),
      step: (server, step) => record(step, server),
      done: (server) => record('done', server),
    },
  });
  expect(told).toEqual([
    ['begins', ID, 0],
    ['asking it to let go', ID, 0],
    ['SIGTERM', ID, 0],
    // It is in the log before anybody hears of it.
    ['done', ID, 1],
  ]);
});

test('a log line says on whose behalf, at the end of which session, and when', async () => {
  const stage = await scripted();
  const world = { ...stage.world, by: 'background run', session: 'a session' } as const;
  const around = await survey(world);
  await carryOut(await judgeAll(around, RUN, world), around, RUN, world);
  expect(logged(stage)).toMatchObject([{ by: 'background run', session: 'a session', event: 'stopped' }]);
  expect(Date.parse(logged(stage)[0]?.at ?? '')).toBeGreaterThan(Date.now() - HOUR);
});

test('a silence is noted for the next run, of a server that is left alone', async () => {
  const stage = await scripted();
  const key = `${SERVER}-${tokenOf(SERVER)}`;
  const silent = { sinceMs: 1, lastMs: 2, looks: 1 };
  const leftAlone = (server: Judgement): Judgement => ({
    ...server,
    verdict: { kind: 'unsure', reasons: ['idle'], guards: server.verdict.guards },
    seen: { ...server.seen, activity: { kind: 'unknown', because: 'a test', silent } },
  });
  expect(await carriedOut(stage, {}, leftAlone)).toEqual([[ID, undefined]]);
  expect([existsSync(join(stage.world.folder.silent, `${key}.json`)), stage.acts()]).toEqual([true, []]);
});
