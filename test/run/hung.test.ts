import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { recordOf, writeByHand } from '../support/by-hand.js';
import { providerConfig } from '../support/config.js';
import { logOf, writeRecord } from '../support/fake.js';
import { createSession, installOpencode, listenerOf, prompt, releases, request, waitFor } from '../support/opencode.js';
import { startSecond } from '../support/opencode-2.js';
import { onDemand, unlessAsked } from '../support/patience.js';
import { ageMs, alive, cmdline, connectionsOf, cpuTicks, descendants, startToken } from '../support/proc.js';
import { THROUGH_MACOS } from '../support/program.js';
import {
  attach,
  expectNothingLeft,
  type Report,
  reapJson,
  startAndLeave,
  startWithMcp,
  test,
} from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';

const NOW = ['--older-than', '0s', '--grace', '500ms'];
/** For who is expected to follow a SIGTERM: a starved machine lets it wait, and the wait ends with the server. */
const WITH_TIME = ['--older-than', '0s', '--grace', '15s'];

const withoutTenMinutes = process.env.OPENCODE_REAP_TEN_MINUTES
  ? ''
  : ' (takes eleven minutes: OPENCODE_REAP_TEN_MINUTES=1 waits for it)';

/** Silence says nothing about a younger server. */
const untilOlderThanAMinute = (pid: number): Promise<void> => sleep(Math.max(0, 60_500 - ageMs(pid)));

/**
 * 1.18 fetches packages when it starts, and keeps a dozen connections to the registry for minutes: a server that is stopped
 * in the meantime has them for as long as it is stopped.
 */
const OFFLINE = { npm_config_registry: 'http://127.0.0.1:1/', NPM_CONFIG_REGISTRY: 'http://127.0.0.1:1/' };

/** What a run says when the machine is too busy to tell who is silent. */
const TOO_BUSY = /this machine is too busy/;
/** The same, or when a question of before was not reset in time. */
const NOT_YET = /this machine is too busy|used within the last minute|but has connections/;

const reapWhenQuiet = async (sandbox: Sandbox, args = NOW, notYet = NOT_YET, attempts = 5): Promise<Report> => {
  const report = await reapJson(sandbox, args, { timeoutMs: 60_000 });
  if (!notYet.test(JSON.stringify(report)) || attempts <= 1) return report;
  await sleep(15_000);
  return reapWhenQuiet(sandbox, args, notYet, attempts - 1);
};

// All at once, since each of them waits for a minute.
describe.concurrent('a server that does not answer', { timeout: 180_000 }, () => {
  test.for(releases('launcher'))(
    'is ended once it is a minute old (%s)',
    async (release, { sandbox, provider, expect }) => {
      const server = await startWithMcp(sandbox, release, provider, ['stubborn'], OFFLINE);
      // What it fetches when it starts would stay open for as long as it is stopped.
      await waitFor('it is connected to no one', () => connectionsOf(server.listener) === 0, 60_000);
      process.kill(server.listener, 'SIGSTOP');
      const young = await reapJson(sandbox, NOW);
      expect(young).toMatchObject({ code: 0, servers: [{ verdict: 'unsure', reasons: ['idle'], outcome: null }] });
      await untilOlderThanAMinute(server.listener);
      const report = await reapWhenQuiet(sandbox);
      // It never sees the SIGTERM, and cannot end what is below it.
      expect(report, JSON.stringify(report.servers[0]?.guards)).toMatchObject({
        code: 0,
        servers: [{ outcome: { kind: 'stopped', signal: 'SIGKILL' } }],
      });
      expectNothingLeft(expect, sandbox, server);
    },
  );

  test('is ended when it spins because its log no longer has a reader', { ...onDemand }, async ({
    sandbox,
    expect,
  }) => {
    await installOpencode(sandbox, 'launcher');
    const port = await sandbox.reserve();
    const child = sandbox.spawn('opencode', ['serve', '--port', `${port}`, '--print-logs'], {
      env: sandbox.env({ OPENCODE_REAP_TAG: 'by hand' }),
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    });
    child.stderr?.resume();
    const pid = child.pid ?? 0;
    const listener = await waitFor('the server listens', () => listenerOf(pid), 60_000);
    writeByHand(
      sandbox.stateDir,
      'servers',
      recordOf({ pid, listener, port, tag: 'by hand', workspace: sandbox.project }),
    );
    // Late, so that it does not spin for longer than it must.
    await sleep(Math.max(0, 58_000 - ageMs(listener)));
    child.stderr?.destroy();
    const asked = request(`http://127.0.0.1:${port}`, '/session', { timeoutMs: 2_000 });
    await expect(asked).rejects.toThrow();
    const before = cpuTicks(listener);
    // An idle one takes a hundredth of a processor at most, and this one what other tests leave of it.
    await waitFor('it spins', () => cpuTicks(listener) - before > 50, 20_000);
    await untilOlderThanAMinute(listener);
    const report = await reapWhenQuiet(sandbox, WITH_TIME);
    expect(report).toMatchObject({ code: 0, servers: [{ outcome: { kind: 'stopped', signal: 'SIGTERM' } }] });
    expectNothingLeft(expect, sandbox, { port });
  });

  // An MCP server is told from a tool by how much later than its server it started, which a second is too coarse for.
  const secondsOnly = THROUGH_MACOS ? ' (skipped: start times are whole seconds here, so it is spared)' : '';
  const inTime = THROUGH_MACOS ? test.skip : test.skipIf(unlessAsked);
  inTime(
    `is ended once it is a minute old, with its MCP servers, as a stand-in for OpenCode 2${secondsOnly || unlessAsked}`,
    async ({ sandbox, expect }) => {
      // One answers nothing at all; the other one still has its page, and may have a session that waits for its user.
      const all = await Promise.all([
        startSecond(sandbox, { settings: { states: ['loaded', 'hung'], mcp: ['plain', 'stubborn'] } }),
        startSecond(sandbox, { settings: { states: ['loaded'], mcp: ['plain'], answers: { '/api/info': 'silent' } } }),
      ]);
      const below = all.flatMap(({ pid }) => descendants(pid));
      expect(below.length).toBeGreaterThan(2);
      for (const [at, server] of all.entries()) {
        await writeRecord(sandbox, `second-${at}`, server, { command: cmdline(server.pid) });
      }
      const young = await reapJson(sandbox, NOW);
      expect(young.servers).toMatchObject([{ verdict: 'unsure' }, { verdict: 'unsure' }]);
      for (const { pid } of all) await untilOlderThanAMinute(pid);
      expect(await reapWhenQuiet(sandbox, WITH_TIME)).toMatchObject({ code: 0 });
      expect(logOf(sandbox.stateDir).filter(({ event }) => event === 'stopped')).toHaveLength(1);
      const [, other] = all;
      const stays = other === undefined ? [] : [...descendants(other.pid), other.pid];
      expect([...below, ...all.map(({ pid }) => pid)].filter(alive).sort()).toEqual(stays.sort());
    },
  );

  test('is spared while a client is connected to it', async ({ sandbox, expect, onTestFinished }) => {
    const server = await startAndLeave(sandbox, 'native');
    onTestFinished(await attach(server.url));
    process.kill(server.listener, 'SIGSTOP');
    await untilOlderThanAMinute(server.listener);
    const report = await reapJson(sandbox, NOW);
    expect(report).toMatchObject({ code: 0, servers: [{ verdict: 'spared', reasons: ['idle'], outcome: null }] });
    expect(alive(server.listener)).toBe(true);
  });

  test('is left alone while it is connected to a model provider', async ({ sandbox, provider, expect }) => {
    provider.mode = 'silent';
    const server = await startAndLeave(sandbox, 'native', providerConfig(provider));
    const session = await createSession(server.url, sandbox.project);
    await prompt(server.url, session, sandbox.project, 'hello');
    await waitFor('the provider is asked', () => provider.requests.some(({ model }) => model === 'main'), 30_000);
    process.kill(server.listener, 'SIGSTOP');
    await untilOlderThanAMinute(server.listener);
    const report = await reapWhenQuiet(sandbox, NOW, TOO_BUSY);
    expect(report).toMatchObject({ code: 0, servers: [{ verdict: 'unsure', reasons: ['idle'], outcome: null }] });
    expect(report.servers[0]?.guards).toContainEqual(
      expect.objectContaining({ detail: 'it does not answer, but has connections' }),
    );
    expect(alive(server.listener)).toBe(true);
    // Ten minutes are not waited for here, but on demand below.
    const [name = ''] = readdirSync(join(sandbox.stateDir, 'silent'));
    const file = join(sandbox.stateDir, 'silent', name);
    const since = JSON.parse(readFileSync(file, 'utf8'));
    expect(since).toMatchObject({ key: `${server.listener}-${startToken(server.listener)}`, looks: 1 });
    const agoMs = { sinceMs: since.sinceMs - 11 * 60_000, lastMs: since.lastMs - 60_000, looks: 2 };
    writeFileSync(file, JSON.stringify({ ...since, ...agoMs }), { mode: 0o600 });
    const [later] = (await reapWhenQuiet(sandbox, NOW, TOO_BUSY)).servers;
    expect(later).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped', signal: 'SIGKILL' } });
    expect(later?.guards.find(({ name: guard }) => guard === 'idle')?.detail).toMatch(
      /^hung: silent for 11 min, over 3 looks$/,
    );
  });

  test.skipIf(withoutTenMinutes)(
    `is ended once it has been silent for ten minutes, though connected to a model provider${withoutTenMinutes}`,
    { timeout: 900_000 },
    async ({ sandbox, provider, expect }) => {
      provider.mode = 'silent';
      const server = await startAndLeave(sandbox, 'native', providerConfig(provider));
      const session = await createSession(server.url, sandbox.project);
      await prompt(server.url, session, sandbox.project, 'hello');
      await waitFor('the provider is asked', () => provider.requests.some(({ model }) => model === 'main'), 30_000);
      process.kill(server.listener, 'SIGSTOP');
      await untilOlderThanAMinute(server.listener);
      for (let minutes = 0; minutes < 10; minutes += 5) {
        const report = await reapWhenQuiet(sandbox, NOW, TOO_BUSY);
        expect(report).toMatchObject({ servers: [{ verdict: 'unsure', reasons: ['idle'], outcome: null }] });
        await sleep(5 * 60_000);
      }
      const report = await reapWhenQuiet(sandbox, NOW, TOO_BUSY);
      expect(report).toMatchObject({ servers: [{ verdict: 'stale', outcome: { kind: 'stopped' } }] });
    },
  );
});
