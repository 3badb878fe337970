import { existsSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import {
  type Fake,
  type Fields,
  filesIn,
  identityOf,
  recordsIn,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { alive, portsOf } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('marks');
  server = await startFake(sandbox);
});

afterEach(() => sandbox.dispose());

const run = (...args: string[]): Promise<CliResult> => runCli(sandbox, args);

const record = (changes: Fields = {}, fake = server): Promise<string> => writeRecord(sandbox, 'known', fake, changes);

const reap = async (...args: string[]) => {
  const { code, stdout } = await run('--older-than', '0s', '--json', ...args);
  return { code, ...JSON.parse(stdout) };
};

describe('--limit', () => {
  test('withholds all when more are stale', async () => {
    await record();
    const { code, servers, summary } = await reap('--limit', '0');
    expect(code).toBe(1);
    expect(servers).toMatchObject([{ verdict: 'stale', outcome: { kind: 'withheld', overLimit: true } }]);
    expect(summary).toMatchObject({ stale: 1, stopped: 0, failed: 1 });
    expect(alive(server.pid)).toBe(true);
    expect(recordsIn(sandbox.stateDir)).toHaveLength(1);
  });

  test('withholds none when as many are', async () => {
    await record();
    expect(await reap('--limit', '1')).toMatchObject({ code: 0, summary: { stopped: 1 } });
    expect(alive(server.pid)).toBe(false);
  });
});

describe('the workspace', () => {
  test('does not cover a server of another one, of one around it, or of one with a longer name', async () => {
    for (const folder of ['other', '', 'project-2']) {
      const workspace = join(sandbox.root, folder);
      await mkdir(workspace, { recursive: true });
      await record({ workspace });
      expect(await reap()).toMatchObject({ code: 0, servers: [], staleElsewhere: 1, summary: { stopped: 0 } });
    }
    expect((await run('-n', '--older-than', '0s')).stdout).toContain('1 stale server in other workspaces');
    expect(alive(server.pid)).toBe(true);
    expect(await reap('--all-stale')).toMatchObject({ code: 0, staleElsewhere: 0, summary: { stopped: 1 } });
    expect(alive(server.pid)).toBe(false);
  });

  test('covers a server of a folder in it, and may be named', async () => {
    const workspace = join(sandbox.project, 'packages/one');
    await mkdir(workspace, { recursive: true });
    await record({ workspace });
    expect(await reap('-n', '--workspace', sandbox.root)).toMatchObject({ servers: [{ verdict: 'stale' }] });
    await mkdir(join(sandbox.project, 'packages/two'));
    expect(await reap('-n', '--workspace', join(sandbox.project, 'packages/two'))).toMatchObject({ servers: [] });
    expect(await reap('--port', '1')).toMatchObject({ servers: [], staleElsewhere: 1 });
    expect(await reap('--port', `${server.port}`)).toMatchObject({ summary: { stopped: 1 } });
  });
});

describe('keep and unkeep', () => {
  test('take a server by its pid, its port, its id or the start of that', async () => {
    await record();
    const names = [`${server.pid}`, `${server.port}`, 'known', 'kno'];
    for (const name of names) expect(await run('keep', name)).toMatchObject({ code: 0, stderr: '' });
    expect(await reap()).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['unkept'] }] });
    for (const name of names) expect(await run('unkeep', name)).toMatchObject({ code: 0, stderr: '' });
    expect(await reap('--dry-run')).toMatchObject({ servers: [{ verdict: 'stale' }] });
  });

  test('say so where there is nothing to do, and have done it once only', async () => {
    await record();
    const said = async (...args: string[]) => {
      const { code, stdout } = await run(...args);
      return [code, stdout];
    };
    const until = 'until opencode-reap unkeep known\n';
    expect(await said('unkeep', 'known')).toEqual([0, 'known was not kept\n']);
    expect(await said('keep', 'known')).toEqual([0, `known is kept ${until}`]);
    expect(await said('keep', `${server.pid}`)).toEqual([0, `known is already kept ${until}`]);
    expect(await said('unkeep', 'known')).toEqual([0, 'known is no longer kept\n']);
    expect(await said('unkeep', 'known')).toEqual([0, 'known was not kept\n']);
    expect((await run('log')).stdout).toMatch(/^1 kept, 1 unkept$/m);
  });

  test('say with --json what they have done, and nothing where they fail', async () => {
    await record();
    const { pid, port } = server;
    for (const [command, kept] of [
      ['keep', true],
      ['unkeep', false],
    ] as const) {
      const { code, stdout } = await run(command, `${pid}`, '--json', '--quiet');
      expect([code, JSON.parse(stdout)]).toEqual([0, { id: 'known', pid, port, kept }]);
      expect(await run(command, 'unknown', '--json')).toMatchObject({ code: 4, stdout: '' });
    }
  });

  test('count in a run that keeps its records elsewhere, too', async () => {
    const mark = { schema: 'opencode-reap/1', id: 'known' };
    await writeState(join(sandbox.home, '.local/state/opencode-reap'), 'keep/known.json', mark);
    await record();
    expect(await reap()).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['unkept'] }] });
  });

  test('hold for an unrecorded server once it is adopted, and are removed together', async () => {
    const before = `pid-${server.pid}`;
    const id = `adopted-${server.pid}-${identityOf(server.pid).startToken}`;
    await run('keep', `${server.pid}`);
    await run('adopt', `${server.pid}`);
    expect(await reap()).toMatchObject({ servers: [{ id, verdict: 'spared', reasons: ['unkept'] }] });
    await run('keep', `${server.pid}`);
    expect(filesIn(join(sandbox.stateDir, 'keep'))).toHaveLength(2);
    expect(await run('unkeep', before)).toMatchObject({ code: 0, stdout: `${id} is no longer kept\n` });
    expect(filesIn(join(sandbox.stateDir, 'keep'))).toEqual([]);
    expect(await reap('--dry-run')).toMatchObject({ servers: [{ verdict: 'stale' }] });
  });

  test('are not taken back while a mark stays: one is in another folder, one cannot be removed', async () => {
    await record();
    const elsewhere = join(sandbox.home, '.local/state/opencode-reap');
    const mark = await writeState(elsewhere, 'keep/known.json', '{}');
    const stays = join(sandbox.stateDir, 'keep/known.json');
    await mkdir(stays, { recursive: true });
    expect(await run('unkeep', 'known')).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(`^error: known is still kept: could not remove ${stays}: E[A-Z]+\nhint: .+\n$`),
    });
    expect(existsSync(mark)).toBe(false);
    expect(await reap()).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['unkept'] }] });
  });

  test('a server that was started with OPENCODE_REAP=keep is kept', async () => {
    await record({ id: 'other' }, await startFake(sandbox, { OPENCODE_REAP: 'keep' }));
    expect(await reap()).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['unkept'] }] });
    const stderr = expect.stringContaining('other is still kept: it was started with OPENCODE_REAP=keep\n');
    expect(await run('unkeep', 'other')).toMatchObject({ code: 1, stdout: '', stderr });
  });
});

describe('adopt', () => {
  test.each(sampled(['pid', 'port'] as const, 1))('takes a server that is not recorded, by its %s', async (by) => {
    expect(await reap('--all-stale')).toMatchObject({ servers: [] });
    expect(await run('adopt', `${server[by]}`, '--quiet')).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(recordsIn(sandbox.stateDir)).toMatchObject([
      { fields: { adopted: true, startedByPlugin: false, state: 'ready' } },
    ]);
    const again = await run('adopt', `${server[by]}`);
    expect(again).toEqual({
      code: 0,
      stdout: expect.stringMatching(/^adopted-\S+ may already be reaped, recorded in \S+\.json\n$/),
      stderr: '',
    });
    expect(recordsIn(sandbox.stateDir)).toHaveLength(1);
    expect((await run('log')).stdout).toMatch(/^1 adopted$/m);
    const { servers } = await reap();
    expect(servers).toMatchObject([{ workspace: sandbox.project, port: server.port, outcome: { kind: 'stopped' } }]);
    expect(alive(server.pid)).toBe(false);
  });

  test('says with --json which record it has written', async () => {
    const { code, stdout } = await run('adopt', `:${server.port}`, '--json');
    const id = `adopted-${server.pid}-${identityOf(server.pid).startToken}`;
    const record = join(sandbox.stateDir, `servers/${id}.json`);
    const adopted = { id, pid: server.pid, port: server.port, adopted: true, kept: false, record };
    expect([code, JSON.parse(stdout)]).toEqual([0, adopted]);
    expect(existsSync(record)).toBe(true);
    const again = await run('adopt', `:${server.port}`, '--json');
    expect([again.code, JSON.parse(again.stdout)]).toEqual([0, adopted]);
  });

  test('has nothing to do for a server that a plugin recorded, and does not take what is recorded as the user’s', async () => {
    const file = await record();
    expect(await run('adopt', `:${server.port}`)).toEqual({
      code: 0,
      stdout: `known may already be reaped, recorded in ${file}\n`,
      stderr: '',
    });
    await record({ startedByPlugin: false });
    expect(await run('adopt', `:${server.port}`)).toEqual({
      code: 1,
      stdout: '',
      stderr: expect.stringMatching(/^error: .+already recorded as known\nhint: .+\n$/),
    });
  });

  test('says of a kept server that it stays kept, and by what', async () => {
    const stays = (why: string) =>
      expect.stringMatching(new RegExp(`^\\S+ is recorded in \\S+, but stays kept${why}\n$`));
    await run('keep', `:${server.port}`);
    const { code, stdout } = await run('adopt', `:${server.port}`);
    expect([code, stdout]).toEqual([0, stays(' until opencode-reap unkeep adopted-\\S+')]);
    const unkeep = /opencode-reap (unkeep \S+)/.exec(stdout)?.[1]?.split(' ') ?? [];
    expect(JSON.parse((await run('adopt', `:${server.port}`, '--json')).stdout)).toMatchObject({ kept: true });
    expect((await run(...unkeep)).stdout).toMatch(/is no longer kept\n$/);
    expect(JSON.parse((await run('adopt', `:${server.port}`, '--json')).stdout)).toMatchObject({ kept: false });

    const asks = await startFake(sandbox, { OPENCODE_REAP: 'keep' });
    const adopted = await run('adopt', `${asks.pid}`);
    expect([adopted.code, adopted.stdout]).toEqual([0, stays(': it was started with OPENCODE_REAP=keep')]);
    expect((await run('log', `${asks.pid}`)).stdout).toContain('stays kept: it was started with OPENCODE_REAP=keep');
    expect((await reap('--all-stale')).servers).toContainEqual(
      expect.objectContaining({ serverPid: asks.pid, verdict: 'spared', reasons: ['unkept'] }),
    );
  });

  test('refuses a shared daemon, and is not said to be a way for one', async () => {
    const port = await sandbox.reserve();
    const args = ['serve', '--service', '--port', `${port}`];
    const { pid } = sandbox.spawn('opencode', args, { env: sandbox.env(), detached: true, stdio: 'ignore' });
    await waitFor('it listens', () => portsOf(pid ?? 0).includes(port));
    // Others may run on this machine, of which one can be adopted.
    const lines = (await run('list', '--all')).stdout.split('\n').filter((line) => line.startsWith(`${pid} `));
    expect(lines).toEqual([expect.stringMatching(/ {2}OpenCode’s own daemon$/)]);
    const { unrecorded } = JSON.parse((await run('list', '--json')).stdout);
    if (unrecorded.length === 1)
      expect((await run('list', '--all')).stdout).toMatch(new RegExp(`^opencode-reap stop ${pid} ends it$`, 'm'));
    expect(await run('adopt', `:${port}`)).toMatchObject({
      code: 1,
      stderr: expect.stringContaining('it is a shared daemon'),
    });
  });
});
