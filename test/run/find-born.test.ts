import { createHash } from 'node:crypto';
import { rmSync, symlinkSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Origin, Stream } from '../../src/model/birth.js';
import type { Process } from '../../src/model/process.js';
import type { BirthMarks } from '../../src/observe/platform.js';
import { bornAsItStands, bornBeside } from '../../src/run/find-born.js';
import { survey } from '../../src/run/survey.js';
import {
  environmentOf,
  HOST,
  HOUR,
  ID,
  LAUNCHER,
  OTHER,
  processOf,
  recordOf,
  type Scripted,
  SERVER,
  scripted,
  tokenOf,
} from '../support/scripted.js';

/*
 * What is looked at to tell that a plugin started a server which is in no file, on a machine that stands in for a real
 * one. decide/born.test.ts has what follows from it, born.test.ts servers that are started as plugins do.
 */

const SESSION = '7ab48386-34d2-4ab0-b1da-da040a522746';
const SERVES = ['opencode', 'serve', '--port', '4096'];
const STARTED = Date.now() - HOUR;
const [READS, BOTH]: Stream[] = ['null, to read', 'null, for both'];

interface Born extends Scripted {
  /** What the system still knows of each process's start. */
  readonly marks: Map<number, BirthMarks>;
  /** Where each works. */
  readonly cwds: Map<number, string>;
  /** What each environment says about who started it. */
  readonly origin: Origin;
  is(pid: number, but: Partial<Process>): void;
  marked(pid: number, but: Partial<BirthMarks>): void;
  from(but: Partial<Origin>): void;
  /** How it is recorded; undefined where it is not. */
  found(): Promise<Found | undefined>;
}

interface Found {
  readonly id: string;
  readonly plugin: string | undefined;
  readonly proof: string;
  readonly because?: string;
}

const SERVE = { kind: 'serve', port: 4096, sharedDaemon: undefined, interpreted: false } as const;

/** A server on the plugins' port that is in no file, and that nothing proves to be a plugin's. */
async function unproven(births = true): Promise<Born> {
  const marks = new Map<number, BirthMarks>();
  const cwds = new Map<number, string>();
  const stage = await scripted({
    platform: (here) => ({
      shows: { ...here.shows, births },
      details: async (wanted) => {
        const all = new Map(await here.details(wanted));
        for (const pid of [...(wanted.birth ?? []), ...(wanted.cwd ?? [])]) {
          const [birth, cwd] = [marks.get(pid), cwds.get(pid)];
          if (birth || cwd) all.set(pid, { ...all.get(pid), ...(birth && { birth }), cwd });
        }
        return all;
      },
    }),
  });
  const is = (pid: number, but: Partial<Process>): void =>
    void stage.processes.set(pid, processOf(pid, { group: pid, session: pid, ...stage.processes.get(pid), ...but }));
  const marked = (pid: number, but: Partial<BirthMarks>): void => {
    const none = { argv: undefined, streams: [], startedAt: STARTED };
    const its = { startToken: tokenOf(pid), pidNamespace: HOST.pidNamespace };
    marks.set(pid, { ...none, ...its, ...marks.get(pid), ...but });
  };
  let origin: Origin = { ...NOTHING, home: stage.world.env.HOME };
  const from = (but: Partial<Origin>): void => {
    origin = { ...origin, ...but };
    stage.environments.set(SERVER, environmentOf({ tag: undefined, origin }));
  };
  is(SERVER, { command: SERVE });
  marked(SERVER, { argv: SERVES, streams: [READS, BOTH, BOTH] });
  marked(1, { argv: ['/sbin/init'] });
  cwds.set(SERVER, stage.root);
  from({});
  const found = async (): Promise<Found | undefined> => {
    const [born, ...others] = await bornBeside([], (await survey(stage.world)).snapshot, stage.world);
    if (others.length > 0) expect.fail('it is found twice');
    if (born === undefined) return undefined;
    const { id, plugin, birth } = born;
    const proof = birth?.proof ?? expect.fail('without a birth');
    return { id, plugin, proof: proof.kind, ...(proof.kind === 'unknown' && { because: proof.because }) };
  };
  rmSync(stage.record);
  stage.write('../plugin/.claude-plugin/plugin.json', { name: 'opencode', version: '1.0.0' });
  stage.write('../plugin/scripts/lib/opencode-server.mjs', '');
  return Object.assign(stage, { marks, cwds, origin, is, marked, from, found });
}

const NOTHING: Origin = {
  home: undefined,
  inAgent: false,
  aiAgent: undefined,
  claudeCode: undefined,
  gitEditor: undefined,
  envFile: undefined,
  pluginRoot: undefined,
  pluginData: undefined,
  clientPid: undefined,
  session: undefined,
};

/** The plugin's program has started it and waits for it. */
async function byParent(births = true): Promise<Born> {
  const stage = await unproven(births);
  stage.is(SERVER, { parent: OTHER });
  stage.is(OTHER, { name: 'node', ageMs: 2 * HOUR });
  stage.marked(OTHER, { argv: ['node', join(stage.root, 'plugin/scripts/opencode-companion.mjs'), 'task'] });
  return stage;
}

/** A hook of the plugin has started it. */
async function byHook(): Promise<Born> {
  const stage = await unproven();
  const config = join(stage.root, 'config');
  stage.from({
    aiAgent: 'claude-code_2-1-330_harness',
    envFile: join(config, 'session-env', SESSION, 'sessionstart-hook-1.sh'),
    pluginRoot: join(stage.root, 'plugin'),
    pluginData: join(config, 'plugins/data/opencode-market'),
  });
  return stage;
}

/** A job of the plugin has asked for it, as its log says. */
async function byLog(): Promise<Born> {
  const stage = await unproven();
  stage.from({ aiAgent: 'claude-code_2-1-330_agent' });
  stage.marked(SERVER, { streams: [READS, 'socket', 'socket'] });
  log(stage, stage.root);
  return stage;
}

const log = (stage: Scripted, cwd: string): string => {
  const hash = createHash('sha256').update(cwd).digest('hex').slice(0, 16);
  const line = `[${new Date(STARTED - 30).toISOString()}] [starting] Connecting to OpenCode server...\n`;
  return stage.write(`../tmp/opencode-companion/${hash}/jobs/task-1.log`, line);
};

const ITS_ID = `${SERVER}-${tokenOf(SERVER)}`;
const HOW = [
  ['parent', byParent, 'opencode 1.0.0'],
  ['hook', byHook, 'opencode 1.0.0'],
  ['log', byLog, undefined],
] as const;

const unclear = (what: string) => ({
  proof: 'unknown',
  because: `cannot tell whether a plugin started it: ${what} cannot be read`,
});

describe.each(HOW)('a server that is a plugin’s by its %s', (kind, start, plugin) => {
  test('is found, under the id that a record of the plugin’s would have', async () => {
    const stage = await start();
    expect(await stage.found()).toEqual({ id: ITS_ID, plugin, proof: kind });
  });

  test('is not found where a record leads to it', async () => {
    const stage = await start();
    stage.write(`servers/${ID}.json`, recordOf(stage.root, stage.port));
    const { snapshot, candidates } = await survey(stage.world);
    const records = candidates.map(({ record }) => record);
    expect(records.map(({ id }) => id)).toEqual([ID]);
    expect(await bornBeside(records, snapshot, stage.world)).toEqual([]);
  });

  test('is nobody’s where the same pid is another process by now', async () => {
    const stage = await start();
    stage.marked(SERVER, { startToken: 'another' });
    expect(await stage.found()).toMatchObject(unclear('its command line'));
  });

  test('is nobody’s among pids of its own, or with another home or none', async () => {
    for (const change of [
      (stage: Born) => stage.marked(SERVER, { pidNamespace: 'others' }),
      (stage: Born) => stage.from({ home: '/another' }),
      (stage: Born) => stage.from({ home: join(stage.root, 'plugin') }),
      (stage: Born) => stage.from({ home: undefined }),
    ]) {
      const stage = await start();
      change(stage);
      expect(await stage.found()).toBeUndefined();
    }
  });

  test('is one whose environment cannot be read, and unclear', async () => {
    const stage = await start();
    stage.environments.delete(SERVER);
    expect(await stage.found()).toMatchObject(unclear('its environment'));
  });

  test('stays one as long as it is as it was', async () => {
    const stage = await start();
    const around = await survey(stage.world);
    const [born] = await bornBeside([], around.snapshot, stage.world);
    if (born === undefined) expect.fail('it is not found');
    const standing = async () => {
      const { ownership, birth } = await bornAsItStands(born, (await survey(stage.world)).snapshot, stage.world);
      return [ownership, birth?.proof.kind];
    };
    expect(await standing()).toEqual(['plugin', kind]);
    stage.is(SERVER, { terminal: true });
    expect((await standing())[0]).toBe('withdrawn');
    stage.processes.delete(SERVER);
    expect((await standing())[0]).toBe('withdrawn');
  });
});

describe('a server on the plugins’ port', () => {
  test('that nothing proves to be a plugin’s is nobody’s', async () => {
    expect(await (await unproven()).found()).toBeUndefined();
  });

  test('is nobody’s where the system shows no births', async () => {
    expect(await (await byParent(false)).found()).toBeUndefined();
  });

  test('is looked at with what it runs below, and with its launcher', async () => {
    const stage = await byParent();
    stage.is(LAUNCHER, { parent: OTHER, command: { ...SERVE, interpreted: true } });
    stage.is(SERVER, { parent: LAUNCHER, group: LAUNCHER, session: LAUNCHER });
    stage.environments.set(LAUNCHER, environmentOf({ tag: undefined, origin: stage.origin }));
    stage.marked(LAUNCHER, { argv: ['node', '/usr/bin/opencode', ...SERVES.slice(1)] });
    expect(await stage.found()).toMatchObject({ id: `${LAUNCHER}-${tokenOf(LAUNCHER)}`, proof: 'parent' });
    stage.marked(SERVER, { argv: ['opencode', 'serve', '--port', '4096', '--print-logs'] });
    expect(await stage.found()).toBeUndefined();
  });

  test('has an id although its start cannot be told, and is unclear', async () => {
    const stage = await byParent();
    stage.is(SERVER, { startToken: undefined });
    expect(await stage.found()).toMatchObject({ id: `${SERVER}-unknown`, proof: 'unknown' });
  });

  test('has the home that we have, by whatever name', async () => {
    const stage = await byParent();
    stage.write('../home/x', '');
    symlinkSync(join(stage.root, 'home'), join(stage.root, 'link'));
    stage.from({ home: join(stage.root, 'link') });
    expect(await stage.found()).toMatchObject({ proof: 'parent' });
  });
});

describe('of a parent', () => {
  test.each<[string, (stage: Born) => unknown, object | undefined]>([
    ['what is no script of a plugin’s proves nothing', (it) => it.marked(OTHER, { argv: ['bash'] }), undefined],
    [
      'a command line that cannot be read leaves it unclear',
      (it) => it.marked(OTHER, { argv: undefined }),
      unclear('the command line of its parent'),
    ],
    [
      'nothing is known whose pid is another process’s by now',
      (it) => it.marked(OTHER, { startToken: 'another' }),
      unclear('the command line of its parent'),
    ],
    [
      'a script that is in no plugin proves nothing',
      (it) => it.marked(OTHER, { argv: ['node', '/elsewhere/scripts/opencode-companion.mjs'] }),
      undefined,
    ],
    [
      'a plugin that cannot be read leaves it unclear',
      (it) => it.write('../plugin/.claude-plugin/plugin.json', '{'),
      unclear('the plugin of its parent'),
    ],
  ])('%s', async (_what, change, found) => {
    const stage = await byParent();
    change(stage);
    expect(await stage.found()).toEqual(found && expect.objectContaining(found));
  });
});

describe('of a hook', () => {
  const settings = (text: string) => (stage: Born) => stage.write('../config/settings.json', text);
  const forAll = JSON.stringify({ env: { CLAUDE_PLUGIN_ROOT: '/p' } });
  test.each<[string, (stage: Born) => unknown, object | undefined]>([
    ['a folder that is no plugin’s proves nothing', (it) => it.from({ pluginRoot: '/nowhere' }), undefined],
    [
      'a plugin that starts no server proves nothing',
      (it) => {
        it.write('../other/.claude-plugin/plugin.json', { name: 'opencode' });
        it.from({ pluginRoot: join(it.root, 'other') });
      },
      undefined,
    ],
    [
      'a relative path means something to its own process alone',
      (it) => it.from({ pluginRoot: relative(process.cwd(), join(it.root, 'plugin')) }),
      undefined,
    ],
    ['without a plugin nothing is proven', (it) => it.from({ pluginRoot: undefined }), undefined],
    ['without its file nothing is proven', (it) => it.from({ envFile: undefined }), undefined],
    ['what settings give to everything proves nothing', settings(forAll), undefined],
    [
      'what settings of the project give to everything proves nothing',
      (it) => it.write('../.claude/settings.local.json', forAll),
      undefined,
    ],
    ['settings that cannot be read leave it unclear', settings('{'), unclear('the plugin that its environment names')],
    [
      'a directory that cannot be read leaves it unclear',
      (it) => it.cwds.delete(SERVER),
      unclear('the plugin that its environment names'),
    ],
    [
      'a plugin that cannot be read leaves it unclear',
      (it) => it.write('../plugin/.claude-plugin/plugin.json', '{'),
      unclear('the plugin that its environment names'),
    ],
    [
      'settings that cannot be read make no plugin of a folder that is none',
      (it) => {
        it.from({ pluginRoot: '/nowhere' });
        settings('{')(it);
      },
      undefined,
    ],
    [
      'a program that starts servers itself may be the first of all',
      (it) => it.marked(1, { argv: ['node'] }),
      undefined,
    ],
    [
      'streams that cannot be read leave it unclear',
      (it) => it.marked(SERVER, { streams: [] }),
      unclear('where its output goes'),
    ],
  ])('%s', async (_what, change, found) => {
    const stage = await byHook();
    change(stage);
    expect(await stage.found()).toEqual(found && expect.objectContaining(found));
  });
});

describe('of a log', () => {
  test.each<[string, (stage: Born) => unknown, object | undefined]>([
    ['one of another folder proves nothing', (it) => it.cwds.set(SERVER, '/elsewhere'), undefined],
    ['one of another time proves nothing', (it) => it.marked(SERVER, { startedAt: STARTED + 2_000 }), undefined],
    ['none can be found without a directory', (it) => it.cwds.delete(SERVER), unclear('the log of a job')],
    [
      'none can be found without the time of its start',
      (it) => it.marked(SERVER, { startedAt: undefined }),
      unclear('the log of a job'),
    ],
    [
      'it is looked for where the streams cannot be read',
      (it) => it.marked(SERVER, { streams: [READS, undefined, undefined] }),
      unclear('where its output goes'),
    ],
  ])('%s', async (_what, change, found) => {
    const stage = await byLog();
    change(stage);
    expect(await stage.found()).toEqual(found && expect.objectContaining(found));
  });
});

test('a machine without such a server pays nothing', async () => {
  const stage = await scripted();
  const { snapshot } = await survey(stage.world);
  stage.steps.length = 0;
  expect(await bornBeside([], snapshot, stage.world)).toEqual([]);
  expect(stage.steps).toEqual([]);
});
