import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { bootMs } from '../../src/observe/boot-clock.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { inProject, openWorld, readWhere, readWritten, withNotedFolders } from '../../src/run/world.js';
import { HOST, HOUR, ID, OTHER, type Scripted, SERVER, scripted, tokenOf } from '../support/scripted.js';

/* Where a run looks, and what it reads there, on a machine that stands in for a real one. */

const HASH = '0123456789abcdef';

/** A plugin’s record, in a folder that has one for each workspace. */
const recorded = (stage: Scripted, folder: string, pid = SERVER): string =>
  stage.write(`../${folder}/state/${HASH}/server.json`, {
    lastServerPid: pid,
    lastServerStartedAt: Date.now() - HOUR,
  });

/** A folder that a session has noted, for looks from elsewhere. */
const noted = (stage: Scripted, places: object): string =>
  stage.write('places/one.json', { schema: 'opencode-reap/1', ...places });

const recordsIn = async (world: Scripted['world']) =>
  (await readWritten(world)).records.map(({ source }) => source.file);

describe('a world', () => {
  test('is that of a person, where this process runs and the clock of this machine goes', async () => {
    const world = await openWorld('/chosen', { HOME: '/home/x', CLAUDE_CONFIG_DIR: '/config' });
    expect(world).toMatchObject({
      folder: { root: '/chosen' },
      leaseFolders: [{ root: '/chosen' }, { root: '/home/x/.local/state/opencode-reap' }],
      configDirs: ['/config'],
      projects: [process.cwd()],
      stateDir: '/chosen',
      by: 'person',
    });
    expect(world.platform.name).toBe((await thisPlatform()).name);
    expect(Math.abs(world.clock() - bootMs())).toBeLessThan(HOUR);
  });

  test('is one of another platform where it is given one', async () => {
    const { world } = await scripted();
    expect(world.platform.name).toBe('made up');
  });

  test('has Claude Code’s own list of sessions, of any of its folders', async () => {
    const stage = await scripted();
    stage.write(`../config/sessions/${OTHER}.json`, { pid: OTHER, sessionId: 'one', cwd: '/work' });
    expect(stage.world.claudeSessions(join(stage.root, 'config'), HOST)).toMatchObject([
      { holder: { pid: OTHER }, session: 'one', path: '/work' },
    ]);
  });
});

describe('what is written down', () => {
  test('is what is in the folders of the state, of plugins, of other programs and of Claude Code', async () => {
    const stage = await scripted();
    const file = recorded(stage, 'home/.claude/plugins/data/opc');
    stage.write(`../home/.claude/sessions/${OTHER}.json`, { pid: OTHER, sessionId: 'one', cwd: '/work' });
    const chamber = stage.write(`../home/.config/openchamber/managed-opencode/${SERVER}.json`, { pid: SERVER });
    const key = `${SERVER}-${tokenOf(SERVER)}`;
    const { boot, pidNamespace } = HOST;
    const silence = { schema: 'opencode-reap/1', boot, pidNamespace, key, sinceMs: 1, lastMs: 2, looks: 3 };
    stage.write('silent/one.json', silence);
    stage.write('last-uses.json', { schema: 'opencode-reap/1', boot, servers: { [key]: { ms: 1, aheadMs: 2 } } });
    const job = `../home/.claude/plugins/data/opc/state/${HASH}/jobs/x.json`;
    stage.write(job, { id: 'x', status: 'running', workspaceRoot: '/work', startedAt: new Date().toISOString() });
    const written = await readWritten(stage.world);
    expect(written.records.map(({ source }) => source.file)).toEqual([stage.record, file]);
    expect(written.uses.length).toBeGreaterThan(0);
    expect(written.witnesses).toMatchObject([{ session: 'one' }]);
    expect(written.registrations).toMatchObject([{ file: chamber }]);
    expect([written.silences?.size, written.lastUses?.size]).toEqual([1, 1]);
    expect([written.unread, written.skipped]).toEqual([[], []]);
  });

  test('may be in a folder that a session has noted', async () => {
    const stage = await scripted();
    const [data, config] = [recorded(stage, 'data'), recorded(stage, 'config/plugins/data/x', OTHER)];
    expect(await recordsIn(stage.world)).toEqual([stage.record]);
    noted(stage, { dataDirs: [join(stage.root, 'data')], configDirs: [join(stage.root, 'config')] });
    expect((await recordsIn(stage.world)).sort()).toEqual([config, data, stage.record].sort());
  });

  test('may be in the project that one looks at, or where a session works that has a lease', async () => {
    for (const path of ['seen', 'leased', 'listed']) {
      const stage = await scripted();
      const folder = join(stage.root, path);
      const lock = stage.write(`../${path}/.opencode-delegate/serve.lock`, '{');
      const unread = async (world = stage.world) => (await readWritten(world)).unread.map(({ file }) => file);
      expect(await unread()).toEqual([]);
      const at = new Date().toISOString();
      const holder = { pid: SERVER, startToken: tokenOf(SERVER), machine: HOST };
      if (path === 'leased')
        stage.write('leases/one.json', { schema: 'opencode-reap/1', holder, cwd: folder, at, servers: [] });
      if (path === 'listed')
        stage.write(`../home/.claude/sessions/${OTHER}.json`, { pid: OTHER, sessionId: 'one', cwd: folder });
      const world = path === 'seen' ? inProject(stage.world, { path: folder, real: folder }) : stage.world;
      expect(await unread(world)).toEqual([lock]);
    }
  });

  test('may be unread, in each of those folders', async () => {
    const stage = await scripted();
    const torn = [
      stage.write('places/torn.json', '{'),
      stage.write('leases/torn.json', '{'),
      stage.write(`../home/.claude/plugins/data/opc/state/${HASH}/server.json`, '{'),
    ];
    expect((await readWritten(stage.world)).unread.map(({ file }) => file).sort()).toEqual(torn.sort());
  });

  test('has no start token that was told by another clock', async () => {
    const stage = await scripted({ record: { machine: { ...HOST, timeNamespace: 'time:[1]' } } });
    const [record] = (await readWritten(stage.world)).records;
    expect([record?.id, record?.spawned]).toEqual([ID, { pid: SERVER, startToken: undefined }]);
  });
});

test('what a process names is read as well, with what it names', async () => {
  const stage = await scripted();
  const file = recorded(stage, 'named');
  const folders = { CLAUDE_PLUGIN_DATA: join(stage.root, 'named') };
  const { records, namersOf } = await readWhere([{ pid: SERVER, folders, cwd: undefined, of: 'server' }], stage.world);
  expect(records.map(({ source }) => source.file)).toEqual([file]);
  expect(records.flatMap((record) => namersOf(record)).map(({ pid }) => pid)).toEqual([SERVER]);
  // What a session has noted is looked through by every look.
  noted(stage, { dataDirs: [folders.CLAUDE_PLUGIN_DATA] });
  expect((await readWhere([{ pid: SERVER, folders, cwd: undefined, of: 'server' }], stage.world)).records).toEqual([]);
});

test('a folder that several sessions have noted is one', async () => {
  const stage = await scripted();
  noted(stage, { pluginsDirs: ['/p'], tmpDirs: ['/t'], configDirs: stage.world.configDirs, dataDirs: [] });
  const { pluginsDirs, tmpDirs, configDirs, dataDirs } = withNotedFolders({ ...stage.world, tmpDirs: ['/t'] }, []);
  expect([pluginsDirs, tmpDirs, configDirs, dataDirs]).toEqual([['/p'], ['/t'], stage.world.configDirs, []]);
});
