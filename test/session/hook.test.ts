import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { linuxHost } from '../../src/observe/linux/processes.js';
import { callHook, HOOK, openSession } from '../support/hooks.js';
import { buildMacosHook } from '../support/macos-hook.js';
import { startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox('hook');
});
afterEach(() => box.dispose());

const SILENT = { code: 0, stdout: '', stderr: '' };
const START = { session_id: 'session-1', cwd: '/', source: 'startup', hook_event_name: 'SessionStart' };
const END = { session_id: 'session-1', cwd: '/', reason: 'other', hook_event_name: 'SessionEnd' };

const names = (folder: string): string[] => {
  const path = join(box.stateDir, folder);
  return existsSync(path) ? readdirSync(path) : [];
};
const only = (folder: string): Record<string, unknown> => {
  const [name, ...others] = names(folder);
  expect(others).toEqual([]);
  return JSON.parse(readFileSync(join(box.stateDir, folder, name ?? 'nothing'), 'utf8'));
};
const call = (event: string, input: object | string | undefined, env = {}, extra: readonly string[] = []) =>
  callHook(box, [event, ...extra], typeof input === 'object' ? JSON.stringify(input) : input, {
    OPENCODE_REAP_LINGER: '60s',
    ...env,
  }).called;

describe('the start of a session', () => {
  test('writes a lease of the process above the hook, for its workspace and the port of its plugin', async () => {
    mkdirSync(join(box.project, '.git'));
    mkdirSync(join(box.project, 'src'));
    const said = { ...START, cwd: join(box.project, 'src') };
    expect(await call('session-start', said, {}, ['--port', '4123'])).toEqual(SILENT);
    expect(only('leases')).toMatchObject({
      schema: 'opencode-reap/1',
      session: 'session-1',
      cwd: box.project,
      port: 4123,
      servers: [],
      holder: { pid: process.pid, startToken: startToken(process.pid) },
    });
    expect(statSync(join(box.stateDir, 'leases')).mode & 0o777).toBe(0o700);
    expect(statSync(join(box.stateDir, 'leases', names('leases')[0] ?? '')).mode & 0o777).toBe(0o600);
  });

  test('looks through the shells that run the hook, and believes CLAUDE_PID only about a process above it', async () => {
    const env = box.env({ CLAUDE_PID: '1', OPENCODE_REAP_LINGER: '60s' });
    const line = `env sh -c '"${process.execPath}" "${HOOK}" hook session-start; true'; true`;
    spawnSync('/bin/sh', ['-c', line], { input: JSON.stringify(START), env });
    expect(only('leases')).toMatchObject({ holder: { pid: process.pid } });
  });

  test('is one lease, however often it is called', async () => {
    await Promise.all([call('session-start', START), call('session-start', START)]);
    await call('session-start', { ...START, session_id: 'session-2', source: 'clear' });
    expect(only('leases')).toMatchObject({ session: 'session-2' });
  });

  test.each(['clear', 'compact'])('asks for no run after %s, in which nothing ended', async (source) => {
    expect(await call('session-start', { ...START, source })).toEqual(SILENT);
    expect([names('requests'), names('leases').length]).toEqual([[], 1]);
  });
});

describe('the end of a session', () => {
  test('leaves a request and the lease, which ends with its process', async () => {
    await call('session-start', { ...START, source: 'clear' });
    expect(await call('session-end', END)).toEqual(SILENT);
    expect(only('requests')).toMatchObject({ event: 'session-end', ending: { pid: process.pid }, lingerMs: 60_000 });
    expect(names('leases')).toHaveLength(1);
  });

  test.each(['clear', 'resume'])('is none when the reason is %s', async (reason) => {
    expect(await call('session-end', { ...END, reason })).toEqual(SILENT);
    expect(names('requests')).toEqual([]);
  });

  test('is harmless without a start, and when the session is not named', async () => {
    expect(await call('session-end', '')).toEqual(SILENT);
    expect(only('requests')).toMatchObject({ event: 'session-end' });
  });
});

describe('a hook that is spoken to badly', () => {
  test.each([
    ['broken JSON', '{"session_id":'],
    ['no object', '[1]'],
    ['other types', '{"session_id":7,"cwd":[],"source":{}}'],
    ['a NUL in a path', '{"session_id":"s","cwd":"/\\u0000x"}'],
    ['a path that is not there', '{"session_id":"s","cwd":"/not/there"}'],
  ])('writes its lease all the same: %s', async (_what, input) => {
    expect(await call('session-start', input)).toEqual(SILENT);
    expect(names('leases')).toHaveLength(1);
  });

  test('does not wait for a standard input that never ends', async () => {
    const began = performance.now();
    expect(await callHook(box, ['session-end'], undefined, { OPENCODE_REAP_LINGER: '60s' }).called).toEqual(SILENT);
    expect(performance.now() - began).toBeLessThan(1_400);
    expect(names('requests')).toHaveLength(1);
  });

  test('ends with 0 and a line in the log when it cannot write', async () => {
    mkdirSync(box.stateDir, { recursive: true });
    writeFileSync(join(box.stateDir, 'leases'), 'no folder');
    expect(await call('session-start', START)).toEqual(SILENT);
    expect(readFileSync(join(box.stateDir, 'log.ndjson'), 'utf8')).toContain('hook failed');
  });
});

test('killed at any moment it leaves whole files, and every request that it left is served', async () => {
  for (let delay = 0; delay < 120; delay += 4) {
    const { child, called } = callHook(box, ['session-start'], JSON.stringify(START), { OPENCODE_REAP_LINGER: '0s' });
    await sleep(delay);
    child.kill('SIGKILL');
    await called;
  }
  for (const folder of ['leases', 'requests'] as const) {
    for (const name of names(folder).filter((one) => !one.startsWith('.'))) {
      expect(() => JSON.parse(readFileSync(join(box.stateDir, folder, name), 'utf8'))).not.toThrow();
    }
  }
  await (await openSession(box, [], { OPENCODE_REAP_LINGER: '0s' })).end();
  const pending = (): string[] => names('requests').filter((one) => !one.startsWith('.'));
  await waitFor(
    'every request to be served',
    () => pending().length === 0 && !names('.').includes('sweep.json'),
    30_000,
  );
});

describe('the hook as on macOS, by Debian’s ps', () => {
  const seconds = (): string =>
    execFileSync('/bin/ps', ['-o', 'lstart=', '-p', `${process.pid}`], {
      env: { LC_ALL: 'C', TZ: 'UTC' },
      encoding: 'utf8',
    });
  const began = (): string => String(Date.parse(`${seconds().trim()} UTC`) / 1000);
  const run = async (event: string, input: object, line = '"$0" "$@"'): Promise<void> => {
    const words = [buildMacosHook(join(box.root, 'macos')), 'hook', event];
    writeFileSync(join(box.root, 'macos/opencode-reap.cjs'), '');
    const env = box.env({ OPENCODE_REAP_LINGER: '60s' });
    const ran = spawnSync('/bin/sh', ['-c', line, process.execPath, ...words], {
      input: JSON.stringify(input),
      env,
      encoding: 'utf8',
    });
    expect([ran.status, ran.stdout, ran.stderr]).toEqual([0, '', '']);
  };

  test('names its holder by the second in which that began, and the boot', async () => {
    await run('session-start', START, '"$0" "$@"; true');
    expect(only('leases')).toMatchObject({
      holder: {
        pid: process.pid,
        startToken: began(),
        machine: { boot: linuxHost().boot, pidNamespace: linuxHost().pidNamespace },
      },
    });
    expect(only('leases')).not.toHaveProperty('expiresAt');
    expect(only('requests')).toMatchObject({ event: 'session-start', boot: linuxHost().boot });
  });

  test('says which process ends, without asking for the boot', async () => {
    await run('session-end', END, '"$0" "$@"; true');
    const ending = { pid: process.pid, startToken: began() };
    expect(only('requests')).toMatchObject({ event: 'session-end', ending });
    expect(only('requests')).not.toHaveProperty('boot');
  });

  test('asks for no run beside one that is there', async () => {
    const holder = { pid: process.pid, startToken: began() };
    mkdirSync(box.stateDir, { recursive: true, mode: 0o700 });
    const claim = {
      schema: 'opencode-reap/1',
      holder,
      machine: { boot: linuxHost().boot, pidNamespace: linuxHost().pidNamespace },
    };
    const started = join(box.root, 'started');
    const program = join(box.root, 'macos/opencode-reap.cjs');
    buildMacosHook(join(box.root, 'macos'));
    const end = (): void => {
      writeFileSync(program, `require('fs').writeFileSync(${JSON.stringify(started)}, '')`);
      spawnSync(process.execPath, [join(box.root, 'macos/hook.cjs'), 'hook', 'session-end'], {
        input: JSON.stringify(END),
        env: box.env(),
      });
    };
    writeFileSync(join(box.stateDir, 'sweep.json'), JSON.stringify(claim));
    end();
    await sleep(500);
    expect(existsSync(started)).toBe(false);
    writeFileSync(
      join(box.stateDir, 'sweep.json'),
      JSON.stringify({ ...claim, holder: { ...holder, startToken: '1' } }),
    );
    end();
    await waitFor('a run', () => existsSync(started));
  });
});
