import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseEnvironments, shownIn } from '../../../src/observe/macos/environments.js';
import { bootIn, machineIn } from '../../../src/observe/macos/host.js';
import { parseLsof, tcpSockets } from '../../../src/observe/macos/lsof.js';
import { parseNetstat } from '../../../src/observe/macos/netstat.js';
import { ageOf } from '../../../src/observe/macos/processes.js';
import { askable, parseRows, sessionOf } from '../../../src/observe/macos/ps-rows.js';
import { isOthers, listenerOn, socketsOf, withEveryTcp } from '../../../src/observe/macos/sockets.js';

/** As `runTool` hands it over: bytes as Latin-1. */
const output = (name: string): string => readFileSync(new URL(`output/${name}.txt`, import.meta.url), 'latin1');

const rowsIn = (text: string) => parseRows(text) ?? expect.fail('a row was not understood');
const filesIn = (text: string) => parseLsof(text) ?? expect.fail('a line was not understood');
const socketsIn = (text: string) => tcpSockets(filesIn(text)) ?? expect.fail('a name was not understood');

/** One row of `ps`, as macOS prints it. */
const rowOf = ({
  stat = 'Ss',
  lstart = 'Tue Nov 24 09:10:11 2026',
  ucomm = 'opencode',
  args = 'opencode serve',
} = {}) =>
  `    1 40961   501 ${stat.padEnd(4)} ??       351232 ${lstart.padEnd(28)} 40961 ${ucomm.padEnd(16)} 40961 ${args}\n`;

describe('the list of processes', () => {
  test('is every row of a reconstructed one', () => {
    const rows = rowsIn(output('r-ps-table'));
    expect(rows.size).toBe(22);
    expect(rows.get(40961)).toEqual({
      pid: 40961,
      parent: 1,
      group: 40961,
      owner: '501',
      isZombie: false,
      isExiting: false,
      leadsSession: true,
      terminal: false,
      memoryBytes: 351_232 * 1024,
      startedAt: Date.UTC(2026, 10, 24, 9, 10, 11) / 1000,
      ucomm: 'opencode',
      args: '/Users/alex/.opencode/bin/opencode serve --hostname 127.0.0.1 --port 4096',
    });
    expect(rows.get(611)).toMatchObject({ ucomm: 'Google Chrome He' });
    expect(rows.get(409)).toMatchObject({ owner: '4294967294' });
    expect(rows.get(702)).toMatchObject({ memoryBytes: 1_234_560 * 1024 });
    expect(rows.get(2300)).toMatchObject({ terminal: true, ucomm: '2.1.330', leadsSession: false });
    expect(rows.get(42078)).toMatchObject({ args: 'node /opt/homebrew/bin/npm  test' });
    expect(rows.get(42500)).toMatchObject({ isZombie: true });
    expect(rows.get(17588)).toMatchObject({ isExiting: true });
  });

  test('is every row that Linux printed for the same arguments', () => {
    const rows = rowsIn(output('linux-ps-table'));
    expect([...rows.values()].map(({ pid, parent, ucomm }) => [pid, parent, ucomm])).toEqual([
      [4274, 1, 'opencode'],
      [4330, 1, 'node'],
      [4337, 4330, '.opencode'],
      [4591, 4589, 'curl'],
    ]);
  });

  test('of one process is that one, and of none is empty', () => {
    expect([...rowsIn(output('r-ps-one')).keys()]).toEqual([40961]);
    expect(rowsIn(output('r-ps-none')).size).toBe(0);
  });

  test('keeps the bytes of arguments, whatever their language', () => {
    const [utf8] = rowsIn(output('r-ps-utf8')).values();
    expect(Buffer.from(utf8?.args ?? '', 'latin1').toString()).toContain('/Users/zoë/');
    const [spelled] = rowsIn(output('r-ps-ctype-c')).values();
    expect(spelled?.args).toContain('/Users/zoM-CM-+/');
  });

  test('shows who leads a session, and so whose session everybody is in', () => {
    const rows = rowsIn(output('r-ps-table'));
    const session = (pid: number) => sessionOf(rows.get(pid) ?? expect.fail(`${pid}`), rows);
    expect([2102, 2300, 2411].map(session)).toEqual([2101, 2101, 2411]);
    // Server, MCP server; launcher, server; server, its tool, and what that runs.
    expect([40961, 40970, 41200, 41201, 42000, 42077, 42078].map(session)).toEqual([
      40961, 40961, 41200, 41200, 42000, 42077, 42077,
    ]);
    // Without a parent, and no leader.
    expect(session(611)).toBe(611);
  });

  test('shows a session as far up as any process is', () => {
    const row = (pid: number, parent: number, stat: string) =>
      rowOf({ stat }).replaceAll('40961', String(pid)).replace('    1', String(parent).padStart(5));
    const chain = (length: number) => {
      const rows = Array.from({ length }, (_, at) => row(20_000 + at, 20_001 + at, at === length - 1 ? 'Ss' : 'S'));
      const table = rowsIn(rows.join(''));
      return sessionOf(table.get(20_000) ?? expect.fail(), table);
    };
    expect([1, 2, 64, 65].map(chain)).toEqual([20_000, 20_001, 20_063, undefined]);
    // Launchd's children have lost their parent, and only its.
    const first = rowsIn(row(2, 1, 'Ss') + row(20_000, 2, 'S') + row(1, 0, 'Ss') + row(20_001, 1, 'S'));
    expect([20_000, 20_001].map((pid) => sessionOf(first.get(pid) ?? expect.fail(), first))).toEqual([2, 20_001]);
  });

  test('is asked of what a tool can be asked about, once of each', () => {
    expect(askable([-1, 0, 1, 5, 5, 2.5, 99_999, 100_000], 99_999)).toEqual([5, 99_999]);
  });

  test('has no session for a process whose parents go in a circle', () => {
    const row = (pid: number, parent: number) =>
      rowOf({ stat: 'S' }).replaceAll('40961', String(pid)).replace('    1', String(parent).padStart(5));
    const rows = rowsIn(`${row(20001, 20002)}${row(20002, 20001)}`);
    expect(sessionOf(rows.get(20001) ?? expect.fail(), rows)).toBeUndefined();
  });

  const table = output('r-ps-table');
  test.each<[string, string]>([
    ['was cut in its last row', table.slice(0, -9)],
    ['was cut at the end of a row but for its line feed', table.slice(0, -1)],
    ['has an empty row', `${table}\n`],
    ['has a carriage return in it', rowOf({ args: 'opencode serve\r--port 7' })],
    ['has a heading', `PPID PGID UID STAT TTY RSS STARTED PID UCOMM PID ARGS\n${table}`],
    ['has an error among its rows', `${table}ps: time: requires entitlement\n`],
    ['is of another language', rowOf({ lstart: 'Di 24 Nov 09:10:11 2026' })],
    ['has a date that is none', rowOf({ lstart: 'Tue Nov 31 09:10:11 2026' })],
    ['has a date with another weekday', rowOf({ lstart: 'Mon Nov 24 09:10:11 2026' })],
    ['names a process twice', `${rowOf()}${rowOf({ lstart: 'Tue Nov 24 09:10:12 2026' })}`],
    ['has two numbers for one process', rowOf().replace('40961 opencode serve', '40962 opencode serve')],
    ['has a number beyond any pid', rowOf().replace('    1 ', ' 99999999999999999999 ')],
    ['has a word for a number', rowOf().replace('  501 ', ' root ')],
    ['is what `ps aux` prints', output('c-ps-aux-unkillable')],
    ['has other columns', output('c-ps-lstart-comm-args')],
  ])('is none when it %s', (_what, text) => {
    expect(parseRows(text)).toBeUndefined();
  });

  test.each<[string, boolean, boolean]>([
    ['Z', true, false],
    ['Z+', true, false],
    ['X', true, false],
    // Traced, by a debugger.
    ['SXs', false, false],
    ['UEs', false, true],
    ['E', false, false],
  ])('says of a state whether it has ended, or is about to: %s', (stat, isZombie, isExiting) => {
    expect([...rowsIn(rowOf({ stat })).values()]).toMatchObject([{ isZombie, isExiting }]);
  });

  test.each<[string, string, string]>([
    ['looks like another row', '1 1 0 S ?? 1 Tue Nov 24 09:10:11 2026 1 opencode 1 opencode serve', 'opencode'],
    ['has its own pid in it', 'opencode serve 40961 opencode serve', 'opencode'],
    ['is nothing', '', 'opencode'],
    ['spells out line feeds and escapes', 'a\\012b^[[2J\\033[31m', 'opencode'],
    ['is 1 MB long', `opencode serve ${'x'.repeat(1_000_000)}`, 'opencode'],
    ['is 1 MB of blanks', `opencode serve${' '.repeat(1_000_000)}x`, 'opencode'],
  ])('has a row whose command line %s', (_what, args, ucomm) => {
    const began = performance.now();
    expect([...rowsIn(rowOf({ args })).values()]).toMatchObject([{ pid: 40961, ucomm, args }]);
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('is refused in no time where a row of 1 MB is none', () => {
    const began = performance.now();
    const blanks = ' '.repeat(1_000_000);
    expect(parseRows(`1 1 1 S ?? 1 Tue Nov 24 09:10:11 2026 40961 ${blanks}\n`)).toBeUndefined();
    expect(performance.now() - began).toBeLessThan(2_000);
  });

  test('never throws, and never makes a process of noise', () => {
    const noise = fc.string({ unit: 'binary', maxLength: 200 });
    fc.assert(fc.property(noise, (text) => parseRows(text) === undefined || text === ''));
  });

  test.each<[string, number, number | undefined]>([
    ['has just started', 0, 0],
    ['started in the future, for a clock was set back', -1, undefined],
    ['is a minute older than the machine', 120_000, 120_000],
    ['is older than that, for a clock was set forward', 120_001, undefined],
  ])('says how old a process is that %s', (_what, age, expected) => {
    expect(ageOf(1_000_000 - age, 1_000_000, 60_000)).toBe(expected);
  });
});

describe('an environment', () => {
  const lines = parseEnvironments(output('r-ps-environment'));
  const rows = rowsIn(output('r-ps-table'));
  const shown = (pid: number) => shownIn(lines?.get(pid), rows.get(pid)?.args);

  test('is what follows the arguments of a reconstructed row', () => {
    expect(shown(40961)).toMatchObject({ tag: 'k3v9p0', keep: false });
    const environment = shown(40961);
    expect(typeof environment === 'object' && environment.password?.reveal()).toBe('not a real one');
    expect(shown(42000)).toMatchObject({ tag: undefined, keep: true, folders: { HOME: '/Users/alex' } });
  });

  test('is hidden where nothing follows', () => {
    expect(shown(42077)).toBe('hidden');
    expect(shownIn('zsh -l ', 'zsh -l')).toBe('hidden');
  });

  test.each<[string, string | undefined, string | undefined]>([
    ['a process that is not in the list', undefined, 'opencode serve'],
    ['a process without arguments', 'A=b', ''],
    ['a process that has become another program', 'node x A=b', 'opencode serve'],
    ['a process with more arguments by now', 'opencode serve --pure A=b', 'opencode serve'],
    ['one with two tags', 'x OPENCODE_REAP_TAG=a NOTE=b OPENCODE_REAP_TAG=c', 'x'],
    ['one with a tag in the value of another', 'x OPENCODE_REAP_TAG=a NOTE=see OPENCODE_REAP_TAG=c', 'x'],
  ])('is unknown of %s', (_what, line, args) => {
    expect(shownIn(line, args)).toBeUndefined();
  });

  test('is known in spite of two values for a name that nobody asks for', () => {
    expect(shownIn('x OPENCODE_REAP_TAG=a F=() { local i=1\\012 local i=2 } i=3 i=4', 'x')).toMatchObject({ tag: 'a' });
  });

  test('is none where the list was cut, or a line is none', () => {
    expect(parseEnvironments(output('r-ps-environment').slice(0, -4))).toBeUndefined();
    expect(parseEnvironments('ps: illegal option\n')).toBeUndefined();
    expect(parseEnvironments('error 777 x A=b\n')).toBeUndefined();
    expect(parseEnvironments('777x A=b\n')).toBeUndefined();
    expect(parseEnvironments('  777\n')?.get(777)).toBe('');
    expect(parseEnvironments('')?.size).toBe(0);
  });
});

describe('the list of sockets', () => {
  const rows = rowsIn(output('r-ps-table'));
  const own = socketsIn(output('r-lsof-tcp'));
  const treeOf = (server: number, ...others: number[]) => ({ server, pids: [server, ...others] });

  test('shows an idle server, reconstructed', () => {
    expect(socketsOf(treeOf(40961, 40970), own, rows)).toEqual({
      listening: [{ host: '127.0.0.1', port: 4096, pid: 40961 }],
      inbound: [],
      outbound: 0,
      lately: undefined,
      ourNetwork: true,
    });
  });

  test('shows clients, and those that the server has not accepted, by their own end', () => {
    const { listening, inbound } = socketsOf(treeOf(41201, 41200), own, rows);
    expect(listening).toEqual([{ host: '0.0.0.0', port: 51999, pid: 41201 }]);
    expect(inbound).toEqual([
      { port: 51999, clientPid: 2411, clientPort: 57070 },
      { port: 51999, clientPid: 2411, clientPort: 57071 },
    ]);
  });

  test('shows what a server is connected to itself', () => {
    expect(socketsOf(treeOf(42000, 42077, 42078), own, rows)).toMatchObject({
      inbound: [{ port: 52000, clientPid: 2300, clientPort: 57064 }],
      outbound: 1,
    });
  });

  test('is understood as Linux prints it', () => {
    expect(
      socketsOf(treeOf(4274), socketsIn(output('linux-lsof-tcp')), rowsIn(output('linux-ps-table'))),
    ).toMatchObject({
      listening: [{ host: '127.0.0.1', port: 38375, pid: 4274 }],
      inbound: [{ port: 38375, clientPid: 4591 }],
    });
  });

  test('is understood as it was captured by others', () => {
    expect(socketsIn(output('c-lsof-listen-F')).map(({ pid, local }) => [pid, local.port])).toEqual([
      [611, 8771],
      [640, 55231],
      [640, 55231],
      [40961, 4096],
    ]);
    const [server] = socketsIn(output('c-lsof-listen-F')).slice(-1);
    expect(listenerOn(55231, undefined, socketsIn(output('c-lsof-listen-F')), new Map())).toMatchObject({ pid: 640 });
    expect(server).toMatchObject({ state: 'LISTEN', local: { host: '127.0.0.1', port: 4096 } });
    const types = new Set(filesIn(output('c-lsof-process-F')).map(({ type }) => type));
    expect([...types]).toEqual(expect.arrayContaining(['DIR', 'KQUEUE', 'IPv4', 'unix']));
  });

  test('is none where names stand for numbers', () => {
    expect(tcpSockets(filesIn(output('c-lsof-all-fields-F')))).toBeUndefined();
  });

  test('belongs to the parent until a child has become its program', () => {
    const forked = `${output('r-lsof-tcp')}p40970\nf14\nn127.0.0.1:4096\nTST=LISTEN\n`;
    expect(socketsOf(treeOf(40961, 40970), socketsIn(forked), rows).listening).toMatchObject([{ pid: 40961 }]);
    const first = `p40970\nf14\nn127.0.0.1:4096\nTST=LISTEN\n${output('r-lsof-tcp')}`;
    expect(socketsOf(treeOf(40961, 40970), socketsIn(first), rows).listening).toMatchObject([{ pid: 40961 }]);
  });

  test('counts a connection once, however many descriptors it has', () => {
    const twice = output('r-lsof-tcp').replace('f28\n', 'f28\n');
    const row = 'f33\nn127.0.0.1:57064->127.0.0.1:52000\nTST=ESTABLISHED\n';
    const more = `${twice}p2300\n${row}p42000\nf40\nn127.0.0.1:52000->127.0.0.1:57064\nTST=ESTABLISHED\n`;
    expect(socketsOf(treeOf(42000), socketsIn(more), rows).inbound).toHaveLength(1);
  });

  test.each<[string, string]>([
    ['was cut', output('r-lsof-tcp').slice(0, -3)],
    ['has a line without a field', `${output('r-lsof-tcp')}\n`],
    ['begins with a file', 'f14\nn*:1\n'],
    ['has a word for a pid', 'pone\n'],
    ['has a warning in it', 'lsof: WARNING: can not stat()\np1\nf1\nn*:1\n'.replace('lsof', ' lsof')],
    ['has a warning after a process', 'p1\n lsof: WARNING\n'],
    ['has a word before an address', 'p1\nf1\nnx127.0.0.1:1\nTST=LISTEN\n'],
    ['has a port with too many digits', 'p1\nf1\nn127.0.0.1:123456\nTST=LISTEN\n'],
    ['has a name that is none', 'p1\nf1\nnsomething\nTST=LISTEN\n'],
    ['has a port that is none', 'p1\nf1\nn127.0.0.1:http\nTST=LISTEN\n'],
    ['has a port beyond all', 'p1\nf1\nn127.0.0.1:65536\nTST=LISTEN\n'],
    ['has a peer that is none', 'p1\nf1\nn127.0.0.1:1->x\nTST=ESTABLISHED\n'],
  ])('is none when it %s', (_what, text) => {
    const files = parseLsof(text);
    expect(files && tcpSockets(files)).toBeUndefined();
  });

  test('has a socket without a peer, and none that is bound to nothing or closed', () => {
    expect(socketsIn('p1\nf1\nn127.0.0.1:1->*:*\nTST=SYN_SENT\n')).toMatchObject([{ peer: undefined }]);
    expect(socketsIn('p1\nf1\nn*:*\nf2\nn127.0.0.1:5\nTST=CLOSED\n')).toEqual([]);
    expect(socketsIn('p1\nf1\nn*:65535\nTST=LISTEN\n')).toMatchObject([{ local: { port: 65_535 } }]);
  });

  test('shows a connection to each port of a server, by the client’s end alone, from this machine', () => {
    const text = [
      'p77\nf1\nn127.0.0.1:5->127.0.0.1:4097\nTST=ESTABLISHED',
      'f2\nn[::1]:6->[::1]:4096\nTST=ESTABLISHED',
      'f3\nn192.0.2.7:7->203.0.113.1:4096\nTST=ESTABLISHED',
      'f4\nn127.0.0.1:8->127.0.0.1:4098\nTST=ESTABLISHED',
      'f6\nn192.0.2.7:13->10.127.0.1:4096\nTST=ESTABLISHED',
      'f7\nn192.0.2.7:14->[::12]:4096\nTST=ESTABLISHED',
      'f5\nn127.0.0.1:9->127.0.0.1:4097\nTST=CLOSE_WAIT',
      'p40961\nf1\nn*:4096\nTST=LISTEN',
      'f2\nn127.0.0.1:4097\nTST=LISTEN',
      // The server's own, which it has not accepted, and two that it has begun elsewhere.
      'f3\nn127.0.0.1:10->127.0.0.1:4097\nTST=ESTABLISHED',
      'f4\nn192.0.2.7:11->203.0.113.1:443\nTST=ESTABLISHED',
      'p78\nf1\nn192.0.2.7:12->203.0.113.1:443\nTST=ESTABLISHED\n',
    ].join('\n');
    const { inbound, outbound } = socketsOf(treeOf(40961), socketsIn(text), new Map());
    expect(inbound).toEqual([
      { port: 4097, clientPid: 77, clientPort: 5 },
      { port: 4096, clientPid: 77, clientPort: 6 },
    ]);
    expect(outbound).toBe(2);
  });

  test('has one owner of an end that parent and child have', () => {
    const child = 'p40970\nf3\nn127.0.0.1:5->127.0.0.1:4096\nTST=ESTABLISHED\n';
    const parent = 'p40961\nf3\nn127.0.0.1:5->127.0.0.1:4096\nTST=ESTABLISHED\n';
    const server = 'p50000\nf1\nn*:4096\nTST=LISTEN\nf2\nn127.0.0.1:4096->127.0.0.1:5\nTST=ESTABLISHED\n';
    for (const text of [child + parent + server, parent + child + server])
      expect(socketsOf(treeOf(50_000), socketsIn(text), rows).inbound).toMatchObject([{ clientPid: 40961 }]);
    const strangers = `p77\nf3\nn127.0.0.1:5->127.0.0.1:4096\nTST=ESTABLISHED\n${child}${server}`;
    expect(socketsOf(treeOf(50_000), socketsIn(strangers), rows).inbound).toMatchObject([{ clientPid: 77 }]);
  });

  test.each<[string, string | undefined, number | undefined]>([
    ['any', undefined, 1],
    ['that of the second', '127.0.0.1', 2],
    ['another one', '127.0.0.2', 3],
  ])('tells who listens at an address: %s', (_what, host, pid) => {
    const text = ['[fe80::1]', '127.0.0.1', '*'].map((at, i) => `p${i + 1}\nf1\nn${at}:4096\nTST=LISTEN\n`).join('');
    const all = socketsIn(`${text}p9\nf1\nn127.0.0.1:4097\nTST=LISTEN\nf2\nn*:4096\nTST=CLOSE_WAIT\n`);
    expect(listenerOn(4096, host, all, new Map())?.pid).toBe(pid);
    expect(listenerOn(4096, host, socketsIn('p4\nf1\nn[::]:4096\nTST=LISTEN\n'), new Map())?.pid).toBe(4);
    expect(listenerOn(4098, host, all, new Map())).toBeUndefined();
  });

  test('is empty where nobody has any', () => {
    expect(socketsIn('')).toEqual([]);
  });

  test.each<[string, string]>([
    ['r-lsof-cwd', '/Users/alex/a\nb\\c'],
    ['c-lsof-cwd-F', '/Users/alex/Developer/project/.worktrees/one'],
    ['linux-lsof-cwd', '/tmp/macproto/fx/work'],
  ])('of directories says what they are called: %s', (name, last) => {
    expect(filesIn(output(name)).at(-1)).toMatchObject({ fd: 'cwd', name: last });
  });

  test('of directories has bytes that are spelled out', () => {
    expect(filesIn('p2\nfcwd\nn/zo\\xc3\\xab\\t\n').at(-1)?.name).toBe('/zoë\t');
    expect(filesIn('p2\nfcwd\nn/zo\u00c3\u00ab\n').at(-1)?.name).toBe('/zoë');
  });
});

describe('the sockets of everybody', () => {
  const HEADING = 'Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)\n';
  const every = (rows: string) => parseNetstat(`${HEADING}${rows}`) ?? expect.fail('a row was not understood');
  const own = socketsIn('p40961\nf14\nn127.0.0.1:4096\nTST=LISTEN\n');
  const server = socketsOf({ server: 40961, pids: [40961] }, own, new Map());
  const with_ = (rows: string) => withEveryTcp(server, own, every(rows));

  test('are understood as they were captured by others', () => {
    const rows = parseNetstat(output('c-netstat-an-tcp'));
    expect(rows).toHaveLength(9);
    expect(rows?.[4]).toEqual({ local: { host: '127.0.0.1', port: 4096 }, peer: undefined, state: 'LISTEN' });
    expect(rows?.[2]).toMatchObject({ local: { host: '0.0.0.0', port: 8771 } });
    expect(rows?.[7]).toMatchObject({ local: { host: '::1', port: 631 } });
  });

  test('are understood as Linux prints them', () => {
    const linux = `Active Internet connections (servers and established)
Proto Recv-Q Send-Q Local Address           Foreign Address         State      
tcp        1      0 127.0.0.1:41021         0.0.0.0:*               LISTEN     
tcp6       0      0 :::2024                 :::*                    LISTEN     
tcp        0      0 127.0.0.1:42456         127.0.0.1:41021         ESTABLISHED
`;
    expect(parseNetstat(linux)).toMatchObject([
      { local: { host: '127.0.0.1', port: 41021 }, peer: undefined },
      { local: { host: '0.0.0.0', port: 2024 }, peer: undefined },
      { local: { port: 42456 }, peer: { port: 41021 } },
    ]);
  });

  test.each<[string, string]>([
    ['nothing at all was printed', ''],
    ['there is no heading', 'tcp4 0 0 127.0.0.1.4096 *.* LISTEN\n'],
    ['a port is beyond all', `${HEADING}tcp4 0 0 127.0.0.1.65536 *.* LISTEN\n`],
    ['a peer’s port is', `${HEADING}tcp4 0 0 127.0.0.1.5 127.0.0.1.65536 ESTABLISHED\n`],
    ['a row is of nothing that it knows', `${HEADING}xtcp4 0 0 127.0.0.1.4096 *.* LISTEN\n`],
    ['a row is none', `${HEADING}netstat: sysctl: net.inet.tcp.pcblist\n`],
    ['the last row was cut', `${HEADING}tcp4 0 0 127.0.0.1.4096 *.* LIST`],
  ])('are none when %s', (_what, text) => {
    expect(parseNetstat(text)).toBeUndefined();
  });

  test('have an address of IPv4 as such, in whichever form it is printed', () => {
    expect(every('tcp46 10 200 ::ffff:127.0.0.1.4096 ::ffff:abcd.5 ESTABLISHED\n')).toEqual([
      { local: { host: '127.0.0.1', port: 4096 }, peer: { host: '::ffff:abcd', port: 5 }, state: 'ESTABLISHED' },
    ]);
  });

  test.each<[string, number]>([
    ...['SYN_SENT', 'SYN_RCVD', 'SYN_RECV', 'FIN_WAIT_1', 'FIN_WAIT_2', 'FIN_WAIT1', 'FIN_WAIT2'].map(
      (state): [string, number] => [state, 1],
    ),
    ...['LAST_ACK', 'CLOSING', 'TIME_WAIT'].map((state): [string, number] => [state, 1]),
    ...['CLOSE_WAIT', 'CLOSED', 'XTIME_WAIT', 'TIME_WAITX'].map((state): [string, number] => [state, 0]),
  ])('have just ended, or are about to begin, by their state: %s', (state, lately) => {
    expect(with_(`tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 ${state}\n`).lately).toHaveLength(lately);
  });

  test('have what is bound to a port, up to the last', () => {
    expect(every('tcp4 0 0 *.* *.* CLOSED\ntcp4 0 0 *.65535 *.* LISTEN\n')).toEqual([
      { local: { host: '0.0.0.0', port: 65_535 }, peer: undefined, state: 'LISTEN' },
    ]);
  });

  test.each<[string, string | undefined, boolean]>([
    ['127.0.0.1.4096 *.* LISTEN', undefined, true],
    ['127.0.0.1.4096 *.* LISTEN', '127.0.0.1', true],
    ['*.4096 *.* LISTEN', '127.0.0.1', true],
    ['192.0.2.7.4096 *.* LISTEN', '127.0.0.1', false],
    ['127.0.0.1.4097 *.* LISTEN', undefined, false],
    ['127.0.0.1.4096 127.0.0.1.5 ESTABLISHED', undefined, false],
    ['127.0.0.1.4097 *.* LISTEN\ntcp4 0 0 127.0.0.1.4096 *.* LISTEN', undefined, true],
  ])('tell whether somebody listens: %s for %s', (rows, host, is) => {
    expect(isOthers(4096, host, every(`tcp4 0 0 ${rows}\n`))).toBe(is);
  });

  test('show what has ended at any of a server’s addresses, and since when is not known', () => {
    const two = socketsIn('p1\nf1\nn127.0.0.1:4096\nTST=LISTEN\nf2\nn*:4097\nTST=LISTEN\n');
    const seenIn = (text: string) =>
      withEveryTcp(socketsOf({ server: 1, pids: [1] }, two, new Map()), two, every(`tcp4 0 0 ${text}\n`));
    expect(seenIn('127.0.0.1.5 127.0.0.1.4096 TIME_WAIT').lately).toEqual([0]);
    expect(seenIn('192.0.2.7.5 192.0.2.7.4097 TIME_WAIT').lately).toEqual([0]);
    expect(seenIn('192.0.2.7.5 127.0.0.1.4097 TIME_WAIT').lately).toEqual([0]);
    expect(seenIn('192.0.2.7.5 192.0.2.9.4097 TIME_WAIT').lately).toEqual([]);
    expect(seenIn('192.0.2.7.5 192.0.2.7.4096 TIME_WAIT').lately).toEqual([]);
    expect(seenIn('127.0.0.1.5 127.0.0.1.4098 TIME_WAIT').lately).toEqual([]);
    expect(seenIn('127.0.0.1.5 *.* TIME_WAIT').lately).toEqual([]);
    expect(seenIn('127.0.0.1.4097 127.0.0.1.5 ESTABLISHED').inbound).toEqual([
      { port: 4097, clientPid: undefined, clientPort: 5 },
    ]);
  });

  test('count a connection that is like one of ours in one end alone', () => {
    const text = 'p1\nf1\nn127.0.0.1:4096\nTST=LISTEN\nf2\nn127.0.0.1:4096->127.0.0.1:5\nTST=ESTABLISHED\n';
    const ours = socketsIn(text);
    const inbound = (rows: string) =>
      withEveryTcp(socketsOf({ server: 1, pids: [1] }, ours, new Map()), ours, every(rows)).inbound.length;
    expect(inbound('tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 ESTABLISHED\n')).toBe(1);
    expect(inbound('tcp4 0 0 127.0.0.1.4096 127.0.0.1.6 ESTABLISHED\n')).toBe(2);
    expect(inbound('tcp4 0 0 127.0.0.1.4096 127.0.0.2.5 ESTABLISHED\n')).toBe(2);
    // By the client's end, which is ours as well.
    const client = socketsIn(`${text.replace(/f2.*/s, '')}p77\nf3\nn127.0.0.1:5->127.0.0.1:4096\nTST=ESTABLISHED\n`);
    const one = socketsOf({ server: 1, pids: [1] }, client, new Map());
    const both = 'tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 ESTABLISHED\n';
    expect(withEveryTcp(one, client, every(both)).inbound).toEqual([{ port: 4096, clientPid: 77, clientPort: 5 }]);
  });

  test.each<[string, string, number, number]>([
    ['a connection that no process of ours has', 'tcp4 0 0 127.0.0.1.4096 127.0.0.1.57064 ESTABLISHED\n', 1, 0],
    ['the other end of one alone', 'tcp4 0 0 127.0.0.1.57064 127.0.0.1.4096 ESTABLISHED\n', 0, 0],
    ['one to that port of another address', 'tcp4 0 0 192.0.2.7.4096 192.0.2.9.57064 ESTABLISHED\n', 0, 0],
    ['one that has just been closed at the server', 'tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 TIME_WAIT\n', 0, 1],
    ['one that has just been closed at the client', 'tcp4 0 0 127.0.0.1.5 127.0.0.1.4096 TIME_WAIT\n', 0, 1],
    ['one that is opening', 'tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 SYN_RCVD\n', 0, 1],
    ['one that the server never closes', 'tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 CLOSE_WAIT\n', 0, 0],
    ['one to another machine’s server', 'tcp4 0 0 192.0.2.7.5 203.0.113.1.4096 TIME_WAIT\n', 0, 0],
  ])('show %s', (_what, rows, inbound, lately) => {
    const seen = with_(rows);
    expect([seen.inbound.length, seen.lately?.length]).toEqual([inbound, lately]);
  });

  test('do not count twice what the list of our own has, even if a long address is cut', () => {
    const long = 'fe80::aaaa:bbbb:cccc:dddd';
    const text = `p40961\nf14\nn*:4096\nTST=LISTEN\nf15\nn[${long}]:4096->[${long}]:57064\nTST=ESTABLISHED\n`;
    const all = socketsIn(text);
    const cut = `tcp6 0 0 ${long.slice(0, 22)}.4096 ${long.slice(0, 22)}.57064 ESTABLISHED\n`;
    const one = socketsOf({ server: 40961, pids: [40961] }, all, new Map());
    expect(withEveryTcp(one, all, every(cut)).inbound).toHaveLength(1);
  });
});

describe('the machine', () => {
  test('is known by its hardware and its boot', () => {
    expect(machineIn(output('r-ioreg'))).toBe('00000000-1111-2222-3333-444444444444');
    expect(bootIn(`kern.bootsessionuuid: ${output('r-bootsessionuuid')}`)).toBe('DA90818C-5B1E-4C55-9B0E-2F3A4B5C6D7E');
  });

  test.each(['', 'sysctl: unknown oid', 'kern.bootsessionuuid: ', 'kern.uuid: DA90818C-5B1E-4C55-9B0E-2F3A4B5C6D7E\n'])(
    'is unknown by %j',
    (text) => {
      expect([bootIn(text), machineIn(text)]).toEqual([undefined, undefined]);
    },
  );
});
