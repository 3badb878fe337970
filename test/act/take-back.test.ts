import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { expect, onTestFinished, test } from 'vitest';
import { takeBack } from '../../src/act/take-back.js';
import { waitFor } from '../support/wait.js';

/** Where taskkill is on Windows, which alone calls this; elsewhere tree-kill asks `ps`, from any folder. */
const SYSTEM = process.platform === 'win32' ? `${process.env.SystemRoot}\\System32` : tmpdir();

const lives = (pid: number): boolean => {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
};

interface Tree {
  readonly child: ChildProcess;
  readonly below: number;
  /** What both of them pass on, one to the other: only while both live. */
  readonly says: (word: string) => Promise<string | undefined>;
}

/** A process with one below it, both of which stay. */
async function tree(): Promise<Tree> {
  const starts = `const below = require('node:child_process').spawn(process.execPath, ['-e', 'process.stdin.pipe(process.stdout)'], { stdio: ['pipe', 'pipe', 'ignore'] });
    process.stdout.write(String(below.pid)); process.stdin.pipe(below.stdin); below.stdout.pipe(process.stdout);`;
  const child = spawn(process.execPath, ['-e', starts], { stdio: ['pipe', 'pipe', 'ignore'], windowsHide: true });
  child.stdin.on('error', () => undefined);
  onTestFinished(() => void child.kill('SIGKILL'));
  const ended = once(child, 'exit').then(() => undefined);
  const [said] = await once(child.stdout, 'data');
  const below = Number(said);
  const answer = async (): Promise<string> => String((await once(child.stdout, 'data'))[0]);
  const says = (word: string): Promise<string | undefined> => {
    child.stdin.write(word);
    return Promise.race([answer(), ended]);
  };
  return { child, below, says };
}

const notHere =
  process.platform === 'win32' || !spawnSync('ps').error ? '' : ' (skipped: tree-kill needs `ps`, which is not here)';

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
  const { child, says } = await tree();
  const pid = child.pid ?? expect.fail('it was not spawned');
  await takeBack(childOf(pid) as ChildProcess, process.cwd());
  expect(await says('both live')).toBe('both live');
});
