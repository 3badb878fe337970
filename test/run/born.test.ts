import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import type { Platform } from '../../src/observe/platform.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { judgeAll, judgeAnew } from '../../src/run/judge.js';
import { survey } from '../../src/run/survey.js';
import { openWorld } from '../../src/run/world.js';
import { runCli } from '../support/cli.js';
import {
  DEFAULT_PORT,
  hookEnv,
  installPlugin,
  onDefaultPort,
  type PluginFolder,
  runNode,
  SESSION,
  takeDefaultPort,
  toolEnv,
  withoutDefaultPort,
} from '../support/companions.js';
import {
  deadPid,
  filesIn,
  installFake,
  logOf,
  machine,
  recordOf,
  startBystander,
  writeState,
} from '../support/fake.js';
import { installOpencode, type Release, releases, waitFor } from '../support/opencode.js';
import { onDemand } from '../support/patience.js';
import { alive, parent, portHolder, sessionId, startToken } from '../support/proc.js';
import { reapJson } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/*
 * Servers of plugins that write nothing down. What starts them is a stand-in, written by hand, that does it in exactly
 * the plugins' way: their own code is in no registry. The port is the one that they always use, so the tests follow one
 * another.
 */

const NOW = ['--older-than', '0s', '--grace', '2s'];

let release: () => void;
beforeAll(async () => {
  release = await takeDefaultPort();
});
afterAll(() => release());

let sandbox: Sandbox;
let plugin: PluginFolder;
beforeEach(async () => {
  sandbox = await createSandbox('born');
  plugin = installPlugin(sandbox);
});
afterEach(() => sandbox.dispose());

/** The server that is in no file, in a dry run; undefined if it counts as recorded nowhere. */
const judged = async () => (await reapJson(sandbox, [...NOW, '--dry-run', '--all-stale'])).servers[0];

const owned = async () => (await judged())?.guards.find(({ name }) => name === 'owned')?.detail;

const topOf = (server: number): number => sessionId(server);

const everyRelease = releases('launcher');

describe.skipIf(withoutDefaultPort)(
  `a server of OpenCode itself, started as a plugin does${withoutDefaultPort}`,
  () => {
    test.each<Release>(everyRelease)(
      'in the background (%s) is spared while its session lives, then stopped, and who waits for it ends by itself',
      async (release) => {
        await installOpencode(sandbox, release);
        const client = startBystander(sandbox);
        runNode(sandbox, [plugin.companion, 'task', '--background', 'task-1'], toolEnv(client));
        const server = await onDefaultPort();
        const worker = parent(topOf(server));
        await waitFor('its job is done', () => logText().includes('[running] connected'));
        expect(await judged()).toMatchObject({ serverPid: server, source: { format: 'born', file: '' } });
        expect(await owned()).toBe(`its parent, pid ${worker}, is ${plugin.companion} of opencode 1.0.0`);
        expect(await judged()).toMatchObject({ verdict: 'spared', reasons: ['unleased'] });
        process.kill(client);
        await waitFor('its session has ended', () => !alive(client));
        const report = await reapJson(sandbox, [...NOW, '--all-stale']);
        expect(report).toMatchObject({ code: 0, servers: [{ serverPid: server, outcome: { kind: 'stopped' } }] });
        expect([alive(server), alive(topOf(server)), portHolder(DEFAULT_PORT)]).toEqual([false, false, undefined]);
        await waitFor('the worker has ended', () => !alive(worker));
        expect(logOf(sandbox.stateDir).at(-1)).toMatchObject({
          event: 'stopped',
          detail: expect.stringContaining(`(its parent, pid ${worker}, is ${plugin.companion} of opencode 1.0.0)`),
        });
      },
    );

    test.each<Release>(everyRelease)(
      'by a worker that was canceled (%s) is stopped by what its log says',
      { ...onDemand },
      async (release) => {
        await installOpencode(sandbox, release);
        runNode(sandbox, [plugin.companion, 'task-worker', 'task-2'], toolEnv(await deadPid(sandbox)));
        const server = await onDefaultPort();
        const worker = parent(topOf(server));
        // What it has connected to while the server could not answer yet is over by then.
        await waitFor('its job is done', () => logText().includes('[running] connected'));
        process.kill(worker, 'SIGKILL');
        await waitFor('the worker has ended', () => !alive(worker));
        const [log = ''] = logs();
        const said = readFileSync(log, 'utf8');
        const [at = ''] = /^\[(\S+)\]/.exec(said)?.slice(1) ?? [];
        const earlier = new Date(Date.parse(at) - 60_000).toISOString();
        writeFileSync(log, said.replace(at, earlier));
        expect(await reapJson(sandbox, [...NOW, '--all-stale'])).toMatchObject({
          servers: [],
          unrecorded: expect.arrayContaining([expect.objectContaining({ pid: server })]),
        });
        writeFileSync(log, said, { mode: 0o666 });
        expect(await owned()).toMatch(/^job task-2 asked for a server 0\.\d\d s before it started$/);
        const report = await reapJson(sandbox, [...NOW, '--all-stale']);
        expect(report).toMatchObject({ servers: [{ serverPid: server, outcome: { kind: 'stopped' } }] });
        expect(alive(server)).toBe(false);
      },
    );
  },
);

const logs = (): string[] => {
  const [hash = ''] = readdirSync(join(sandbox.root, 'tmp/opencode-companion'));
  const folder = join(sandbox.root, 'tmp/opencode-companion', hash, 'jobs');
  return readdirSync(folder).map((name) => join(folder, name));
};
const logText = (): string =>
  logs()
    .map((file) => readFileSync(file, 'utf8'))
    .join('');

describe.skipIf(withoutDefaultPort)(`a stand-in on the plugins’ port${withoutDefaultPort}`, () => {
  beforeEach(() => installFake(sandbox));

  const waiting = async (clientPid?: number): Promise<{ server: number; worker: number }> => {
    runNode(sandbox, [plugin.companion, 'review'], toolEnv(clientPid ?? (await deadPid(sandbox))));
    const server = await onDefaultPort();
    await waitFor('its job is done', () => logText().includes('[running] connected'));
    return { server, worker: parent(server) };
  };

  test('by a hook is stopped by what its environment says of that hook', async () => {
    const { root, prewarm } = installPlugin(sandbox, 'DevMinions', '1.2.0');
    runNode(sandbox, [prewarm], hookEnv(sandbox, await deadPid(sandbox), root));
    const server = await onDefaultPort();
    expect(await owned()).toBe(`started by the SessionStart hook of DevMinions 1.2.0 in session ${SESSION}`);
    const report = await reapJson(sandbox, [...NOW, '--all-stale']);
    expect(report).toMatchObject({ servers: [{ serverPid: server, outcome: { kind: 'stopped' } }] });
  });

  test('is named by pid, port and id, kept, and adopted as any other', { ...onDemand }, async () => {
    const { server, worker } = await waiting();
    const id = `${server}-${startToken(server)}`;
    for (const name of [`${server}`, `${DEFAULT_PORT}`, id]) {
      const { stdout } = await runCli(sandbox, ['why', name, '--json']);
      expect(JSON.parse(stdout)).toMatchObject({ id, serverPid: server, source: { format: 'born', file: '' } });
    }
    const { stdout: why } = await runCli(sandbox, ['why', id]);
    expect(why).toContain(`its parent, pid ${worker}, is ${plugin.companion} of opencode 1.0.0`);
    expect(await runCli(sandbox, ['keep', `${DEFAULT_PORT}`])).toMatchObject({ code: 0 });
    expect(await judged()).toMatchObject({ verdict: 'spared', reasons: ['unkept'] });
    expect(await runCli(sandbox, ['unkeep', id])).toMatchObject({ code: 0 });
    expect(await judged()).toMatchObject({ verdict: 'stale' });
    const { stdout: list } = await runCli(sandbox, ['list', '--all', '--older-than', '0s']);
    expect(list).toContain(`is ${plugin.companion} of opencode 1.0.0`);
    expect(await runCli(sandbox, ['adopt', `${server}`])).toMatchObject({ code: 0 });
    expect(await judged()).toMatchObject({ source: { format: 'native' }, verdict: 'stale' });
    expect(await runCli(sandbox, ['stop', `${DEFAULT_PORT}`, '--yes'])).toMatchObject({ code: 0 });
    expect(alive(server)).toBe(false);
  });

  test('is spared while a job of its plugin is in flight', async () => {
    const { server } = await waiting();
    const [hash = ''] = readdirSync(join(sandbox.root, 'tmp/opencode-companion'));
    const list = join(sandbox.root, 'tmp/opencode-companion', hash, 'state.json');
    writeFileSync(list, readFileSync(list, 'utf8').replace('completed', 'running'));
    expect(await judged()).toMatchObject({ serverPid: server, verdict: 'spared', reasons: ['idle'] });
  });

  test('is spared while its session, resumed elsewhere under the same id, lives', async () => {
    const { server } = await waiting();
    const resumed = sandbox.spawn('sleep', ['600'], { cwd: sandbox.home, stdio: 'ignore' }).pid ?? 0;
    const session = { pid: resumed, sessionId: SESSION, cwd: sandbox.home, procStart: startToken(resumed) };
    const file = await writeState(join(sandbox.home, '.claude'), `sessions/${resumed}.json`, session);
    expect(await judged()).toMatchObject({ serverPid: server, verdict: 'spared', reasons: ['unleased'] });
    writeFileSync(file, JSON.stringify({ ...session, sessionId: 'another' }));
    expect(await judged()).toMatchObject({ serverPid: server, verdict: 'stale' });
  });

  test('is spared when its parent has ended between two looks, and nothing else proves whose it is', async () => {
    const { server, worker } = await waiting();
    for (const log of logs()) writeFileSync(log, '');
    const world = await openWorld(sandbox.stateDir, sandbox.env());
    const policy = { olderThanMs: 0 };
    const [judgement] = await judgeAll(await survey(world), policy, world);
    expect(judgement?.verdict.kind).toBe('stale');
    process.kill(worker, 'SIGKILL');
    await waitFor('its parent has ended', () => !alive(worker));
    const record = judgement?.record;
    const again = record && (await judgeAnew(record, policy, world));
    expect(again?.verdict).toMatchObject({ kind: 'spared', reasons: ['owned'] });
    expect(again?.verdict.guards[0]?.detail).toBe('what proved that a plugin started it is gone');
    expect(await reapJson(sandbox, [...NOW, '--all-stale'])).toMatchObject({
      servers: [],
      unrecorded: expect.arrayContaining([expect.objectContaining({ pid: server })]),
    });
    expect(alive(server)).toBe(true);
  });

  test('is unsure when the pid of its parent has come to another process since the processes were listed', async () => {
    const { worker } = await waiting();
    const platform = await thisPlatform();
    const details: Platform['details'] = async (wanted) =>
      new Map(
        [...(await platform.details(wanted))].map(([pid, { birth, ...rest }]) => [
          pid,
          { ...rest, ...(birth && { birth: pid === worker ? { ...birth, startToken: '1' } : birth }) },
        ]),
      );
    const world = await openWorld(sandbox.stateDir, sandbox.env(), 'person', { ...platform, details });
    const [judgement] = await judgeAll(await survey(world), { olderThanMs: 0 }, world);
    expect(judgement?.verdict).toMatchObject({ kind: 'unsure', reasons: ['owned'] });
    expect(judgement?.verdict.guards[0]?.detail).toMatch(/the command line of its parent cannot be read$/);
  });

  test('that a plugin has written down since is judged by that record', async () => {
    const { server } = await waiting();
    const world = await openWorld(sandbox.stateDir, sandbox.env());
    const [judgement] = await judgeAll(await survey(world), { olderThanMs: 0 }, world);
    const record = { pid: server, port: DEFAULT_PORT, startedAt: new Date(Date.now() - 86_400_000).toISOString() };
    await writeState(join(sandbox.home, '.opencode-plugin'), 'server.json', record);
    const again = judgement && (await judgeAnew(judgement.record, { olderThanMs: 0 }, world));
    expect(again?.record.source.format).toBe('zaralcy');
    expect(again?.verdict).toMatchObject({ kind: 'unsure', reasons: ['identity', 'idle'] });
    expect(await judged()).toMatchObject({ source: { format: 'zaralcy' }, verdict: 'unsure' });
  });

  test('with a record of our own that another run has just put behind its fence is left to that run', async () => {
    const { server } = await waiting();
    const record = { ...recordOf(sandbox, 'theirs', { pid: server, port: DEFAULT_PORT }), startedByPlugin: false };
    await writeState(sandbox.stateDir, 'closing/theirs.json', {
      schema: 'opencode-reap/1',
      id: 'theirs',
      run: { pid: process.pid, startToken: startToken(process.pid) },
      machine: machine(),
      tree: [{ pid: server, startToken: startToken(server) }],
      source: { format: 'native', file: join(sandbox.stateDir, 'servers/theirs.json') },
      port: DEFAULT_PORT,
      record: JSON.stringify(record),
      at: new Date().toISOString(),
    });
    expect(await reapJson(sandbox, [...NOW, '--all-stale'])).toMatchObject({ servers: [] });
    expect(alive(server)).toBe(true);
  });

  test('that a run was stopping when it died is judged again, and its fence is gone', async () => {
    const { server } = await waiting();
    const id = `${server}-${startToken(server)}`;
    await writeState(sandbox.stateDir, `closing/${id}.json`, {
      schema: 'opencode-reap/1',
      id,
      run: { pid: process.pid, startToken: '1' },
      machine: machine(),
      tree: [{ pid: server, startToken: startToken(server) }],
      source: { format: 'born', file: '' },
      port: DEFAULT_PORT,
      record: null,
      at: new Date().toISOString(),
    });
    const report = await reapJson(sandbox, [...NOW, '--all-stale']);
    expect(report).toMatchObject({ servers: [{ serverPid: server, outcome: { kind: 'stopped' } }] });
    expect(filesIn(sandbox.stateDir).filter((file) => file.includes('/closing/'))).toEqual([]);
    expect(logOf(sandbox.stateDir).map(({ event }) => event)).toEqual(['resumed', 'stopped']);
  });

  test('of a plugin whose files cannot be read is unsure', async () => {
    await waiting();
    writeFileSync(join(plugin.root, '.claude-plugin/plugin.json'), '{"name":');
    expect(await judged()).toMatchObject({ verdict: 'unsure', reasons: ['owned'] });
    expect(await owned()).toBe('cannot tell whether a plugin started it: the plugin of its parent cannot be read');
  });

  test('has whatever name its plugin gives itself shown without control characters', { ...onDemand }, async () => {
    await waiting();
    writeFileSync(join(plugin.root, '.claude-plugin/plugin.json'), JSON.stringify({ name: 'a\u001b[31mb\nc' }));
    const { stdout } = await runCli(sandbox, ['why', `${DEFAULT_PORT}`]);
    expect(stdout).toContain('of a\\u001b[31mb\\u000ac');
    expect(stdout).not.toContain('\u001b');
  });
});
