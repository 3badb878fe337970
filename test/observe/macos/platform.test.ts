import { basename } from 'node:path';
import { describe, expect, onTestFinished, test, vi } from 'vitest';
import type { Process, Seen } from '../../../src/model/process.js';
import { macosGlance } from '../../../src/observe/macos/glance.js';
import { readHost } from '../../../src/observe/macos/host.js';
import { macosPlatform } from '../../../src/observe/macos/macos.js';
import { TOOLS, type Tools } from '../../../src/observe/macos/tools.js';
import type { Tool, ToolResult } from '../../../src/observe/run-tool.js';
import { BEGAN, HOST, netstat, ourRow, row, SERVER } from './stand-in.js';

/*
 * The adapter by what stand-ins for its tools are scripted to print, without a process of any. judged.test.ts has the same
 * by scripts that are run, and `npm run test:macos-adapter` by the tools of Linux.
 */

const ARGS = '/Users/alex/.opencode/bin/opencode serve --port 4096';
const LISTENS = `p${SERVER}\nf14\nn127.0.0.1:4096\nTST=LISTEN\n`;
const ESTABLISHED = (from: string, to: string): string => `n127.0.0.1:${from}->127.0.0.1:${to}\nTST=ESTABLISHED\n`;

type Says = string | [code: number, text: string] | 'fails' | undefined;
type Name = 'list' | 'look' | 'environments' | 'tcp' | 'files' | 'cwd' | 'netstat' | 'sysctl' | 'ioreg';

const FAILED: ToolResult = { kind: 'failed', why: 'a test says so' };
const UUID = 'DA90818C-5B1E-4C55-9B0E-2F3A4B5C6D7E';

/** A Mac with a server that listens on 4096. */
const MAC: Record<Name, Says> = {
  list: ourRow() + row(),
  look: ourRow() + row(),
  environments: `${process.pid} node test A=b\n${SERVER} ${ARGS} OPENCODE_REAP_TAG=t\n`,
  tcp: LISTENS,
  files: [1, ''],
  cwd: `p${SERVER}\nfcwd\nn/Users/alex\n`,
  netstat: netstat('tcp4 0 0 127.0.0.1.4096 *.* LISTEN\n'),
  sysctl: `kern.bootsessionuuid: ${UUID}\n`,
  ioreg: `  |   "IOPlatformUUID" = "${UUID}"\n`,
};

function whichOf(file: string, args: string): Name {
  if (file === 'ps') return args.startsWith('-A') ? 'list' : args.startsWith('-p') ? 'look' : 'environments';
  if (file === 'lsof') return args.includes('-iTCP') ? 'tcp' : args.includes('cwd') ? 'cwd' : 'files';
  return file as Name;
}

/** What it says may be changed as a test goes on. `calls` are what was asked, each with the pids that it was asked about. */
function macOf(but: Partial<Record<Name, Says>> = {}) {
  const says: Record<Name, Says> = { ...MAC, ...but };
  const calls: Name[] = [];
  const asked: Tool[] = [];
  const run = async (tool: Tool): Promise<ToolResult> => {
    const which = whichOf(basename(tool.file), tool.args.join(' '));
    calls.push(which);
    asked.push(tool);
    const said = says[which];
    if (said === 'fails' || said === undefined) return FAILED;
    const [code, stdout] = typeof said === 'string' ? ([0, said] as const) : said;
    return { kind: 'finished', code, stdout };
  };
  const tools: Tools = { ...TOOLS, run, highestPid: 9_999_999 };
  const pidsOf = (which: Name) =>
    asked
      .filter(({ args, file }) => whichOf(basename(file), args.join(' ')) === which)
      .map(({ args }) => args[args.indexOf('-p') + 1]);
  return { platform: macosPlatform({ tools, host: async () => HOST }), tools, says, calls, asked, pidsOf };
}

const tree = { server: SERVER, pids: [SERVER] };

/** Stops a clock, which goes on where the test says so. */
function stopped(clock: typeof Date | typeof performance, at: number) {
  const spy = vi.spyOn(clock as typeof Date, 'now').mockReturnValue(at);
  onTestFinished(() => spy.mockRestore());
  return spy;
}

describe('a list of processes, by scripted stand-ins', () => {
  test('shows each as it is, and neither zombies nor the first', async () => {
    stopped(Date, BEGAN * 1000 + 5_000);
    const child = row({ pid: SERVER + 1, parent: SERVER, group: SERVER, stat: 'S', ucomm: 'node', args: 'node mcp' });
    const others = row({ pid: SERVER + 2, stat: 'Z', args: '<defunct>' }) + row({ pid: 1, parent: 0 });
    const table = await macOf({ list: `${ourRow()}${row({ owner: '501' })}${child}${others}` }).platform.processes();
    expect(table?.get(SERVER)).toEqual({
      pid: SERVER,
      startToken: String(BEGAN),
      parent: 1,
      group: SERVER,
      session: SERVER,
      terminal: false,
      owner: '501',
      name: 'opencode',
      command: { kind: 'serve', port: 4096, sharedDaemon: undefined, interpreted: false },
      claude: undefined,
      ageMs: 5_000,
      memoryBytes: 351_232 * 1024,
    });
    expect(table?.get(SERVER + 1)).toMatchObject({ session: SERVER, command: { kind: 'other' } });
    expect([...(table?.keys() ?? [])]).toEqual([process.pid, SERVER, SERVER + 1]);
  });

  test.each<[string, Says]>([
    ['fails', 'fails'],
    ['ends with code 1', [1, ourRow() + row()]],
    ['does not show us', row()],
    ['prints a row that is none', `${ourRow()}ps: error\n`],
  ])('is none where ps %s, and nothing is asked of what it does not show', async (_what, list) => {
    const { platform, calls } = macOf({ list });
    expect(await platform.processes()).toBeUndefined();
    expect((await platform.details({ environment: [SERVER] })).get(SERVER)?.environment).toBeUndefined();
    expect(calls).toEqual(['list']);
  });
});

describe('a look at some processes, by scripted stand-ins', () => {
  const looked = async (look: Says, ...pids: number[]): Promise<(Seen | number)[]> => {
    const seen = await Promise.all(pids.map(macOf({ look }).platform.look));
    return seen.map((one) => (typeof one === 'string' ? one : one.pid));
  };

  test('shows each that lives, and that the others have ended', async () => {
    const zombie = row({ pid: SERVER + 1, stat: 'Z' });
    expect(await looked(`${ourRow()}${row()}${zombie}`, SERVER, SERVER + 1, SERVER + 2)).toEqual([
      SERVER,
      'gone',
      'gone',
    ]);
    expect(await macOf().platform.look(SERVER)).toMatchObject({ startToken: String(BEGAN), name: 'opencode' });
  });

  test.each<[string, Says]>([
    ['fails', 'fails'],
    ['ends with code 1', [1, ourRow() + row()]],
    ['does not show us', row()],
    ['is cut', `${ourRow()}${row()}`.slice(0, -3)],
  ])('shows nothing where ps %s', async (_what, look) => {
    expect(await looked(look, SERVER, SERVER + 1)).toEqual(['unknown', 'unknown']);
  });

  test('does not take a pid that was not asked about for one that has ended', async () => {
    expect(await looked(ourRow() + row({ pid: 1 }), 1, 0, 10_000_000)).toEqual(['unknown', 'unknown', 'unknown']);
  });

  test('is one call for one moment, and a new one for the next', async () => {
    const { platform, says, calls, pidsOf } = macOf();
    await Promise.all([SERVER, SERVER + 1].map(platform.look));
    says.look = ourRow();
    expect(await platform.look(SERVER)).toBe('gone');
    expect(calls).toEqual(['look', 'look']);
    expect(pidsOf('look')).toEqual([`${SERVER},${SERVER + 1},${process.pid}`, `${SERVER},${process.pid}`]);
  });
});

describe('environments, by scripted stand-ins', () => {
  const tagOf = async ({ platform }: ReturnType<typeof macOf>, pid = SERVER) =>
    (await platform.details({ environment: [pid] })).get(pid)?.environment?.tag;

  test('are asked for once, of all that are in the list', async () => {
    const mac = macOf();
    expect(mac.platform.shows).toEqual({
      environments: true,
      clients: true,
      startTokens: 'seconds',
      births: false,
      cwdOfAll: false,
    });
    expect(await mac.platform.details({ environment: [SERVER, 77] })).toMatchObject(
      new Map([
        [SERVER, { environment: { tag: 't' }, isElsewhere: false }],
        [77, { environment: undefined, isElsewhere: false }],
      ]),
    );
    expect(await tagOf(mac)).toBe('t');
    expect(await tagOf(mac, 77)).toBeUndefined();
    expect(mac.calls).toEqual(['list', 'environments']);
    expect(mac.pidsOf('environments')).toEqual([`${SERVER},${process.pid}`]);
    expect(mac.platform.shows.environments).toBe(true);
  });

  test.each<[string, Says]>([
    ['is hidden', `${process.pid} node test A=b\n${SERVER} ${ARGS}\n`],
    ['is another program’s', `${process.pid} node test A=b\n${SERVER} /bin/sh A=b\n`],
    ['was cut', `${SERVER} ${ARGS} OPENCODE_REAP_TAG=t`],
    ['cannot be had', 'fails'],
    ['comes with an error', [2, `${SERVER} ${ARGS} OPENCODE_REAP_TAG=t\n`]],
  ])('are unknown, and asked for again, where one %s', async (_what, environments) => {
    const mac = macOf({ environments });
    expect((await mac.platform.details({ environment: [SERVER] })).get(SERVER)).toEqual({
      environment: undefined,
      listens: undefined,
      isElsewhere: false,
    });
    mac.says.environments = MAC.environments;
    expect(await tagOf(mac)).toBe('t');
  });

  test('are shown where one of those asked for has ended', async () => {
    expect(await tagOf(macOf({ environments: [1, `${SERVER} ${ARGS} OPENCODE_REAP_TAG=t\n`] }))).toBe('t');
  });

  test.each<[string, string, boolean]>([
    ['the same program', row(), true],
    ['another process', row({ began: BEGAN + 1 }), false],
    ['another program with the same arguments', row({ ucomm: 'opencode.exe' }), false],
    ['other arguments', row({ args: `${ARGS} --pure` }), false],
  ])('are kept as long as it is %s', async (_what, now, isKept) => {
    const mac = macOf();
    expect(await tagOf(mac)).toBe('t');
    mac.says.list = ourRow() + now;
    mac.says.environments = 'fails';
    await mac.platform.processes();
    expect(await tagOf(mac)).toBe(isKept ? 't' : undefined);
  });

  test('are hidden everywhere where our own is, unless we have none', async () => {
    const { env } = process;
    onTestFinished(() => {
      process.env = env;
    });
    for (const [ours, hides] of [
      [{ A: 'b' }, true],
      [{}, false],
    ] as const) {
      process.env = { ...ours };
      const mac = macOf({ environments: `${process.pid} node test\n${SERVER} ${ARGS}\n` });
      await mac.platform.details({ environment: [SERVER] });
      expect(mac.platform.shows.environments).toBe(!hides);
    }
  });
});

describe('working directories, by scripted stand-ins', () => {
  const cwdOf = async (but: Partial<Record<Name, Says>>, ...pids: number[]) => {
    const { platform, calls } = macOf(but);
    const found = await platform.details({ cwd: pids });
    return { all: pids.map((pid) => [found.get(pid)?.cwd, found.get(pid)?.hidesCwd]), calls };
  };

  test('take one call, and another where one is missing', async () => {
    expect(await cwdOf({}, SERVER)).toEqual({ all: [['/Users/alex', false]], calls: ['cwd'] });
    const look = ourRow() + row({ pid: SERVER + 1 });
    expect(await cwdOf({ cwd: [1, MAC.cwd as string], look }, SERVER, SERVER + 1, SERVER + 2)).toEqual({
      all: [
        ['/Users/alex', false],
        [undefined, true],
        [undefined, false],
      ],
      calls: ['cwd', 'look'],
    });
  });

  test.each<[string, Says]>([
    ['fails', 'fails'],
    ['has another file', `p${SERVER}\nftxt\nn/bin/x\n`],
    ['has no path', `p${SERVER}\nfcwd\nn\n`],
    ['has another reason', `p${SERVER}\nfcwd\nn/x (stat: No such file)\n`],
    ['has a reason in its place', `p${SERVER}\nfcwd\nn/proc/5/cwd (readlink: Permission denied)\n`],
  ])('are hidden where lsof %s', async (_what, cwd) => {
    expect((await cwdOf({ cwd }, SERVER)).all).toEqual([[undefined, true]]);
    // Whether it has ended is not known either.
    expect((await cwdOf({ cwd, look: 'fails' }, SERVER)).all).toEqual([[undefined, true]]);
  });

  test('are not asked for without a pid that can be asked about', async () => {
    expect((await cwdOf({}, 10_000_000)).calls).toEqual([]);
    const odd = `p${SERVER}\nfcwd\nn/x (stat: y) z\n`;
    expect((await cwdOf({ cwd: odd }, SERVER)).all).toEqual([['/x (stat: y) z', false]]);
    expect(await cwdOf({}, SERVER, 10_000_000)).toEqual({
      all: [
        ['/Users/alex', false],
        [undefined, true],
      ],
      calls: ['cwd'],
    });
  });
});

describe('whether a process waits for others, by scripted stand-ins', () => {
  const [CHILD, PARENT] = [SERVER + 1, SERVER];
  const list = `${ourRow()}${row()}${row({ pid: CHILD, parent: PARENT })}`;
  const listensOf = async (files: Says, ...pids: number[]) => {
    const { platform, calls, pidsOf } = macOf({ list, files });
    const found = await platform.details({ listens: pids });
    return { all: pids.map((pid) => found.get(pid)?.listens), calls, pids: pidsOf('files') };
  };

  test.each<[string, string, boolean]>([
    ['a TCP socket that listens', 'tIPv4\nn127.0.0.1:4096\nTST=LISTEN', true],
    ['one of IPv6', 'tIPv6\nn*:4096\nTST=LISTEN', true],
    ['a connection', 'tIPv4\nn127.0.0.1:5->127.0.0.1:6\nTST=ESTABLISHED', false],
    ['a socket that is closed', 'tIPv4\nn127.0.0.1:5\nTST=CLOSED', false],
    ['UDP', 'tIPv4\nn*:5353', true],
    ['UDP to one peer', 'tIPv4\nn127.0.0.1:5->127.0.0.1:6', false],
    ['UDP without a port', 'tIPv6\nn*:*', false],
    ['a Unix socket with a path', 'tunix\nn/tmp/x', true],
    ['one without', 'tunix\nn->0x1234', false],
    ['a file', 'tREG\nn/tmp/x', false],
  ])('is told of %s', async (_what, file, is) => {
    expect((await listensOf(`p${CHILD}\nf3\ntREG\nn/x\nf4\n${file}\n`, CHILD)).all).toEqual([is]);
  });

  test('leaves out what its parent has as well', async () => {
    const both = 'f3\ntIPv4\nn127.0.0.1:4096\nTST=LISTEN\n';
    const own = 'f4\ntIPv4\nn127.0.0.1:4097\nTST=LISTEN\n';
    const { all, pids } = await listensOf(`p${PARENT}\n${both}p${CHILD}\n${both}`, CHILD);
    expect([all, pids]).toEqual([[false], [`${CHILD},${PARENT}`]]);
    expect((await listensOf(`p${PARENT}\n${both}p${CHILD}\n${both}${own}`, CHILD, PARENT)).all).toEqual([true, true]);
  });

  test('is unknown of what is not shown, or where lsof fails', async () => {
    const files = `p${PARENT}\nf3\ntIPv4\nn127.0.0.1:4096\nTST=LISTEN\n`;
    expect((await listensOf([1, files], CHILD, PARENT)).all).toEqual([undefined, true]);
    expect((await listensOf('fails', CHILD)).all).toEqual([undefined]);
    expect(await listensOf(files, 77)).toEqual({ all: [undefined], calls: ['list'], pids: [] });
  });
});

describe('sockets, by scripted stand-ins', () => {
  const MUTE = { tcp: [1, ''], netstat: netstat('') } satisfies Partial<Record<Name, Says>>;

  test('take both lists at once, of all servers, and of none none', async () => {
    const { platform, calls } = macOf();
    expect(await platform.sockets([])).toEqual([]);
    expect(calls).toEqual([]);
    await platform.processes();
    expect(await platform.sockets([tree])).toEqual([
      {
        listening: [{ host: '127.0.0.1', port: 4096, pid: SERVER }],
        inbound: [],
        outbound: 0,
        lately: [],
        ourNetwork: true,
      },
    ]);
    expect(calls).toEqual(['list', 'tcp', 'netstat']);
  });

  test.each<[string, Partial<Record<Name, Says>>]>([
    ['lsof fails', { tcp: 'fails' }],
    ['lsof ends with code 1 and something', { tcp: [1, LISTENS] }],
    ['lsof ends with code 2', { tcp: [2, LISTENS] }],
    ['lsof ends with code 2 and nothing', { tcp: [2, ''] }],
    ['lsof prints what is no name', { tcp: `${LISTENS}f5\nnsomething\n` }],
    ['lsof prints half a line', { tcp: LISTENS.slice(0, -2) }],
    ['netstat fails', { netstat: 'fails' }],
    ['netstat ends with code 1', { netstat: [1, MAC.netstat as string] }],
    ['netstat prints no list', { netstat: 'tcp4\n' }],
  ])('are unknown of every server where %s', async (_what, said) => {
    expect(await macOf(said).platform.sockets([tree, tree])).toEqual([undefined, undefined]);
  });

  test('of a server that listens on nothing are known if any file of it is shown', async () => {
    const { platform, pidsOf } = macOf(MUTE);
    const other = { server: SERVER + 1, pids: [SERVER + 1] };
    const [one, two] = await platform.sockets([tree, other]);
    expect(one?.listening).toEqual([]);
    expect(two).toBeUndefined();
    expect(pidsOf('cwd')).toEqual([`${SERVER},${SERVER + 1}`]);
    // As when the other one has ended.
    const [three] = await macOf({ ...MUTE, cwd: [1, MAC.cwd as string] }).platform.sockets([tree, other]);
    expect(three?.listening).toEqual([]);
    expect(await macOf({ ...MUTE, cwd: [1, ''] }).platform.sockets([tree])).toEqual([undefined]);
    expect(await macOf({ ...MUTE, cwd: 'fails' }).platform.sockets([tree])).toEqual([undefined]);
  });

  test('of one that listens need no such proof, whoever else listens on nothing', async () => {
    const { platform, pidsOf } = macOf({ cwd: [1, ''] });
    const unaskable = { server: 10_000_000, pids: [10_000_000] };
    const mute = { server: SERVER + 1, pids: [SERVER + 1] };
    expect((await platform.sockets([unaskable, tree, mute])).map((one) => one?.listening.length)).toEqual([
      undefined,
      1,
      undefined,
    ]);
    expect(pidsOf('cwd')).toEqual([`${SERVER + 1}`]);
    expect(await platform.sockets([unaskable])).toEqual([undefined]);
    expect(pidsOf('cwd')).toHaveLength(1);
  });

  test('with a client that nobody owns are looked at once more', async () => {
    const torn = `${netstat('tcp4 0 0 127.0.0.1.4096 127.0.0.1.5 ESTABLISHED\n')}`;
    const two = `${LISTENS}f15\n${ESTABLISHED('4096', '6')}p77\nf3\n${ESTABLISHED('6', '4096')}`;
    const other = { server: SERVER + 1, pids: [SERVER + 1] };
    const clients = async (netstats: readonly string[], trees = [tree]) => {
      const mac = macOf({ tcp: `${two}p${SERVER + 1}\nf1\nn*:4097\nTST=LISTEN\n` });
      const { run } = mac.tools;
      let at = 0;
      const answering = {
        ...mac.tools,
        run: (tool: Tool) => {
          if (basename(tool.file) === 'netstat') mac.says.netstat = netstats[at++] ?? netstats.at(-1);
          return run(tool);
        },
      };
      const seen = await macosPlatform({ tools: answering, host: async () => HOST }).sockets(trees);
      const pids = seen.map((one) => one?.inbound.map(({ clientPid }) => clientPid));
      return { pids, calls: mac.calls.filter((call) => call === 'netstat').length };
    };
    expect(await clients([torn, netstat('')])).toEqual({ pids: [[77]], calls: 2 });
    expect(await clients([torn, torn])).toEqual({ pids: [[77, undefined]], calls: 2 });
    expect(await clients([netstat('')])).toEqual({ pids: [[77]], calls: 1 });
    expect(await clients([torn, netstat('')], [other, tree])).toEqual({ pids: [[], [77]], calls: 2 });
    expect(await clients([torn, torn], [tree, other])).toEqual({ pids: [[77, undefined], []], calls: 2 });
  });

  test('hold for a fifth of a second, and for no other list of processes', async () => {
    const clock = stopped(performance, 10_000);
    const { platform, calls } = macOf();
    await platform.processes();
    const lists = async (at: number) => {
      clock.mockReturnValue(at);
      await platform.sockets([tree]);
      return calls.filter((call) => call === 'tcp').length;
    };
    expect([await lists(10_000), await lists(10_200), await lists(10_201)]).toEqual([1, 1, 2]);
    await platform.processes();
    expect(await lists(10_201)).toBe(3);
  });
});

describe('who listens, by scripted stand-ins', () => {
  const OTHERS = netstat('tcp4 0 0 127.0.0.1.4096 *.* LISTEN\n');
  test.each<[string, Partial<Record<Name, Says>>, unknown]>([
    ['one of ours', { list: ourRow() + row({ owner: '501' }) }, { pid: SERVER, owner: '501' }],
    ['one of ours, although netstat fails', { netstat: 'fails' }, { pid: SERVER, owner: expect.anything() }],
    ['one of ours that is not in the list', { list: ourRow() }, { pid: SERVER, owner: undefined }],
    ['another user', { tcp: [1, ''], netstat: OTHERS }, { pid: undefined, owner: undefined }],
    ['somebody, where lsof fails', { tcp: 'fails', netstat: OTHERS }, { pid: undefined, owner: undefined }],
    ['nobody', { tcp: [1, ''], netstat: netstat('') }, 'nobody'],
    ['unknown where lsof fails', { tcp: 'fails', netstat: netstat('') }, undefined],
    ['unknown where netstat fails', { tcp: [1, ''], netstat: 'fails' }, undefined],
  ])('is %s', async (_what, said, listener) => {
    expect(await macOf(said).platform.listener(4096, '127.0.0.1')).toEqual(listener);
  });
});

describe('the machine, by scripted stand-ins', () => {
  test('is known by two tools, each of which may fail alone', async () => {
    expect(await readHost(macOf().tools)).toMatchObject({ id: UUID, boot: UUID, pidNamespace: 'darwin' });
    expect(await readHost(macOf({ ioreg: 'fails' }).tools)).toMatchObject({ id: undefined, boot: UUID });
    expect(await readHost(macOf({ sysctl: 'fails' }).tools)).toMatchObject({ id: UUID, boot: undefined });
  });
});

describe('the glance of a hook, by scripted stand-ins', () => {
  const glanced = async (but: Partial<Record<Name, Says>>, boot = false) => {
    const { tools, asked, calls } = macOf(but);
    return { ...(await macosGlance({ boot }, tools)), asked, calls };
  };

  test('is one list, and the boot where it is needed', async () => {
    const { look, host, calls } = await glanced({
      list: `${ourRow()}${row()}${row({ pid: 77, stat: 'Z' })}${row({ pid: 1 })}`,
    });
    expect(look(SERVER)).toEqual({ pid: SERVER, startToken: String(BEGAN), name: 'opencode', parent: 1 });
    expect([77, 1, 78].map(look)).toEqual(['gone', 'gone', 'gone']);
    expect([host().boot, host().id, calls]).toEqual([undefined, undefined, ['list']]);
    const needed = await glanced({}, true);
    expect([needed.host().boot, needed.calls]).toEqual([UUID, ['list', 'sysctl']]);
    for (const { timeoutMs } of needed.asked) expect(timeoutMs).toBe(700);
  });

  test.each<[string, Says]>([
    ['fails', 'fails'],
    ['ends with code 1', [1, ourRow() + row()]],
    ['does not show us', row()],
  ])('knows nothing where ps %s', async (_what, list) => {
    const { look } = await glanced({ list });
    expect([SERVER, 78].map(look)).toEqual(['unknown', 'unknown']);
  });
});

test('the tools are asked in no language but their own, and from a folder that is there', async () => {
  const { platform, asked } = macOf();
  const seen: Seen = await platform.look(SERVER);
  expect((seen as Process).pid).toBe(SERVER);
  expect(asked).toEqual([
    expect.objectContaining({
      file: '/bin/ps',
      env: { LC_TIME: 'C', LC_CTYPE: 'UTF-8', TZ: 'UTC0', PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
      cwd: '/',
      encoding: 'latin1',
    }),
  ]);
});
