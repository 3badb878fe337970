import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, describe, expect, test } from 'vitest';
import { createSession, prompt, pty, request, status } from '../support/client.js';
import { configEnv, providerConfig } from '../support/config.js';
import { reservePort } from '../support/port.js';
import { type Provider, startProvider } from '../support/provider.js';
import { waitFor } from '../support/wait.js';
import {
  type Call,
  countOf,
  listenToTools,
  newProfile,
  onHost,
  type Profile,
  reap,
  script,
  speakGerman,
  start,
} from './machine.js';

interface Server {
  readonly profile: Profile;
  readonly port: number;
  readonly url: string;
  /** The pid that the plugin wrote down: cmd.exe. */
  readonly recorded: number;
}

const ALL = ['--all-stale', '--older-than', '1s', '--json'];

/** A server that a plugin's process has started through cmd.exe and npm's shim, and left behind. */
async function leftByPlugin(call: Call = {}): Promise<Server> {
  const profile = newProfile();
  const port = await reservePort();
  const { stdout, stderr, code } = await script(
    'plugin.cjs',
    [`${port}`, profile.project, profile.home],
    profile,
    call,
  );
  if (code !== 0) throw new Error(`the server did not start: ${stdout}${stderr}`);
  return { profile, port, url: `http://127.0.0.1:${port}`, recorded: Number(stdout) };
}

interface Said {
  readonly verdict: string;
  readonly reasons: readonly string[];
  readonly guards: readonly { readonly name: string; readonly outcome: string; readonly detail: string }[];
  readonly outcome?: { readonly kind: string; readonly processes?: readonly number[] };
  readonly pid?: number;
}

async function judged({ profile }: Server, args: readonly string[] = ['--dry-run'], call: Call = {}): Promise<Said> {
  const { stdout, stderr } = await reap([...ALL, ...args], profile, call);
  const { servers } = JSON.parse(stdout || '{}') as { servers?: readonly Said[] };
  return servers?.[0] ?? expect.fail(`no server was listed: ${stdout}${stderr}`);
}

const whyOf = ({ guards }: Said, outcome = 'veto'): string =>
  guards.flatMap((guard) => (guard.outcome === outcome ? `${guard.name}: ${guard.detail}` : [])).join('; ');

const answers = async ({ url }: Server): Promise<boolean> =>
  request(url, '/global/health', { timeoutMs: 3_000 }).then(
    ({ status: code }) => code === 200,
    () => false,
  );

afterEach(() => speakGerman(false));

describe('a server that a plugin left behind, through cmd.exe and the npm shim (stand-ins: PowerShell, netstat)', () => {
  test.each<[string, Call, boolean]>([
    ['node 22 and an English netstat', { node: 'n22' }, false],
    ['node 20 and a German netstat', { node: 'n20' }, true],
  ])('is stale, and stopped with its tree: %s', async (_with, call, german) => {
    speakGerman(german);
    const server = await leftByPlugin(call);
    const looked = listenToTools();
    const dry = await judged(server, ['--dry-run'], call);
    expect(dry.verdict, `${whyOf(dry)}; ${whyOf(dry, 'unknown')}`).toBe('stale');
    expect(countOf(looked(), 'powershell')).toBeLessThanOrEqual(2);
    expect(await answers(server)).toBe(true);
    const called = listenToTools();
    const stopped = await judged(server, [], call);
    expect(countOf(called(), 'powershell')).toBeLessThanOrEqual(5);
    expect(stopped).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped' } });
    expect(stopped.outcome?.processes).toContain(server.recorded);
    expect(await answers(server)).toBe(false);
  });

  test('is found and stopped when cmd.exe has ended before it', async () => {
    const server = await leftByPlugin();
    const { code } = await reap(['--version'], server.profile);
    expect(code).toBe(0);
    await script('end.cjs', [`${server.recorded}`], server.profile);
    const { verdict, outcome } = await judged(server, []);
    expect({ verdict, outcome }).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped' } });
    expect(await answers(server)).toBe(false);
  });
});

describe('the same server is spared (stand-ins: PowerShell, netstat)', () => {
  let provider: Provider;
  let server: Server;
  const ends: (() => void)[] = [];
  afterAll(async () => {
    for (const end of ends) end();
    await provider?.close();
  });

  test('while a client is connected, whatever the language of netstat', async () => {
    provider = await startProvider();
    server = await leftByPlugin({ env: configEnv(providerConfig(provider)) });
    const file = `${server.profile.project}\\client-ends`;
    const client = await connected(server, file);
    ends.push(client.end);
    for (const german of [false, true]) {
      speakGerman(german);
      const said = await judged(server);
      const now = `${JSON.stringify(client.said())} ${whyOf(said, 'pass')}`;
      expect(said.verdict, now).toBe('spared');
      // Wine may show the owner of neither end, which Windows does of what has ended alone; then only the word can tell.
      expect(whyOf(said)).toMatch(
        german ? /idle: (1 client connection open|it was used)/ : /idle: 1 client connection open/,
      );
    }
    writeFileSync(onHost(file), '');
    await client.ended;
  });

  test('while one of its sessions is busy', async () => {
    const { url, profile } = server;
    provider.mode = 'slow';
    const session = await createSession(url, profile.project);
    await prompt(url, session, profile.project, 'go on');
    await waitFor('the session to be busy', async () => (await status(url, profile.project))[session]?.type === 'busy');
    expect(whyOf(await judged(server))).toMatch(/idle: 1 session busy/);
    provider.release();
    await waitFor('the session to end', async () => (await status(url, profile.project))[session] === undefined);
  });

  test.each([
    ['in its folder', 'spared'],
    ['elsewhere, which does not spare it', 'stale'],
  ])('while the real claude.exe lives %s', async (where, verdict) => {
    const { profile } = server;
    const cwd = verdict === 'spared' ? profile.project : `${profile.home}\\code\\elsewhere`;
    mkdirSync(onHost(cwd), { recursive: true });
    const silent = createServer(() => undefined);
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    const ANTHROPIC_BASE_URL = `http://127.0.0.1:${(silent.address() as AddressInfo).port}`;
    const env = {
      ANTHROPIC_BASE_URL,
      ANTHROPIC_API_KEY: 'none',
      DISABLE_AUTOUPDATER: '1',
      CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    };
    const claude = start(['claude.exe', '-p', 'wait'], { cwd, env });
    ends.push(claude.end);
    const sessions = `${profile.home}\\.claude\\sessions`;
    await waitFor('its session file', () => filesIn(sessions).length > 0, 60_000);
    const said = await judged(server);
    expect(said.verdict, `${where}: ${whyOf(said)} ${whyOf(said, 'unknown')}`).toBe(verdict);
    expect(whyOf(said)).toMatch(verdict === 'spared' ? /unleased: 1 live session may use it/ : /^$/);
    await script('end.cjs', [(filesIn(sessions)[0] ?? '').replace('.json', '')], profile);
    await claude.ended;
    rmSync(onHost(sessions), { recursive: true });
    silent.closeAllConnections();
    silent.close();
  });

  test('while a terminal is open in it', async () => {
    const { url, profile } = server;
    await pty(url, profile.project);
    const said = await judged(server);
    expect(said.verdict).toBe('spared');
    expect(whyOf(said)).toMatch(/idle: a tool or shell runs in it/);
  });

  test('and no longer, once nothing of that is left', async () => {
    expect(await answers(server)).toBe(true);
    const { stdout, stderr } = await reap(['stop', `:${server.port}`, '--yes'], server.profile);
    expect(`${stdout}${stderr}`).toMatch(/stopped/);
    expect(await answers(server)).toBe(false);
  });
});

/** Under Wine some node.exe in forty never begins, without using any time. */
async function connected({ port }: Server, file: string) {
  for (let attempt = 1; ; attempt += 1) {
    const client = start(['node', 'C:\\scripts\\client.cjs', `${port}`, file]);
    const isThere = waitFor('the client', () => client.said().stdout === 'connected', 30_000);
    if (
      await isThere.then(
        () => true,
        (error: Error) => (attempt < 3 ? false : expect.fail(error.message)),
      )
    )
      return client;
    client.end();
  }
}

function filesIn(folder: string): readonly string[] {
  mkdirSync(onHost(folder), { recursive: true });
  return readdirSync(onHost(folder)).filter((name) => /^\d+\.json$/.test(name));
}
