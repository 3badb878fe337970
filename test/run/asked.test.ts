import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { type Either, installEither, standInAnd } from '../support/either.js';
import { type Fields, machine, recordOf, startFake, writeRecord, writeState } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { alive } from '../support/proc.js';
import { THROUGH_MACOS } from '../support/program.js';
import { reapJson } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

const inSandbox = async (): Promise<Sandbox> => {
  const sandbox = await createSandbox('asked');
  onTestFinished(() => sandbox.dispose());
  return sandbox;
};

const NOW = ['--older-than', '0s', '--grace', '0s'];

describe('a stand-in is asked', () => {
  /** Its record with these changes, and how many connections it has had since. */
  const recorded = async (changes: Fields) => {
    const sandbox = await inSandbox();
    const file = join(sandbox.root, 'asked');
    const fake = await startFake(sandbox, { FAKE_OPENCODE_ASKED: file });
    await writeRecord(sandbox, 'known', fake, changes);
    return { sandbox, fake, asked: () => (existsSync(file) ? readFileSync(file, 'utf8').split('\n') : []) };
  };

  const verdict = async (sandbox: Sandbox): Promise<string[]> => {
    const [server] = (await reapJson(sandbox, [...NOW, '--dry-run'])).servers;
    return [server?.verdict ?? '', ...(server?.reasons ?? [])];
  };

  test('when it is surely the recorded one, and here', async () => {
    const { sandbox, asked } = await recorded({});
    expect(await verdict(sandbox)).toEqual(['stale']);
    expect(asked()).toContain('connection');
  });

  test('once for whether it is in use when a person stops it, and not at all when that person has answered that', async () => {
    const questions = (all: string[]): string[] => all.filter((line) => line.startsWith('GET /session/status'));
    const first = await recorded({});
    expect((await runCli(first.sandbox, ['stop', 'known'])).code).toBe(0);
    expect(questions(first.asked()).length).toBe(1);
    const second = await recorded({});
    expect((await runCli(second.sandbox, ['stop', 'known', '--yes'])).code).toBe(0);
    expect(second.asked().filter((line) => line.startsWith('GET'))).toEqual([]);
    expect(second.asked()).toContain('POST /global/dispose');
    expect([alive(first.fake.pid), alive(second.fake.pid)]).toEqual([false, false]);
  });

  const strangers: [string, Fields, string[]][] = [
    ['carries another tag', { tag: 'another' }, ['spared', 'identity']],
    [
      'may carry another tag, and is the user’s',
      { tag: 'another', startedByPlugin: false },
      ['spared', 'owned', 'identity'],
    ],
    ['is of another machine', { machine: { ...machine(), id: 'another', boot: 'another' } }, ['spared', 'local']],
    ['is of another container', { machine: { ...machine(), pidNamespace: 'pid:[1]' } }, ['spared', 'local']],
    ['may be of another boot', { machine: { ...machine(), boot: undefined } }, ['unsure', 'local', 'idle']],
    [
      'may be of another container',
      { machine: { ...machine(), pidNamespace: undefined } },
      ['unsure', 'local', 'idle'],
    ],
  ];
  test.each(sampled(strangers, 3))('never when it %s', async (_, changes, expected) => {
    const { sandbox, fake, asked } = await recorded(changes);
    expect(await verdict(sandbox)).toEqual(expected);
    for (const args of [NOW, ['why', 'known'], ['stop', 'known', '--yes']]) await runCli(sandbox, args);
    expect([asked(), alive(fake.pid)]).toEqual([[], true]);
  });

  test('never by a plugin’s record of another time', async () => {
    const sandbox = await inSandbox();
    const file = join(sandbox.root, 'asked');
    const { pid, port } = await startFake(sandbox, { FAKE_OPENCODE_ASKED: file });
    const record = { lastServerPid: pid, lastServerStartedAt: Date.now() - 600_000 };
    await writeState(sandbox.home, '.claude/plugins/data/a-plugin/state/0123456789abcdef/server.json', record);
    await runCli(sandbox, [...NOW, '--all-stale']);
    for (const name of [`${pid}`, `:${port}`]) await runCli(sandbox, ['why', name]);
    expect([existsSync(file), alive(pid)]).toEqual([false, true]);
  });
});

/** What makes a network of its own, with what a user may need for it; undefined where that is not allowed. */
const UNSHARE = [['--net'], ['--net', '--map-root-user']].find(
  (args) => spawnSync('unshare', [...args, 'true']).status === 0,
);
const withoutNetworks = THROUGH_MACOS
  ? ' (skipped: macOS has one network)'
  : UNSHARE
    ? ''
    : ' (skipped: this user may not make a network namespace)';

/** Of a process, as its own network has it: that one is not ours to look at by `/proc/net`. */
const listensIn = (pid: number, port: number): boolean => {
  const hex = port.toString(16).toUpperCase().padStart(4, '0');
  return readFileSync(`/proc/${pid}/net/tcp`, 'utf8').includes(`:${hex} 00000000:0000 0A`);
};

/** In a network of its own, where its loopback is not ours. */
const startElsewhere = async (sandbox: Sandbox, which: Either, port: number): Promise<number> => {
  await installEither(sandbox, which);
  const serve = ['opencode', 'serve', '--hostname', '0.0.0.0', '--port', `${port}`];
  const { pid = 0 } = sandbox.spawn('unshare', [...(UNSHARE ?? []), ...serve], { stdio: 'ignore', detached: true });
  await waitFor('it listens there', () => listensIn(pid, port), 60_000);
  return pid;
};

describe.skipIf(withoutNetworks !== '')(`a server in another network${withoutNetworks}`, () => {
  test.each(standInAnd('native'))(
    'is not asked through our loopback, where another process has its port (%s)',
    async (which) => {
      const sandbox = await inSandbox();
      const port = await sandbox.reserve();
      const pid = await startElsewhere(sandbox, which, port);
      let connections = 0;
      const other = createServer((socket) => {
        connections += 1;
        socket.destroy();
      });
      await new Promise<void>((resolve) => other.listen(port, '127.0.0.1', resolve));
      onTestFinished(() => void other.close());
      await writeState(sandbox.stateDir, 'servers/known.json', recordOf(sandbox, 'known', { pid, port }));
      const report = await reapJson(sandbox, NOW);
      expect(report, JSON.stringify(report.servers)).toMatchObject({
        servers: [{ verdict: 'unsure', reasons: ['idle'], serverPid: pid }],
      });
      expect((await runCli(sandbox, ['why', 'known'])).stdout).toContain('it listens in another network namespace');
      expect([connections, alive(pid)]).toEqual([0, true]);
      // Nor is it asked to dispose when the user stops it.
      expect((await runCli(sandbox, ['stop', 'known', '--yes'])).stdout).toMatch(/^stopped pid .+: SIG/);
      expect([connections, alive(pid)]).toEqual([0, false]);
    },
  );
});
