import { existsSync, readdirSync, rmSync, statSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { finishCrashed, finishEnding } from '../../src/run/finish-crashed.js';
import { type Judgement, judgeAll } from '../../src/run/judge.js';
import { survey, surveyOne } from '../../src/run/survey.js';
import {
  DEAD,
  environmentOf,
  HOST,
  ID,
  identityOf,
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
 * What the next run makes of a fence whose run has died, on a machine that stands in for a real one. interrupted.test.ts
 * has real servers, and runs that are killed.
 */

interface Left extends Scripted {
  readonly original: string;
  /** Finishes what was left, with only those servers in scope that are said; returns those that may be ending. */
  finish(scope?: 'all' | 'none'): Promise<Judgement[]>;
  log(): { event: string; detail: string }[];
}

/** Its run had fenced the server, whose record is in the fence, or is a plugin's and stays where it is. */
async function left(but: { fence?: object; ofPlugin?: boolean; script?: Script } = {}): Promise<Left> {
  const stage = await scripted(but.script);
  const text = textIn(stage.record) ?? expect.fail('no record');
  const fence = {
    schema: 'opencode-reap/1',
    id: ID,
    run: DEAD,
    machine: HOST,
    tree: [SERVER, MCP].map(identityOf),
    record: but.ofPlugin ? null : text,
    ...but.fence,
  };
  stage.write(`closing/${ID}.json`, fence);
  rmSync(stage.record);
  const finish = async (scope: 'all' | 'none' = 'all'): Promise<Judgement[]> => {
    const around = await survey(stage.world);
    const servers = await judgeAll(around, POLICY, stage.world);
    return finishCrashed(around.deadFences, scope === 'all' ? servers : [], around, 100, stage.world);
  };
  const log = () =>
    (textIn(join(stage.root, 'state/log.ndjson')) ?? '')
      .split('\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line));
  return Object.assign(stage, { original: text, finish, log });
}

const isGone = (stage: Scripted): void => {
  stage.processes.delete(SERVER);
  stage.processes.set(MCP, processOf(MCP, { parent: 1 }));
};
const whereabouts = (stage: Scripted) => ({ record: existsSync(stage.record), fence: existsSync(stage.fence) });
const BACK = { record: true, fence: false };
const NOTHING = { record: false, fence: false };
const AS_IT_WAS = { record: false, fence: true };
const signals = (stage: Scripted): string[] => stage.steps.filter((step) => /^(SIG|script)/.test(step));
const DIED = `the run that was stopping it has died (pid ${DEAD.pid})`;

describe('a fence whose run has died', () => {
  test('gives the record back while its server lives, and ends nothing', async () => {
    const stage = await left();
    await stage.finish();
    expect([whereabouts(stage), textIn(stage.record), signals(stage)]).toEqual([BACK, stage.original, []]);
    expect(stage.log()).toMatchObject([{ event: 'resumed', detail: `${DIED}; it is judged again` }]);
  });

  test('goes with its record where its server is gone, and what is left of the tree ends', async () => {
    const stage = await left();
    isGone(stage);
    const began = stage.clock.now();
    await stage.finish();
    expect([whereabouts(stage), signals(stage)]).toEqual([NOTHING, ['SIGTERM mcp']]);
    // Nothing waits for what ends at once.
    expect(stage.clock.now()).toBe(began);
    expect(stage.log()).toMatchObject([{ event: 'finished', detail: `${DIED}; ended what was left: pid ${MCP}` }]);
  });

  test('goes where nothing is left', async () => {
    const stage = await left();
    isGone(stage);
    stage.processes.delete(MCP);
    await stage.finish();
    expect([whereabouts(stage), signals(stage)]).toEqual([NOTHING, []]);
    expect(stage.log()).toMatchObject([{ detail: `${DIED}; nothing is left of it` }]);
  });

  test('says nothing of what could not be ended', async () => {
    const stage = await left();
    isGone(stage);
    for (const name of ['SIGTERM', 'SIGKILL'] as const) stage.on(name, MCP, () => undefined);
    await stage.finish();
    expect(stage.log()).toMatchObject([{ detail: `${DIED}; nothing is left of it` }]);
  });

  test('says nothing of what ends before its turn comes', async () => {
    const stage = await left();
    isGone(stage);
    stage.before('look mcp', 1, () => stage.processes.delete(MCP));
    await stage.finish();
    expect([stage.log()[0]?.detail, signals(stage)]).toEqual([`${DIED}; nothing is left of it`, []]);
  });

  test('of a server out of scope is left to a run with that scope', async () => {
    const stage = await left();
    isGone(stage);
    await stage.finish('none');
    expect([whereabouts(stage), signals(stage), stage.log()]).toEqual([AS_IT_WAS, [], []]);
  });

  test('is left alone by a run that cannot see itself', async () => {
    const stage = await left();
    isGone(stage);
    stage.processes.delete(process.pid);
    await stage.finish();
    expect([whereabouts(stage), signals(stage)]).toEqual([AS_IT_WAS, []]);
  });

  test('is left alone while its run lives', async () => {
    const stage = await left({ fence: { run: identityOf(OTHER) } });
    isGone(stage);
    stage.processes.set(OTHER, processOf(OTHER));
    await stage.finish();
    expect([whereabouts(stage), signals(stage)]).toEqual([AS_IT_WAS, []]);
  });
});

describe('a fence whose run has died, and whose server was still alive then,', () => {
  const standing = (stage: Scripted): string[] => readdirSync(join(stage.root, 'state/closing'));
  const NAME = `${ID}@${DEAD.pid}-${DEAD.startToken}.back.json`;
  const resumed = { event: 'resumed', detail: `${DIED}; it is judged again` };
  const LATER = `it ended after the run that was stopping it (pid ${DEAD.pid})`;
  const finished = { event: 'finished', detail: `${LATER}; ended what was left: pid ${MCP}` };
  /** So long ago, or in the time to come. */
  const written = (stage: Scripted, ms: number): void => {
    const at = (Date.now() - ms) / 1000;
    utimesSync(join(stage.root, 'state/closing', NAME), at, at);
  };

  test('stays beside the record, and ends what is left once the server has ended', async () => {
    const stage = await left();
    expect((await stage.finish()).map(({ record }) => record.id)).toEqual([ID]);
    expect([whereabouts(stage), standing(stage)]).toEqual([BACK, [NAME]]);
    isGone(stage);
    expect(await stage.finish()).toEqual([]);
    expect([signals(stage), standing(stage)]).toEqual([['SIGTERM mcp'], []]);
    expect(stage.log()).toMatchObject([resumed, finished]);
    // Its record is not the fence's any more.
    expect(textIn(stage.record)).toBe(stage.original);
  });

  test('does so, too, where the record has gone before it, in scope or not', async () => {
    for (const scope of ['all', 'none'] as const) {
      const stage = await left();
      await stage.finish();
      isGone(stage);
      rmSync(stage.record);
      await stage.finish(scope);
      expect([signals(stage), standing(stage), whereabouts(stage)]).toEqual([['SIGTERM mcp'], [], NOTHING]);
    }
  });

  test('does so, too, where the server is a plugin’s', async () => {
    const stage = await left({ ofPlugin: true });
    stage.write(`servers/${ID}.json`, stage.original);
    await stage.finish();
    expect(standing(stage)).toEqual([NAME]);
    isGone(stage);
    rmSync(stage.record);
    stage.environments.set(MCP, environmentOf({ tag: undefined }));
    await stage.finish();
    expect([signals(stage), standing(stage)]).toEqual([['SIGTERM mcp'], []]);
  });

  test('stays as it is while the server lives, for a minute, is said once, and then goes', async () => {
    const stage = await left();
    await stage.finish();
    const writtenAt = (): number => statSync(join(stage.root, 'state/closing', NAME)).mtimeMs;
    for (const ms of [0, 59_000, -50_000]) {
      written(stage, ms);
      const before = writtenAt();
      expect([await stage.finish(), standing(stage)]).toMatchObject([[{ record: { id: ID } }], [NAME]]);
      // Were it written again, the minute would begin anew with each look.
      expect(writtenAt()).toBe(before);
    }
    expect([await stage.finish('none'), standing(stage)]).toEqual([[], [NAME]]);
    written(stage, 61_000);
    expect([await stage.finish(), standing(stage)]).toEqual([[], []]);
    expect([stage.log(), signals(stage), textIn(stage.record)]).toMatchObject([[resumed], [], stage.original]);
  });

  test('goes where the clock was set back since', async () => {
    const stage = await left();
    await stage.finish();
    written(stage, -3_600_000);
    expect([await stage.finish(), standing(stage)]).toEqual([[], []]);
  });

  test('goes without a word where the server has left nothing', async () => {
    const stage = await left();
    await stage.finish();
    isGone(stage);
    stage.processes.delete(MCP);
    await stage.finish();
    expect([standing(stage), stage.log().map(({ event }) => event)]).toEqual([[], ['resumed']]);
  });

  test('goes at once where it is of an earlier boot, whose processes are others now', async () => {
    const stage = await left({ ofPlugin: true, fence: { machine: { ...HOST, boot: 'an earlier one' } } });
    stage.write(`servers/${ID}.json`, stage.original);
    expect([await stage.finish(), standing(stage)]).toEqual([[], []]);
  });

  test('says nothing of the server any more: its record does', async () => {
    const stage = await left();
    const [judged] = await stage.finish();
    stage.write(`servers/${ID}.json`, { ...JSON.parse(stage.original), startedByPlugin: false });
    const record = judged?.record ?? expect.fail('not judged');
    expect((await surveyOne(stage.world, record)).candidate.record.ownership).toBe('user');
    rmSync(stage.record);
    expect((await survey(stage.world)).candidates).toEqual([]);
    expect((await surveyOne(stage.world, record)).candidate.record.ownership).toBe('withdrawn');
  });

  test('is finished at the end of the run that found the server alive, where it has ended by then', async () => {
    const stage = await left();
    const ending = await stage.finish();
    await finishEnding(ending, POLICY, stage.world);
    expect([signals(stage), standing(stage)]).toEqual([[], [NAME]]);
    isGone(stage);
    await finishEnding(ending, POLICY, stage.world);
    expect([signals(stage), standing(stage)]).toEqual([['SIGTERM mcp'], []]);
    expect(stage.log()).toMatchObject([resumed, finished]);
  });

  test('is finished without the server’s being asked anything', async () => {
    const stage = await left();
    const ending = await stage.finish();
    const asked = stage.asked().length;
    await finishEnding(ending, POLICY, stage.world);
    expect(stage.asked()).toHaveLength(asked);
  });
});

describe('what was noted of a tree is left alone by now where', () => {
  test.each<[string, (stage: Scripted) => unknown]>([
    ['it asks to be kept', (stage) => stage.environments.set(MCP, environmentOf({ keep: true }))],
    ['it has the tag of another', (stage) => stage.environments.set(MCP, environmentOf({ tag: 'another' }))],
    ['it is another process', (stage) => stage.processes.set(MCP, processOf(MCP, { startToken: 'another' }))],
    ['it serves', (stage) => stage.processes.set(MCP, processOf(MCP, { command: SERVE }))],
    [
      'others connect to it, in a session of its own',
      (stage) => {
        stage.processes.set(MCP, processOf(MCP, { session: MCP, group: MCP }));
        stage.listens.set(MCP, true);
      },
    ],
  ])('%s', async (_what, change) => {
    const stage = await left();
    isGone(stage);
    change(stage);
    await stage.finish();
    expect(signals(stage)).toEqual([]);
    expect(stage.processes.has(MCP)).toBe(true);
  });

  test('and not where it has a session of its own, and waits for nobody', async () => {
    const stage = await left();
    isGone(stage);
    stage.processes.set(MCP, processOf(MCP, { session: MCP, group: MCP }));
    await stage.finish();
    expect(signals(stage)).toEqual(['SIGTERM mcp']);
  });
});

describe('a fence of a plugin’s server, whose record stays in the plugin’s file,', () => {
  test('goes where no process of its tree serves, and what is left ends', async () => {
    const stage = await left({ ofPlugin: true });
    isGone(stage);
    stage.environments.set(MCP, environmentOf({ tag: undefined }));
    await stage.finish();
    expect([whereabouts(stage), signals(stage)]).toEqual([NOTHING, ['SIGTERM mcp']]);
  });

  test('goes where the pid of its server is another’s, that serves or not', async () => {
    for (const but of [{ startToken: 'another', command: SERVE }, { startToken: tokenOf(SERVER) }]) {
      const stage = await left({ ofPlugin: true });
      stage.processes.set(SERVER, processOf(SERVER, but));
      stage.processes.delete(MCP);
      await stage.finish('none');
      expect(whereabouts(stage)).toEqual(NOTHING);
    }
  });

  test.each([
    ['one of its tree serves', tokenOf(SERVER)],
    ['one may do, whose start cannot be told', undefined],
  ])('stays while %s: a run that has its record finishes it', async (_what, startToken) => {
    const stage = await left({ ofPlugin: true });
    stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, startToken }));
    await stage.finish('none');
    expect([whereabouts(stage), signals(stage)]).toEqual([AS_IT_WAS, []]);
  });

  test('stays where no process could be listed', async () => {
    let isOver = false;
    const stage = await left({
      ofPlugin: true,
      script: { platform: (here) => ({ processes: async () => (isOver ? undefined : here.processes()) }) },
    });
    isOver = true;
    await stage.finish('none');
    expect(whereabouts(stage)).toEqual(AS_IT_WAS);
  });
});

describe('where nothing can be signaled, as on Windows,', () => {
  const asOnWindows =
    (what: string): NonNullable<Script['platform']> =>
    (here, stage) => ({
      look: (pid) => (pid === MCP ? expect.fail('each look costs half a second') : here.look(pid)),
      runScript: async (script) => {
        const pids = [...script.matchAll(/'(\d+):/g)].map(([, pid]) => Number(pid));
        stage.steps.push(`script ${pids}`);
        return JSON.stringify({ ended: pids.map((pid) => ({ pid, what })) });
      },
    });

  test.each([
    ['ended', `ended what was left: pid ${MCP}`],
    ['denied', 'nothing is left of it'],
  ])('the rest is ended by handle at once: %s', async (what, said) => {
    const stage = await left({ script: { platform: asOnWindows(what) } });
    isGone(stage);
    await stage.finish();
    expect([signals(stage), stage.log()[0]?.detail]).toEqual([[`script ${MCP}`], `${DIED}; ${said}`]);
  });
});
