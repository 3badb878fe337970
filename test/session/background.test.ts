import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { openWorld } from '../../src/run/world.js';
import { runInBackground } from '../../src/session/background.js';
import { runCli } from '../support/cli.js';
import { deadPid, installFake, machine, SCHEMA, startBystander, startFake, writeState } from '../support/fake.js';
import { callHook, openSession } from '../support/hooks.js';
import { alive, cmdline, environ, pids, portHolder, procStart } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let box: Sandbox;
let port: number;
beforeEach(async () => {
  box = await createSandbox('sweep');
  await installFake(box);
  port = await box.reserve();
});
afterEach(() => box.dispose());

const QUICK = { OPENCODE_REAP_LINGER: '200ms', OPENCODE_REAP_OLDER_THAN: '0s' };
const onPort = (): string[] => ['--port', String(port)];
const start = async (): Promise<number> => {
  const started = await runCli(box, ['start', ...onPort(), '--json']);
  return JSON.parse(started.stdout).pid;
};
const names = (): string[] => (existsSync(box.stateDir) ? readdirSync(box.stateDir) : []);
const requests = (): string[] => readdirSync(join(box.stateDir, 'requests'));
/** Without the shell that starts it and ends at once. */
const sweepers = (): number[] =>
  pids().filter((pid) => cmdline(pid)[2] === 'sweep' && environ(pid).includes(`HOME=${box.home}`));
const isOver = (): Promise<unknown> =>
  waitFor('the end of the background run', () => sweepers().length === 0 && !names().includes('sweep.json'), 20_000);

test('a server whose session has ended is taken, and the run leaves nothing behind', async () => {
  const session = await openSession(box, onPort(), QUICK);
  const pid = await start();
  await session.end();
  await waitFor('the end of the server', () => !alive(pid), 20_000);
  await isOver();
  expect([requests(), readdirSync(join(box.stateDir, 'runs')), portHolder(port)]).toEqual([[], [], undefined]);
});

test('the run belongs to no session: another session of its own, no CLAUDE variable, the root as its folder', async () => {
  const env = { ...QUICK, OPENCODE_REAP_LINGER: '5s', CLAUDE_CODE_SESSION_ID: 'x', CLAUDECODE: '1', AI_AGENT: 'y' };
  const session = await openSession(box, onPort(), env);
  const [sweeper] = await waitFor('the run', () => (sweepers().length > 0 ? sweepers() : undefined));
  expect(environ(sweeper ?? 0).filter((variable) => /^(CLAUDE|AI_AGENT)/.test(variable))).toEqual([]);
  session.child.kill('SIGKILL');
  await sleep(500);
  expect(alive(sweeper ?? 0)).toBe(true);
});

test('there is one run per user, however many sessions end at once, and it serves them all', async () => {
  const env = { ...QUICK, OPENCODE_REAP_LINGER: '1s' };
  const sessions = await Promise.all([1, 2, 3].map(() => openSession(box, onPort(), env)));
  const pid = await start();
  await Promise.all(sessions.map((session) => session.end()));
  await sleep(500);
  expect(sweepers().length).toBeLessThanOrEqual(1);
  await waitFor('the end of the server', () => !alive(pid), 20_000);
  await isOver();
  expect(requests()).toEqual([]);
});

test('a run looks where the session that asked for it has its plugins’ data', async () => {
  const { pid } = await startFake(box);
  const CLAUDE_CODE_PLUGIN_CACHE_DIR = join(box.root, 'plugins');
  const record = { lastServerPid: pid, lastServerStartedAt: Date.now() };
  await writeState(CLAUDE_CODE_PLUGIN_CACHE_DIR, 'data/a-plugin/state/0123456789abcdef/server.json', record);
  const session = await openSession(box, onPort(), { ...QUICK, CLAUDE_CODE_PLUGIN_CACHE_DIR }, box.home);
  await session.end();
  await waitFor('the end of the server', () => !alive(pid), 20_000);
});

test('what a killed run has not done is done by the next', async () => {
  const session = await openSession(box, onPort(), { ...QUICK, OPENCODE_REAP_LINGER: '60s' });
  const pid = await start();
  const [killed] = await waitFor('the run', () => (sweepers().length > 0 ? sweepers() : undefined));
  process.kill(killed ?? 0, 'SIGKILL');
  await waitFor('its death', () => !alive(killed ?? 0));
  await session.end();
  const [next] = await waitFor('the next run', () => (sweepers().length > 0 ? sweepers() : undefined));
  process.kill(next ?? 0, 'SIGKILL');
  await waitFor('its death', () => !alive(next ?? 0));
  expect(requests().length).toBeGreaterThanOrEqual(2);
  for (const name of requests()) {
    const file = join(box.stateDir, 'requests', name);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), lingerMs: 0 }));
  }
  await (await openSession(box, ['--port', '1'], QUICK, box.home)).end();
  await waitFor('the end of the server', () => !alive(pid), 20_000);
  await isOver();
  expect(requests()).toEqual([]);
});

test('a run that has nothing to look at ends, and so does one that finds another at work', async () => {
  mkdirSync(box.stateDir, { recursive: true });
  expect(await runCli(box, ['sweep'])).toEqual({ code: 0, stdout: '', stderr: '' });
  await callHook(box, ['session-start'], '{}', { ...QUICK, OPENCODE_REAP_LINGER: '60s' }).called;
  await waitFor('the claim of the run', () => names().includes('sweep.json'));
  expect(await runCli(box, ['sweep'])).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(requests()).toHaveLength(1);
});

test('a run that can no longer be examined does not keep others from looking forever', async () => {
  const holder = { pid: await deadPid(box), startToken: '1' };
  const claim = { schema: SCHEMA, holder, machine: { ...machine(), pidNamespace: 'pid:[1]' }, holdsMs: 300_000 };
  const file = await writeState(box.stateDir, 'sweep.json', claim);
  await writeState(box.stateDir, 'requests/a.json', { schema: SCHEMA, at: new Date().toISOString(), lingerMs: 0 });
  await runCli(box, ['sweep']);
  expect([requests().length, names().includes('sweep.json')]).toEqual([1, true]);
  const silentSince = new Date(Date.now() - 301_000);
  utimesSync(file, silentSince, silentSince);
  await runCli(box, ['sweep']);
  expect([requests(), names().includes('sweep.json')]).toEqual([[], false]);
});

test('a run that fails says so in the log, and gives up its claim', async () => {
  await writeState(box.stateDir, 'requests/a.json', { schema: SCHEMA, at: new Date().toISOString(), lingerMs: 0 });
  const world = await openWorld(box.stateDir, box.env());
  const details = () => {
    throw new Error('a bug');
  };
  await startFake(box);
  const swept = runInBackground(
    { olderThanMs: 0, graceMs: 0, limit: 1 },
    { ...world, platform: { ...world.platform, details } },
  );
  await expect(swept).rejects.toThrow('a bug');
  const said = JSON.parse(readFileSync(join(box.stateDir, 'log.ndjson'), 'utf8'));
  expect(said).toMatchObject({ event: 'background run failed', detail: 'a bug' });
  expect(names()).not.toContain('sweep.json');
});

test('a run renews its claim every minute', async () => {
  vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval'] });
  const request = { schema: SCHEMA, at: new Date().toISOString(), lingerMs: 60_000 };
  await writeState(box.stateDir, 'requests/a.json', request);
  const policy = { olderThanMs: 0, graceMs: 0, limit: 1 };
  const swept = runInBackground(policy, await openWorld(box.stateDir, box.env()));
  await waitFor('its claim', () => names().includes('sweep.json'));
  const file = join(box.stateDir, 'sweep.json');
  utimesSync(file, 0, 0);
  vi.advanceTimersByTime(60_000);
  vi.useRealTimers();
  expect(Date.now() - statSync(file).mtimeMs).toBeLessThan(10_000);
  writeFileSync(join(box.stateDir, 'requests/a.json'), JSON.stringify({ ...request, lingerMs: 0 }));
  await swept;
  expect(names()).not.toContain('sweep.json');
});

test.each([
  ['CLAUDE_PLUGIN_DATA', 'state'],
  ['CLAUDE_CODE_TMPDIR', 'opencode-companion'],
])('a job in the folder of another session that has asked spares a server, too (%s)', async (variable, folder) => {
  const { pid } = await startFake(box);
  const record = { lastServerPid: pid, lastServerStartedAt: Date.now() };
  await writeState(box.home, '.claude/plugins/data/a-plugin/state/0123456789abcdef/server.json', record);
  const elsewhere = join(box.root, 'elsewhere');
  const job = { id: 'task-1', type: 'task', status: 'running', pid: startBystander(box), updatedAt: new Date() };
  await writeState(elsewhere, `${folder}/0123456789abcdef/state.json`, { config: {}, jobs: [job] });
  const lingers = { ...QUICK, OPENCODE_REAP_LINGER: '60s', [variable]: elsewhere };
  await openSession(box, ['--port', '1'], lingers, box.home);
  await (await openSession(box, ['--port', '2'], QUICK, box.home)).end();
  const log = join(box.stateDir, 'log.ndjson');
  const line = await waitFor('it is judged', () => existsSync(log) && readFileSync(log, 'utf8').split('\n')[0]);
  const detail = expect.stringMatching(/^idle: .*in flight/);
  expect(JSON.parse(line)).toMatchObject({ event: 'spared', pid, detail });
});

test('a server that is too young is looked at again until it is not', async () => {
  const session = await openSession(box, onPort(), { ...QUICK, OPENCODE_REAP_OLDER_THAN: '10s' });
  const pid = await start();
  await session.end();
  await sleep(4_000);
  expect(alive(pid)).toBe(true);
  expect(names()).toContain('sweep.json');
  await waitFor('the end of the server', () => !alive(pid), 45_000);
});

test('a session that Claude Code lists, or that is seen running, spares its server without any hook', async () => {
  const pid = await start();
  const listed = spawn('sleep', ['600'], { cwd: box.home, env: box.env(), stdio: 'ignore' });
  box.track(listed.pid ?? 0);
  const verdict = async (): Promise<string> => {
    const { stdout } = await runCli(box, ['--dry-run', '--json', '--older-than', '0s']);
    const [server] = JSON.parse(stdout).servers;
    return [server.verdict, ...server.reasons].join(' ');
  };
  expect(await verdict()).toBe('stale');
  const sessions = join(box.home, '.claude/sessions');
  mkdirSync(sessions, { recursive: true });
  const { pid: claude = 0 } = listed;
  const entry = { pid: claude, sessionId: 's', cwd: box.project, procStart: procStart(claude) };
  writeFileSync(join(sessions, `${listed.pid}.json`), JSON.stringify(entry));
  expect(await verdict()).toBe('spared unleased');
  writeFileSync(join(sessions, `${listed.pid}.json`), JSON.stringify({ ...entry, procStart: procStart(claude, 60) }));
  expect(await verdict()).toBe('stale');
  writeFileSync(join(sessions, `${listed.pid}.json`), '{"pid":');
  expect(await verdict()).toBe('stale');
  expect(alive(pid)).toBe(true);
});
