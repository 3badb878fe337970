import { readFileSync } from 'node:fs';
import fc from 'fast-check';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Tool, ToolResult } from '../../../src/observe/run-tool.js';
import { argvOf } from '../../../src/observe/windows/argv.js';
import { LOOK, parseLook } from '../../../src/observe/windows/processes.js';
import { listenersOn, listensIn, parseNetstat, windowsSockets } from '../../../src/observe/windows/sockets.js';
import { parseMachineGuid, systemRoot, windowsTools } from '../../../src/observe/windows/tools.js';
import { windowsPlatform } from '../../../src/observe/windows/windows.js';

const captured = (name: string): string =>
  readFileSync(new URL(`captures/${name}`, import.meta.url), name.startsWith('look') ? 'utf8' : 'latin1');

const DAY = 86_400_000;
const CLIENT = 444;
const [LAUNCHER, SERVER, MCP, TERMINAL] = [600, 1960, 1956, 824];
const OWNER = 'S-1-5-21-0-0-0-1000';

interface Line {
  pid: number;
  ppid: number;
  at: string | number | null;
  name: string | null;
  cmd: string | null;
  exe: string | null;
  sid: string | null;
}

const capture = (): { self: number; now: string; processes: Line[] } => JSON.parse(captured('look.wine.txt'));

/** The captured list with changes to some of its rows. */
function changed(changes: Readonly<Record<number, Partial<Line>>>, also: readonly Line[] = []): string {
  const list = capture();
  const processes = list.processes.map((line) => ({ ...line, ...changes[line.pid] }));
  return JSON.stringify({ ...list, processes: [...processes, ...also] });
}

const looked = (text = captured('look.wine.txt'), us = CLIENT) => parseLook(text, us, DAY);
const seen = (pid: number, text?: string) => looked(text)?.processes.get(pid);

describe('a list of processes, as a stand-in PowerShell printed it under Wine', () => {
  test('shows launcher, server and what they run, with owners and exact times', () => {
    expect(seen(SERVER)).toMatchObject({
      parent: LAUNCHER,
      startToken: '13440074904138060',
      owner: OWNER,
      command: { kind: 'serve', port: 4096, interpreted: false },
      group: undefined,
      session: undefined,
    });
    expect(seen(SERVER)?.ageMs).toBeCloseTo(123_468.94, 1);
    expect(seen(SERVER)?.memoryBytes).toBe(653_688_832);
    expect(seen(LAUNCHER)).toMatchObject({ command: { kind: 'serve', port: 4096, interpreted: true } });
    expect(seen(LAUNCHER)).toMatchObject({ parent: 1460, orphanOf: 1460 });
    expect(seen(MCP)).toMatchObject({ command: { kind: 'other' }, parent: SERVER });
    expect(looked()?.owner).toBe(OWNER);
    expect(seen(CLIENT)?.owner).toBe(OWNER);
    expect(looked()?.processes.has(capture().self)).toBe(false);
  });

  test('has what an earlier process with PowerShell’s pid left behind', () => {
    const said = capture();
    const left = said.processes.map((row) => (row.pid === SERVER ? { ...row, ppid: said.self } : row));
    expect(seen(SERVER, JSON.stringify({ ...said, processes: left }))).toMatchObject({ command: { kind: 'serve' } });
  });

  test('says that we are whom PowerShell runs as, whoever else is in the list', () => {
    const another = changed({ [capture().self]: { sid: 'S-1-5-18' } });
    expect(looked(another)?.owner).toBe('S-1-5-18');
    expect(seen(CLIENT, another)?.owner).toBe('S-1-5-18');
    expect(seen(SERVER, another)?.owner).toBe(OWNER);
  });

  test('a number that is none is not known', () => {
    const odd = { ppid: null, rss: 'much' } as unknown as Partial<Line>;
    expect(seen(SERVER, changed({ [SERVER]: odd }))).toMatchObject({ parent: 0, memoryBytes: undefined });
    const half = { ppid: 600.5 } as Partial<Line>;
    expect(seen(SERVER, changed({ [SERVER]: half }))).toMatchObject({ parent: 0 });
  });

  test('tells a terminal from the console that a program has', () => {
    expect(seen(TERMINAL)?.consoleHost).toBe('terminal');
    expect(seen(1028)?.consoleHost).toBe('own');
    expect(seen(TERMINAL, changed({ [TERMINAL]: { cmd: null } }))?.consoleHost).toBe('unknown');
    expect(seen(SERVER)?.consoleHost).toBeUndefined();
    const named = (name: string) => seen(TERMINAL, changed({ [TERMINAL]: { name } }))?.consoleHost;
    expect(['OpenConsole.exe', 'CONHOST.EXE'].map(named)).toEqual(['terminal', 'terminal']);
    expect(['myconhost.exe', 'conhost.exe.exe'].map(named)).toEqual([undefined, undefined]);
  });

  test('a command line that may not be read is unknown, not another command', () => {
    expect(seen(SERVER, changed({ [SERVER]: { cmd: null } }))).toMatchObject({ command: undefined });
    expect(seen(MCP, changed({ [MCP]: { cmd: '' } }))?.command).toBeUndefined();
    const byName = { cmd: 'opencode serve --port 7', exe: null };
    expect(seen(SERVER, changed({ [SERVER]: byName }))?.command).toMatchObject({ kind: 'serve', port: 7 });
  });

  test('a program that an update has renamed is what it was', () => {
    const old = { name: 'opencode.exe.OLD.1732', exe: 'C:\\x\\opencode.exe.old.1732', cmd: 'o serve --port 7' };
    expect(seen(SERVER, changed({ [SERVER]: old }))).toMatchObject({
      name: 'opencode.exe',
      command: { kind: 'serve', port: 7 },
    });
    const other = { name: 'opencode.exe.old.1x' };
    expect(seen(SERVER, changed({ [SERVER]: other }))?.name).toBe('opencode.exe.old.1x');
  });

  test('an owner that may not be read is unknown', () => {
    expect(seen(SERVER, changed({ [SERVER]: { sid: null } }))?.owner).toBeUndefined();
    for (const sid of ['me', `x${OWNER}`, `${OWNER}x`, 'S-1'])
      expect(seen(SERVER, changed({ [SERVER]: { sid } }))?.owner).toBeUndefined();
  });

  test('a time that is a number was rounded, and proves nothing', () => {
    // What JSON.parse makes of both is the same number.
    expect(JSON.parse('134400749041380601')).toBe(JSON.parse('134400749041380610'));
    const numbers = changed({}).replace(/"at":"(\d+)"/g, '"at":$1');
    expect(seen(SERVER, numbers)).toMatchObject({ startToken: undefined, ageMs: undefined });
    for (const at of ['x134400749041380600', '134400749041380600x', '-134400749041380600', '1344007490413806'])
      expect(seen(SERVER, changed({ [SERVER]: { at } }))).toMatchObject({ startToken: undefined, ageMs: undefined });
  });

  test('what is just ending is there, and nothing is known of it', () => {
    const ending = changed({ [MCP]: { at: '6148914691236517205' }, 1868: { name: null } });
    expect(seen(MCP, ending)).toMatchObject({ startToken: undefined, command: undefined, ageMs: undefined });
    expect(seen(1868, ending)).toMatchObject({ startToken: undefined, command: undefined });
    const [earliest, latest] = [0x0100_0000_0000_0000n, 0x0300_0000_0000_0000n];
    const tokenAt = (at: bigint) => seen(MCP, changed({ [MCP]: { at: `${at}` } }))?.startToken;
    expect([earliest, latest].map(tokenAt)).toEqual([undefined, undefined]);
    expect([earliest + 1n, latest - 1n].map(tokenAt)).toEqual(['7205759403792793', '21617278211378380']);
  });

  test('a parent that is younger than its child is another process, and its pid is kept apart', () => {
    const younger = changed({ [LAUNCHER]: { at: '134400749041380700' } });
    expect(seen(SERVER, younger)).toMatchObject({ parent: 0, orphanOf: LAUNCHER });
    expect(seen(SERVER)?.orphanOf).toBeUndefined();
    expect(seen(1868)).toMatchObject({ parent: SERVER });
    const together = changed({ [LAUNCHER]: { at: '134400749041380600' } });
    expect(seen(SERVER, together)).toMatchObject({ parent: LAUNCHER });
    expect(seen(SERVER, together)).not.toHaveProperty('orphanOf');
  });

  test.each<[string, number, number | undefined]>([
    ['has begun a millisecond from now', -1, undefined],
    ['has just begun', 0, 0],
    ['has begun a minute before the machine', 90_000, 90_000],
    ['has begun longer than that before the machine', 90_001, undefined],
  ])('an age that the clock denies is unknown: of what %s', (_what, ageMs, expected) => {
    const text = changed({ [SERVER]: { at: `${BigInt(capture().now) - BigInt(ageMs) * 10_000n}` } });
    expect(parseLook(text, CLIENT, 30_000)?.processes.get(SERVER)?.ageMs).toBe(expected);
  });

  test('the client is found by any name that it has, and the desktop application is not one', () => {
    const claude = (name: string, exe: string | null, cmd: string | null): Line => ({
      pid: 5000,
      ppid: 0,
      at: '134400749041380600',
      name,
      cmd,
      exe,
      sid: OWNER,
    });
    const roleOf = (...line: Parameters<typeof claude>) => seen(5000, changed({}, [claude(...line)]))?.claude;
    const HOME = 'C:\\Users\\me\\.local\\bin';
    expect(roleOf('claude.exe', `${HOME}\\claude.exe`, 'claude')).toBe('session');
    expect(roleOf('claude.exe', null, null)).toBe('session');
    expect(roleOf('claude.exe.old.1732', `${HOME}\\claude.exe.old.1732`, `"${HOME}\\claude.exe" -c`)).toBe('session');
    expect(roleOf('claude.exe', `${HOME}\\claude.exe`, `"${HOME}\\claude.exe" mcp serve`)).toBe('helper');
    const APP = 'C:\\Users\\me\\AppData\\Local\\AnthropicClaude\\app-1.0\\claude.exe';
    expect(roleOf('claude.exe', APP, `"${APP}" --type=renderer`)).toBeUndefined();
    const STORE = 'c:\\program files\\windowsapps\\claude_1.0_x64__pzs8sxrjxfjjc\\app\\claude.exe';
    expect(roleOf('claude.exe', STORE, `"${STORE}"`)).toBeUndefined();
    expect(roleOf('node.exe', 'C:\\n\\node.exe', 'node C:\\x\\app.js')).toBeUndefined();
  });
});

test.each<[string, string | undefined]>([
  ['is missing', undefined],
  ['is empty', ''],
  ['is a sentence', 'Get-CimInstance : Access denied'],
  ['is cut off', captured('look.wine.txt').slice(0, 900)],
  ['is a list', '[]'],
  ['is nothing', 'null'],
  ['has no processes', '{"self":300,"now":"134400750276070000"}'],
  ['has no time', captured('look.wine.txt').replace(/"now":"\d+"/, '"now":null')],
  ['has its time as a number', captured('look.wine.txt').replace(/"now":"(\d+)"/, '"now":$1')],
  ['does not say which process printed it', captured('look.wine.txt').replace('"self":300', '"self":null')],
  ['leaves out the process that asked', captured('look.wine.txt').replace(`"pid":${CLIENT}`, '"pid":4444')],
])('a list that %s is a failed look', (_why, text) => {
  expect(looked(text ?? '')).toBeUndefined();
  expect(parseLook(text, CLIENT, DAY)).toBeUndefined();
});

test('no list throws, whatever is in it', () => {
  const anything = fc.dictionary(
    fc.constantFrom('pid', 'ppid', 'at', 'name', 'cmd', 'exe', 'rss', 'sid', 'self', 'now'),
    fc.oneof(fc.jsonValue(), fc.constantFrom(CLIENT, 'claude.exe', '134400749041380600', '"', '\\\\"" "')),
  );
  fc.assert(
    fc.property(fc.array(anything), (processes) => {
      const text = JSON.stringify({ ...capture(), processes: [...capture().processes, ...processes] });
      const table = looked(text)?.processes;
      expect(table === undefined || [...table.values()].every(({ pid }) => pid > 1)).toBe(true);
    }),
  );
});

test.each<[string, readonly string[]]>([
  [
    '"C:\\Users\\me\\npm\\\\bin\\opencode.exe"   serve --port 4741',
    ['C:\\Users\\me\\npm\\\\bin\\opencode.exe', 'serve', '--port', '4741'],
  ],
  [
    'C:\\windows\\system32\\cmd.exe /d /s /c "opencode serve --port 4096"',
    ['C:\\windows\\system32\\cmd.exe', '/d', '/s', '/c', 'opencode serve --port 4096'],
  ],
  ['"a b" "c\\\\" d', ['a b', 'c\\', 'd']],
  ['p a\\\\b "a\\\\b" a\\\\"b c"', ['p', 'a\\\\b', 'a\\\\b', 'a\\b c']],
  ['p \\"a "b \\" c"', ['p', '"a', 'b " c']],
  ['p a\\\\\\"b "c\\\\\\" d"', ['p', 'a\\"b', 'c\\" d']],
  ['p a\\""b c"', ['p', 'a"b c']],
  // Three quotes are one, and the part that the first of them began is over.
  ['p "a""b" ""', ['p', 'a"b "']],
  ['p "a""b c', ['p', 'a"b', 'c']],
  ['p """a b"', ['p', '"a', 'b']],
  ['p "a"""b c"', ['p', 'a"b c']],
  ['p "" x', ['p', '', 'x']],
  ['p """""" x', ['p', '""', 'x']],
  ['p "not closed', ['p', 'not closed']],
  ['"not closed either', ['not closed either']],
  ['"C:\\p\\" x', ['C:\\p\\', 'x']],
  ['p\ta  ', ['p', 'a']],
  ['', ['']],
  // Which begins with a blank: its program has no name.
  [' p a', ['', 'p', 'a']],
])('the words of %s', (line, words) => {
  expect(argvOf(line)).toEqual(words);
});

const rowsOf = (name: string) => parseNetstat(captured(name));

describe('what netstat prints', () => {
  test.each([
    ['netstat-en.txt', 80],
    ['netstat-ko.txt', 5040],
    ['netstat-de-dead-owner.txt', 5665],
    ['netstat-dead-owner.txt', 42617],
    ['netstat-wslrelay.txt', 22],
  ])('%s: its listeners are found in any language', (name, port) => {
    expect(listenersOn(rowsOf(name) ?? [], port, undefined).length).toBeGreaterThan(0);
  });

  test('several processes may listen on one port', () => {
    const rows = rowsOf('netstat-de-dead-owner.txt') ?? [];
    expect(listenersOn(rows, 5665, undefined).map(({ pid }) => pid)).toEqual([15136, 8692, 8692]);
    expect(listenersOn(rows, 5665, '127.0.0.1').map(({ local }) => local)).toEqual(['0.0.0.0', '0.0.0.0', '::']);
    expect(listenersOn(rowsOf('netstat-wslrelay.txt') ?? [], 22, '127.0.0.1')).toEqual([]);
    const every = '  TCP 0.0.0.0:4096 0.0.0.0:0 LISTENING 7\r\n';
    const exact = '  TCP 127.0.0.1:4096 0.0.0.0:0 LISTENING 8\r\n';
    for (const text of [every + exact, exact + every]) {
      const found = listenersOn(parseNetstat(text) ?? [], 4096, '127.0.0.1');
      expect(found.map(({ pid }) => pid)).toEqual([8, 7]);
    }
  });

  test.each([
    ['ESTABLISHED', 1960, 'connected'],
    ['ESTABLISHED', 0, 'connected'],
    ['HERGESTELLT', 1960, 'connected'],
    ['HERGESTELLT', 0, 'passing'],
    ['HERGESTELLT', 1, 'connected'],
    ...['CLOSE_WAIT', 'FIN_WAIT_1', 'FIN_WAIT_2', 'CLOSING', 'LAST_ACK', 'SYN_SENT', 'SYN_RECEIVED', 'CLOSED'].map(
      (word): [string, number, string] => [word, 1960, 'passing'],
    ),
    ...['TIME_WAIT', 'DELETE_TCB', 'BOUND'].map((word): [string, number, string] => [word, 1960, 'passing']),
    ...['NOT_CLOSED', 'CLOSED_NOT'].map((word): [string, number, string] => [word, 1960, 'connected']),
    ['TIME_WAIT', 0, 'passing'],
  ] satisfies [string, number, string][])('a row that says %s, of process %d, is %s', (word, pid, state) => {
    const text = `  TCP 127.0.0.1:4096 0.0.0.0:0 X 7\r\n  TCP 127.0.0.1:4096 127.0.0.1:9 ${word} ${pid}\r\n`;
    expect(parseNetstat(text)?.[1]).toMatchObject({ state });
  });

  test('what a server is connected to is not what it listens on, and what has ended has no owner', () => {
    const text = [
      'TCP 127.0.0.1:4096 0.0.0.0:0 LISTENING 1960',
      'TCP 10.0.0.5:50001 203.0.113.9:443 ESTABLISHED 1960',
      'TCP 10.0.0.5:50002 203.0.113.9:443 ESTABLISHED 1960',
      'TCP 10.0.0.5:50004 203.0.113.9:443 ESTABLISHED 77',
      'TCP 10.0.0.5:50003 203.0.113.9:443 ESTABLISHED 0',
      'TCP 127.0.0.1:4096 127.0.0.1:40611 ESTABLISHED 1960',
      'TCP 127.0.0.1:4096 127.0.0.1:40612 CLOSE_WAIT 1960',
      'TCP 127.0.0.1:40613 127.0.0.1:4096 TIME_WAIT 0',
      'TCP 127.0.0.1:40614 127.0.0.1:4097 TIME_WAIT 0',
      'UDP 127.0.0.1:4096 *:* 1960',
    ].join('\r\n');
    expect(windowsSockets(parseNetstat(text) ?? [], [{ server: SERVER, pids: [SERVER] }])).toEqual([
      {
        listening: [{ host: '127.0.0.1', port: 4096, pid: SERVER }],
        inbound: [{ port: 4096, clientPort: 40611, clientPid: undefined }],
        outbound: 2,
        lately: [0],
        ourNetwork: true,
      },
    ]);
  });

  test('a translated word counts as connected, an English one for what is over does not', () => {
    const states = (name: string) => (rowsOf(name) ?? []).map(({ state }) => state);
    expect(states('netstat-de-dead-owner.txt')).toEqual(['listen', 'listen', ...Array(3).fill('connected'), 'listen']);
    expect(states('netstat-dead-owner.txt').slice(0, 2)).toEqual(['listen', 'passing']);
  });

  test('a client is seen at either end, with the pid that one of them shows (a stand-in netstat, in German)', () => {
    const [sockets] = windowsSockets(rowsOf('netstat-de.wine.bin') ?? [], [
      { server: SERVER, pids: [SERVER, LAUNCHER] },
    ]);
    expect(sockets).toMatchObject({
      listening: [{ host: '127.0.0.1', port: 4096, pid: SERVER }],
      inbound: expect.arrayContaining([expect.objectContaining({ port: 4096, clientPort: 40611, clientPid: 1092 })]),
      ourNetwork: true,
    });
    expect(sockets?.lately?.length).toBeGreaterThan(0);
  });

  test('either end is enough, and a connection has one client', () => {
    const listen = '  TCP    127.0.0.1:4096    0.0.0.0:0    LISTENING    1960\r\n';
    const ends = [
      '  TCP 127.0.0.1:4096 127.0.0.1:40611 ESTABLISHED 1960\r\n',
      '  TCP 127.0.0.1:40611 127.0.0.1:4096 ESTABLISHED 1092\r\n',
    ];
    const inbound = (text: string) =>
      windowsSockets(parseNetstat(text) ?? [], [{ server: SERVER, pids: [SERVER] }])[0]?.inbound;
    expect(inbound(listen)).toEqual([]);
    expect(inbound(listen + ends[0])).toEqual([{ port: 4096, clientPort: 40611, clientPid: undefined }]);
    expect(inbound(listen + ends[1])).toEqual([{ port: 4096, clientPort: 40611, clientPid: 1092 }]);
    for (const both of [ends, ends.toReversed()]) {
      expect(inbound(listen + both.join(''))).toEqual([{ port: 4096, clientPort: 40611, clientPid: 1092 }]);
    }
    const elsewhere = '  TCP 192.168.0.2:40611 192.168.0.9:4096 ESTABLISHED 1092\r\n';
    expect(inbound(listen + elsewhere)).toEqual([]);
    expect(inbound(listen + elsewhere.replace('192.168.0.9', '10.127.0.1'))).toEqual([]);
    // From this machine to itself: by each of its addresses.
    for (const [from, to] of [
      ['192.168.0.2', '192.168.0.2'],
      ['192.168.0.2', '127.0.0.1'],
      ['[fe80::1%12]', '[::1]'],
      ['[::FFFF:192.168.0.2]', '[::ffff:127.0.0.1]'],
    ]) {
      const own = `  TCP ${from}:40611 ${to}:4096 ESTABLISHED 1092\r\n`;
      expect(inbound(listen + own)).toEqual([{ port: 4096, clientPort: 40611, clientPid: 1092 }]);
    }
  });

  test('in UTF-16, with an IPv6 scope, or with UDP in between', () => {
    const text = '  TCP    [fe80::1%12]:4096    [::]:0    LISTENING    7\r\n  UDP    [::1]:5353    *:*        9\r\n';
    for (const one of [text, text.replaceAll(/./gs, '$&\0')]) {
      expect(parseNetstat(one)).toMatchObject([
        { local: 'fe80::1', localPort: 4096, state: 'listen', pid: 7 },
        { protocol: 'UDP', localPort: 5353, pid: 9, state: 'passing' },
      ]);
    }
  });

  test('a process waits for others over TCP or UDP, whoever else does', () => {
    const text = [
      'TCP 127.0.0.1:4096 0.0.0.0:0 LISTENING 7',
      'UDP 0.0.0.0:5353 *:* 8',
      'TCP 127.0.0.1:40611 127.0.0.1:4096 ESTABLISHED 9',
    ].join('\r\n');
    expect([7, 8, 9, 10].map((pid) => listensIn(parseNetstat(text) ?? [], pid))).toEqual([true, true, false, false]);
  });

  test.each([
    ['is missing', undefined],
    ['is empty', ''],
    ['is a refusal', 'The requested operation requires elevation.\r\n'],
    ['has a word at its end', '  TCP  127.0.0.1:80  0.0.0.0:0  LISTENING  7x'],
    ['has a word for a pid', '  TCP  127.0.0.1:80  0.0.0.0:0  LISTENING  x7'],
    ['has a word for a port', '  TCP  127.0.0.1:80x  0.0.0.0:0  LISTENING  7'],
    ['has no addresses', '  TCP  here  there  LISTENING  7'],
    ['has no ports', '  TCP  127.0.0.1:  0.0.0.0:  LISTENING  7'],
    ['has a heading and no rows', captured('netstat-en.txt').slice(0, 120)],
    ['is cut before the first pid', '  TCP    0.0.0.0:80             0.0.0.0:0              LISTENING       '],
  ])('a list that %s is a failed look', (_why, text) => {
    expect(parseNetstat(text)).toBeUndefined();
  });

  test('no list throws, whatever is in it', () => {
    const words = fc.constantFrom(
      'TCP',
      'UDP',
      '127.0.0.1:4096',
      '[::1]:0',
      '[',
      ':',
      '0',
      '99999999999',
      '\0',
      'é',
      '\n',
    );
    fc.assert(fc.property(fc.array(words), (parts) => void parseNetstat(parts.join(' '))));
  });
});

test('the machine is named by its GUID in lower case, or not at all', () => {
  expect(parseMachineGuid(captured('reg-machineguid.wine.txt'))).toBe('da874558-11d1-4d0b-8fa7-eb81b4a3d620');
  expect(
    parseMachineGuid(captured('reg-machineguid.wine.txt').toUpperCase().replace('MACHINEGUID ', 'MachineGuid ')),
  ).toMatch(/^da87/);
  for (const text of [
    undefined,
    '',
    'ERROR: not found',
    '    MachineGuid    REG_SZ    da874558-11d1',
    'MachineGuid REG_DWORD 0x1',
    'OtherMachineGuid REG_SZ da874558-11d1-4d0b-8fa7-eb81b4a3d620',
    'MachineGuid REG_SZ da874558-11d1-4d0b-8fa7-eb81b4a3d6201',
  ])
    expect(parseMachineGuid(text)).toBeUndefined();
});

describe('the tools', () => {
  const ENV = { SystemRoot: 'D:\\WINNT\\', PATH: 'C:\\evil', PSModulePath: 'C:\\7', TEMP: 'C:\\t', SECRET: 'x' };

  async function called(ask: (tools: ReturnType<typeof windowsTools>) => Promise<unknown>): Promise<Tool> {
    const calls: Tool[] = [];
    const run = async (tool: Tool): Promise<ToolResult> => {
      calls.push(tool);
      return { kind: 'finished', code: 0, stdout: 'x' };
    };
    await ask(windowsTools(run, ENV));
    return calls[0] ?? expect.fail('nothing was called');
  }

  test('are called by their absolute paths, from System32, with a few variables', async () => {
    for (const ask of ['netstat', 'machineGuid'] as const) {
      const tool = await called((tools) => tools[ask]());
      expect(tool.file).toMatch(/^D:\\WINNT\\System32\\(netstat|reg)\.exe$/);
      expect(tool.cwd).toBe('D:\\WINNT\\System32');
      expect(tool.env).toEqual({ SystemRoot: 'D:\\WINNT', PATH: 'D:\\WINNT\\System32', TEMP: 'C:\\t' });
    }
    for (const root of ['..\\here', 'x D:\\WINNT', 'D:\\WIN"NT', 'D:\\%x%', 'D:'])
      expect(systemRoot({ SystemRoot: root })).toBe('C:\\Windows');
    expect(systemRoot({})).toBe('C:\\Windows');
  });

  test('have what PowerShell needs of our variables, by any spelling, and no more', async () => {
    const needed = 'windir SystemDrive COMSPEC TEMP tmp USERPROFILE LOCALAPPDATA AppData PROGRAMDATA'.split(' ');
    const others = ['MYTEMP', 'TEMPORARY', 'PSModulePath', 'NODE_OPTIONS', 'SYSTEMROOT'];
    const env = Object.fromEntries([...needed, ...others].map((name) => [name, 'C:\\x']));
    const run = async (tool: Tool): Promise<ToolResult> => {
      expect(Object.keys(tool.env).sort()).toEqual([...needed, 'SystemRoot', 'PATH'].sort());
      return { kind: 'finished', code: 0, stdout: 'x' };
    };
    expect(await windowsTools(run, env).netstat()).toBe('x');
  });

  test('PowerShell gets a script as text, and nothing that a virus scanner takes for an attack', async () => {
    const { file, args } = await called((tools) => tools.powershell(LOOK));
    expect(file).toBe('D:\\WINNT\\System32\\WindowsPowerShell\\v1.0\\powershell.exe');
    expect(args).toEqual(['-NoProfile', '-NonInteractive', '-Command', LOOK]);
    expect(LOOK).not.toMatch(/["\n]|Bypass|Hidden|Encoded/);
  });

  test.each<[string, ToolResult]>([
    ['fails to start', { kind: 'failed', why: 'ENOENT' }],
    ['ends with an error', { kind: 'finished', code: 1, stdout: captured('look.wine.txt') }],
    ['prints nothing', { kind: 'finished', code: 0, stdout: '\r\n' }],
  ])('a PowerShell that %s has said nothing', async (_why, result) => {
    expect(await windowsTools(async () => result, ENV).powershell(LOOK)).toBeUndefined();
  });

  test('a byte order mark is no part of what it said', async () => {
    const result: ToolResult = { kind: 'finished', code: 0, stdout: `\uFEFF${captured('look.wine.txt')}\r\n` };
    expect(looked(await windowsTools(async () => result, ENV).powershell(LOOK))).toBeDefined();
  });
});

describe('a platform of fixtures', () => {
  /** Counts its PowerShells; each prints the list that `list` has by then. */
  function fixtures(list: () => string = () => captured('look.wine.txt'), netstat = 'netstat-de.wine.bin') {
    let looks = 0;
    let netstats = 0;
    const there = new Set([SERVER, LAUNCHER, CLIENT]);
    const run = async ({ file }: Tool): Promise<ToolResult> => {
      if (file.endsWith('powershell.exe')) looks += 1;
      if (file.endsWith('netstat.exe')) netstats += 1;
      const stdout = file.endsWith('powershell.exe')
        ? list()
        : file.endsWith('reg.exe')
          ? captured('reg-machineguid.wine.txt')
          : captured(netstat);
      return { kind: 'finished', code: 0, stdout };
    };
    const platform = windowsPlatform(run, CLIENT, (pid) => there.has(pid));
    return { platform, looks: () => looks, netstats: () => netstats, there };
  }

  test('says what Windows cannot show', () => {
    expect(fixtures().platform.shows).toEqual({
      environments: false,
      groups: false,
      clients: true,
      births: false,
      cwdOfAll: false,
      startTokens: 'microseconds',
    });
  });

  test('ages are as of now, not as of when the list was made', async () => {
    const { now } = capture();
    const at = `${BigInt(now) - 50_000_000n}`;
    const { platform, looks } = fixtures(() => changed({ [SERVER]: { at }, [MCP]: { at: null } }));
    const time = vi.spyOn(performance, 'now').mockReturnValue(1_000);
    onTestFinished(() => time.mockRestore());
    const agesAt = async (ms: number) => {
      time.mockReturnValue(ms);
      const table = await platform.processes();
      return [SERVER, MCP].map((pid) => table?.get(pid)?.ageMs);
    };
    expect(await agesAt(1_000)).toEqual([5_000, undefined]);
    expect(await agesAt(4_000)).toEqual([8_000, undefined]);
    expect(looks()).toBe(1);
  });

  test('the sockets of many servers take one list, and those of none take none', async () => {
    const { platform, netstats } = fixtures();
    expect(await platform.sockets([])).toEqual([]);
    expect(netstats()).toBe(0);
    const [one, other] = await platform.sockets([
      { server: SERVER, pids: [SERVER] },
      { server: MCP, pids: [MCP] },
    ]);
    expect(one?.listening).toEqual([{ host: '127.0.0.1', port: 4096, pid: SERVER }]);
    expect(other?.listening).toEqual([]);
    expect(await platform.sockets([{ server: SERVER, pids: [SERVER] }])).toMatchObject([
      { listening: [{ port: 4096 }] },
    ]);
    expect(netstats()).toBe(1);
  });

  test('of a port that several listen on, one that lives is told, with its owner', async () => {
    const list = () => captured('look.wine.txt').replaceAll(`"pid":${SERVER},`, '"pid":8692,');
    const { platform } = fixtures(list, 'netstat-de-dead-owner.txt');
    expect(await platform.listener(5665)).toEqual({ pid: 15136, owner: undefined });
    await platform.processes();
    expect(await platform.listener(5665)).toEqual({ pid: 8692, owner: OWNER });
  });

  test('one list serves every look of a step, and is as old as it is', async () => {
    const { platform, looks } = fixtures(() => JSON.stringify({ ...capture() }).replace('"pid":444', '"pid":444'));
    const first = await platform.processes();
    await Promise.all([platform.processes(), platform.owner?.(), platform.look(CLIENT)]);
    expect(await platform.recent?.(SERVER)).toMatchObject({ pid: SERVER });
    expect(looks()).toBe(1);
    // Ages need a machine that has been up for longer than its processes, as this one may not have been.
    expect(first?.get(SERVER)?.startToken).toBe('13440074904138060');
    platform.lookAnew?.();
    await Promise.all([platform.processes(), platform.recent?.(SERVER)]);
    expect(looks()).toBe(2);
  });

  test('a look at one process is always new, and says gone of what is no longer listed', async () => {
    let text = captured('look.wine.txt');
    const { platform, looks, there } = fixtures(() => text);
    expect(await platform.look(SERVER)).toMatchObject({ pid: SERVER });
    text = text.replace(`"pid":${SERVER},`, '"pid":7777,');
    expect(await platform.look(SERVER)).toBe('gone');
    text = '';
    expect(await platform.look(SERVER)).toBe('unknown');
    expect(looks()).toBe(3);
    there.delete(SERVER);
    expect([await platform.look(SERVER), await platform.recent?.(SERVER)]).toEqual(['gone', 'gone']);
    expect(looks()).toBe(3);
  });

  test('a list that was begun before a step is not taken for one of it', async () => {
    let begin = (): void => undefined;
    const begun = new Promise<void>((resolve) => {
      begin = resolve;
    });
    let looks = 0;
    const run = async (): Promise<ToolResult> => {
      looks += 1;
      if (looks === 1) await begun;
      return { kind: 'finished', code: 0, stdout: captured('look.wine.txt') };
    };
    const platform = windowsPlatform(run, CLIENT);
    const early = platform.processes();
    await Promise.resolve();
    await Promise.resolve();
    platform.lookAnew?.();
    const late = platform.processes();
    begin();
    await Promise.all([early, late]);
    await platform.processes();
    expect(looks).toBe(2);
  });

  test('what lives and is not in the list has it made anew; what has ended has not', async () => {
    const { platform, looks, there } = fixtures();
    await platform.processes();
    await platform.beginLook?.([SERVER, 999_999_999]);
    await platform.processes();
    expect(looks()).toBe(1);
    there.add(5555);
    await platform.beginLook?.([SERVER, 5555]);
    await platform.processes();
    expect(looks()).toBe(2);
  });

  test('the machine, the listeners and what a process waits for are told without PowerShell', async () => {
    const { platform, looks, netstats } = fixtures();
    expect((await platform.details({ environment: [SERVER] })).size).toBe(0);
    expect(netstats()).toBe(0);
    expect((await platform.details({ listens: [SERVER] })).get(SERVER)?.listens).toBe(true);
    expect(await platform.host()).toMatchObject({
      id: 'da874558-11d1-4d0b-8fa7-eb81b4a3d620',
      boot: expect.stringMatching(/^win32:da87/),
    });
    expect(await platform.listener(4096, '127.0.0.1')).toMatchObject({ pid: SERVER });
    expect(await platform.listener(4097)).toBe('nobody');
    const details = await platform.details({ listens: [SERVER, LAUNCHER], environment: [SERVER] });
    expect([details.get(SERVER)?.listens, details.get(LAUNCHER)?.listens]).toEqual([true, false]);
    expect(details.get(SERVER)?.environment).toBeUndefined();
    expect(looks()).toBe(0);
  });

  test('a netstat that fails says nothing of who listens, and what is younger than the list is not gone', async () => {
    const run = async ({ file }: Tool): Promise<ToolResult> =>
      file.endsWith('powershell.exe')
        ? { kind: 'finished', code: 0, stdout: captured('look.wine.txt') }
        : { kind: 'failed', why: 'it took too long' };
    const platform = windowsPlatform(run, CLIENT, () => true);
    expect(await platform.listener(4096)).toBeUndefined();
    const tree = { server: SERVER, pids: [SERVER] };
    expect(await platform.sockets([tree, tree])).toEqual([undefined, undefined]);
    expect(await platform.recent?.(5555)).toBe('unknown');
  });
});
