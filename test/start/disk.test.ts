import { execFileSync } from 'node:child_process';
import {
  closeSync,
  existsSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
  writeSync,
} from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { type Fake, installFake, recordOf, startFake, writeRecord, writeState } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { alive, portHolder } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// A server is a stand-in throughout: what it is does not matter to what is written down of it.

const ALL = ['--all-stale', '--older-than', '0s', '--json'];

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await createSandbox('disk');
});

afterEach(() => sandbox.dispose());

const outcomes = (stdout: string): unknown[] =>
  JSON.parse(stdout).servers.map(({ outcome }: { outcome: unknown }) => outcome);

describe('a log that cannot be written', () => {
  const asRoot = process.getuid?.() === 0;

  const SPOILS: [string, (log: string) => unknown][] = [
    ['a link to a full disk', (log) => symlinkSync('/dev/full', log)],
    ['a folder', (log) => mkdirSync(log)],
    ['a pipe without a reader', (log) => execFileSync('mkfifo', [log])],
    ['a link to another file', (log) => [writeFileSync(`${log}-theirs`, 'theirs'), symlinkSync(`${log}-theirs`, log)]],
  ];

  test.each(sampled(SPOILS))('changes nothing of what is done and said: %s', async (_, spoil) => {
    const server = await startFake(sandbox);
    await writeRecord(sandbox, 'here', server);
    const log = join(sandbox.stateDir, 'log.ndjson');
    spoil(log);
    const { code, stdout, stderr } = await runCli(sandbox, ALL, { timeoutMs: 15_000 });
    expect([code, stderr, outcomes(stdout)]).toMatchObject([0, '', [{ kind: 'stopped' }]]);
    expect(alive(server.pid)).toBe(false);
    if (existsSync(`${log}-theirs`)) expect(readFileSync(`${log}-theirs`, 'utf8')).toBe('theirs');
  });

  test('has the background run close its requests all the same', async () => {
    const server = await startFake(sandbox);
    await writeRecord(sandbox, 'here', server);
    symlinkSync('/dev/full', join(sandbox.stateDir, 'log.ndjson'));
    const request = { schema: 'opencode-reap/1', at: Date.now(), event: 'session-end', lingerMs: 0, olderThanMs: 0 };
    const file = await writeState(sandbox.stateDir, 'requests/1.json', request);
    expect(await runCli(sandbox, ['sweep'], { timeoutMs: 25_000 })).toMatchObject({ code: 0, stderr: '' });
    expect([existsSync(file), alive(server.pid)]).toEqual([false, false]);
  });

  const skipped = asRoot ? '' : ' (skipped: only root can set the attribute)';
  test.skipIf(skipped)(
    `is written on where it may only be appended to, though it is due${skipped}`,
    async ({ skip }) => {
      const log = await writeState(sandbox.stateDir, 'log.ndjson', `${'x'.repeat(1_000_000)}`);
      try {
        execFileSync('chattr', ['+a', log], { stdio: 'ignore' });
      } catch {
        skip('this file system has no such attribute');
      }
      await writeRecord(sandbox, 'here', await startFake(sandbox));
      const { stdout } = await runCli(sandbox, ALL);
      execFileSync('chattr', ['-a', log]);
      expect(outcomes(stdout)).toMatchObject([{ kind: 'stopped' }]);
      // What a full disk had cut short does not take the new line with it.
      expect(JSON.parse(readFileSync(log, 'utf8').split('\n').at(-2) ?? '')).toMatchObject({ event: 'stopped' });
    },
  );
});

test('a lease that may not be removed changes nothing else of the run', async () => {
  const server = await startFake(sandbox);
  await writeRecord(sandbox, 'here', server);
  const elsewhere = join(sandbox.home, '.local/state/opencode-reap');
  // A folder in the place of a temporary file cannot be, so the rename goes over a mount point or fails: here by name.
  const lease = {
    schema: 'opencode-reap/1',
    holder: { pid: 999_999, startToken: '1', machine: recordOf(sandbox, 'x', server).machine },
  };
  await writeState(elsewhere, 'leases/ended.json', { ...lease, cwd: sandbox.project, servers: [] });
  execFileSync('chmod', ['500', join(elsewhere, 'leases')]);
  const { code, stdout } = await runCli(sandbox, ALL);
  execFileSync('chmod', ['700', join(elsewhere, 'leases')]);
  expect([code, outcomes(stdout)]).toMatchObject([0, [{ kind: 'stopped' }]]);
});

/** Where hard links are refused, as on FAT: by a preloaded stand-in for `linkSync`, since no such file system is at hand. */
test('without hard links (a stand-in refuses them) nothing is stopped or started, in one sentence', async () => {
  const server = await startFake(sandbox);
  const file = await writeRecord(sandbox, 'here', server);
  const preload = join(sandbox.root, 'no-links.cjs');
  writeFileSync(
    preload,
    `const fs = require('node:fs'); fs.linkSync = (path, dest) => { throw Object.assign(new Error('EPERM'), { code: 'EPERM', errno: -1, syscall: 'link', path, dest }) }; require('node:module').syncBuiltinESMExports()`,
  );
  const env = { NODE_OPTIONS: `--require=${preload}` };
  for (const words of [
    ['--all-stale', '--older-than', '0s'],
    ['start', '--port', `${await sandbox.reserve()}`],
  ]) {
    const { code, stderr } = await runCli(sandbox, words, { env });
    expect([code, stderr]).toEqual([
      1,
      expect.stringMatching(/^error: could not write .+: hard links are not supported there\nhint: .+\n$/),
    ]);
  }
  expect([alive(server.pid), existsSync(file)]).toEqual([true, true]);
  const names = readdirSync(sandbox.stateDir, { recursive: true, encoding: 'utf8' });
  expect(names.filter((name) => name.endsWith('.tmp'))).toEqual([]);
});

const noTmpfs = process.getuid?.() === 0 ? '' : ' (skipped: only root can mount a small disk)';

describe.skipIf(noTmpfs)(`a disk with one page left${noTmpfs}`, () => {
  /** Leaves one page free, and returns what gives the room back. */
  const fill = (folder: string): (() => void) => {
    const fd = openSync(join(folder, 'filler'), 'w');
    let pages = 0;
    try {
      while (writeSync(fd, Buffer.alloc(4096)) === 4096) pages += 1;
    } catch (error) {
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOSPC')) throw error;
    }
    ftruncateSync(fd, (pages - 1) * 4096);
    return () => {
      ftruncateSync(fd, 0);
      closeSync(fd);
    };
  };

  const withSmallDisk = async (act: (folder: string) => Promise<void>): Promise<void> => {
    mkdirSync(sandbox.stateDir, { recursive: true });
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=128k,mode=700', 'tmpfs', sandbox.stateDir]);
    try {
      await act(sandbox.stateDir);
    } finally {
      execFileSync('umount', ['-l', sandbox.stateDir]);
    }
  };

  const files = (folder: string): string[] =>
    readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) => statSync(join(folder, name)).isFile());

  test('keeps the record whole that it has no room to replace, and no temporary file', () =>
    withSmallDisk(async (folder) => {
      await installFake(sandbox);
      const port = await sandbox.reserve();
      const words = ['start', '--port', `${port}`, '--retire-after', '0', '--', '--mdns-domain', 'x'.repeat(5_000)];
      const started = runCli(sandbox, words, { env: { FAKE_OPENCODE: 'late' } });
      const records = () =>
        (existsSync(join(folder, 'servers')) ? files(join(folder, 'servers')) : []).filter(
          (name) => !name.startsWith('.'),
        );
      await waitFor('it is being started', () =>
        records().some((name) => /"starting"/.test(readFileSync(join(folder, 'servers', name), 'utf8'))),
      );
      const release = fill(folder);
      await started;
      for (const name of files(folder).filter((one) => /\.json$/.test(one)))
        JSON.parse(readFileSync(join(folder, name), 'utf8'));
      expect(files(folder).filter((name) => name.endsWith('.tmp'))).toEqual([]);
      release();
      await runCli(sandbox, ALL);
      await sleep(50);
      expect(portHolder(port)).toBeUndefined();
      expect(files(folder).filter((name) => !/^(filler|log\.ndjson)$/.test(name))).toEqual([]);
    }));

  test('has no room for a fence: nothing is stopped, nothing is lost, and later it is', () =>
    withSmallDisk(async (folder) => {
      const server: Fake = await startFake(sandbox);
      const record = { ...recordOf(sandbox, 'here', server), command: ['opencode', 'x'.repeat(5_000)] };
      await writeState(folder, 'servers/here.json', record);
      for (const kind of ['closing', 'runs']) mkdirSync(join(folder, kind), { mode: 0o700 });
      const release = fill(folder);
      const { code, stderr } = await runCli(sandbox, ALL);
      expect([code, stderr]).toEqual([
        1,
        expect.stringMatching(/^\{"error":"could not write .+: ENOSPC","hint":".+"\}\n$/),
      ]);
      expect(files(folder).sort()).toEqual(['filler', 'servers/here.json']);
      release();
      expect(outcomes((await runCli(sandbox, ALL)).stdout)).toMatchObject([{ kind: 'stopped' }]);
    }));
});
