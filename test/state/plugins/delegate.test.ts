import { existsSync, readFileSync, symlinkSync } from 'node:fs';
import { mkdir, rename, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { type Either, installEither, standInAnd } from '../../support/either.js';
import { startBystander, startFake, writeRecord } from '../../support/fake.js';
import { releases, request } from '../../support/opencode.js';
import { sampled } from '../../support/patience.js';
import { alive, descendants, parent, portHolder, processGroup } from '../../support/proc.js';
import { reapJson } from '../../support/reaped.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';
import { waitFor } from '../../support/wait.js';

const NOW = ['--all-stale', '--older-than', '0s'];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('delegate');
});
afterEach(() => sandbox.dispose());

/** Starts its server as the plugin's MCP server does, and writes down the same: not detached, and never waited for. */
const MCP_SERVER = `import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { spawn } from 'node:child_process';
const [port] = process.argv.slice(2);
mkdirSync('.opencode-delegate', { recursive: true });
const log = openSync('.opencode-delegate/serve.log', 'a');
const child = spawn('opencode', ['serve', '--port', port], { stdio: ['ignore', log, log] });
const lock = { pid: child.pid, port: Number(port), startedAt: new Date().toISOString() };
writeFileSync('.opencode-delegate/serve.lock', JSON.stringify(lock));
process.stdin.resume();`;
/** A session that works elsewhere and has one MCP server. */
const SESSION = `const { spawn } = require('node:child_process');
const [mcp, port, cwd] = process.argv.slice(1);
spawn(process.execPath, [mcp, port], { cwd, stdio: ['pipe', 'pipe', 'inherit'] });
setInterval(() => undefined, 60_000);`;

interface Delegated {
  readonly claude: number;
  readonly mcp: number;
  readonly server: number;
  readonly port: number;
  readonly lock: string;
}

const delegate = async (which: Either): Promise<Delegated> => {
  await installEither(sandbox, which);
  symlinkSync(process.execPath, join(sandbox.binDir, 'claude'));
  const script = join(sandbox.root, 'mcp-server.mjs');
  await writeFile(script, MCP_SERVER);
  const port = await sandbox.reserve();
  const words = ['-e', SESSION, script, `${port}`, sandbox.project];
  const { pid: claude = 0 } = sandbox.spawn('claude', words, { cwd: sandbox.home, stdio: 'ignore', detached: true });
  const server = await waitFor('it listens', () => portHolder(port), 60_000);
  await waitFor('it answers', () => request(`http://127.0.0.1:${port}`, '/global/health').then(Boolean, () => false));
  const [mcp = 0] = descendants(claude).filter((pid) => parent(pid) === claude);
  return { claude, mcp, server, port, lock: join(sandbox.project, '.opencode-delegate/serve.lock') };
};

describe('opencode-delegate’s server, started by hand-written companions as the plugin’s own do it,', () => {
  test.each(releases('launcher'))(
    'is its session’s until Claude was killed, and is stopped then (%s)',
    async (release) => {
      const { claude, mcp, server, port, lock } = await delegate(release);
      expect(processGroup(server)).toBe(processGroup(claude));
      const held = await reapJson(sandbox, NOW);
      const record = {
        port,
        serverPid: server,
        workspace: sandbox.project,
        plugin: 'opencode-delegate (caicedoalexander)',
      };
      expect(held.servers).toMatchObject([{ ...record, verdict: 'spared', reasons: ['unleased'] }]);
      expect(held.servers[0]?.guards.find(({ name }) => name === 'unleased')?.detail).toBe(
        `1 live session may use it (pid ${claude})`,
      );
      const before = readFileSync(lock, 'utf8');
      process.kill(claude, 'SIGKILL');
      await waitFor('Claude is gone', () => !alive(claude));
      expect([mcp, server].map(alive)).toEqual([true, true]);
      const { servers } = await reapJson(sandbox, NOW);
      expect(servers).toMatchObject([{ ...record, outcome: { kind: 'stopped' } }]);
      expect(servers[0]?.guards.find(({ name }) => name === 'identity')?.detail).toBe(
        'same user, command line, start time and port',
      );
      // Its own child was all that kept it.
      await waitFor('the MCP server has ended by itself', () => !alive(mcp));
      expect([alive(server), portHolder(port), readFileSync(lock, 'utf8')]).toEqual([false, undefined, before]);
    },
  );

  test.each(standInAnd('native'))(
    'is not ended with what else is in its group, which is its session’s (%s)',
    async (which) => {
      const { claude, mcp, server } = await delegate(which);
      expect((await runCli(sandbox, ['stop', `${server}`, '--yes'])).code).toBe(0);
      expect([alive(server), alive(claude)]).toEqual([false, true]);
      await waitFor('what was said to the MCP server has arrived', () => !alive(server));
      expect(alive(mcp)).toBe(true);
    },
  );
});

const lockOf = ({ pid, port }: { pid: number; port: number }) =>
  JSON.stringify({ pid, port, startedAt: new Date().toISOString() });
const put = async (path: string, content: string): Promise<string> => {
  const file = join(sandbox.root, path);
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, content);
  return file;
};
const LOCK = 'project/.opencode-delegate/serve.lock';
const META = 'project/.opencode-delegate/jobs/ocd-1/meta.json';
/** From elsewhere, with a server that works elsewhere. */
const away = async () => {
  const fake = await startFake(sandbox, {}, { cwd: sandbox.home });
  return { fake, run: (...args: string[]) => reapJson(sandbox, [...NOW, ...args], { cwd: sandbox.home }) };
};

describe('what lies in a project (the server is a stand-in)', () => {
  test('is found where one is, where --workspace says, and where a lease says, and in no other', async () => {
    const { fake, run } = await away();
    await put(LOCK, lockOf(fake));
    const found = async (...args: string[]) => (await run('--dry-run', ...args)).servers.map(({ verdict }) => verdict);
    expect(await found()).toEqual([]);
    const here = await reapJson(sandbox, ['--dry-run', '--older-than', '0s', '--workspace', sandbox.project]);
    expect(here.servers).toMatchObject([{ verdict: 'stale' }]);
    expect((await reapJson(sandbox, [...NOW, '--dry-run'], { cwd: sandbox.project })).servers).toHaveLength(1);
    await put(
      'state/leases/ended.json',
      JSON.stringify({
        schema: 'opencode-reap/1',
        holder: { pid: 2 ** 22, startToken: '1' },
        cwd: sandbox.project,
        at: Date.now(),
        servers: [],
      }),
    );
    expect(await found()).toHaveLength(1);
  });

  test('is found by the server that works there, which is all that a session that crashed leaves', async () => {
    const fake = await startFake(sandbox, {}, { cwd: sandbox.project });
    await put(LOCK, lockOf(fake));
    const { servers } = await reapJson(sandbox, NOW, { cwd: sandbox.home });
    expect(servers).toMatchObject([{ pid: fake.pid, outcome: { kind: 'stopped' } }]);
  });

  test('is another server’s where the process, its start or its port does not fit', async () => {
    const fake = await startFake(sandbox, {}, { cwd: sandbox.project });
    const run = async () => (await reapJson(sandbox, NOW)).servers.map(({ verdict, reasons }) => [verdict, ...reasons]);
    await put(LOCK, lockOf({ ...fake, port: fake.port + 1 }));
    expect(await run()).toEqual([['unsure', 'identity', 'idle']]);
    await put(
      LOCK,
      JSON.stringify({ pid: fake.pid, port: fake.port, startedAt: new Date(Date.now() - 60_000).toISOString() }),
    );
    expect(await run()).toEqual([['unsure', 'identity', 'idle']]);
    await put(LOCK, lockOf({ ...fake, pid: startBystander(sandbox) }));
    expect((await run())[0]?.[0]).not.toBe('stale');
    expect(alive(fake.pid)).toBe(true);
  });

  test('of a repository that brings it as a link is no record, and its jobs spare all the same', async () => {
    const { fake, run } = await away();
    await put('project/.opencode-delegate/jobs/ocd-1/meta.json', JSON.stringify(job(process.pid)));
    await put(LOCK, lockOf(fake));
    await rename(join(sandbox.project, '.opencode-delegate'), join(sandbox.root, 'elsewhere'));
    symlinkSync(join(sandbox.root, 'elsewhere'), join(sandbox.project, '.opencode-delegate'));
    const there = ['--workspace', sandbox.project];
    const look = () => reapJson(sandbox, ['--older-than', '0s', ...there], { cwd: sandbox.home });
    expect(await look()).toMatchObject({ code: 0, servers: [] });
    await writeRecord(sandbox, 'one', fake, { port: 4573 });
    expect(await look()).toMatchObject({ servers: [{ verdict: 'spared', reasons: ['idle'] }] });
    expect((await run('--dry-run')).servers).toMatchObject([{ verdict: 'stale' }]);
  });

  const spoilt = [
    ['no object', '[]'],
    ['torn', '{"pid":'],
    ['control characters', JSON.stringify({ pid: '\u001b[2J', port: '\u0007', startedAt: '\u202e' })],
    ['seventeen megabytes', `{"pid":2,"startedAt":"${'x'.repeat(17 * 1024 * 1024)}"}`],
    ['no pid', '{"port":4573,"startedAt":"2026-01-01T00:00:00Z"}'],
  ] as const;
  test.each(sampled(spoilt))('and is %s is named, and stops nothing', async (_, text) => {
    const fake = await startFake(sandbox, {}, { cwd: sandbox.project });
    await put(LOCK, text);
    const { code, stdout, stderr } = await runCli(sandbox, NOW);
    expect([code, alive(fake.pid)]).toEqual([1, true]);
    expect(stderr).toContain(LOCK);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout + stderr).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]/);
  });
});

const job = (ownerPid: number | undefined, state = 'running', at = Date.now()) => ({
  id: 'ocd-1',
  description: 'd',
  prompt: 'p',
  model: 'm',
  state,
  createdAt: new Date(at).toISOString(),
  ownerPid,
});

const JOBS = [
  ['running, and its MCP server lives', () => job(process.pid), ['spared', 'idle']],
  [
    'running, and its MCP server’s pid is a process that started later',
    // Before the clock of any machine may have been set forward since it booted.
    () => job(process.pid, 'running', 86_400_000),
    ['stale'],
  ],
  ['running, and its MCP server is gone', () => job(2 ** 22), ['stale']],
  ['of a version that does not say whose it is', () => job(undefined), ['spared', 'idle']],
  ['done', () => job(process.pid, 'done'), ['stale']],
  ['failed', () => job(process.pid, 'failed'), ['stale']],
  ['cancelled', () => job(process.pid, 'cancelled'), ['stale']],
  ['in a state that nobody knows', () => job(process.pid, 'waiting'), ['spared', 'idle']],
] as const;

test.each(sampled(JOBS, 3))('a job of opencode-delegate that is %s', async (_, meta, expected) => {
  const fake = await startFake(sandbox, {}, { cwd: sandbox.project });
  await put(LOCK, lockOf(fake));
  await put(META, JSON.stringify(meta()));
  const { servers } = await reapJson(sandbox, [...NOW, '--dry-run']);
  expect(servers.map(({ verdict, reasons }) => [verdict, ...reasons])).toEqual([expected]);
  expect(existsSync(join(sandbox.root, LOCK))).toBe(true);
});

test.each([
  ['running', 'spared'],
  ['canceled', 'stale'],
])('a job of opencode-companion-codex that is %s has what listens on 4096 be %s', async (status, verdict) => {
  const fake = await startFake(sandbox);
  await writeRecord(sandbox, 'one', fake, { port: 4096 });
  const at = new Date().toISOString();
  const one = { id: 'task-1', type: 'task', status, pid: process.pid, phase: 'running', createdAt: at, updatedAt: at };
  const folder = 'home/.opencode-companion-codex/state/0123456789abcdef';
  await put(`${folder}/state.json`, JSON.stringify({ config: {}, jobs: [one] }));
  const look = async () => (await reapJson(sandbox, [...NOW, '--dry-run'])).servers;
  expect(await look()).toMatchObject([{ verdict }]);
  // Only what uses that port, or may.
  await writeRecord(sandbox, 'one', fake, { port: fake.port });
  expect(await look()).toMatchObject([{ verdict: 'stale' }]);
});
