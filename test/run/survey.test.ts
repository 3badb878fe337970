import { existsSync, mkdirSync, readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { BORN } from '../../src/decide/born.js';
import { bootMs } from '../../src/observe/boot-clock.js';
import {
  outdated,
  registerThisRun,
  selfIn,
  survey,
  surveyOne,
  surveyUnrecorded,
  unlessRecorded,
} from '../../src/run/survey.js';
import {
  DEAD,
  environmentOf,
  HOST,
  HOUR,
  ID,
  identityOf,
  MCP,
  OTHER,
  processOf,
  type Script,
  type Scripted,
  SERVE,
  SERVER,
  scripted,
} from '../support/scripted.js';

/*
 * What one look takes in, and how often the machine is looked at for it, on a machine that stands in for a real one.
 */

const fenceOf = (stage: Scripted, but: object = {}): void =>
  void stage.write(`closing/${ID}.json`, {
    schema: 'opencode-reap/1',
    id: ID,
    run: DEAD,
    machine: HOST,
    tree: [identityOf(SERVER)],
    record: null,
    ...but,
  });
const lists = (stage: Scripted): number => stage.steps.filter((step) => step === 'list').length;

describe('a look', () => {
  test('begins when it says, before anything is read', async () => {
    const stage = await scripted();
    stage.clock.pass(500);
    const began = bootMs();
    stage.before('look around', 1, () => stage.clock.pass(40));
    expect((await survey(stage.world)).beganMs).toBe(began);
  });

  test('begins after the list, where that takes seconds and is kept', async () => {
    const stage = await scripted({ platform: (here) => ({ recent: async (pid) => here.look(pid) }) });
    const began = bootMs();
    stage.before('list', 1, () => stage.clock.pass(3_000));
    expect((await survey(stage.world)).beganMs).toBe(began + 3_000);
  });

  test('is one for all who want one at the same moment, and another for who comes later', async () => {
    const stage = await scripted();
    const { record } = await stage.judged();
    await Promise.all([1, 2, 3].map(() => surveyOne(stage.world, record)));
    expect(lists(stage)).toBe(1);
    await surveyOne(stage.world, record);
    expect(lists(stage)).toBe(2);
  });

  test('is told whom it will look for, before it looks', async () => {
    const told: (readonly number[])[] = [];
    const stage = await scripted({
      platform: () => ({ beginLook: async (pids) => void told.push([...pids].sort()) }),
      record: { starter: identityOf(OTHER) },
    });
    fenceOf(stage);
    const [lease, run] = [5_000_071, 5_000_072];
    const written = { schema: 'opencode-reap/1', at: new Date().toISOString() };
    stage.write('leases/one.json', { ...written, holder: { ...identityOf(lease), machine: HOST }, servers: [ID] });
    stage.write('runs/one.json', { ...written, holder: identityOf(run), machine: HOST });
    await survey(stage.world);
    expect(told).toEqual([[SERVER, SERVER, OTHER, lease, run, DEAD.pid].sort()]);
  });

  test('shows the runs that were there before it and after it, since one of them may have been connected', async () => {
    const stage = await scripted();
    const run = { schema: 'opencode-reap/1', machine: HOST, at: new Date().toISOString() };
    stage.write('runs/one.json', { ...run, holder: identityOf(OTHER) });
    stage.before('sockets', 2, () => stage.write('runs/two.json', { ...run, holder: identityOf(MCP) }));
    const { written } = await survey(stage.world);
    expect([...new Set(written.runs.map(({ holder }) => holder.pid))].sort()).toEqual([MCP, OTHER]);
  });
});

describe('the servers that a look finds', () => {
  test('are those that are recorded, and those whose record a dead run has in its fence', async () => {
    const stage = await scripted();
    expect((await survey(stage.world)).candidates.map(({ record }) => record.id)).toEqual([ID]);
    fenceOf(stage, { record: stage.text() });
    expect((await survey(stage.world)).candidates).toHaveLength(1);
    rmSync(stage.record);
    const around = await survey(stage.world);
    expect(around.candidates.map(({ record, located }) => [record.id, located.kind])).toEqual([[ID, 'present']]);
    expect(around.deadFences.map(({ id }) => id)).toEqual([ID]);
  });

  test('are not those that a living run is stopping', async () => {
    const stage = await scripted();
    fenceOf(stage, { record: stage.text(), run: identityOf(OTHER) });
    rmSync(stage.record);
    stage.processes.set(OTHER, processOf(OTHER));
    const around = await survey(stage.world);
    expect([around.candidates, around.deadFences]).toEqual([[], []]);
  });

  test.each([
    ['has died', 1, { run: DEAD }],
    ['lives, as it has let go of it', 1, { run: identityOf(OTHER) }],
    ['cannot be seen from here', 0, { run: identityOf(OTHER), machine: { ...HOST, pidNamespace: 'other pids' } }],
  ] as const)(
    'are as their records say where a fence stays beside one, which is left if its run %s',
    async (...row) => {
      const [, left, but] = row;
      const stage = await scripted();
      stage.processes.set(OTHER, processOf(OTHER));
      const fence = { schema: 'opencode-reap/1', id: ID, machine: HOST, tree: [], record: stage.text(), ...but };
      stage.write(`closing/${ID}@${but.run.pid}-${but.run.startToken}.back.json`, fence);
      const around = await survey(stage.world);
      expect([around.candidates.length, around.deadFences.length]).toEqual([1, left]);
      rmSync(stage.record);
      expect((await survey(stage.world)).candidates).toEqual([]);
    },
  );

  test('and what is read of one of them alone is what stands written now', async () => {
    const stage = await scripted();
    const { record } = await stage.judged();
    stage.write(`servers/${ID}.json`, { ...JSON.parse(stage.text()), startedByPlugin: false });
    expect((await surveyOne(stage.world, record)).candidate.record.ownership).toBe('user');
    rmSync(stage.record);
    expect((await surveyOne(stage.world, record)).candidate.record.ownership).toBe('withdrawn');
  });

  test('keep where one of them works, which no file says', async () => {
    const stage = await scripted({ record: { workspace: undefined } });
    const { record } = await stage.judged();
    const near = await surveyOne(stage.world, { ...record, workspace: '/said' });
    expect(near.candidate.record.workspace).toBe('/said');
  });
});

describe('a server that nobody recorded', () => {
  const unrecorded = (stage: Scripted): void =>
    void stage.processes.set(OTHER, processOf(OTHER, { command: SERVE, group: OTHER, session: OTHER }));
  const PORT = 4_711;
  const shown: Script = {
    platform: (here) => ({
      details: async (wanted) => {
        const all = await here.details(wanted);
        return new Map([...all].map(([pid, one]) => [pid, { ...one, cwd: '/its-work' }]));
      },
      sockets: async (trees) => {
        const all = await here.sockets(trees);
        const own = {
          listening: [{ host: '127.0.0.1', port: PORT, pid: OTHER }],
          inbound: [],
          outbound: 0,
          lately: [],
          ourNetwork: true,
        };
        return trees.map(({ server }, at) => (server === OTHER ? own : all[at]));
      },
    }),
  };

  test('is found by the same look, with the port and the folder that it shows', async () => {
    const stage = await scripted(shown);
    unrecorded(stage);
    const around = await survey(stage.world);
    stage.steps.length = 0;
    const { candidates } = await surveyUnrecorded(around, stage.world);
    expect(candidates.map(({ record }) => [record.id, record.port, record.workspace])).toEqual([
      [`pid-${OTHER}`, PORT, '/its-work'],
    ]);
    expect(lists(stage)).toBe(0);
  });

  test('is looked for anew where that look is a quarter of a second old, or something was done since', async () => {
    const stage = await scripted(shown);
    unrecorded(stage);
    const around = await survey(stage.world);
    stage.clock.pass(250);
    stage.steps.length = 0;
    await surveyUnrecorded(around, stage.world);
    expect(lists(stage)).toBe(0);
    await surveyUnrecorded(outdated(around), stage.world);
    expect(lists(stage)).toBe(1);
    stage.clock.pass(1);
    await surveyUnrecorded(around, stage.world);
    expect(lists(stage)).toBe(2);
  });

  test('is none that has ended since the machine was looked at', async () => {
    const stage = await scripted(shown);
    unrecorded(stage);
    const around = await survey(stage.world);
    stage.processes.delete(OTHER);
    expect((await surveyUnrecorded(outdated(around), stage.world)).candidates).toEqual([]);
  });

  test('costs no look where there is none', async () => {
    const stage = await scripted();
    const around = await survey(stage.world);
    stage.clock.pass(1_000);
    stage.steps.length = 0;
    const { candidates } = await surveyUnrecorded(around, stage.world);
    expect([candidates, stage.steps.filter((step) => step !== 'details' && step !== 'sockets')]).toEqual([[], []]);
  });

  test('is not asked about what our own record leaves out', async () => {
    const trees: number[] = [];
    const stage = await scripted({
      record: { port: undefined, workspace: undefined },
      platform: (here) => ({
        sockets: async (all) => {
          trees.push(all.length);
          return here.sockets(all);
        },
      }),
    });
    const [server] = (await survey(stage.world)).candidates;
    expect([server?.record.port, server?.record.workspace]).toEqual([undefined, undefined]);
    // The second is for its connections.
    expect(trees).toEqual([0, 1]);
  });
});

test('what lies in folders that only the environment of a server names is looked for as well', async () => {
  const stage = await scripted({
    platform: (here) => ({
      details: async (wanted) => {
        const elsewhere = (wanted.elsewhere ?? []).map((pid) => [pid, { isElsewhere: false }] as const);
        return new Map([...(await here.details(wanted)), ...elsewhere]);
      },
    }),
  });
  const file = stage.write('../named/state/0123456789abcdef/server.json', {
    lastServerPid: SERVER,
    lastServerStartedAt: Date.now() - HOUR,
  });
  const read = async () => (await survey(stage.world)).written.records.map(({ source }) => source.file);
  expect(await read()).toEqual([stage.record]);
  stage.environments.set(SERVER, environmentOf({ folders: { CLAUDE_PLUGIN_DATA: join(stage.root, 'named') } }));
  expect(await read()).toEqual([stage.record, file]);
});

test('a server that a record leads to after all is judged by that record, and not by its birth', async () => {
  const stage = await scripted();
  const [recorded] = (await survey(stage.world)).candidates;
  if (!recorded) expect.fail('no server');
  const born = { ...recorded, record: { ...recorded.record, source: { format: BORN, file: '' } } };
  expect(unlessRecorded([born, recorded])).toEqual([recorded]);
  expect(unlessRecorded([born])).toEqual([born]);
  const { located } = recorded;
  if (located.kind !== 'present') expect.fail('it is not found');
  const other = { ...born, located: { ...located, server: processOf(OTHER), launcher: processOf(SERVER) } };
  expect(unlessRecorded([recorded, other])).toEqual([recorded]);
  const apart = { ...born, located: { ...located, server: processOf(OTHER) } };
  expect(unlessRecorded([recorded, apart])).toEqual([recorded, apart]);
});

describe('this run', () => {
  test('says that it is there as long as it asks, but makes no folder for it where it changes nothing', async () => {
    const stage = await scripted();
    const around = await survey(stage.world);
    const runs = join(stage.world.folder.root, 'runs');
    registerThisRun(stage.world, around, true)();
    expect(existsSync(runs)).toBe(false);
    const done = registerThisRun(stage.world, around, false);
    expect(readdirSync(runs)).toHaveLength(1);
    done();
    expect(readdirSync(runs)).toEqual([]);
    const again = registerThisRun(stage.world, around, true);
    expect(readdirSync(runs)).toHaveLength(1);
    again();
  });

  test('is known by its own pid and start, or not at all', async () => {
    const stage = await scripted();
    const { snapshot } = await survey(stage.world);
    expect(selfIn(snapshot)).toEqual(identityOf(process.pid));
    expect(selfIn({ ...snapshot, processes: new Map() })).toBeUndefined();
    expect(selfIn({ ...snapshot, processes: undefined })).toBeUndefined();
    const around = { ...(await survey(stage.world)), snapshot: { ...snapshot, processes: undefined } };
    mkdirSync(stage.world.folder.runs, { recursive: true });
    registerThisRun(stage.world, around, false)();
  });
});
