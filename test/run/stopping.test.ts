import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';
import { describe } from 'vitest';
import { runCli } from '../support/cli.js';
import { inhabitants } from '../support/inhabitants.js';
import { createSession, isIdle, prompt, releases, status, waitFor } from '../support/opencode.js';
import { onDemand, sampled } from '../support/patience.js';
import { alive, closedLately, portHolder, startToken } from '../support/proc.js';
import { MAIN } from '../support/provider.js';
import {
  expectNothingLeft,
  mcpOf,
  type Recorded,
  type Report,
  reapJson,
  startAndLeave,
  startWithMcp,
  stateFiles,
  test,
} from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';

const NOW = ['--older-than', '0s', '--grace', '1s'];
/** Five servers start at the same moment, on as few as two cores. */
const SLOW = { timeout: 240_000 };

const outcomesOf = (reports: readonly Report[]) =>
  reports.flatMap(({ servers }) => servers.map(({ outcome }) => outcome));

/** Returns while a run waits for the server: a polite MCP server ends as soon as it is asked, a stubborn one 4 s later. */
const whileLettingGo = async <T>(sandbox: Sandbox, server: Recorded, run: Promise<T>) => {
  const polite = mcpOf(server, 'polite') ?? 0;
  const tooEarly = run.then((result) => {
    throw new Error(`the run ended before the server let go: ${JSON.stringify(result)}`);
  });
  await Promise.race([waitFor('the server lets go', () => !alive(polite), 30_000), tooEarly]);
  return { fence: readFileSync(join(sandbox.stateDir, `closing/${server.id}.json`), 'utf8'), run };
};

/** SIGKILLs a run that has begun to end the server, and returns the fence that it leaves. */
const killRunInTheMiddle = async (sandbox: Sandbox, server: Recorded): Promise<string> => {
  const { fence, run } = await whileLettingGo(sandbox, server, runCli(sandbox, NOW));
  process.kill(JSON.parse(fence).run.pid, 'SIGKILL');
  const { code, stdout } = await run;
  if (code !== null) throw new Error(`the run ended before it was killed: ${stdout}`);
  return fence;
};

/** As it was before the server answered for the first time. */
const withoutServer = (record: string): string => {
  const { serverPid: _, serverStartToken: __, ...rest } = JSON.parse(record);
  return JSON.stringify({ ...rest, state: 'starting' });
};

describe.concurrent.each(releases('launcher'))('a %s server that is left alone', SLOW, (release) => {
  test('is stale to a dry run, which changes nothing, and is ended by exactly one of two runs at the same moment, with its MCP servers, one of which ignores every hint, and one listens', async ({
    sandbox,
    provider,
    expect,
  }) => {
    const server = await startWithMcp(sandbox, release, provider, ['polite', 'stubborn', 'listening']);
    const world = () => [stateFiles(sandbox.stateDir), inhabitants(sandbox).map((pid) => [pid, startToken(pid)])];
    let before = world();
    // What an MCP server starts with, such as a shell's own children, ends by itself.
    await waitFor('nothing starts or ends any more', async () => {
      const then = before;
      await sleep(1_000);
      before = world();
      return isDeepStrictEqual(then, before);
    });
    const looked = await reapJson(sandbox, ['--dry-run', '--older-than', '0s']);
    expect(looked).toMatchObject({ code: 0, servers: [{ id: server.id, verdict: 'stale', outcome: null }] });
    expect(world()).toEqual(before);
    // A starved machine lets it wait, and the wait ends with the server.
    const run = () => reapJson(sandbox, ['--older-than', '0s', '--grace', '15s']);
    const reports = await Promise.all([run(), run()]);
    expect(reports.map(({ code }) => code)).toEqual([0, 0]);
    const stopped = outcomesOf(reports).filter((outcome) => outcome?.kind === 'stopped');
    expect(stopped).toMatchObject([{ signal: 'SIGTERM' }]);
    expectNothingLeft(expect, sandbox, server);
  });

  test('stays when a prompt arrives while it lets go', async ({ sandbox, provider, expect }) => {
    const server = await startWithMcp(sandbox, release, provider, ['polite', 'stubborn']);
    const session = await createSession(server.url, sandbox.project);
    const before = stateFiles(sandbox.stateDir);
    const { run } = await whileLettingGo(sandbox, server, reapJson(sandbox, NOW));
    await prompt(server.url, session, sandbox.project, 'hello');
    const report = await run;
    expect(report).toMatchObject({ code: 0, servers: [{ verdict: 'stale', outcome: { kind: 'withheld' } }] });
    // With a prompt to begin and four servers starting beside it, it may need longer for an answer than it is given.
    expect(report.servers[0]?.outcome?.because).toMatch(/^1 session busy in |^it does not answer yet/);
    const { 'log.ndjson': _, ...after } = stateFiles(sandbox.stateDir);
    expect(after).toEqual(before);
    expect(await status(server.url, sandbox.project)).toMatchObject({ [session]: { type: 'busy' } });
    await waitFor('the provider is asked', () => provider.requests.some(({ model }) => model === MAIN), 30_000);
    provider.release();
    await waitFor('the prompt is done', () => isIdle(server.url, sandbox.project));
    expect([server.pid, server.listener].every(alive)).toBe(true);
  });
});

// What follows is the same for both shapes, so one release is enough: the one with more to go wrong.
describe.concurrent('a server with a launcher that is left alone', SLOW, () => {
  test('is judged again and ended when the run that was ending it died', { ...onDemand }, async ({
    sandbox,
    provider,
    expect,
  }) => {
    const server = await startWithMcp(sandbox, 'launcher', provider, ['polite', 'stubborn']);
    const fence = await killRunInTheMiddle(sandbox, server);
    expect(stateFiles(sandbox.stateDir)).toMatchObject({ [`closing/${server.id}.json`]: fence });
    expect(alive(server.listener)).toBe(true);
    // The dead run was asking it something, and what is not ours by now counts for a minute.
    expect(await reapJson(sandbox, NOW)).toMatchObject({
      code: 0,
      servers: [{ verdict: 'spared', reasons: ['idle'] }],
    });
    await waitFor('it is forgotten', () => closedLately(server.port) === 0, 75_000);
    const report = await reapJson(sandbox, NOW);
    expect(report).toMatchObject({ code: 0, servers: [{ id: server.id, outcome: { kind: 'stopped' } }] });
    expectNothingLeft(expect, sandbox, server);
  });

  test('that dies while it lets go leaves nothing behind', { ...onDemand }, async ({ sandbox, provider, expect }) => {
    const server = await startWithMcp(sandbox, 'launcher', provider, ['polite', 'stubborn']);
    const { run } = await whileLettingGo(sandbox, server, reapJson(sandbox, NOW));
    process.kill(server.listener, 'SIGKILL');
    expect(await run).toMatchObject({ code: 0, servers: [{ verdict: 'stale', outcome: { kind: 'gone' } }] });
    expectNothingLeft(expect, sandbox, server);
  });

  test('that died with its run leaves nothing behind after the next run', async ({ sandbox, provider, expect }) => {
    const server = await startWithMcp(sandbox, 'launcher', provider, ['polite', 'stubborn']);
    const stubborn = mcpOf(server, 'stubborn') ?? 0;
    await killRunInTheMiddle(sandbox, server);
    for (const pid of new Set([server.listener, server.pid])) if (alive(pid)) process.kill(pid, 'SIGKILL');
    await waitFor('the server is gone', () => !alive(server.listener) && !alive(server.pid));
    expect(alive(stubborn)).toBe(true);
    const report = await reapJson(sandbox, NOW);
    expect(report).toMatchObject({ code: 0, servers: [{ id: server.id, verdict: 'gone', outcome: null }] });
    expect(alive(stubborn)).toBe(false);
    expectNothingLeft(expect, sandbox, server);
  });
});

describe.concurrent('a server whose launcher was killed', SLOW, () => {
  const ways = [
    ['by its tag, when the record was not finished', withoutServer],
    ['by what the record says about it', (record: string) => record],
  ] as const;
  test.for(sampled(ways, 1))('is found %s, and ended', async ([, change], { sandbox, expect }) => {
    const server = await startAndLeave(sandbox, 'launcher');
    const file = join(sandbox.stateDir, `servers/${server.id}.json`);
    writeFileSync(file, change(readFileSync(file, 'utf8')));
    process.kill(server.pid, 'SIGKILL');
    await waitFor('the launcher is gone', () => !alive(server.pid));
    expect(portHolder(server.port)).toBe(server.listener);
    const report = await reapJson(sandbox, NOW);
    expect(report).toMatchObject({ code: 0, servers: [{ serverPid: server.listener, outcome: { kind: 'stopped' } }] });
    expectNothingLeft(expect, sandbox, server);
  });
});
