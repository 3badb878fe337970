import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, onTestFinished, test } from 'vitest';
import { isGone, type Look, signal } from '../../src/act/signal.js';
import { type Pid, parsePid } from '../../src/model/identity.js';
import type { Process } from '../../src/model/process.js';
import { alive, startToken } from '../support/proc.js';

const NOBODY: ReadonlySet<number> = new Set();

/** A process of our own, and a look that shows it as it is, or with changes. */
async function victim() {
  const child = spawn('sleep', ['600'], { stdio: 'ignore' });
  await once(child, 'spawn');
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = parsePid(child.pid) as Pid;
  const target = { pid, startToken: startToken(pid) };
  const shows =
    (change: Partial<Process> = {}): Look =>
    () =>
      ({ ...target, ...change }) as Process;
  return { child, pid, target, shows };
}

test('is sent to exactly the process that was meant', async () => {
  const { child, target, shows } = await victim();
  const ended = once(child, 'exit');
  expect(await signal(target, 'SIGTERM', shows(), NOBODY)).toBe('sent');
  expect((await ended)[1]).toBe('SIGTERM');
  expect(await signal(target, 'SIGKILL', shows(), NOBODY)).toBe('gone');
});

test('is sent by name: SIGKILL, after a look that takes a while', async () => {
  const { child, target, shows } = await victim();
  const ended = once(child, 'exit');
  expect(await signal(target, 'SIGKILL', async (pid) => shows()(pid), NOBODY)).toBe('sent');
  expect((await ended)[1]).toBe('SIGKILL');
});

test.each<[string, object]>([
  ['replaced', { startToken: '1' }],
  ['unknown', { startToken: undefined }],
])('is not sent where the look says that it is %s', async (said, change) => {
  const { pid, target, shows } = await victim();
  expect(await signal(target, 'SIGKILL', shows(change), NOBODY)).toBe(said);
  expect(await signal({ ...target, ...change }, 'SIGKILL', shows(), NOBODY)).toBe(said);
  expect(alive(pid)).toBe(true);
});

test.each(['gone', 'unknown'] as const)('is not sent to one that is %s', async (said) => {
  const { pid, target } = await victim();
  expect(await signal(target, 'SIGKILL', () => said, NOBODY)).toBe(said);
  expect(alive(pid)).toBe(true);
});

test('is never sent to this program, to what is above it, or to what is no process', async () => {
  const { pid, target, shows } = await victim();
  const asked: number[] = [];
  const look: Look = (one) => {
    asked.push(one);
    return { ...target, pid: one } as Process;
  };
  expect(await signal(target, 'SIGKILL', shows(), new Set([pid]))).toBe('ours');
  for (const one of [process.pid, 1, 0, -1, -pid])
    expect(await signal({ ...target, pid: one as Pid }, 'SIGTERM', look, NOBODY)).toBe('ours');
  expect([asked, alive(pid)]).toEqual([[], true]);
  expect(await signal({ ...target, pid: 2 as Pid }, 'SIGTERM', () => 'gone', NOBODY)).toBe('gone');
});

test('is sent in the tick of the look: nothing else runs in between', async () => {
  const { target, shows } = await victim();
  const order: string[] = [];
  const sent = signal(target, 'SIGKILL', shows(), NOBODY, () => order.push('sending') > 0);
  order.push('after the call');
  expect([await sent, ...order]).toEqual(['sent', 'sending', 'after the call']);
});

test('is not sent when the look that cleared it is too old', async () => {
  const { pid, target, shows } = await victim();
  expect(await signal(target, 'SIGKILL', shows(), NOBODY, () => false)).toBe('late');
  expect(alive(pid)).toBe(true);
});

test.each([
  ['ESRCH', 'gone'],
  ['EPERM', 'denied'],
])('what the kernel says is told, by a stand-in for it: %s is %s', async (code, said) => {
  const { pid, target, shows } = await victim();
  const asked = standInForKernel(code);
  expect(await signal(target, 'SIGTERM', shows(), NOBODY)).toBe(said);
  expect([asked, alive(pid)]).toEqual([[[pid, 'SIGTERM']], true]);
});

test('anything else that goes wrong is no answer, by the same stand-in', async () => {
  const { target, shows } = await victim();
  standInForKernel('EINVAL');
  await expect(signal(target, 'SIGTERM', shows(), NOBODY)).rejects.toThrow('EINVAL');
});

/** Answers each signal with this error, and notes it. */
function standInForKernel(code: string): unknown[][] {
  const { kill } = process;
  const asked: unknown[][] = [];
  onTestFinished(() => void Object.assign(process, { kill }));
  Object.assign(process, {
    kill: (...signaled: unknown[]) => {
      asked.push(signaled);
      throw Object.assign(new Error(code), { code });
    },
  });
  return asked;
}

test('a process has ended when its pid is free or another’s, and not when nobody can tell', async () => {
  const { target, shows } = await victim();
  expect(await isGone(target, shows())).toBe(false);
  expect(await isGone(target, shows({ startToken: undefined }))).toBe(false);
  expect(await isGone(target, () => 'unknown')).toBe(false);
  expect(await isGone(target, shows({ startToken: '1' }))).toBe(true);
  expect(await isGone(target, () => 'gone')).toBe(true);
});
