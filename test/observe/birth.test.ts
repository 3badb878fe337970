import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { linuxBirth, linuxInput } from '../../src/observe/linux/birth.js';
import { machine } from '../support/fake.js';
import { children } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

const inSandbox = async (): Promise<Sandbox> => {
  const sandbox = await createSandbox('birth');
  onTestFinished(() => sandbox.dispose());
  return sandbox;
};

const sleeping = (pid: number) => waitFor('it has its own arguments', () => linuxBirth(pid).argv?.[0] === 'sleep');

describe('what a process still has of its start', () => {
  test('is its arguments, when it began, and where it lives', async () => {
    const sandbox = await inSandbox();
    const before = Date.now();
    const { pid = 0 } = sandbox.spawn('sleep', ['600'], { stdio: 'ignore' });
    await sleeping(pid);
    const { argv, startedAt = 0, pidNamespace } = linuxBirth(pid);
    expect(argv).toEqual(['sleep', '600']);
    // The kernel counts in hundredths of a second, and so does the clock that it is compared with.
    expect(startedAt).toBeGreaterThan(before - 40);
    expect(startedAt).toBeLessThan(Date.now() + 40);
    expect(pidNamespace).toBe(machine().pidNamespace);
  });

  test('is how its standard streams were opened: by node, by a shell, or as pipes of either', async () => {
    const sandbox = await inSandbox();
    const streamsOf = async (line: string): Promise<unknown> => {
      const { pid = 0 } = sandbox.spawn('bash', ['-c', `exec sleep 600 ${line}`], { stdio: 'ignore' });
      await sleeping(pid);
      return linuxBirth(pid).streams;
    };
    expect(await streamsOf('')).toEqual([expect.stringMatching('^null'), 'null, for both', 'null, for both']);
    expect(await streamsOf('</dev/null >/dev/null 2>&1')).toEqual([
      'null, to read',
      'null, to write',
      'null, to write',
    ]);
    expect(await streamsOf('>log 2>&1')).toMatchObject([expect.stringMatching('^null'), 'other', 'other']);
  });

  test('is sockets where node made pipes, pipes where a shell did, and other for files', async () => {
    const sandbox = await inSandbox();
    const { pid = 0 } = sandbox.spawn('sleep', ['600'], { stdio: ['ignore', 'pipe', 'pipe'] });
    await sleeping(pid);
    expect(linuxBirth(pid).streams).toEqual([expect.stringMatching('^null'), 'socket', 'socket']);
    const { pid: shell = 0 } = sandbox.spawn('bash', ['-c', 'sleep 600 | sleep 700'], { stdio: 'ignore' });
    const both = await waitFor('both sleep', () => {
      const below = children(shell).filter((one) => linuxBirth(one).argv?.[0] === 'sleep');
      return below.length === 2 && below.map((one) => [linuxInput(one), linuxBirth(one).streams[1]]);
    });
    expect(both).toEqual(
      expect.arrayContaining([
        [expect.stringMatching('^null'), 'pipe'],
        ['pipe', 'null, for both'],
      ]),
    );
    const file = openSync(join(sandbox.root, 'log'), 'w');
    const { pid: other = 0 } = sandbox.spawn('sleep', ['600'], { stdio: ['ignore', file, file] });
    closeSync(file);
    await sleeping(other);
    expect(linuxBirth(other).streams).toEqual([expect.stringMatching('^null'), 'other', 'other']);
  });

  test('is nothing once it has ended', async () => {
    const sandbox = await inSandbox();
    const child = sandbox.spawn('true', [], { stdio: 'ignore' });
    await new Promise((resolve) => child.once('exit', resolve));
    expect(linuxBirth(child.pid ?? 0)).toEqual({
      startToken: undefined,
      argv: undefined,
      pidNamespace: undefined,
      streams: [undefined, undefined, undefined],
      startedAt: undefined,
    });
  });
});
