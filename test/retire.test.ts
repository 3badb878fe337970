import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { runCli } from './support/cli.js';
import { providerConfig } from './support/config.js';
import { identityOf, machine, writeState } from './support/fake.js';
import { type McpKind, mcpConfig } from './support/mcp.js';
import { abort, createSession, prompt, releases, request } from './support/opencode.js';
import { alive, cmdline, environ, parent, sessionId } from './support/proc.js';
import type { Mode, Provider } from './support/provider.js';
import { attach, expectNothingLeft, mcpOf, type Recorded, startAndLeave, test } from './support/reaped.js';
import { judging, logged, sweeper } from './support/retiring.js';
import type { Sandbox } from './support/sandbox.js';
import { waitFor } from './support/wait.js';

const RETIRE_MS = 2_000;
const SOON = { OPENCODE_REAP_RETIRE_AFTER: `${RETIRE_MS}ms`, OPENCODE_REAP_OLDER_THAN: '0s' };

/** A session of ours in the sandbox's project, until the returned function ends it. */
const hold = async ({ stateDir, project }: Sandbox): Promise<() => void> => {
  const holder = { ...identityOf(process.pid), machine: machine() };
  const lease = { schema: 'opencode-reap/1', holder, cwd: project, servers: [], at: new Date().toISOString() };
  const file = await writeState(stateDir, 'leases/held.json', lease);
  return () => rmSync(file);
};

/** The next judgement that the server itself has asked for. */
const judgedAgain = async (sandbox: Sandbox): Promise<string> => {
  const before = logged(sandbox).length;
  const line = await waitFor('it is judged', () => logged(sandbox).slice(before).at(-1), 30_000);
  return `${line.event} ${line.detail}`;
};

const prompted = async (provider: Provider, { url }: Recorded, directory: string, mode: Mode): Promise<() => void> => {
  provider.mode = mode;
  const before = provider.requests.length;
  const session = await createSession(url, directory);
  await prompt(url, session, directory, 'hello');
  await waitFor('the provider is asked', () => provider.requests.slice(before).some(({ model }) => model === 'main'));
  return () => abort(url, session, directory);
};

describe.concurrent.each(releases('native'))('a %s server that has nothing to do', (release) => {
  test('ends once nothing holds it, with its MCP server', { timeout: 120_000 }, async ({
    sandbox,
    provider,
    expect,
  }) => {
    const kind: McpKind = 'polite';
    const elsewhere = join(sandbox.root, 'elsewhere');
    mkdirSync(elsewhere);

    const endSession = await hold(sandbox);
    const server = await startAndLeave(sandbox, release, providerConfig(provider, { mcp: mcpConfig(kind) }), SOON);
    await request(server.url, '/mcp', { directory: sandbox.project, timeoutMs: 30_000 });
    const mcp = await waitFor('its MCP server runs', () => mcpOf(server, kind));
    expect(await judgedAgain(sandbox)).toMatch(/^spared unleased: /);

    const detach = await attach(server.url);
    endSession();
    await waitFor('its client is what spares it', async () =>
      (await judgedAgain(sandbox)).startsWith(`spared idle: 1 client connection open (pid ${process.pid})`),
    );

    // While it streams, in another directory than all else, nobody is asked for a judgement.
    const stopStreaming = await prompted(provider, server, elsewhere, 'slow');
    detach();
    await waitFor('no judgement is under way', () => judging(sandbox).length === 0);
    const before = logged(sandbox);
    await sleep(2.5 * RETIRE_MS);
    expect(logged(sandbox)).toEqual(before);

    // A silent one emits nothing, so the server asks; the judgement spares it.
    await prompted(provider, server, elsewhere, 'silent');
    await stopStreaming();
    expect(await judgedAgain(sandbox)).toBe(`spared idle: 1 session busy in ${elsewhere}`);

    provider.release();
    await waitFor('it ends', () => !alive(server.listener));
    await waitFor('the judgement is done', () => judging(sandbox).length === 0);
    expect(alive(mcp)).toBe(false);
    expectNothingLeft(expect, sandbox, server);
    const last = (await runCli(sandbox, ['log'])).stdout.trim().split('\n').at(-1);
    expect(last).toMatch(
      new RegExp(`  stopped   pid ${server.listener}  port ${server.port}  retired: SIGTERM after `),
    );
  });

  test('is judged by a run outside of it, without its tag and its password', async ({ sandbox, expect }) => {
    const password = 'for the server alone';
    const server = await startAndLeave(sandbox, release, {}, { ...SOON, OPENCODE_SERVER_PASSWORD: password });
    const run = await waitFor('the run', () => sweeper(sandbox));
    const [variables, tree] = [environ(run), [parent(run), sessionId(run)]];
    expect(cmdline(run).slice(2)).toEqual(['sweep', '--state-dir', sandbox.stateDir]);
    const own = variables.filter((variable) => /^OPENCODE(?!_REAP_(TMP|STATE_DIR|OLDER_THAN))/.test(variable));
    expect(own).toEqual([]);
    expect(tree).not.toContain(server.listener);
    await waitFor('it ends', () => !alive(server.listener));
    expect(JSON.stringify(logged(sandbox))).not.toContain(password);
  });
});
