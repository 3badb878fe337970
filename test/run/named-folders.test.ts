import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { type Fake, startFake, writeRecord, writeState } from '../support/fake.js';
import { noMounts, runBehindMount } from '../support/fuse.js';
import { spawnServer } from '../support/opencode.js';
import { onDemand } from '../support/patience.js';
import { alive, environ, portHolder } from '../support/proc.js';
import { reapJson } from '../support/reaped.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// Another account than the one that looks: only the environment of its server, or of its session, says where it wrote.

const NOW = ['--all-stale', '--older-than', '0s'];
const HASH = '0123456789abcdef';

let sandbox: Sandbox;
let work: string;
let data: string;
beforeEach(async () => {
  sandbox = await createSandbox('named-folders');
  work = join(sandbox.home, '.claude-work');
  data = join(work, 'plugins/data/opencode-jv');
});
afterEach(() => sandbox.dispose());

const writeDown = ({ pid }: Pick<Fake, 'pid'>, hash = HASH): Promise<string> =>
  writeState(data, `state/${hash}/server.json`, { lastServerPid: pid, lastServerStartedAt: Date.now() });

/** A live process called `claude` that works elsewhere. */
const session = async (env: Changes): Promise<number> => {
  symlinkSync(process.execPath, join(sandbox.binDir, 'claude'));
  const options = { cwd: sandbox.home, env: sandbox.env(env), stdio: 'ignore' } as const;
  const { pid = 0 } = sandbox.spawn(join(sandbox.binDir, 'claude'), ['-e', 'setInterval(() => {}, 1e6)'], options);
  await waitFor('it runs', () => environ(pid).some((line) => line.startsWith('HOME=')));
  return pid;
};

const isUnrecorded = async ({ pid }: Pick<Fake, 'pid'>): Promise<boolean> =>
  (await reapJson(sandbox, ['--dry-run', ...NOW])).unrecorded.some((one) => one.pid === pid);

test('the server of another account is found by its own environment, and stopped', { ...onDemand }, async () => {
  const env = { CLAUDE_CONFIG_DIR: work, CLAUDE_PLUGIN_DATA: data };
  const server = await spawnServer(sandbox, { release: 'native', port: await sandbox.reserve(), env });
  expect(await isUnrecorded(server)).toBe(true);
  const file = await writeDown(server);
  const text = readFileSync(file, 'utf8');
  expect((await runCli(sandbox, ['why', `:${server.port}`, '--older-than', '0s'])).stdout).toMatch(/ is stale$/m);
  const { servers } = await reapJson(sandbox, NOW);
  expect(servers).toMatchObject([{ pid: server.pid, outcome: { kind: 'stopped' } }]);
  expect([portHolder(server.port), readFileSync(file, 'utf8')]).toEqual([undefined, text]);
});

describe('with stand-ins for servers and sessions', () => {
  const named = (): Changes => ({ CLAUDE_CONFIG_DIR: work });

  test('a live session names the folder, too', async () => {
    const server = await startFake(sandbox);
    await writeDown(server);
    expect(await isUnrecorded(server)).toBe(true);
    await session(named());
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ pid: server.pid, outcome: { kind: 'stopped' } }]);
  });

  test('a job there spares a server that is recorded here', async () => {
    const server = await startFake(sandbox, { CLAUDE_CONFIG_DIR: work });
    await writeState(join(sandbox.home, '.claude/plugins/data/jv'), `state/${HASH}/server.json`, {
      lastServerPid: server.pid,
      lastServerStartedAt: Date.now(),
    });
    const at = new Date().toISOString();
    const jobs = [{ id: 'task-1', type: 'task', status: 'running', pid: process.pid, createdAt: at, updatedAt: at }];
    await writeState(data, `state/${HASH}/state.json`, { config: {}, jobs });
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ verdict: 'spared', reasons: ['idle'] }]);
    expect(alive(server.pid)).toBe(true);
  });

  test('a server speaks for itself alone: what it names makes no other one a plugin’s', async () => {
    const [bait, own] = [await startFake(sandbox, named()), await startFake(sandbox)];
    await writeDown(own);
    expect(await isUnrecorded(own)).toBe(true);
    await writeDown(bait, 'fedcba9876543210');
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ pid: bait.pid, outcome: { kind: 'stopped' } }]);
    expect(alive(own.pid)).toBe(true);
  });

  test('but what it names may spare another one', async () => {
    const [, own] = [await startFake(sandbox, named()), await startFake(sandbox)];
    await writeRecord(sandbox, 'own', own);
    const url = { url: own.url, pid: null, external: true };
    await writeState(data, `state/x-${HASH}/server.json`, url);
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([
      { id: 'own', verdict: 'spared', reasons: ['owned'] },
    ]);
  });

  test('what others could have written proves nothing there either', async () => {
    const server = await startFake(sandbox, named());
    const file = await writeDown(server);
    sandbox.spawn('chmod', ['666', file]);
    await waitFor('its mode', async () => (await reapJson(sandbox, NOW)).servers[0]?.verdict === 'spared');
    expect(alive(server.pid)).toBe(true);
  });

  test('nor what another process with its pid would have', async () => {
    const server = await startFake(sandbox, named());
    await writeState(data, `state/${HASH}/server.json`, {
      lastServerPid: server.pid,
      lastServerStartedAt: Date.now() - 3_600_000,
    });
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([
      { verdict: 'unsure', reasons: ['identity', 'idle'] },
    ]);
    expect(alive(server.pid)).toBe(true);
  });

  const skipped = process.getuid?.() === 0 ? '' : ' (skipped: only root can start something with pids of its own)';

  test.skipIf(skipped)(`a session with pids of its own names nothing here${skipped}`, async () => {
    const server = await startFake(sandbox);
    await writeDown(server);
    symlinkSync(process.execPath, join(sandbox.binDir, 'claude'));
    const words = ['-p', '-f', join(sandbox.binDir, 'claude'), '-e', 'setInterval(() => {}, 1e6)'];
    const { pid = 0 } = sandbox.spawn('unshare', words, { env: sandbox.env(named()), cwd: sandbox.home });
    const children = `/proc/${pid}/task/${pid}/children`;
    await waitFor('it runs', () => existsSync(children) && readFileSync(children, 'utf8') !== '');
    expect(await isUnrecorded(server)).toBe(true);
    expect(alive(server.pid)).toBe(true);
  });
});

const noMount = noMounts ? ` (skipped: ${noMounts})` : '';

describe.skipIf(noMount)(`a folder behind which there is no answer, with stand-ins${noMount}`, () => {
  const runAt = async (far: string) => {
    const words = [...NOW, '--json'];
    const { code, stdout, tookMs } = await runBehindMount(sandbox, { at: far, behind: 'nothing answered', words });
    expect(tookMs).toBeLessThan(6_000);
    return { code, said: JSON.parse(stdout) };
  };

  test('ends no run, and is named', async () => {
    const far = join(sandbox.root, 'far');
    await writeState(far, 'x', '');
    const server = await startFake(sandbox, { CLAUDE_CONFIG_DIR: far });
    await writeRecord(sandbox, 'own', server);
    const { code, said } = await runAt(far);
    expect([code, said.unread[0]]).toMatchObject([1, { file: join(far, 'plugins/data'), error: 'it does not answer' }]);
    expect([said.servers[0].verdict, alive(server.pid)]).toEqual(['unsure', true]);
  });

  test('is no reason to spare where it is somebody else’s home', async () => {
    const far = join(sandbox.root, 'far');
    await writeState(far, 'x', '');
    const [, own] = [await startFake(sandbox, { HOME: far, CLAUDE_CONFIG_DIR: work }), await startFake(sandbox)];
    await writeRecord(sandbox, 'own', own);
    const { code, said } = await runAt(far);
    expect([code, said.servers]).toMatchObject([0, [{ id: 'own', outcome: { kind: 'stopped' } }]]);
  });
});
