import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import type { Process, Seen } from '../../../src/model/process.js';
import {
  firstIn,
  linuxHost,
  linuxLook,
  linuxProcesses,
  lookAbove,
  mayBeRenamed,
  mayMatter,
  ourMs,
  parseStat,
  startedMs,
  statAt,
  ttyFrom,
  uptimeIn,
} from '../../../src/observe/linux/processes.js';
import { process as given, serve } from '../../decide/given.js';
import { startToken } from '../../support/proc.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';
import { waitFor } from '../../support/wait.js';

const US = process.getuid?.().toString();
const ROOMY = 67_108_864;
const OF_KERNEL = 0x200000;

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await createSandbox('processes');
  return sandbox.dispose;
});

describe('the host', () => {
  test('is the one whose ids the system has', () => {
    const [id, boot] = [firstIn('/etc/machine-id', '/var/lib/dbus/machine-id'), '/proc/sys/kernel/random/boot_id'];
    expect(linuxHost()).toMatchObject({ id, boot: firstIn(boot), name: hostname() });
    expect(firstIn(boot)).toMatch(/^[0-9a-f-]{36}$/);
  });

  test('is known by the first file that has something in it', () => {
    const [empty, full, other] = ['empty', 'full', 'other'].map((name) => join(sandbox.root, name));
    writeFileSync(empty ?? '', ' \n');
    writeFileSync(full ?? '', ' an id\n');
    writeFileSync(other ?? '', 'another\n');
    expect(firstIn(join(sandbox.root, 'none'), empty ?? '', full ?? '', other ?? '')).toBe('an id');
    expect(firstIn(empty ?? '', join(sandbox.root, 'none'))).toBeUndefined();
  });
});

describe('a list of processes', () => {
  test('that does not even show this one is none', () => {
    expect(linuxProcesses([])).toBeUndefined();
    expect(linuxProcesses([`${process.ppid}`])).toBeUndefined();
    expect([...(linuxProcesses([`${process.pid}`, 'self', 'uptime'])?.keys() ?? [])]).toEqual([process.pid]);
  });

  test('has all of what is above a server, and nothing that has ended since', () => {
    const bare = { owner: undefined, memoryBytes: undefined };
    const rows = [
      given(10, { ...bare, parent: 1 }),
      given(11, { ...bare, parent: 10 }),
      given(12, { ...bare, parent: 11 }),
      given(13, { parent: 12, command: serve }),
      given(14, { ...bare, parent: 10 }),
    ];
    const table = new Map<number, Process>(rows.map((one) => [one.pid, one]));
    const whole = given(10, { parent: 1, memoryBytes: 5 });
    const asked: number[] = [];
    lookAbove(table, (pid): Seen => {
      asked.push(pid);
      return pid === 10 ? whole : pid === 11 ? 'gone' : 'unknown';
    });
    expect(asked.sort()).toEqual([1, 10, 11, 12]);
    expect([...table]).toEqual([
      [10, whole],
      [12, rows[2]],
      [13, rows[3]],
      [14, rows[4]],
    ]);
  });
});

test.each<[boolean, string, string, number, number]>([
  [true, 'has the room of a runtime', 'x', ROOMY, 0],
  [false, 'has less', 'x', ROOMY - 1, 0],
  [true, 'does not show its size', 'x', 0, 0x400001],
  [false, 'is a thread of the kernel’s', 'kworker/0:1', 0, 0x400000 | OF_KERNEL],
  [false, 'has almost no size', 'x', 1, 0],
  [true, 'has a name that may be cut', 'a-program-so-lo', 1, 0],
  [false, 'has a shorter name', 'a-program-so-l', 1, 0],
  [true, 'is called opencode', 'opencode', 1, 0],
  [true, 'is called as what runs others', 'bash', 1, 0],
  [true, 'is called claude', 'claude', 1, 0],
])('it is %s that a process may matter that %s', (may, _which, name, bytes, flags) => {
  expect(mayMatter(name, bytes, flags)).toBe(may);
});

test.each<[boolean, string, number, string | undefined]>([
  [true, 'of ours with the room of a runtime', ROOMY, US],
  [false, 'of ours with less', ROOMY - 1, US],
  [false, 'of another user', ROOMY, 'another'],
  [false, 'of a user that cannot be read', ROOMY, undefined],
])('it is %s that a process may run another program than it is called by: one %s', (may, _which, bytes, owner) => {
  expect(mayBeRenamed(bytes, owner)).toBe(may);
});

describe('a program that is called opencode, by a link of another name,', () => {
  const start = (program: string, words: readonly string[]): number => {
    const folder = join(sandbox.root, `of-${words.length}`);
    mkdirSync(folder);
    copyFileSync(program, join(folder, 'opencode'));
    symlinkSync(join(folder, 'opencode'), join(folder, 'renamed'));
    const child = sandbox.spawn(join(folder, 'renamed'), words, { stdio: 'ignore' });
    onTestFinished(() => void child.kill('SIGKILL'));
    return child.pid ?? 0;
  };
  const named = (pid: number) =>
    waitFor('it runs', () => {
      const seen = linuxLook(pid);
      return typeof seen === 'object' && seen.name === 'renamed' && seen;
    });
  const kindOf = ({ command }: Process) => command?.kind;

  test('is opencode where it has the room for it', async () => {
    const pid = start(process.execPath, ['-e', 'setInterval(() => undefined, 1e6)']);
    await named(pid);
    await waitFor('it has its room', () => kindOf(linuxLook(pid) as Process) === 'opencode');
  });

  test('is not looked at further where it has not', async () => {
    expect(kindOf(await named(start('/bin/sleep', ['600'])))).toBe('other');
  });
});

test('a file that cannot be read says whether its process has ended', () => {
  symlinkSync('round', join(sandbox.root, 'round'));
  expect(statAt(join(sandbox.root, 'none'))).toBe('gone');
  // What is wrong just now is about no process.
  expect(() => statAt(join(sandbox.root, 'round'))).toThrow('ELOOP');
  expect(() => statAt(sandbox.root)).toThrow('EISDIR');
});

test.each([
  ['12.34 56.78\n', 12_340],
  ['0.00 0.00\n', 0],
  ['', undefined],
  ['x', undefined],
  [undefined, undefined],
])('of %j the machine has run for %s ms', (text, ms) => {
  expect(uptimeIn(text)).toBe(ms);
});

test('a machine has run for no less than what this program has seen of it', () => {
  expect([uptimeIn('1.5 1', 2_000), uptimeIn('1.5 1', 1_000), uptimeIn('x', 1_000)]).toEqual([2_000, 1_500, undefined]);
  const began = Number(startToken(process.pid)) * 10;
  expect(startedMs(process.pid)).toBe(began);
  expect(began).toBeGreaterThan(0);
  const before = process.uptime() * 1000;
  expect(ourMs()).toBeGreaterThanOrEqual(began + before);
  expect(ourMs()).toBeLessThanOrEqual(began + process.uptime() * 1000);
  // No process has this pid.
  expect(startedMs(0)).toBeUndefined();
});

describe('the fields of a status', () => {
  const FIELDS =
    'S 1 4241 4240 34816 -1 4194304 3050 6537 2 0 4 3 3 1 20 0 1 0 314587 18567168 3586 18446744073709551615 1'.split(
      ' ',
    );
  const seen = (change: Readonly<Record<number, string>>, length = FIELDS.length) => {
    const fields = FIELDS.map((field, at) => change[at] ?? field);
    return parseStat(`4242 (x) ${fields.slice(0, length).join(' ')}`, [], 0);
  };

  test('are of a process, with the processor time of all its threads', () => {
    expect(seen({})).toMatchObject({ pid: 4242, cpuMs: 70, terminal: true, tty: 'pts/0' });
    expect(seen({ 4: '0' })).toMatchObject({ terminal: false, tty: undefined });
  });

  test.each([1, 2, 3, 4])('are not of one without the number in field %i', (at) => {
    expect([seen({ [at]: 'x' }), seen({ [at]: '' }), seen({ [at]: '12345678901' })]).toEqual(Array(3).fill('unknown'));
  });

  test('may be anything where nothing is read of them', () => {
    expect(seen({ 5: 'x' })).toMatchObject({ pid: 4242 });
  });

  test('are enough once none that is read can have been cut', () => {
    expect(seen({}, 23)).toMatchObject({ startToken: '314587' });
    expect(seen({}, 22)).toBe('unknown');
  });
});

/** As the kernel writes the number of a device. */
const device = (major: number, minor: number): number => (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12);

test.each<[number, number, string | undefined]>([
  [136, 3, 'pts/3'],
  [136, 255, 'pts/255'],
  [136, 300, 'pts/300'],
  [136, 0xfffff, 'pts/1048575'],
  [137, 1, 'pts/257'],
  [143, 255, 'pts/2047'],
  [144, 0, undefined],
  [135, 0, undefined],
  [4, 0, undefined],
  [4, 1, 'tty1'],
  [4, 63, 'tty63'],
  [4, 64, undefined],
  [5, 1, undefined],
  [0, 0, undefined],
])('the terminal of the device %i, %i is %s', (major, minor, name) => {
  expect(ttyFrom(device(major, minor))).toBe(name);
});
