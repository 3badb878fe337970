import { existsSync, mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe } from 'vitest';
import { deadFenceOf, recordOf, writeByHand } from '../support/by-hand.js';
import { runCli } from '../support/cli.js';
import { request } from '../support/client.js';
import { providerConfig } from '../support/config.js';
import { detachingMcp } from '../support/mcp.js';
import { createSession, isIdle, prompt, pty, releases, waitFor } from '../support/opencode.js';
import { onDemand } from '../support/patience.js';
import { alive, children, cmdline, descendants, pids, sessionId, startToken } from '../support/proc.js';
import { reapJson, startAndLeave, startWithMcp, test } from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';

/* What runs below a server and is not the server's: it stays, and while it is there the server is in use. */

const NOW = ['--older-than', '0s', '--grace', '1s'];
const FAKE = fileURLToPath(new URL('../support/fake-opencode.mjs', import.meta.url));

/** What MCP servers detach: a worker, a daemon behind a Unix socket, another server, a watcher without clients. */
const commandsIn = (sandbox: Sandbox, port: number): readonly (readonly string[])[] => {
  const folder = join(sandbox.root, 'nested');
  mkdirSync(folder);
  symlinkSync(FAKE, join(folder, 'opencode'));
  const listener = (at: string) => ['node', '-e', `require('net').createServer().listen(${at})`];
  return [
    listener(`0, '127.0.0.1'`),
    listener(`'${sandbox.root}/daemon.sock'`),
    [join(folder, 'opencode'), 'serve', '--port', `${port}`],
    ['sleep', '600'],
  ];
};

describe.concurrent.each(releases('native'))('below a %s server', (release) => {
  test('what MCP servers have detached keeps it from being idle, and outlives it', async ({
    sandbox,
    provider,
    expect,
  }) => {
    const all = commandsIn(sandbox, await sandbox.reserve());
    const mcp = Object.assign({}, ...all.map((command, at) => detachingMcp(`m${at}`, ...command)));
    const server = await startAndLeave(sandbox, release, providerConfig(provider, { mcp }));
    await request(server.url, '/mcp', { directory: sandbox.project, timeoutMs: 30_000 });
    const below = () => descendants(server.listener).filter((pid) => sessionId(pid) === pid);
    await waitFor('all of them run', () => below().length === all.length);
    const workers = children(server.listener);
    const [judged] = (await reapJson(sandbox, NOW)).servers;
    expect(judged).toMatchObject({ verdict: 'spared', reasons: ['idle'], outcome: null });
    const detail = judged?.guards.find(({ name }) => name === 'idle')?.detail ?? '';
    expect(detail).toMatch(/^a tool or shell runs in it \((pid \d+(, )?){4}\); not its own: pid \d+ /);
    const left = below();
    const { stdout } = await runCli(sandbox, ['stop', server.id, '--yes', '--json']);
    const leftBehind = expect.arrayContaining(left.map((pid) => expect.objectContaining({ pid, ended: false })));
    expect(JSON.parse(stdout)).toMatchObject({ outcome: { kind: 'stopped', leftBehind } });
    expect(left.filter(alive)).toEqual(left);
    expect([server.listener, ...workers].filter(alive)).toEqual([]);
  });

  test('is nothing that keeps it, after a tool, a shell and a terminal', { ...onDemand }, async ({
    sandbox,
    provider,
    expect,
  }) => {
    const server = await startWithMcp(sandbox, release, provider, ['polite', 'listening']);
    Object.assign(provider, { mode: 'tool', command: 'sleep 0.2' });
    const session = await createSession(server.url, sandbox.project);
    await prompt(server.url, session, sandbox.project, 'hello');
    await waitFor('the tool has run', () => isIdle(server.url, sandbox.project));
    process.kill(await pty(server.url, sandbox.project), 'SIGKILL');
    await waitFor('it is stale', async () => {
      const [judged] = (await reapJson(sandbox, [...NOW, '--dry-run'])).servers;
      return judged?.verdict === 'stale';
    });
    expect(children(server.listener).map(sessionId)).toEqual(children(server.listener).map(() => server.pid));
  });
});

test('what a run that died had noted is ended, but not what serves others by now', async ({ sandbox, expect }) => {
  const spawn = (command: string, ...args: string[]): number => {
    const { pid = 0 } = sandbox.spawn(command, args, { detached: true, stdio: 'ignore' });
    return pid;
  };
  const tool = spawn('sleep', '600');
  const daemon = spawn('node', '-e', `require('net').createServer().listen('${sandbox.root}/daemon.sock')`);
  const gone = spawn('true');
  await waitFor('one is gone', () => !alive(gone));
  await waitFor('the other listens', () => pids().includes(daemon) && cmdline(daemon)[1] === '-e');
  const described = { pid: gone, listener: gone, port: 1, tag: 'gone', workspace: sandbox.project };
  const record = { ...recordOf(described), startToken: '1', serverStartToken: '1' };
  const noted = [
    { pid: gone, startToken: '1' },
    ...[tool, daemon].map((pid) => ({ pid, startToken: startToken(pid) })),
  ];
  writeByHand(sandbox.stateDir, 'closing', deadFenceOf(record, noted));
  await waitFor('it serves', () => existsSync(join(sandbox.root, 'daemon.sock')));
  expect(await reapJson(sandbox, ['--all-stale'])).toMatchObject({ code: 0, servers: [{ verdict: 'gone' }] });
  expect([alive(tool), alive(daemon)]).toEqual([false, true]);
});
