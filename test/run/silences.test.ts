import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Activity } from '../../src/decide/activity.js';
import { bootMs } from '../../src/observe/boot-clock.js';
import { judgeAll } from '../../src/run/judge.js';
import { noteSilences } from '../../src/run/silences.js';
import { survey } from '../../src/run/survey.js';
import {
  HOST,
  OTHER,
  POLICY,
  processOf,
  type Scripted,
  SERVER,
  scripted,
  textIn,
  tokenOf,
} from '../support/scripted.js';

/* Since when servers are silent, as a run writes it down for the next one, on a machine that stands in for a real one. */

const SILENT = { sinceMs: 1_000, lastMs: 2_000, looks: 3 };
const keyOf = (pid: number): string => `${pid}-${tokenOf(pid)}`;

/** As an earlier run has noted it. */
function noted(stage: Scripted, pid = SERVER): void {
  const { boot, pidNamespace } = HOST;
  const at = bootMs();
  const text = { schema: 'opencode-reap/1', boot, pidNamespace, key: keyOf(pid), sinceMs: at, lastMs: at, looks: 1 };
  stage.write(`silent/${keyOf(pid)}.json`, text);
}

async function looked(stage: Scripted) {
  const around = await survey(stage.world);
  const [judged] = await judgeAll(around, POLICY, stage.world, 'none');
  return { around, judged: judged ?? expect.fail('no server') };
}

/** Notes what one look has found, after what the test has made of it. Returns of which processes a silence is noted. */
async function after(stage: Scripted, activity: Activity, seen: object = {}, shown: object = {}): Promise<string[]> {
  const { judged, around } = await looked(stage);
  const server = { ...judged, seen: { ...judged.seen, activity, ...seen } };
  noteSilences([server], { ...around, snapshot: { ...around.snapshot, ...shown } }, stage.world);
  const { silent: folder } = stage.world.folder;
  return readdirSync(folder).sort();
}

const NOTED = [`${keyOf(SERVER)}.json`];
const LEASED = { session: undefined, file: undefined, holderPid: OTHER, live: 'yes', covers: 'yes' } as const;

test('a silence is noted, with since when and how often it was found', async () => {
  for (const kind of ['unknown', 'hung'] as const) {
    const stage = await scripted();
    noted(stage, OTHER);
    stage.processes.set(OTHER, processOf(OTHER));
    const activity = { kind, because: 'a test', silent: SILENT };
    expect(await after(stage, activity)).toEqual([...NOTED, `${keyOf(OTHER)}.json`].sort());
    const text = textIn(join(stage.world.folder.silent, `${keyOf(SERVER)}.json`)) ?? '';
    expect(JSON.parse(text)).toMatchObject({ ...SILENT, key: keyOf(SERVER), boot: HOST.boot });
  }
});

test.each<[string, Activity, object]>([
  ['has answered', { kind: 'idle', directories: 1 }, {}],
  ['has answered that it is busy', { kind: 'busy', sessions: 1, directory: '/' }, {}],
  ['is not listening, of which nothing is noted', { kind: 'hung', because: 'a test' }, {}],
  ['was not asked, since a session may use it', { kind: 'not asked' }, { coveringLeases: [LEASED] }],
])('a silence is forgotten of a server that %s', async (_what, activity, seen) => {
  const stage = await scripted();
  noted(stage);
  expect(await after(stage, activity, seen)).toEqual([]);
});

test('a silence stands where a server was not asked for another reason', async () => {
  const stage = await scripted();
  noted(stage);
  expect(await after(stage, { kind: 'not asked' })).toEqual(NOTED);
});

test('nothing is noted of a server that answers', async () => {
  const stage = await scripted();
  noted(stage, OTHER);
  stage.processes.set(OTHER, processOf(OTHER));
  expect(await after(stage, { kind: 'idle', directories: 1 })).toEqual([`${keyOf(OTHER)}.json`]);
});

test('a silence is forgotten of a process that has ended, whoever has its pid, and of none where none could be listed', async () => {
  const stage = await scripted();
  noted(stage, OTHER);
  stage.processes.set(OTHER, processOf(OTHER, { startToken: 'another' }));
  expect(await after(stage, { kind: 'not asked' }, {}, { processes: undefined })).toEqual([`${keyOf(OTHER)}.json`]);
  expect(await after(stage, { kind: 'not asked' })).toEqual([]);
});

test('of a server that was not found, nothing is noted', async () => {
  const stage = await scripted();
  noted(stage);
  const { judged, around } = await looked(stage);
  const activity = { kind: 'unknown', because: 'a test', silent: SILENT } as const;
  const located = { kind: 'gone', because: 'a test' } as const;
  const before = textIn(join(stage.world.folder.silent, NOTED[0] ?? ''));
  noteSilences([{ ...judged, located, seen: { ...judged.seen, activity } }], around, stage.world);
  expect(textIn(join(stage.world.folder.silent, NOTED[0] ?? ''))).toBe(before);
});
