import { spawn, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { lineOf } from '../../src/install/shell-line.js';
import type { Notice } from '../../src/model/notice.js';
import { noticeLine } from '../../src/report/notice.js';
import { stateFolder } from '../../src/state/folders.js';
import { addNotice, takeNotice } from '../../src/state/ours/notice.js';
import { letOthersWrite, otherGroup } from '../support/by-hand.js';
import { startFake, writeRecord } from '../support/fake.js';
import { callHook, HOOK, openSession } from '../support/hooks.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox('notice');
});
afterEach(() => box.dispose());

const SAID = JSON.stringify({ session_id: 'later', cwd: '/', source: 'startup', hook_event_name: 'SessionStart' });
const QUIET = { code: 0, stdout: '', stderr: '' };
const ONE: Notice = { stopped: 1, bytes: 46_137_344, ports: [4096], left: [] };
const LINE = 'opencode-reap: stopped 1 server that no session used, 44 MB and port 4096 given back (opencode-reap log)';

const file = (): string => stateFolder(box.stateDir).notice;
const note = (notice: Notice, ended: number[] = []): void => addNotice(stateFolder(box.stateDir), notice, ended);
const begin = (env = {}, extra: readonly string[] = ['--notice', '1']) =>
  callHook(box, ['session-start', ...extra], SAID, { OPENCODE_REAP_LINGER: '60s', ...env }).called;
const told = (text: string) => ({ ...QUIET, stdout: `${JSON.stringify({ systemMessage: text })}\n` });

test('what a background run has stopped is told at the next start of a session, once (with a stand-in for the server)', async () => {
  mkdirSync(box.stateDir, { mode: 0o700 });
  const server = await startFake(box);
  await writeRecord(box, 'one', server);
  const fast = { OPENCODE_REAP_LINGER: '200ms', OPENCODE_REAP_OLDER_THAN: '0s' };
  const session = await openSession(box, [], fast);
  await session.end();
  await waitFor('the server is stopped', () => !alive(server.pid));
  await waitFor('it is noted', () => existsSync(file()));
  const { stdout, ...rest } = await begin();
  expect(rest).toEqual({ code: 0, stderr: '' });
  const said = new RegExp(
    `^opencode-reap: stopped 1 server that no session used, \\d+ MB and port ${server.port} given`,
  );
  expect(JSON.parse(stdout)).toEqual({ systemMessage: expect.stringMatching(said) });
  expect([existsSync(file()), await begin()]).toEqual([false, QUIET]);
});

describe('a notice', () => {
  test('is for people: not where it is turned off, nor where a program drives the session, nor unasked', async () => {
    note(ONE);
    expect(await begin({ OPENCODE_REAP_NOTICE: 'off' })).toEqual(QUIET);
    expect(await begin({ CLAUDE_CODE_ENTRYPOINT: 'sdk-cli' })).toEqual(QUIET);
    expect(await begin({}, [])).toEqual(QUIET);
    // Descriptors that lead nowhere, and words that are none.
    for (const descriptor of ['9', '0', '3', '-1', '1e0', 'x'])
      expect(await begin({}, ['--notice', descriptor])).toEqual(QUIET);
    expect(await begin({ CLAUDE_CODE_ENTRYPOINT: 'cli', OPENCODE_REAP_NOTICE: '' })).toEqual(told(LINE));
  });

  test('is told by one of several sessions that begin at once', async () => {
    note(ONE);
    const all = await Promise.all(Array.from({ length: 8 }, () => begin()));
    expect(all.map(({ code }) => code)).toEqual(Array(8).fill(0));
    expect(all.map(({ stdout }) => stdout).filter((stdout) => stdout !== '')).toEqual([told(LINE).stdout]);
    expect(readdirSync(box.stateDir).filter((name) => /notice|tmp/.test(name))).toEqual([]);
  });

  test('says nothing but numbers, whatever is in its file', async () => {
    const evil = {
      schema: 'opencode-reap/1',
      stopped: '\u001b[31m',
      bytes: -1,
      ports: ['/home/x', 1.5],
      left: [4242, 'x'],
    };
    mkdirSync(box.stateDir, { mode: 0o700 });
    writeFileSync(file(), JSON.stringify(evil), { mode: 0o600 });
    expect(await begin()).toEqual(
      told('opencode-reap: could not stop 1 server that no session used (opencode-reap log)'),
    );
    for (const text of ['', '{', '[]', 'null', '{"stopped":1}', '{"schema":"opencode-reap/9","stopped":1}']) {
      writeFileSync(file(), text, { mode: 0o600 });
      expect([text, await begin(), existsSync(file())]).toEqual([text, QUIET, false]);
    }
    writeFileSync(join(box.root, 'elsewhere'), JSON.stringify({ schema: 'opencode-reap/1', ...ONE }), { mode: 0o600 });
    symlinkSync(join(box.root, 'elsewhere'), file());
    expect(await begin()).toEqual(QUIET);
    expect(existsSync(join(box.root, 'elsewhere'))).toBe(true);
    mkdirSync(file());
    expect(await begin()).toEqual(QUIET);
  });

  test.skipIf(otherGroup === undefined)('that someone else could have written is not told', async () => {
    note(ONE);
    letOthersWrite(file());
    expect(await begin()).toEqual(QUIET);
  });

  test('reaches the client by the line for a shell, and what a shim of node prints does not', () => {
    note(ONE);
    const shim = join(box.root, 'shim');
    writeFileSync(shim, `#!/bin/sh\necho version 20 is used\nexec "${process.execPath}" "$@"\n`, { mode: 0o755 });
    const words = (node: string): string[] => [node, HOOK, 'hook', 'session-start', '--notice', '3'];
    const env = box.env({ OPENCODE_REAP_LINGER: '60s' });
    const run = (heard: boolean) => {
      const line = lineOf([words('/gone/node'), words(shim)], heard);
      const { status, stdout, stderr } = spawnSync('/bin/sh', ['-c', line], { input: SAID, env, encoding: 'utf8' });
      return { code: status, stdout, stderr };
    };
    expect(run(false)).toEqual(QUIET);
    expect(run(true)).toEqual(told(LINE));
  });

  test('is no reason to fail, if no one reads it', async () => {
    note(ONE);
    const child = spawn(process.execPath, [HOOK, 'hook', 'session-start', '--notice', '1'], {
      env: box.env({ OPENCODE_REAP_LINGER: '60s' }),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    child.stdout.destroy();
    child.stdin.end(SAID);
    expect(await new Promise((resolve) => child.once('exit', resolve))).toBe(0);
    expect(existsSync(join(box.stateDir, 'log.ndjson'))).toBe(false);
  });

  test('adds up until it is told', () => {
    const folder = stateFolder(box.stateDir);
    expect(takeNotice(folder)).toBeUndefined();
    note({ stopped: 0, bytes: 0, ports: [], left: [7, 8] });
    note({ ...ONE, left: [8, 9] }, [7]);
    note({ ...ONE, ports: [4096, 4097] });
    expect(JSON.parse(readFileSync(file(), 'utf8'))).toMatchObject({ stopped: 2 });
    expect(takeNotice(folder)).toEqual({ stopped: 2, bytes: 92_274_688, ports: [4096, 4097], left: [8, 9] });
    expect(takeNotice(folder)).toBeUndefined();
    for (let port = 1; port < 100; port += 1) note({ stopped: 1, bytes: 0, ports: [port], left: [port] });
    const all = takeNotice(folder);
    expect([all?.stopped, all?.ports.length, all?.left.length]).toEqual([99, 20, 20]);
    rmSync(box.stateDir, { recursive: true });
    writeFileSync(box.stateDir, 'no folder');
    expect(() => note(ONE)).not.toThrow();
    rmSync(box.stateDir);
  });

  const none = { stopped: 0, bytes: 0, ports: [], left: [] };
  test.each<[Notice, string | undefined]>([
    [none, undefined],
    [ONE, LINE],
    [
      { stopped: 2, bytes: 671_088_640, ports: [4096, 4197], left: [] },
      'opencode-reap: stopped 2 servers that no session used, 640 MB and ports 4096, 4197 given back (opencode-reap log)',
    ],
    [{ ...none, stopped: 1 }, 'opencode-reap: stopped 1 server that no session used (opencode-reap log)'],
    [
      { ...none, stopped: 7, ports: [1, 2, 3, 4, 5, 6, 7] },
      'opencode-reap: stopped 7 servers that no session used, ports 1, 2, 3, 4, 5 and 2 more given back (opencode-reap log)',
    ],
    [
      { ...none, stopped: 1, left: [7, 8] },
      'opencode-reap: stopped 1 server that no session used; could not stop 2 more that no session used (opencode-reap log)',
    ],
    [{ ...none, left: [7, 8] }, 'opencode-reap: could not stop 2 servers that no session used (opencode-reap log)'],
  ])('%j is told in one line', (notice, line) => {
    expect(noticeLine(notice)).toBe(line);
  });
});
