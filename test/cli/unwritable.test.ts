import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, constants, openSync, readSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { filesIn, recordsIn, startFake, writeRecord } from '../support/fake.js';
import { alive } from '../support/proc.js';
import { PROGRAM } from '../support/program.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox('unwritable');
});
afterEach(() => box.dispose());

/** With a standard error that cannot be written, as on a full disk: a file that is open for reading only. */
function mute(words: readonly string[]): { status: number | null; stdout: string } {
  const stderr = openSync(PROGRAM, 'r');
  const options = { env: box.env(), cwd: box.project, encoding: 'utf8' } as const;
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, ...words], {
    ...options,
    stdio: ['ignore', 'pipe', stderr],
  });
  closeSync(stderr);
  return { status, stdout };
}

test('where not even an error can be written, the exit code still says that there was one', () => {
  expect(mute(['no-such-command'])).toEqual({ status: 1, stdout: '' });
});

test('a run that cannot say what it does goes on until what it has begun is done', async () => {
  const fakes = [await startFake(box), await startFake(box, { FAKE_OPENCODE_ENDS: '2000' })];
  for (const [n, fake] of fakes.entries()) await writeRecord(box, `number-${n}`, fake);
  const { status, stdout } = mute(['--all-stale', '--older-than', '0s', '--grace', '60s', '--verbose']);
  expect(stdout.match(/^stopped/gm)).toHaveLength(2);
  expect([status, ...fakes.map(({ pid }) => alive(pid))]).toEqual([1, false, false]);
});

/** A pipe into which nothing more fits, for a program to write to; `drain` makes room. */
function fullPipe(): { readonly fd: number; readonly drain: () => void } {
  const file = join(box.root, 'pipe');
  execFileSync('mkfifo', [file]);
  const ours = openSync(file, constants.O_RDWR | constants.O_NONBLOCK);
  const some = Buffer.alloc(4096);
  const untilItWouldWait = (step: () => unknown): void => {
    try {
      for (;;) step();
    } catch (error) {
      expect(error).toMatchObject({ code: 'EAGAIN' });
    }
  };
  untilItWouldWait(() => writeSync(ours, some));
  return { fd: openSync(file, constants.O_RDWR), drain: () => untilItWouldWait(() => readSync(ours, some)) };
}

test('a run whose reader has stopped reading stops all that it has begun to stop', async () => {
  const fakes = [await startFake(box), await startFake(box, { FAKE_OPENCODE_ENDS: '2000' })];
  for (const [n, fake] of fakes.entries()) await writeRecord(box, `number-${n}`, fake);
  const { fd, drain } = fullPipe();
  const words = ['--all-stale', '--older-than', '0s', '--grace', '60s', '--verbose'];
  const child = box.spawn(process.execPath, [PROGRAM, ...words], { stdio: ['ignore', 'ignore', fd] });
  closeSync(fd);
  const ended = once(child, 'close');
  await waitFor(
    'all records are gone',
    () => recordsIn(box.stateDir).length === 0 && fencesIn(box).length === 0,
    60_000,
  );
  expect(fakes.map(({ pid }) => alive(pid))).toEqual([false, false]);
  drain();
  expect(await ended).toEqual([0, null]);
});

const fencesIn = ({ stateDir }: Sandbox): string[] => filesIn(stateDir).filter((file) => file.includes('/closing/'));

test('a start whose note nobody reads is no error', async () => {
  const { port, url } = await startFake(box);
  const child = spawn(process.execPath, [PROGRAM, 'start', '--port', `${port}`], { env: box.env(), cwd: box.project });
  child.stderr.destroy();
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    said += text;
  });
  const [code] = await once(child, 'close');
  expect({ code, said }).toEqual({ code: 0, said: `${url}\n` });
});
