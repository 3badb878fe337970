import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { takeBack } from '../../src/act/take-back.js';
import { waitFor } from '../support/wait.js';

const SYSTEM = `${process.env.SystemRoot}\\System32`;
const notHere = process.platform === 'win32' ? '' : ' (skipped: taskkill is of Windows; npm run test:wine runs it)';

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

const forever = 'setInterval(() => undefined, 1000);';

/** A process with one below it, both of which stay. */
async function tree(): Promise<{ readonly child: ChildProcess; readonly below: number }> {
  const starts = `const below = require('node:child_process').spawn(process.execPath, ['-e', '${forever}'], { stdio: 'ignore' });
    process.stdout.write(String(below.pid)); ${forever}`;
  const child = spawn(process.execPath, ['-e', starts], { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true });
  onTestFinished(() => void child.kill('SIGKILL'));
  const [said] = await once(child.stdout, 'data');
  const below = Number(said);
  onTestFinished(() => void (lives(below) && process.kill(below, 'SIGKILL')));
  return { child, below };
}

test.skipIf(notHere)(`what was just spawned is taken back with what is below it${notHere}`, async () => {
  const { child, below } = await tree();
  const [here, ended] = [process.cwd(), once(child, 'exit')];
  await takeBack(child, SYSTEM);
  expect(process.cwd()).toBe(here);
  await ended;
  await waitFor('what is below it to be gone', () => !lives(below), 60_000);
});

test.each<[string, (pid: number) => Partial<ChildProcess>]>([
  ['has ended', (pid) => ({ pid, exitCode: 0, signalCode: null })],
  ['was ended by a signal', (pid) => ({ pid, exitCode: null, signalCode: 'SIGKILL' })],
  ['never began', () => ({ pid: undefined, exitCode: null, signalCode: null })],
])('whoever has the pid of what %s is left alone', async (_what, childOf) => {
  const { child, below } = await tree();
  const pid = child.pid ?? expect.fail('it was not spawned');
  await takeBack(childOf(pid) as ChildProcess, process.cwd());
  expect([lives(pid), lives(below)]).toEqual([true, true]);
});
