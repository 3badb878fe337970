import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { copyFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Server, type Socket } from 'node:net';
import { networkInterfaces } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { acceptingIn, linuxListens } from '../../src/observe/linux/listens.js';
import { linuxLook, linuxProcesses, parseStat, parseStatus } from '../../src/observe/linux/processes.js';
import { isEndOf, linuxListener, linuxSockets, listenerAt } from '../../src/observe/linux/sockets.js';
import { parseTcp, type Row } from '../../src/observe/linux/tcp-table.js';
import { reservePort } from '../support/port.js';
import { children, parent, processGroup, sessionId, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

/** As /proc/net/tcp and tcp6 showed them on an x86-64 machine. */
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode                                                     
   4: 0100007F:C065 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 89798 1 00000000efcb386b 100 0 0 10 0                     
   5: 00000000:88D5 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 89799 1 000000009e2a98d8 100 0 0 10 0                     
  24: 0100007F:C065 0100007F:E888 01 00000000:00000000 00:00000000 00000000     0        0 89809 1 00000000dbd9d1ad 20 0 0 10 -1                     
  27: 0100007F:EA66 0200007F:88D5 04 00000001:00000000 01:00000014 00000000     0        0 0 2 0000000045e81436 20 0 0 10 -1                         
  28: 0100007F:A028 0100007F:88D5 06 00000000:00000000 03:000016DA 00000000     0        0 0 3 0000000079d8fa7f                                      
  29: 0100007F:88D5 0100007F:A029 08 00000000:00000000 00:00000000 00000000     0        0 89811 1 00000000dbd9d1ae 20 0 0 10 -1                     
`;
const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:9291 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 89800 1 0000000010b16a84 100 0 0 10 0
   1: 00000000000000000000000000000000:8EE3 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 89801 1 00000000c1ecbe30 100 0 0 10 0
   3: 0000000000000000FFFF00000100007F:8EE3 0000000000000000FFFF00000100007F:E842 01 00000000:00000000 00:00000000 00000000     0        0 89813 1 0000000017973495 20 0 0 10 -1
`;
const LOOPBACK6 = '0000:0000:0000:0000:0000:0000:0000:0001';
const ANY6 = '0000:0000:0000:0000:0000:0000:0000:0000';
const socketsOf = (server: number, pids: readonly number[]) => linuxSockets([{ server, pids }])[0];
const listenerPid = (port: number, host?: string) => {
  const found = linuxListener(port, host);
  return found === 'nobody' ? found : found?.pid;
};
const hasIPv6 = networkInterfaces().lo?.some(({ address }) => address === '::1');

test('a socket that a child has as well is its parent’s', async () => {
  const server = createServer();
  const port = await reservePort();
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { fd } = (server as unknown as { _handle: { fd: number } })._handle;
  const child = spawn('sleep', ['60'], { stdio: ['ignore', 'ignore', 'ignore', fd] });
  onTestFinished(() => void child.kill());
  const pids = [child.pid ?? 0, process.pid];
  for (const tree of [pids, [...pids].reverse()]) {
    const own = socketsOf(process.pid, tree)?.listening.filter((one) => one.port === port);
    expect(own).toMatchObject([{ pid: process.pid }]);
  }
  expect(linuxListener(port)).toEqual({ pid: process.pid, owner: String(process.getuid?.()) });
});

describe('a process', () => {
  const inherits = `const {spawn}=require('child_process');const s=require('net').createServer().listen(0,'127.0.0.1',()=>spawn('sleep',['60'],{stdio:['ignore','ignore','ignore',s._handle.fd]}))`;
  test.each<[string, string, boolean]>([
    ['that listens on TCP', `require('net').createServer().listen(0, '127.0.0.1')`, true],
    ['that listens on a Unix socket', `require('net').createServer().listen('\\0opencode-reap-' + process.pid)`, true],
    ['that takes datagrams', `require('dgram').createSocket('udp4').bind(0, '127.0.0.1')`, true],
    [
      'that only sends datagrams to one other',
      `const s = require('dgram').createSocket('udp4'); s.connect(9, '127.0.0.1')`,
      false,
    ],
    ['that is connected to another', `require('net').connect(PORT, '127.0.0.1')`, false],
    ['that talks to its child', `require('child_process').spawn('sleep', ['60'])`, false],
  ])('%s is seen to wait for others, or not', async (_sentence, script, waits) => {
    const server = createServer();
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    onTestFinished(() => void server.close());
    const { port } = server.address() as AddressInfo;
    const code = `${script.replace('PORT', String(port))}; setTimeout(() => process.stdout.write('ready'), 200); setInterval(() => {}, 1e6)`;
    const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'], detached: true });
    const { pid = 0 } = child;
    onTestFinished(() => void process.kill(-pid, 'SIGKILL'));
    await once(child.stdout, 'data');
    expect(linuxListens(pid)).toBe(waits);
  });

  test('that has inherited what its parent listens on does not listen itself', async () => {
    const child = spawn(process.execPath, ['-e', inherits], { stdio: 'ignore', detached: true });
    const { pid = 0 } = child;
    onTestFinished(() => void process.kill(-pid, 'SIGKILL'));
    const [heir = 0] = await waitFor('it has a child', () => (children(pid).length > 0 ? children(pid) : undefined));
    expect([linuxListens(pid), linuxListens(heir)]).toEqual([true, false]);
  });

  test('that is not there does not answer', () => expect(linuxListens(4_194_303)).toBeUndefined());

  test('waits at a Unix socket by its flag', () => {
    const table = [
      'Num       RefCount Protocol Flags    Type St Inode Path',
      '0000000000000000: 00000002 00000000 00010000 0001 01 112 /run/a.sock',
      '0000000000000000: 00000003 00000000 00000000 0001 03 113',
      '',
    ];
    expect(acceptingIn(table.join('\n'))).toEqual(['112']);
  });
});

describe('the table of sockets', () => {
  test.each<[string, string, object[]]>([
    [
      'IPv4',
      TCP,
      [
        { local: '127.0.0.1', localPort: 49_253, state: 'listen', uid: 0, inode: '89798' },
        { local: '0.0.0.0', localPort: 35_029, state: 'listen', uid: 1000, inode: '89799' },
        { local: '127.0.0.1', localPort: 49_253, remote: '127.0.0.1', remotePort: 59_528, state: 'established' },
        {
          local: '127.0.0.1',
          localPort: 60_006,
          remote: '127.0.0.2',
          remotePort: 35_029,
          state: 'other',
          endedMsAgo: 0,
        },
        { localPort: 41_000, remotePort: 35_029, state: 'other', endedMsAgo: 1_500 },
        { localPort: 35_029, remotePort: 41_001, state: 'other', endedMsAgo: undefined },
      ],
    ],
    [
      'IPv6, and IPv4 in it',
      TCP6,
      [
        { local: LOOPBACK6, localPort: 37_521, remote: ANY6, remotePort: 0, state: 'listen', inode: '89800' },
        { local: ANY6, localPort: 36_579, state: 'listen', inode: '89801' },
        { local: '127.0.0.1', localPort: 36_579, remote: '127.0.0.1', remotePort: 59_458, state: 'established' },
      ],
    ],
    ['none', TCP.slice(0, TCP.indexOf('\n') + 1), []],
    ['no table', '', []],
    ['a line that was cut', TCP.slice(0, TCP.indexOf(' 89798')), []],
  ])('%s', (_what, text, rows) => {
    expect(parseTcp(text)).toEqual(rows.map((row) => expect.objectContaining(row)));
  });
});

test.each([
  [['127.0.0.2', ANY6, '0.0.0.0', '127.0.0.1'], '127.0.0.1'],
  [['127.0.0.2', LOOPBACK6, ANY6, '0.0.0.0'], '0.0.0.0'],
  [['127.0.0.2', LOOPBACK6, ANY6], ANY6],
  [['127.0.0.2', LOOPBACK6], undefined],
])('of those that listen at %j a connection to 127.0.0.1 goes to %s', (locals, expected) => {
  const rows = locals.map(
    (local) =>
      ({
        local,
        localPort: 1,
        remote: ANY6,
        remotePort: 0,
        state: 'listen',
        endedMsAgo: undefined,
        uid: 0,
        inode: '1',
      }) as const,
  );
  expect(listenerAt('127.0.0.1', rows)?.local).toBe(expected);
});

describe('the sockets of a process', () => {
  const listen = async (host: string): Promise<{ server: Server; port: number }> => {
    const server = createServer();
    const port = await reservePort();
    await new Promise<void>((resolve) => server.listen(port, host, resolve));
    onTestFinished(() => new Promise<void>((resolve) => server.close(() => resolve())));
    return { server, port };
  };

  const dial = async (server: Server, port: number, host: string): Promise<Socket> => {
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = connect(port, host);
    onTestFinished(() => void client.destroy());
    const socket = await accepted;
    socket.on('error', () => undefined);
    onTestFinished(() => void socket.destroy());
    return client;
  };

  const OVER_IPV6: [string, string, string][] = [
    ['::1', '::1', LOOPBACK6],
    ['::', '127.0.0.1', ANY6],
  ];

  const own = () => socketsOf(process.pid, [process.pid]);

  test.each<[string, string, string]>([
    ['127.0.0.1', '127.0.0.1', '127.0.0.1'],
    ['0.0.0.0', '127.0.0.2', '0.0.0.0'],
    ...(hasIPv6 ? OVER_IPV6 : []),
  ])('one that listens on %s has a client at %s', async (host, dialled, shown) => {
    const { server, port } = await listen(host);
    const listening = [{ host: shown, port, pid: process.pid }];
    expect(own()).toEqual({ listening, inbound: [], outbound: 0, lately: [], ourNetwork: true });
    expect([listenerPid(port), listenerPid(port, shown)]).toEqual([process.pid, process.pid]);
    const client = await dial(server, port, dialled);
    const inbound = [{ port, clientPid: process.pid, clientPort: client.localPort }];
    expect(own()).toEqual({ listening, inbound, outbound: 1, lately: [], ourNetwork: true });
    client.destroy();
    await waitFor('the client is gone', () => own()?.inbound.length === 0);
    expect(own()?.listening).toEqual(listening);
    expect(own()?.lately).toEqual([expect.any(Number)]);
  });

  test.each<[string, string, number]>([
    ['the client closes it', 'client', 1],
    ['the server closes it', 'server', 1],
    ['the client resets it', 'reset', 0],
  ])('a connection is remembered when %s', async (_what, who, rows) => {
    const { server, port } = await listen('127.0.0.1');
    const accepted = new Promise<Socket>((resolve) => server.once('connection', resolve));
    const client = await dial(server, port, '127.0.0.1');
    if (who === 'client') client.end();
    else if (who === 'server') (await accepted).end();
    else client.resetAndDestroy();
    await waitFor('the connection is gone', () => own()?.inbound.length === 0);
    await waitFor('it is closed at both ends', () => own()?.lately?.every((ms) => ms > 0));
    expect(own()?.lately).toHaveLength(rows);
    expect(socketsOf(process.pid, [])?.lately).toEqual([]);
  });

  test('the same port of another machine is another server’s', () => {
    const port = 4096;
    const rows = [
      ['127.0.0.1', '127.0.0.2', 1],
      ['10.0.0.5', '10.0.0.5', 1],
      ['10.0.0.5', '10.0.0.9', 0],
    ] as const;
    for (const [local, remote, expected] of rows) {
      const row = {
        local,
        localPort: 40_000,
        remote,
        remotePort: port,
        state: 'other',
        endedMsAgo: 1,
        uid: 0,
        inode: '0',
      };
      expect([{ host: '0.0.0.0', port, pid: 1 }].filter((one) => isEndOf(row as Row, one))).toHaveLength(expected);
    }
  });

  test('what listens outside the tree is not its own', async () => {
    const { port } = await listen('127.0.0.1');
    expect(socketsOf(process.pid, [])?.listening).toEqual([]);
    expect([linuxListener(port + 1), linuxListener(port, '127.0.0.2')]).toEqual(['nobody', 'nobody']);
  });

  test('of a process that has ended cannot be seen', () => {
    expect(socketsOf(2 ** 30, [2 ** 30])).toBeUndefined();
  });
});

/** After the command, as /proc/PID/stat showed it for a server; field 22 is the start token. */
const REST =
  'S 1 4241 4240 0 -1 4194304 3050 6537 2 0 4 0 3 1 20 0 1 0 314587 18567168 3586 18446744073709551615 1 1 0 0 0 0 0 16781312 2 0 0 0 17 0 0 0 0 0 0 0 0 0 0 0 0 0 0\n';

describe('the status of a process', () => {
  test.each(['node', 'we) (ird\nx', ') Z 1 1 1 0 (', '', ' ', '((('])('whatever it calls itself: %j', (name) => {
    const seen = parseStat(`4242 (${name}) ${REST}`, ['opencode', 'serve'], 3_150_000);
    expect(seen).toMatchObject({ name, pid: 4242, startToken: '314587', command: { kind: 'serve' }, ageMs: 4_130 });
    expect(seen).toMatchObject({ parent: 1, group: 4241, session: 4240, terminal: false });
  });

  test('tells its effective user, and its memory whatever a page is', () => {
    const status =
      'Name:\tnode\nUid:\t1000\t1001\t1002\t1003\nVmHWM:\t   99999 kB\nVmRSS:\t   14344 kB\nRssAnon:\t 4 kB\n';
    expect(parseStatus(status)).toEqual({ owner: '1001', memoryBytes: 14_688_256 });
    expect(parseStatus('Name:\tkthreadd\nUid:\t0\t0\t0\t0\n')).toEqual({ owner: '0', memoryBytes: undefined });
    expect(parseStatus('')).toEqual({ owner: undefined, memoryBytes: undefined });
  });

  test.each(['Z', 'X'])('in state %s it is gone', (state) => {
    expect(parseStat(`4242 (node) ${REST.replace('S', state)}`, [], 0)).toBe('gone');
  });

  test.each(['0', '1', '-1', 'x', ''])('with the pid %j it is not a process', (pid) => {
    expect(parseStat(`${pid} (node) ${REST}`, [], 0)).toBe('unknown');
  });

  test('what could not be read is not made up', () => {
    expect(parseStat(`4242 (node) ${REST}`, undefined, undefined)).toMatchObject({
      command: undefined,
      ageMs: undefined,
    });
  });

  test('cut anywhere, it never shows another start token', () => {
    const whole = `4242 (we) (ird) ${REST}`;
    const seen = [...whole].map((_, end) => parseStat(whole.slice(0, end), [], 0));
    const tokens = seen.map((one) => (typeof one === 'string' ? one : one.startToken));
    expect(new Set(tokens)).toEqual(new Set(['unknown', '314587']));
  });
});

test('every connection is seen, however many rows there are to a page of the table', async () => {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;
  for (let count = 1; count <= 60; count += 1) {
    const accepted = once(server, 'connection');
    const socket = connect(port, '127.0.0.1');
    onTestFinished(() => void socket.destroy());
    await Promise.all([accepted, once(socket, 'connect')]);
    const clients = socketsOf(process.pid, [process.pid])?.inbound.filter((one) => one.port === port);
    expect(clients?.map(({ clientPid }) => clientPid)).toEqual(Array(count).fill(process.pid));
  }
});

describe('a look at a real process', () => {
  let sandbox: Sandbox;
  beforeAll(async () => {
    sandbox = await createSandbox('observe');
  });
  afterAll(() => sandbox.dispose());

  test('that calls itself something weird', async () => {
    const program = join(sandbox.binDir, 'we) (ird\nx');
    copyFileSync('/bin/sleep', program);
    const { pid = 0 } = sandbox.spawn(program, ['300'], { stdio: 'ignore' });
    await waitFor('it runs', () => {
      const seen = linuxLook(pid);
      return typeof seen === 'object' && seen.name === 'we) (ird\nx';
    });
    const seen = { pid, startToken: startToken(pid), parent: process.pid, owner: String(process.getuid?.()) };
    expect(linuxLook(pid)).toMatchObject({ ...seen, group: processGroup(pid), session: sessionId(pid) });
    expect(linuxLook(pid)).toMatchObject({ command: { kind: 'other' }, terminal: expect.any(Boolean) });
  });

  test('that is this one, whose memory Node knows as well', () => {
    const seen = linuxLook(process.pid);
    const ours = process.memoryUsage.rss();
    expect(seen).toMatchObject({ memoryBytes: expect.any(Number) });
    const memoryBytes = (typeof seen === 'object' && seen.memoryBytes) || 0;
    expect(Math.abs(memoryBytes - ours)).toBeLessThan(ours / 4);
  });

  test('that is this one, whose use of the processor Node knows as well', () => {
    for (const until = performance.now() + 60; performance.now() < until; );
    const seen = linuxLook(process.pid);
    const { user, system } = process.cpuUsage();
    const cpuMs = (typeof seen === 'object' && seen.cpuMs) || 0;
    expect(cpuMs).toBeGreaterThan(50);
    // Two clocks: `stat` counts in ticks of 10 ms.
    expect(Math.abs(cpuMs - (user + system) / 1000)).toBeLessThan(100);
  });

  test('that has ended and is not waited for', async () => {
    const { pid = 0 } = sandbox.spawn('sh', ['-c', 'sleep 0.2 & exec sleep 300'], { stdio: 'ignore' });
    const zombie = await waitFor('it has a child', () => children(pid)[0]);
    await waitFor('the child ended', () => linuxLook(zombie) === 'gone');
    expect(parent(zombie)).toBe(pid);
    expect(linuxLook(pid)).toMatchObject({ pid });
  });

  test('that has ended', () => expect(linuxLook(2 ** 30)).toBe('gone'));

  test('says the same as the list of all, of whatever may be OpenCode, run it or be Claude Code', async () => {
    const room = ['-e', 'setInterval(() => undefined, 1e6)'];
    const link = (to: string, name: string): void => {
      rmSync(join(sandbox.binDir, name), { force: true });
      symlinkSync(to, join(sandbox.binDir, name));
    };
    for (const name of ['claude', '2.1.330']) link('/bin/sleep', name);
    writeFileSync(join(sandbox.binDir, 'opencode'), '#!/bin/sh\nsleep 300 & wait\n', { mode: 0o755 });
    link(process.execPath, 'renamed');
    const started = [
      sandbox.spawn('renamed', room, { stdio: 'ignore' }),
      sandbox.spawn('sh', ['-c', 'sleep 300 & wait'], { stdio: 'ignore' }),
      sandbox.spawn('opencode', ['serve'], { stdio: 'ignore' }),
      ...['claude', '2.1.330'].map((name) => sandbox.spawn(name, ['300'], { stdio: 'ignore' })),
    ].map(({ pid = 0 }) => pid);
    // What it takes and holds goes on while it is looked at.
    const atRest = { ageMs: 0, cpuMs: 0, memoryBytes: 0 };
    const still = (pid: number) => ({ ...Object(linuxLook(pid)), ...atRest });
    const kindOf = (pid: number): unknown => still(pid).command?.kind ?? still(pid).claude;
    await waitFor('all have become what they are', () => {
      const kinds = started.map((pid) => still(pid).claude ?? kindOf(pid));
      return kinds.join(' ') === 'other other serve session session';
    });
    const table = linuxProcesses();
    for (const pid of started) {
      const listed = { ...Object(table?.get(pid)), ...atRest };
      expect(listed.owner).toBe(String(process.getuid?.()));
      expect(listed).toEqual(still(pid));
    }
  });

  test('says more than the list of all of anything else, but not if a server is below it', async () => {
    // A shell that has another name, as a program has that is none.
    copyFileSync('/bin/sh', join(sandbox.binDir, 'starter'));
    const start = (line: string): number =>
      sandbox.spawn('starter', ['-c', `${line} & wait`], { stdio: 'ignore' }).pid ?? 0;
    writeFileSync(join(sandbox.binDir, 'opencode'), '#!/bin/sh\nsleep 300 & wait\n', { mode: 0o755 });
    const [beside, above] = [start('sleep 300'), start('opencode serve')];
    const serves = (pid: number): boolean => Object(linuxLook(pid)).command?.kind === 'serve';
    await waitFor('both have what they started', () => children(beside).length > 0 && children(above).some(serves));
    const table = linuxProcesses();
    const { startToken, parent, group, session, tty } = Object(linuxLook(beside));
    const known = { name: 'starter', startToken, parent, group, session, tty, command: { kind: 'other' } };
    expect(table?.get(beside)).toMatchObject({ ...known, owner: undefined });
    expect(table?.get(above)).toMatchObject({ name: 'starter', owner: String(process.getuid?.()) });
  });
});
