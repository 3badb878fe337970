import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { foreignListener, otherPlatform, portableProcesses } from '../../src/observe/other.js';
import { reservePort } from '../support/port.js';

let folder: string;

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'opencode-reap-other-'));
});

afterEach(() => {
  vi.unstubAllEnvs();
  rmSync(folder, { recursive: true, force: true });
});

/** Puts these in place of the machine's own tools. */
const withTools = (tools: Readonly<Record<string, string>>): void => {
  for (const [name, script] of Object.entries(tools)) {
    writeFileSync(join(folder, name), script);
    chmodSync(join(folder, name), 0o755);
  }
  vi.stubEnv('PATH', folder);
};

describe('where the tools fail', () => {
  test.each<[string, Readonly<Record<string, string>>]>([
    ['that are missing', {}],
    ['that end badly', { ps: '#!/bin/sh\nexit 1\n', ss: '#!/bin/sh\nexit 1\n', lsof: '#!/bin/sh\nexit 2\n' }],
    ['that cannot be run', { ps: '#!/not/there\n', ss: '#!/not/there\n', lsof: '#!/not/there\n' }],
    ['that say nothing', { ps: '#!/bin/sh\n', ss: '#!/bin/sh\n' }],
  ])('nothing is known of processes and ports: tools %s', async (_, tools) => {
    withTools(tools);
    expect(await portableProcesses(Date.now())).toBeUndefined();
    expect(await otherPlatform.look(process.pid)).toBe('unknown');
    expect(await otherPlatform.listener(await reservePort())).toBeUndefined();
  });
});

describe('who holds a port, where it is another user', () => {
  const row = (pid: number, uid: number): string => `${pid} 1 ${uid} 0.0 0.1 Tue Nov 24 09:10:11 2026 node`;
  /** What `ps` and `ss` say of a process of that user that holds the port. */
  const held = (uid: number, pid = 5004242): Readonly<Record<string, string>> => ({
    ss: `#!/bin/sh\necho 'tcp LISTEN 0 511 127.0.0.1:4096 0.0.0.0:* users:(("node",pid=${pid},fd=18))'\n`,
    ps: [
      '#!/bin/sh',
      'case "$*" in',
      `*args=*) printf '%s\\n' '${process.pid} node x' '5004242 node y' ;;`,
      `*) printf '%s\\n' '${row(process.pid, 501)}' '${row(5004242, uid)}' ;;`,
      'esac',
      '',
    ].join('\n'),
  });

  test.each<[string, Readonly<Record<string, string>>, unknown]>([
    ['is named', held(502), { pid: 5004242, owner: '502' }],
    ['is not, where it is one of ours', held(501), undefined],
    ['is not, where its owner is not shown', held(502, 5004243), undefined],
    ['is not, where nobody is found', { ...held(502), ss: '#!/bin/sh\n' }, undefined],
    ['is not, where processes cannot be listed', { ...held(502), ps: '#!/bin/sh\nexit 1\n' }, undefined],
  ])('%s', async (_what, tools, expected) => {
    withTools(tools);
    expect(await foreignListener(4096, '501')).toEqual(expected);
  });
});

describe('what `ps` lists', () => {
  const BEGAN = 'Tue Nov 24 09:10:11 2026';
  const NOW = Date.parse(BEGAN) + 5_000;
  const rows = [
    `1 0 0 0.0 0.1 ${BEGAN} init`,
    `${process.pid} 1 501 0.0 0.1 ${BEGAN} node`,
    `5004242 ${process.pid} 502 0.0 0.1 ${BEGAN} opencode`,
    `5004243 5004242 501 0.0 0.1 once upon a time`,
    `5004244 1 501 0.0 0.1 ${BEGAN} claude`,
    `5004245 1 501 0.0 0.1 ${BEGAN} node`,
  ];
  const args = [
    '5004242 opencode serve --port 4096',
    '5004243 sleep 60',
    '5004244',
    '5004245 node /npm/claude-code/cli.js',
  ];
  const ps = [
    '#!/bin/sh',
    'case "$*" in',
    `*args=*) printf '%s\\n' ${args.map((row) => `'${row}'`).join(' ')} ;;`,
    `*) printf '%s\\n' ${rows.map((row) => `'${row}'`).join(' ')} ;;`,
    'esac',
    '',
  ].join('\n');
  const listed = async (pid: number) => (await portableProcesses(NOW))?.get(pid);

  test('is every process that may be one of ours, as far as it shows', async () => {
    withTools({ ps });
    expect([...((await portableProcesses(NOW))?.keys() ?? [])]).toEqual([
      process.pid,
      5004242,
      5004243,
      5004244,
      5004245,
    ]);
    expect(await listed(5004242)).toEqual({
      pid: 5004242,
      parent: process.pid,
      startToken: String(Date.parse(BEGAN)),
      owner: '502',
      name: 'opencode',
      command: { kind: 'serve', port: 4096, sharedDaemon: undefined, interpreted: false },
      claude: undefined,
      ageMs: 5_000,
      memoryBytes: undefined,
      group: undefined,
      session: undefined,
      terminal: undefined,
    });
  });

  test('has no start where that is not understood, and no command where none is shown', async () => {
    withTools({ ps });
    expect(await listed(5004243)).toMatchObject({
      startToken: undefined,
      ageMs: undefined,
      command: { kind: 'other' },
    });
    expect(await listed(5004244)).toMatchObject({ command: undefined, claude: 'session' });
    expect(await listed(5004245)).toMatchObject({ command: { kind: 'other' }, claude: 'session' });
  });

  test('is looked at for one process: there, or gone', async () => {
    withTools({ ps });
    expect(await otherPlatform.look(5004242)).toMatchObject({ pid: 5004242, name: 'opencode' });
    expect(await otherPlatform.look(4299)).toBe('gone');
  });
});

test('nothing is said to be shown that is not, so that what it would show is unknown', async () => {
  const { shows, details, sockets, host } = otherPlatform;
  expect(shows).toEqual({
    environments: false,
    clients: false,
    startTokens: 'own',
    births: false,
    cwdOfAll: false,
  });
  expect([...(await details({ environment: [42], cwd: [42, 43] }))]).toEqual([
    [42, { hidesCwd: false }],
    [43, { hidesCwd: false }],
  ]);
  expect(await details({ environment: [42] })).toEqual(new Map());
  expect(await sockets([{ server: 42, pids: [42] }])).toEqual([undefined]);
  expect(await host()).toEqual({ id: undefined, boot: undefined, pidNamespace: undefined, name: expect.any(String) });
});

test('a mistake of ours comes through', async () => {
  await expect(otherPlatform.listener(70_000)).rejects.toThrow(TypeError);
});
