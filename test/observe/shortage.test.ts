import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:net';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { linuxListens } from '../../src/observe/linux/listens.js';
import { linuxGlance, linuxLook, linuxProcesses, ourMs } from '../../src/observe/linux/processes.js';
import { linuxSetForwardMs } from '../../src/observe/linux/set-forward.js';
import { linuxListener, linuxSockets } from '../../src/observe/linux/sockets.js';
import { fail, meanwhile } from '../support/in-between.js';

/* A stand-in for a machine that has no file, or no memory, to spare for a moment. The real thing is in test/run/shortage.test.ts. */

const failAt = (code: string, ...paths: readonly string[]): void => {
  meanwhile('openSync', (_nth, [path]) => {
    if (paths.includes(String(path))) fail(code);
  });
};

describe('a list of processes of which one could not be read, for want of files or memory', () => {
  let pid: number;
  let child: ChildProcess;
  beforeAll(async () => {
    child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1e6); process.stdout.write("ready")']);
    if (child.stdout) await once(child.stdout, 'data');
    pid = child.pid ?? 0;
  });
  afterAll(() => void child.kill('SIGKILL'));

  test.each(
    ['stat', 'cmdline', 'status'].flatMap((file) =>
      ['EMFILE', 'ENFILE', 'ENOMEM'].map((code) => [file, code] as const),
    ),
  )('is no list: a stand-in, %s, %s', (file, code) => {
    expect(linuxProcesses()?.has(pid)).toBe(true);
    failAt(code, `/proc/${pid}/${file}`);
    expect(linuxProcesses()).toBeUndefined();
    expect(linuxLook(pid)).toBe('unknown');
  });

  test('nor is one that does not even name them', () => {
    meanwhile('readdirSync', (_nth, [path]) => path === '/proc' && fail('EMFILE'));
    expect(linuxProcesses()).toBeUndefined();
  });

  test('is one without what is not for us to see', () => {
    failAt('EACCES', `/proc/${pid}/stat`);
    expect(linuxProcesses()?.has(process.pid)).toBe(true);
    expect(linuxProcesses()?.has(pid)).toBe(false);
    expect(linuxLook(pid)).toBe('unknown');
  });

  test.each([
    ['EACCES', 'cmdline', { command: undefined }],
    ['EACCES', 'status', { owner: undefined }],
    ['ENOENT', 'cmdline', { command: undefined }],
    ['ESRCH', 'status', { owner: undefined }],
  ])('is one with what hides or ends while it is read: a stand-in, %s of its %s', (code, file, unread) => {
    failAt(code, `/proc/${pid}/${file}`);
    expect(linuxProcesses()?.get(pid)).toMatchObject({ pid, ...unread });
  });

  test('a time since boot that is hidden is none, and a start of our own that is hidden says nothing: a stand-in', () => {
    failAt('EACCES', '/proc/uptime', `/proc/${process.pid}/stat`);
    expect(linuxSetForwardMs()).toBeUndefined();
    expect(ourMs()).toBeLessThanOrEqual(process.uptime() * 1000);
  });

  test('a glance does not take it for one that has ended', () => {
    failAt('ENFILE', `/proc/${pid}/stat`);
    expect(linuxGlance(pid)).toBe('unknown');
  });
});

describe('a table of sockets of which the half for IPv6 could not be read', () => {
  const listening = async (): Promise<number> => {
    const server = createServer().listen(0, '127.0.0.1');
    onTestFinished(() => void server.close());
    await once(server, 'listening');
    return Object(server.address()).port;
  };
  const seen = (port: number) => [
    linuxSockets([{ server: process.pid, pids: [process.pid] }])[0]?.listening.some((one) => one.port === port),
    Object(linuxListener(port)).pid,
    linuxListens(process.pid),
  ];

  test.each(['tcp', 'tcp6'])('is no table: a stand-in, %s', async (table) => {
    const port = await listening();
    failAt('ENFILE', `/proc/${process.pid}/net/${table}`);
    expect(seen(port)).toEqual([undefined, undefined, undefined]);
  });

  test.each(['udp', 'udp6'])('nor is that of those who wait for datagrams: a stand-in, %s', async (table) => {
    await listening();
    failAt('ENFILE', `/proc/${process.pid}/net/${table}`);
    expect(linuxListens(process.pid)).toBeUndefined();
  });

  test.each(['tcp', 'udp'])('nor is one without the half that is always there: a stand-in, %s', async (table) => {
    await listening();
    failAt('ENOENT', `/proc/${process.pid}/net/${table}`);
    expect(linuxListens(process.pid)).toBeUndefined();
  });

  test('is one where IPv6 is switched off: a stand-in', async () => {
    const port = await listening();
    failAt('ENOENT', ...['tcp6', 'udp6'].map((table) => `/proc/${process.pid}/net/${table}`));
    expect(seen(port)).toEqual([true, process.pid, true]);
  });

  test('whose a socket is cannot be told while the processes cannot be named', async () => {
    const port = await listening();
    meanwhile('readdirSync', (_nth, [path]) => path === '/proc' && fail('EMFILE'));
    expect(linuxListener(port)).toEqual({ pid: undefined, owner: String(process.getuid?.()) });
  });
});
