import { once } from 'node:events';
import { mkdirSync } from 'node:fs';
import { type ClientRequest, request as httpRequest } from 'node:http';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { endWithReset } from '../support/client.js';
import { providerConfig } from '../support/config.js';
import { abort, createSession, isIdle, prompt, pty, releases, request, status, waitFor } from '../support/opencode.js';
import { isThorough, sampled } from '../support/patience.js';
import { children, sessionId, startToken } from '../support/proc.js';
import { type Mode, type Provider, startProvider } from '../support/provider.js';
import { type Recorded, reapJson, startAndLeave } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const NOW = ['--older-than', '0s'];

/** A way in which a server is in use, while it lasts. */
interface Use {
  /** What the guard says about it. */
  readonly says: string | RegExp;
  readonly end: () => unknown;
}

describe.concurrent.each(releases('native'))('a %s server', (release) => {
  let sandbox: Sandbox;
  let provider: Provider;
  let server: Recorded;

  beforeAll(async () => {
    sandbox = await createSandbox(`busy-${release}`);
    provider = await startProvider();
    mkdirSync(elsewhere());
    const permission = { bash: { '*': 'allow', 'touch *': 'ask' } };
    server = await startAndLeave(sandbox, release, providerConfig(provider, { permission }));
  });

  afterAll(async () => {
    await sandbox.dispose();
    await provider.close();
  });

  const elsewhere = (): string => join(sandbox.root, 'elsewhere');

  /** The process that has a session of its own below the server, once it is there. */
  const ownSession = (): Promise<number> =>
    waitFor('something runs in a session of its own', () =>
      children(server.listener).find((pid) => sessionId(pid) === pid),
    );

  const runs = async (end: () => unknown): Promise<Use> => ({
    says: `a tool or shell runs in it (pid ${await ownSession()})`,
    end,
  });

  /** A prompt that the provider, or the tool it calls, keeps from ending. */
  const prompted = async (mode: Mode, directory: string, command = 'sleep 300'): Promise<Use> => {
    Object.assign(provider, { mode, command });
    const session = await createSession(server.url, directory);
    const before = provider.requests.length;
    await prompt(server.url, session, directory, 'hello');
    await waitFor('the provider is asked', () => provider.requests.slice(before).some(({ model }) => model === 'main'));
    const type = mode === 'rate-limited' ? 'retry' : 'busy';
    await waitFor(`it is ${type}`, async () => (await status(server.url, directory))[session]?.type === type);
    const isOwn = directory === sandbox.project;
    expect(await isIdle(server.url, sandbox.project)).toBe(!isOwn);
    const end = () =>
      mode === 'slow' || mode === 'silent' ? provider.release() : abort(server.url, session, directory);
    return { says: `1 session busy in ${isOwn ? 'its own directory' : directory}`, end };
  };

  /** 1.14 works where the prompt was sent, and lists the session where it was made. */
  const promptedElsewhere = async (): Promise<Use> => {
    provider.mode = 'silent';
    const session = await createSession(server.url, sandbox.project);
    await prompt(server.url, session, elsewhere(), 'hello');
    const isBusy = async (directory: string) => (await status(server.url, directory))[session]?.type === 'busy';
    const busyIn = await waitFor('it is busy', async () => {
      if (await isBusy(elsewhere())) return elsewhere();
      return (await isBusy(sandbox.project)) && sandbox.project;
    });
    const place = busyIn === sandbox.project ? 'its own directory' : busyIn;
    return { says: `1 session busy in ${place}`, end: () => provider.release() };
  };

  const waitsForPermission = async (directory: string): Promise<Use> => {
    const use = await prompted('tool', directory, 'touch asked');
    const asked = async () => (await request(server.url, '/permission', { directory })).body;
    await waitFor('it asks', async () => JSON.stringify(await asked()).includes('touch'));
    return use;
  };

  /** On a connection that stays open until it is destroyed. */
  const open = (path: string, method = 'GET', body = ''): ClientRequest => {
    const headers = { 'content-type': 'application/json', 'x-opencode-directory': sandbox.project };
    const sent = httpRequest(new URL(path, server.url), { method, headers, agent: false });
    sent.on('error', () => undefined).end(body);
    return sent;
  };

  /** The shell goes on when the client that asked for it has gone. */
  const usersShell = async (): Promise<Use> => {
    const session = await createSession(server.url, sandbox.project);
    const body = JSON.stringify({ agent: 'build', command: 'sleep 300' });
    const sent = open(`/session/${session}/shell`, 'POST', body);
    await ownSession();
    endWithReset(sent);
    return runs(() => abort(server.url, session, sandbox.project));
  };

  const terminal = async (): Promise<Use> => {
    const pid = await pty(server.url, sandbox.project);
    return runs(() => process.kill(pid, 'SIGKILL'));
  };

  const listener = async (): Promise<Use> => {
    const sent = open('/global/event');
    await once(sent, 'response');
    return { says: `1 client connection open (pid ${process.pid})`, end: () => endWithReset(sent) };
  };

  const uses: Readonly<Record<string, () => Promise<Use>>> = {
    'a prompt is not answered in another directory': () => prompted('silent', elsewhere()),
    'an agent runs a tool': async () => runs((await prompted('tool', sandbox.project)).end),
    'a terminal is open': terminal,
    'a client listens': listener,
    'a prompt is answered slowly': () => prompted('slow', sandbox.project),
    'a prompt is not answered': () => prompted('silent', sandbox.project),
    'a prompt is answered slowly in another directory': () => prompted('slow', elsewhere()),
    'a prompt is answered in another directory than its session’s': promptedElsewhere,
    'a prompt waits for a permission': () => waitsForPermission(elsewhere()),
    'a shell of the user runs': usersShell,
  };

  const report = async (...args: string[]) => (await reapJson(sandbox, ['--all-stale', ...NOW, ...args])).servers;
  const why = async () => JSON.parse((await runCli(sandbox, ['why', `:${server.port}`, ...NOW, '--json'])).stdout);
  const spared = (says: string | RegExp) => ({
    verdict: 'spared',
    reasons: ['idle'],
    guards: expect.arrayContaining([
      { name: 'idle', outcome: 'veto', detail: typeof says === 'string' ? says : expect.stringMatching(says) },
    ]),
    outcome: null,
  });

  const isSparedWhile = async (begin: () => Promise<Use>, isReal = false): Promise<void> => {
    const token = startToken(server.listener);
    const { says, end } = await begin();
    try {
      expect(await (isReal ? report() : report('--dry-run'))).toMatchObject([spared(says)]);
      expect(startToken(server.listener)).toBe(token);
      // It is judged by the same code, and takes a run of its own.
      if (isThorough) expect(await why()).toMatchObject(spared(says));
    } finally {
      await end();
    }
    await waitFor('it is stale', async () => (await report('--dry-run'))[0]?.verdict === 'stale');
  };

  test.sequential.each(sampled(Object.entries(uses), 5))('is spared while %s', (_, begin) => isSparedWhile(begin));

  // Without a connection and a child there is least to see of it.
  test.sequential('goes on through a real run while a prompt waits for its turn, with no connection and no child', () =>
    isSparedWhile(async () => {
      const { says, end } = await prompted('rate-limited', elsewhere());
      const goesOn = async () => {
        expect(Object.values(await status(server.url, elsewhere()))).toMatchObject([{ type: 'retry' }]);
        await end();
      };
      return { says, end: goesOn };
    }, true));
});
