import { describe, expect, test } from 'vitest';
import { isEndOf, linuxListener, linuxSockets, onceEach, type Shown } from '../../../src/observe/linux/sockets.js';
import { parseTcp, type Row } from '../../../src/observe/linux/tcp-table.js';

/* Whose sockets are whose, on a machine that stands in for a real one. Real processes are in ../observe.test.ts. */

const row = (change: Partial<Row>): Row => ({
  local: '127.0.0.1',
  localPort: 4096,
  remote: '0.0.0.0',
  remotePort: 0,
  state: 'other',
  endedMsAgo: undefined,
  uid: 1000,
  inode: '0',
  ...change,
});
const listens = (localPort: number, inode: string, change: Partial<Row> = {}) =>
  row({ state: 'listen', localPort, inode, ...change });
const connected = (localPort: number, remotePort: number, inode: string, change: Partial<Row> = {}) =>
  row({ state: 'established', localPort, remote: '127.0.0.1', remotePort, inode, ...change });
const closed = (localPort: number, remotePort: number, endedMsAgo: number) =>
  row({ localPort, remote: '127.0.0.1', remotePort, endedMsAgo });

const [INIT, SERVER, TOOL, CLIENT, HEIR] = [1, 50, 51, 60, 61];

interface Machine {
  /** What each process has, by its pid. */
  readonly has?: Readonly<Record<number, readonly string[] | undefined>>;
  readonly parents?: Readonly<Record<number, number>>;
  readonly networks?: Readonly<Record<string, string | undefined>>;
}

/** A machine whose table is the next of these each time that it is read, and in the end the last one. */
const machine = (tables: readonly (readonly Row[])[], { has = {}, parents = {}, networks = {} }: Machine): Shown => {
  const left = [...tables];
  return {
    rows: () => (left.length > 1 ? left.shift() : left[0]),
    network: (pid) => (pid in networks ? networks[pid] : 'net:[1]'),
    inodes: (pid) => has[pid],
    parent: (pid) => parents[pid],
    pids: () => Object.keys(has).map(Number),
  };
};

const socketsOf = (shown: Shown, pids: readonly number[] = [SERVER]) =>
  linuxSockets([{ server: SERVER, pids }], shown)[0];
const LISTENING = listens(4096, 'a');
/** From the client’s end, and from the server’s. */
const CONNECTION = [connected(50_000, 4096, 'c'), connected(4096, 50_000, 'b')];
const HAVE = { [SERVER]: ['a', 'b'], [CLIENT]: ['c'] };

describe('the sockets of a server', () => {
  test('are known only if its descriptors and its network are', () => {
    const rows = [LISTENING];
    expect(socketsOf(machine([rows], { has: { [SERVER]: ['a'] } }))).toMatchObject({ listening: [{ pid: SERVER }] });
    expect(socketsOf(machine([rows], { has: { [SERVER]: [] } }))).toMatchObject({ listening: [] });
    expect(socketsOf(machine([rows], { has: { [SERVER]: undefined } }))).toBeUndefined();
    expect(socketsOf(machine([], { has: { [SERVER]: ['a'] } }))).toBeUndefined();
  });

  test.each<[string, NonNullable<Machine['networks']>, boolean]>([
    ['ours', { [SERVER]: 'net:[1]', self: 'net:[1]' }, true],
    ['another', { [SERVER]: 'net:[2]', self: 'net:[1]' }, false],
    ['one that cannot be told', { [SERVER]: undefined, self: undefined }, false],
  ])('are in a network: %s', (_which, networks, ours) => {
    expect(socketsOf(machine([[LISTENING]], { has: HAVE, networks }))?.ourNetwork).toBe(ours);
  });

  test.each([
    ['another than that of the next', 'net:[1]', 'net:[2]'],
    ['that cannot be told, as little as that of the next', undefined, undefined],
  ])('are of the network that it is in: one %s', (_which, one, other) => {
    const networks = { [SERVER]: one, [TOOL]: other };
    const shown = machine([], { has: { [SERVER]: ['a'], [TOOL]: ['t'] }, networks });
    const trees = [SERVER, TOOL].map((server) => ({ server, pids: [server] }));
    const rows = (pid: number) => (pid === SERVER ? [LISTENING] : [listens(1, 't')]);
    const ports = linuxSockets(trees, { ...shown, rows }).map((one) => one?.listening.map(({ port }) => port));
    expect(ports).toEqual([[4096], [1]]);
  });

  test('have clients, each told by both ends of its connection', () => {
    const others = [
      connected(50_000, 4096, 'x', { local: '127.0.0.2' }),
      connected(50_000, 4096, 'x', { remote: '127.0.0.2' }),
      connected(50_001, 4096, 'x'),
      connected(50_000, 4097, 'x'),
    ];
    const shown = machine([[LISTENING, ...others, ...CONNECTION]], { has: { ...HAVE, [HEIR]: ['x'] } });
    expect(socketsOf(shown)?.inbound).toEqual([{ port: 4096, clientPid: CLIENT, clientPort: 50_000 }]);
  });

  test('are looked at once more if the owner of a client’s end is not found', () => {
    const torn = [LISTENING, ...CONNECTION];
    const trees = [SERVER, TOOL].map((server) => ({ server, pids: [server] }));
    const has = { [SERVER]: ['a', 'b'], [TOOL]: ['t'] };
    const look = (...tables: readonly (readonly Row[])[]) => linuxSockets(trees, machine(tables, { has }));
    const [healed, other] = look([...torn, listens(1, 't')], [LISTENING]);
    expect([healed?.inbound, healed?.listening, other?.listening]).toEqual([
      [],
      [{ host: '127.0.0.1', port: 4096, pid: SERVER }],
      [{ host: '127.0.0.1', port: 1, pid: TOOL }],
    ]);
    expect(look(torn, torn)[0]?.inbound).toEqual([{ port: 4096, clientPid: undefined, clientPort: 50_000 }]);
    const whole = linuxSockets(trees, machine([[LISTENING, ...CONNECTION], []], { has: { ...has, ...HAVE } }));
    expect(whole[0]?.inbound).toMatchObject([{ clientPid: CLIENT }]);
  });

  test('lead out where no port of its own is an end of them', () => {
    const rows = [LISTENING, ...CONNECTION, connected(51_000, 443, 'o', { remote: '10.0.0.9' })];
    const has = { [SERVER]: ['a', 'b', 'o'], [CLIENT]: ['c'] };
    expect(socketsOf(machine([rows], { has }))?.outbound).toBe(1);
    expect(socketsOf(machine([[LISTENING, ...CONNECTION]], { has }))?.outbound).toBe(0);
  });

  test('have been closed lately where somebody was at the server, not at its tools', () => {
    const rows = [LISTENING, listens(7000, 't'), closed(4096, 50_000, 5), closed(7000, 50_001, 6)];
    const has = { [SERVER]: ['a'], [TOOL]: ['t'] };
    expect(socketsOf(machine([rows], { has }), [SERVER, TOOL])?.lately).toEqual([5]);
    // The launcher that was recorded listens on nothing: what it has started is the server.
    expect(socketsOf(machine([rows], { has: { ...has, [SERVER]: [] } }), [SERVER, TOOL])?.lately).toEqual([6]);
  });
});

describe('a socket that several processes have', () => {
  const has = { [INIT]: [], [SERVER]: ['a'], [TOOL]: ['a'], [HEIR]: ['a'] };
  const parents = { [SERVER]: INIT, [TOOL]: SERVER, [HEIR]: TOOL };

  test('is that of the first of them, by which the others were started', () => {
    expect(linuxListener(4096, undefined, machine([[LISTENING]], { has, parents }))).toEqual({
      pid: SERVER,
      owner: '1000',
    });
  });

  test('is looked for among the youngest first, and no further than it takes', () => {
    const asked: number[] = [];
    const shown = machine([[LISTENING]], { has: { [INIT]: [], [SERVER]: ['a'], [TOOL]: ['a'], [CLIENT]: ['c'] } });
    const inodes = (pid: number) => {
      asked.push(pid);
      return shown.inodes(pid);
    };
    expect(linuxListener(4096, undefined, { ...shown, inodes })).toMatchObject({ pid: TOOL });
    expect(asked).toEqual([CLIENT, TOOL]);
  });

  test('is whose it is where that one’s parent cannot be seen', () => {
    const shown = machine([[LISTENING]], { has: { [SERVER]: ['a'] }, parents: {} });
    expect(linuxListener(4096, undefined, shown)).toMatchObject({ pid: SERVER });
    const hidden = machine([[LISTENING]], { has: { [SERVER]: ['a'], [INIT]: undefined }, parents });
    expect(linuxListener(4096, undefined, hidden)).toMatchObject({ pid: SERVER });
  });

  test('is one that cannot be seen where none of them is ours to see', () => {
    const shown = machine([[LISTENING]], { has: { [CLIENT]: ['c'], [SERVER]: undefined } });
    expect(linuxListener(4096, undefined, shown)).toEqual({ pid: undefined, owner: '1000' });
    expect(linuxListener(4097, undefined, shown)).toBe('nobody');
    expect(linuxListener(4096, undefined, machine([], {}))).toBeUndefined();
  });
});

test.each<[boolean, string, string, Partial<Row>]>([
  [true, 'at the server’s end', '127.0.0.1', { localPort: 4096 }],
  [false, 'at its port on another address', '127.0.0.1', { localPort: 4096, local: '10.0.0.5' }],
  [true, 'at the client’s end', '127.0.0.1', { localPort: 9, remotePort: 4096, remote: '127.0.0.1' }],
  [false, 'at that port of another address', '127.0.0.1', { localPort: 9, remotePort: 4096, remote: '127.0.0.2' }],
  [true, 'at that port of this machine', '0.0.0.0', { localPort: 9, remotePort: 4096, remote: '127.0.0.2' }],
  [false, 'at another port', '0.0.0.0', { localPort: 9, remotePort: 8, remote: '127.0.0.1' }],
])('it is %s that a closed connection was one of a server’s: %s', (is, _where, host, change) => {
  expect(isEndOf(row(change), { host, port: 4096, pid: SERVER })).toBe(is);
});

test('a row that was shown twice is one, and what nobody owns is told apart', () => {
  const [first, again, other] = [listens(1, 'a'), listens(1, 'a', { uid: 5 }), closed(1, 2, 3)];
  expect(onceEach([first, other, again, { ...other }])).toEqual([again, other, other]);
});

test.each([
  ['06 00000000:00000000 03:00001770', 0],
  ['06 00000000:00000000 03:00000BB8', 30_000],
  ['06 00000000:00000000 03:00000001', 59_990],
  ['06 00000000:00000000 03:00000000', 60_000],
  ['06 00000000:00000000 03:00009999', 0],
  ['06 00000000:00000000 03:', 0],
  ['06 00000000:00000000 03', 0],
  ['04 00000000:00000000 01:00000014', 0],
  ['01 00000000:00000000 01:00000014', undefined],
  ['08 00000000:00000000 03:00000BB8', undefined],
])('a connection in the state %s ended %s ms ago', (state, ms) => {
  const text = `header\n 28: 0100007F:A028 0100007F:88D5 ${state} 00000000     0        0 0 3 0000000079d8fa7f\n`;
  expect(parseTcp(text).map(({ endedMsAgo }) => endedMsAgo)).toEqual([ms]);
});
