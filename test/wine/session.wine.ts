import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { startClaudeApi } from '../support/claude-api.js';
import { request } from '../support/client.js';
import { reservePort } from '../support/port.js';
import { waitFor } from '../support/wait.js';
import { countOf, listenToTools, newProfile, onHost, type Profile, reap, run, script } from './machine.js';

const answers = async (port: number): Promise<boolean> =>
  request(`http://127.0.0.1:${port}`, '/global/health', { timeoutMs: 3_000 }).then(
    ({ status }) => status === 200,
    () => false,
  );

const logOf = ({ stateDir }: Profile): string => {
  const file = onHost(`${stateDir}\\log.ndjson`);
  return existsSync(file) ? readFileSync(file, 'utf8') : '';
};

test('the real claude.exe ends, its hook asks for a run, and that stops what a plugin left (stand-ins: PowerShell, netstat)', async () => {
  const profile = newProfile();
  mkdirSync(onHost(`${profile.home}\\.claude`), { recursive: true });
  const installed = await reap(['install'], profile);
  expect(installed).toMatchObject({ code: 0 });
  const port = await reservePort();
  const left = await script('plugin.cjs', [`${port}`, profile.project, profile.home], profile);
  expect(left.code).toBe(0);
  const api = await startClaudeApi();
  const env = {
    ANTHROPIC_BASE_URL: api.url,
    ANTHROPIC_API_KEY: 'none',
    DISABLE_AUTOUPDATER: '1',
    CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC: '1',
    OPENCODE_REAP_LINGER: '1s',
    OPENCODE_REAP_OLDER_THAN: '1s',
  };
  const calls = listenToTools();
  const claude = await run(['claude.exe', '-p', 'hello'], { cwd: profile.project, env });
  await api.close();
  expect(claude.code).toBe(0);
  // Asked whether it lives, the server would be in use.
  await waitFor('the server to be stopped', () => logOf(profile).includes('"event":"stopped"'), 200_000).catch(
    (error: Error) =>
      expect.fail(`${error.message}; the log: ${logOf(profile)}; the client: ${claude.stdout}${claude.stderr}`),
  );
  expect(await answers(port)).toBe(false);
  expect(logOf(profile)).toContain(`"port":${port}`);
  // Nothing looked while the client lived: its end was waited for without PowerShell.
  expect(countOf(calls(), 'powershell')).toBeLessThan(20);
});

test('start finds the .exe behind the shim, once, and stop ends it (stand-ins: PowerShell, netstat)', async () => {
  const profile = newProfile();
  const port = await reservePort();
  const start = ['start', '--port', `${port}`, '--json', '--retire-after', '0'];
  const first = await reap(start, profile);
  expect(first, first.stderr).toMatchObject({ code: 0 });
  const started = JSON.parse(first.stdout);
  expect(started).toMatchObject({ url: `http://127.0.0.1:${port}`, alreadyRunning: false });
  expect(await answers(port)).toBe(true);
  expect(JSON.parse((await reap(start, profile)).stdout)).toMatchObject({ pid: started.pid, alreadyRunning: true });
  expect((await reap(['list', '--all'], profile)).stdout).toContain(String(port));
  expect((await reap(['why', `:${port}`], profile)).stdout).toMatch(/✓ identity/);
  const stopped = await reap(['stop', `:${port}`, '--yes'], profile);
  expect(`${stopped.stdout}${stopped.stderr}`).toMatch(/stopped/);
  expect(await answers(port)).toBe(false);
});

test('a server that no session uses is retired by the watch, one process that waits (stand-ins: PowerShell, netstat)', async () => {
  const profile = newProfile();
  const port = await reservePort();
  const env = { OPENCODE_REAP_WATCH_EVERY: '5s', OPENCODE_REAP_OLDER_THAN: '1s' };
  const { code, stderr } = await reap(['start', '--port', `${port}`, '--retire-after', '1s'], profile, { env });
  expect(code, stderr).toBe(0);
  await waitFor('the watch to stop it', () => logOf(profile).includes('"event":"stopped"'), 200_000);
  expect(await answers(port)).toBe(false);
  expect(logOf(profile)).toContain('retired');
});
