import { existsSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { runCli } from '../support/cli.js';
import { providerConfig } from '../support/config.js';
import {
  type Fields,
  identityOf,
  installFake,
  machine,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { type McpKind, mcpConfig } from '../support/mcp.js';
import { abort, createSession, prompt, releases, request, spawnServer } from '../support/opencode.js';
import { isPatient, onDemand, withoutPatience } from '../support/patience.js';

import { alive, cmdline, startToken } from '../support/proc.js';
import type { Mode, Provider } from '../support/provider.js';
import { attach, expectNothingLeft, mcpOf, type Recorded, reapJson, startAndLeave, test } from '../support/reaped.js';
import type { Changes, Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';
import { logged, watchesOf } from '../support/watching.js';

const QUIET_MS = 2_000;
/** Seconds instead of minutes. */
const SOON = {
  OPENCODE_REAP_WATCH_EVERY: '1s',
  OPENCODE_REAP_RETIRE_AFTER: `${QUIET_MS}ms`,
  OPENCODE_REAP_OLDER_THAN: '0s',
};
/** Longer than it is quiet before it is stopped, and looked at in between. */
const LONG_MS = QUIET_MS + 3_000;

/** A session of ours in the sandbox's project, until the returned function ends it. */
const hold = async ({ stateDir, project }: Sandbox): Promise<() => void> => {
  const holder = { ...identityOf(process.pid), machine: machine() };
  const lease = { schema: SCHEMA, holder, cwd: project, servers: [], at: new Date().toISOString() };
  const file = await writeState(stateDir, 'leases/held.json', lease);
  return () => rmSync(file);
};

const prompted = async (provider: Provider, { url }: Recorded, directory: string, mode: Mode): Promise<() => void> => {
  provider.mode = mode;
  const before = provider.requests.length;
  const session = await createSession(url, directory);
  await prompt(url, session, directory, 'hello');
  await waitFor('the provider is asked', () => provider.requests.slice(before).some(({ model }) => model === 'main'));
  return () => abort(url, session, directory);
};

describe.concurrent.each(releases('native'))('a %s server that has nothing to do', { timeout: 240_000 }, (release) => {
  test('is spared while it is held, attached or busy, then retires with its MCP server, and the watch with it', async ({
    sandbox,
    provider,
    expect,
  }) => {
    const kind: McpKind = 'polite';
    const elsewhere = join(sandbox.root, 'elsewhere');
    mkdirSync(elsewhere);
    const endSession = await hold(sandbox);
    const server = await startAndLeave(sandbox, release, providerConfig(provider, { mcp: mcpConfig(kind) }), SOON);
    expect(watchesOf(sandbox)).toHaveLength(1);
    await request(server.url, '/mcp', { directory: sandbox.project, timeoutMs: 30_000 });
    const mcp = await waitFor('its MCP server runs', () => mcpOf(server, kind));
    await sleep(LONG_MS);
    expect(alive(server.listener)).toBe(true);

    const detach = await attach(server.url);
    endSession();
    await sleep(LONG_MS);
    expect(alive(server.listener)).toBe(true);

    const stop = await prompted(provider, server, elsewhere, 'silent');
    detach();
    await sleep(LONG_MS);
    expect(alive(server.listener)).toBe(true);
    expect(logged(sandbox)).toEqual([]);

    await stop();
    provider.release();
    const idleSince = performance.now();
    await waitFor('it retires', () => !alive(server.listener));
    expect(performance.now() - idleSince).toBeGreaterThan(QUIET_MS - 1_000);
    await waitFor('the watch ends', () => watchesOf(sandbox).length === 0);
    expect(alive(mcp)).toBe(false);
    expectNothingLeft(expect, sandbox, server);
    expect(logged(sandbox)).toMatchObject([{ event: 'stopped', detail: expect.stringMatching(/^retired: SIGTERM /) }]);
  });

  test('is not stopped soon after a session of its own did something, although no look saw that', {
    ...onDemand,
  }, async ({ sandbox, provider, expect }) => {
    // The watch looks only when it was quiet for long enough.
    const seldom = { ...SOON, OPENCODE_REAP_WATCH_EVERY: '6s', OPENCODE_REAP_RETIRE_AFTER: '6s' };
    const server = await startAndLeave(sandbox, release, providerConfig(provider), seldom);
    const uses = (): Fields => {
      const { servers } = JSON.parse(readFileSync(join(sandbox.stateDir, 'last-uses.json'), 'utf8'));
      return servers[`${server.listener}-${startToken(server.listener)}`];
    };
    await waitFor('its first look', () => {
      try {
        return uses();
      } catch {
        return undefined;
      }
    });
    await sleep(2_500);
    provider.mode = 'quick';
    const session = await createSession(server.url, sandbox.project);
    await prompt(server.url, session, sandbox.project, 'hello');
    const usedAt = Date.now();
    await waitFor('it retires', () => !alive(server.listener));
    expect(Date.now() - usedAt).toBeGreaterThan(6_000);
    expect(Date.now() - usedAt).toBeLessThan(40_000);
  });
});

describe.concurrent('the watch looks after servers of every origin', { timeout: 240_000 }, () => {
  test('one that was started with 0 is left alone, and is not a reason to watch', async ({ sandbox, expect }) => {
    await installFake(sandbox);
    const never = { ...SOON, OPENCODE_REAP_RETIRE_AFTER: '0' };
    const start = async (env: Changes): Promise<number> =>
      JSON.parse((await runCli(sandbox, ['start', '--port', '0', '--json'], { env })).stdout).pid;
    const forever = await start(never);
    expect(watchesOf(sandbox)).toEqual([]);
    const ours = await start(SOON);
    await waitFor('ours retires', () => !alive(ours));
    await waitFor('the watch ends', () => watchesOf(sandbox).length === 0);
    expect(alive(forever)).toBe(true);
    expect((await runCli(sandbox, ['--all-stale', '--older-than', '0s'])).stdout).toMatch(/^stopped/m);
  });

  test('one that a user has adopted', { ...onDemand }, async ({ sandbox, expect }) => {
    const [release = 'native'] = releases('native');
    const { pid, port } = await spawnServer(sandbox, { release, port: await sandbox.reserve() });
    const { code } = await runCli(sandbox, ['adopt', `:${port}`], { env: SOON });
    expect([code, watchesOf(sandbox).length]).toEqual([0, 1]);
    await waitFor('it retires', () => !alive(pid));
    await waitFor('the watch ends', () => watchesOf(sandbox).length === 0);
  });

  test('one that was adopted, first once the user’s own retirement time may have passed', async ({
    sandbox,
    expect,
  }) => {
    const { pid } = await startFake(sandbox);
    const every = async (after: string): Promise<string[]> => {
      await runCli(sandbox, ['adopt', `${pid}`], { env: { OPENCODE_REAP_RETIRE_AFTER: after } });
      const [watch = 0] = await waitFor('the watch', () => watchesOf(sandbox).length === 1 && watchesOf(sandbox));
      const [everyS = '', firstS = ''] = cmdline(watch).slice(7);
      process.kill(watch, 'SIGTERM');
      await waitFor('it ends', () => !alive(watch));
      rmSync(sandbox.stateDir, { recursive: true });
      return [everyS, firstS];
    };
    expect(await every('42s')).toEqual(['600', '42']);
    expect(await every('1s')).toEqual(['600', '10']);
    expect(await every('0')).toEqual(['600', '600']);
  });

  test('what does not look like a server, and so is never stopped, is no reason to watch', async ({
    sandbox,
    expect,
  }) => {
    const CLAUDE_PLUGIN_DATA = join(sandbox.root, 'data');
    const record = { lastServerPid: startBystander(sandbox), lastServerStartedAt: Date.now() };
    await writeState(CLAUDE_PLUGIN_DATA, 'state/0123456789abcdef/server.json', record);
    const request = { schema: SCHEMA, at: new Date().toISOString(), event: 'session-end', lingerMs: 0 };
    const file = await writeState(sandbox.stateDir, 'requests/a.json', request);
    const env = { ...SOON, CLAUDE_PLUGIN_DATA };
    expect((await reapJson(sandbox, ['--all-stale'], { env })).servers).toMatchObject([{ verdict: 'unsure' }]);
    await runCli(sandbox, ['sweep'], { env });
    expect([existsSync(file), watchesOf(sandbox)]).toEqual([false, []]);
  });

  test('one that a plugin of an earlier version asks for, whose `retire` says nothing', async ({ sandbox, expect }) => {
    const fake = await startFake(sandbox);
    await writeRecord(sandbox, 'older', fake);
    // Its plugin lies there as long as it lives, and a run of an earlier version may have left a request.
    await writeState(sandbox.stateDir, 'retire/opencode-reap-0123456789ab.mjs', 'export const OpencodeReapRetire = 1;');
    const request = { schema: SCHEMA, at: new Date().toISOString(), event: 'retire', server: 'older', lingerMs: 0 };
    const file = await writeState(sandbox.stateDir, 'requests/a.json', request);
    await runCli(sandbox, ['sweep'], { env: SOON });
    expect([existsSync(file), alive(fake.pid), watchesOf(sandbox).length]).toEqual([false, true, 1]);
    const said = { code: 0, stdout: '', stderr: '' };
    expect(await runCli(sandbox, ['retire', 'older'], { env: SOON })).toEqual(said);
    expect(watchesOf(sandbox)).toHaveLength(1);
    await waitFor('it retires', () => !alive(fake.pid));
  });
});

const POLL = `setInterval(() => fetch(process.argv[1], { headers: { connection: 'close' } }).catch(() => 0), 1_000)`;

test.skipIf(!isPatient)(
  `one that is only asked now and then stays, and retires once that has ended${withoutPatience}`,
  { timeout: 150_000 },
  async ({ sandbox, expect }) => {
    const [release = 'native'] = releases('native');
    const server = await startAndLeave(sandbox, release, {}, SOON);
    const child = sandbox.spawn(process.execPath, ['-e', POLL, `${server.url}/session/status`], { stdio: 'ignore' });
    await sleep(4 * LONG_MS);
    expect([alive(server.listener), logged(sandbox)]).toEqual([true, []]);
    child.kill();
    // For a minute the kernel remembers the last connection.
    await waitFor('it retires', () => !alive(server.listener), 90_000);
  },
);

test('no server is asked while a cheaper guard speaks for it (a stand-in for a server)', async ({
  sandbox,
  expect,
}) => {
  await installFake(sandbox);
  const asked = join(sandbox.root, 'asked');
  const env = { ...SOON, OPENCODE_REAP_RETIRE_AFTER: '6s', FAKE_OPENCODE_ASKED: asked };
  const { pid } = JSON.parse((await runCli(sandbox, ['start', '--port', '0', '--json'], { env })).stdout);
  const questions = (): string[] => readFileSync(asked, 'utf8').trim().split('\n');
  const whenStarted = questions();
  await waitFor('a first look', () => existsSync(join(sandbox.stateDir, 'last-uses.json')));
  await sleep(4_000);
  expect(questions()).toEqual(whenStarted);
  await waitFor('it retires', () => !alive(pid));
  // Once to judge it, once more right before it is stopped, and once when it is asked to dispose and after that.
  const since = questions().slice(whenStarted.length);
  expect(since.filter((line) => line === 'GET /global/health').length).toBeLessThanOrEqual(3);
  expect(since).toContain('GET /session/status');
});
