import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { configEnv, providerConfig } from './support/config.js';
import { mcpConfig } from './support/mcp.js';
import * as opencode from './support/opencode.js';
import { alive, children, cmdline, environ, pids, portHolder, sessionId } from './support/proc.js';
import { type Mode, type Provider, startProvider } from './support/provider.js';
import { createSandbox, type Sandbox } from './support/sandbox.js';

const { waitFor } = opencode;

describe.each(['native', 'launcher'] as const)('a real %s server', (release) => {
  let sandbox: Sandbox;
  let provider: Provider;
  let server: opencode.Server;
  let listener: number;

  beforeAll(async () => {
    sandbox = await createSandbox(`support-${release}`);
    provider = await startProvider();
    const permission = { bash: { '*': 'allow', 'touch *': 'ask' } };
    const mcp = { ...mcpConfig('polite'), ...mcpConfig('stubborn') };
    const env = configEnv(providerConfig(provider, { permission, mcp }));
    server = await opencode.spawnServer(sandbox, { release, port: await sandbox.reserve(), env });
    listener = opencode.listenerOf(server.pid) ?? 0;
  });

  afterAll(async () => {
    await sandbox.dispose();
    await provider.close();
    // Not by `inhabitants`, which would share a mistake with dispose.
    expect(pids().filter((pid) => environ(pid).some((entry) => entry.includes(sandbox.root)))).toEqual([]);
    expect(portHolder(server.port)).toBeUndefined();
    expect(alive(server.pid) || alive(listener)).toBe(false);
  });

  const folder = (name: string): string => {
    const path = join(sandbox.root, name);
    mkdirSync(path);
    return path;
  };

  const typeOf = async (directory: string, session: string): Promise<string | undefined> =>
    (await opencode.status(server.url, directory))[session]?.type;

  const promptIn = async (directory: string, mode: Mode, command = 'sleep 300'): Promise<string> => {
    Object.assign(provider, { mode, command });
    const session = await opencode.createSession(server.url, directory);
    const before = provider.requests.length;
    await opencode.prompt(server.url, session, directory, 'hello');
    await waitFor(`the ${mode} provider is asked`, () =>
      provider.requests.slice(before).some((r) => r.model === 'main'),
    );
    return session;
  };

  test('listens itself, or through the child of its launcher', () => {
    expect(portHolder(server.port)).toBe(listener);
    expect(listener === server.pid).toBe(release === 'native');
    expect(cmdline(listener).slice(-3)).toEqual(['serve', '--port', `${server.port}`]);
    expect(environ(server.pid)).toContain(`HOME=${sandbox.home}`);
  });

  test('starts its MCP servers, in its own session, on GET /mcp', async () => {
    const { body } = await opencode.request(server.url, '/mcp');
    expect(body).toMatchObject({ polite: { status: 'connected' }, stubborn: { status: 'connected' } });
    const servers = children(listener).filter((pid) => cmdline(pid)[1]?.endsWith('mcp-server.mjs'));
    expect(servers.map((pid) => cmdline(pid)[2]).sort()).toEqual(['polite', 'stubborn']);
    expect(servers.map(sessionId)).toEqual([sessionId(listener), sessionId(listener)]);
  });

  test.each<[Mode, string]>([
    ['slow', 'busy'],
    ['silent', 'busy'],
    ['rate-limited', 'retry'],
  ])('a prompt to a %s provider is %s, in its directory only', async (mode, type) => {
    const directory = mode === 'slow' ? sandbox.project : folder(mode);
    const session = await promptIn(directory, mode);
    await waitFor(`${mode} is ${type}`, async () => (await typeOf(directory, session)) === type);
    expect(await opencode.isIdle(server.url, sandbox.root)).toBe(true);
    if (mode === 'rate-limited') await opencode.abort(server.url, session, directory);
    else provider.release();
    await waitFor(`${mode} is idle`, () => opencode.isIdle(server.url, directory));
  });

  test('a tool runs in a session of its own', async () => {
    const session = await promptIn(sandbox.project, 'tool');
    const tool = await waitFor('the tool runs', () => children(listener).find((pid) => sessionId(pid) === pid));
    expect(await typeOf(sandbox.project, session)).toBe('busy');
    await opencode.abort(server.url, session, sandbox.project);
    await waitFor('it is idle', () => opencode.isIdle(server.url, sandbox.project));
    await waitFor('the tool is gone', () => !alive(tool));
  });

  test('a tool that ends lets the conversation end', async () => {
    await promptIn(sandbox.project, 'tool', 'true');
    await waitFor('it is idle', () => opencode.isIdle(server.url, sandbox.project));
    expect(provider.requests.at(-1)?.messages.at(-1)?.role).toBe('tool');
  });

  test('a wait for permission is busy without any tool', async () => {
    const directory = folder('asks');
    const session = await promptIn(directory, 'tool', 'touch asked');
    const asks = async () => (await opencode.request(server.url, '/permission', { directory })).body;
    await waitFor('it asks', async () => JSON.stringify(await asks()).includes(session));
    expect(await typeOf(directory, session)).toBe('busy');
    expect(await opencode.isIdle(server.url, sandbox.project)).toBe(true);
    await opencode.abort(server.url, session, directory);
    await waitFor('it is idle', () => opencode.isIdle(server.url, directory));
  });

  test('a terminal and a shell are children with sessions of their own', async () => {
    const terminal = await opencode.pty(server.url, sandbox.project);
    expect(children(listener)).toContain(terminal);
    const session = await opencode.createSession(server.url, sandbox.project);
    const ended = opencode.shell(server.url, session, sandbox.project, 'sleep 300');
    const own = () => children(listener).filter((pid) => sessionId(pid) === pid);
    await waitFor('both are there', () => own().length === 2);
    await opencode.abort(server.url, session, sandbox.project);
    expect(await ended).toBe('finished');
    expect(own()).toEqual([terminal]);
    // Left for dispose: a tool and a shell would outlive the server.
    await promptIn(sandbox.project, 'tool');
    await waitFor('the tool runs', () => own().length === 2);
  });
});
