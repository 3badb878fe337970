import { describe, expect, test } from 'vitest';
import { within } from '../../src/decide/leases.js';
import { leftChildren } from '../../src/decide/left-children.js';
import { locate } from '../../src/decide/locate.js';
import type { Process } from '../../src/model/process.js';
import { but, type Change, connected, ended, leased, listening, running, seen, shown } from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  HOUR,
  identity,
  LAUNCHER,
  launched,
  MCP,
  MINUTE,
  NOW,
  PORT,
  place,
  process,
  record,
  SELF,
  SERVER,
  SHELL,
  type Situation,
  serve,
  serverProcess,
  sockets,
  tableOf,
  verdict,
} from './given.js';

/*
 * What a server is where a system has neither process groups nor environments, and keeps the pid of a parent that has
 * ended: Windows. A plugin has spawned cmd.exe, and wrote down its pid and when that was.
 */

const bare = { group: undefined, session: undefined, terminal: undefined };
const cmd = serverProcess(LAUNCHER, {
  ...bare,
  name: 'cmd.exe',
  parent: SHELL,
  command: { ...serve, interpreted: true },
});
const server = serverProcess(SERVER, { ...bare, name: 'opencode.exe', parent: LAUNCHER });
const mcp = process(MCP, { ...bare, name: 'node.exe', parent: SERVER });
const CONSOLE = 6000;
const console_ = (which: Process['consoleHost'], parent = SERVER): Process =>
  process(CONSOLE, { ...bare, name: 'conhost.exe', parent, consoleHost: which });
const others = [SHELL, SELF, CLAUDE].map((one) => process(one, { ...bare, name: 'something.exe' }));

const onWindows: Situation = {
  ...launched,
  record: {
    ...record,
    source: { format: 'johnnyvicious', file: 'C:\\x\\server.json' },
    tag: undefined,
    machine: undefined,
    spawned: { ...identity(LAUNCHER), startToken: undefined },
    server: undefined,
    starter: undefined,
    startedAt: NOW - HOUR,
    provenBy: 'start time',
  },
  snapshot: {
    ...launched.snapshot,
    processes: tableOf(...others, cmd, server, mcp),
    showsEnvironments: false,
    showsGroups: false,
    environments: new Map(),
    claudes: [],
    listeners: new Map([[PORT, SERVER]]),
    sockets: new Map([[record.id, sockets]]),
  },
};

const where = ({ record, snapshot }: Situation) => {
  const located = locate(record, snapshot);
  return located.kind === 'present' ? [located.launcher?.pid, located.server.pid] : located.kind;
};

/** Its launcher is gone; whoever has its pid now started later. */
const orphaned: Change = (given) => but(given, ended(LAUNCHER), seen(SERVER, { parent: LAUNCHER, orphanOf: LAUNCHER }));
const reused: Change = (given) =>
  but(
    given,
    running(process(LAUNCHER, { ...bare, startToken: 'later', ageMs: MINUTE })),
    seen(SERVER, { parent: 0, orphanOf: LAUNCHER }),
  );
/** Git Bash starts everything anew, so that no parent of it lives. */
const unchained = seen(SERVER, { parent: FREE, orphanOf: FREE });
const shim = seen(LAUNCHER, { name: 'opencode.exe', command: serve });
const bash = seen(LAUNCHER, { name: 'bash.exe', command: { kind: 'other' } });
const noListener = shown({ listeners: new Map() });

describe('where there are no groups, a server is found', () => {
  test.each<[string, Situation, readonly (number | undefined)[] | string]>([
    ['below cmd.exe', onWindows, [LAUNCHER, SERVER]],
    ['below a shim of its own name', but(onWindows, shim), [LAUNCHER, SERVER]],
    ['below node, which runs a script', but(onWindows, seen(LAUNCHER, { name: 'node.exe' })), [LAUNCHER, SERVER]],
    [
      'with a console of its launcher beside it',
      but(onWindows, running(console_('own', LAUNCHER))),
      [LAUNCHER, SERVER],
    ],
    ['below a launcher that has ended', but(onWindows, orphaned, noListener), [undefined, SERVER]],
    ['below a launcher whose pid is another process by now', but(onWindows, reused, noListener), [undefined, SERVER]],
    ['on its port, where the chain is broken', but(onWindows, unchained), [undefined, SERVER]],
    [
      'on its port, below a Git Bash that does not say what it runs',
      but(onWindows, bash, unchained),
      [undefined, SERVER],
    ],
    ['on its port, when the shell has ended too', but(onWindows, unchained, ended(LAUNCHER)), [undefined, SERVER]],
  ])('%s', (_where, given, expected) => {
    expect(where(given)).toEqual(expected);
    expect(verdict(given).kind).toBe('stale');
  });

  test.each<[string, Situation, string]>([
    [
      'a shell without a server is none itself',
      but(onWindows, unchained, noListener, shown({ sockets: new Map() })),
      'unknown',
    ],
    ['it is gone when nothing of it is left', but(onWindows, ended(LAUNCHER, SERVER, MCP), noListener), 'gone'],
    ['what has no group is not any server', but(onWindows, ended(LAUNCHER), unchained, noListener), 'gone'],
    [
      'what listens on its port and started at another time is another server',
      but(onWindows, ended(LAUNCHER), unchained, seen(SERVER, { ageMs: 10 * MINUTE })),
      'gone',
    ],
    [
      'what listens on its port below a living shell is a person’s',
      but(onWindows, ended(LAUNCHER), seen(SERVER, { parent: SHELL })),
      'gone',
    ],
    [
      'what listens on its port and started long before is another server',
      but(onWindows, ended(LAUNCHER), unchained, seen(SERVER, { ageMs: HOUR + 3 * MINUTE })),
      'gone',
    ],
    [
      'what listens on its port without saying when it started may be it',
      but(onWindows, ended(LAUNCHER), unchained, seen(SERVER, { command: undefined })),
      'unknown',
    ],
    [
      'a launcher that has ended leaves what cannot be read',
      but(onWindows, orphaned, seen(SERVER, { owner: undefined })),
      'unknown',
    ],
  ])('%s', (_what, given, kind) => {
    expect(where(given)).toBe(kind);
    expect(verdict(given).kind).not.toBe('stale');
  });

  test('a parent that a later process is by now does not lead to it', () => {
    const later = serverProcess(LAUNCHER, { ...bare, startToken: 'later', ageMs: MINUTE });
    expect(
      where(but(onWindows, running(later), seen(SERVER, { parent: 0, orphanOf: LAUNCHER }), noListener)),
    ).not.toEqual([LAUNCHER, SERVER]);
  });
});

describe('where there are no groups, a server is idle', () => {
  const idle = (given: Situation) => verdict(given).guards.find(({ name }) => name === 'idle');

  test('with MCP servers and consoles of programs', () => {
    expect(idle(onWindows)?.outcome).toBe('pass');
    expect(idle(but(onWindows, running(console_('own'))))?.outcome).toBe('pass');
    // A terminal of an MCP server's is that one's.
    expect(idle(but(onWindows, running(console_('terminal', MCP))))?.outcome).toBe('pass');
  });

  test('but not with a terminal, or with a console that may be one', () => {
    expect(idle(but(onWindows, running(console_('terminal'))))).toMatchObject({
      outcome: 'veto',
      detail: `a tool or shell runs in it (pid ${CONSOLE})`,
    });
    expect(idle(but(onWindows, running(console_('unknown'))))).toMatchObject({ outcome: 'unknown' });
  });

  test('but not with a client, nor when connections cannot be listed', () => {
    expect(
      idle(but(onWindows, connected({ inbound: [{ port: PORT, clientPid: undefined, clientPort: 9 }] })))?.outcome,
    ).toBe('veto');
    expect(idle(but(onWindows, shown({ sockets: new Map() })))?.outcome).toBe('unknown');
  });

  test('and ends with everything below it that can be told from others', () => {
    expect(evidence(onWindows).apart).toEqual([]);
    const hidden = but(onWindows, seen(MCP, { command: undefined }));
    expect(verdict(hidden).kind).toBe('unsure');
    const nested = but(onWindows, running(serverProcess(7000, { ...bare, parent: MCP })), listening(true, SERVER));
    expect(verdict(nested)).toMatchObject({ kind: 'spared', reasons: ['idle'] });
  });
});

describe('where no working directory is shown', () => {
  const session = running(process(CLAUDE, { ...bare, name: 'claude.exe', claude: 'session' }));
  const hidden = shown({ claudes: [{ holder: identity(CLAUDE), session: undefined, path: undefined }] });

  test('a client that says nowhere where it works may work anywhere', () => {
    const given = but({ ...onWindows, written: { ...onWindows.written, leases: [] } }, session, hidden);
    expect(verdict(given)).toMatchObject({ kind: 'unsure', reasons: ['unleased'] });
  });

  test('its own lease says where', () => {
    const none = { ...onWindows, written: { ...onWindows.written, leases: [] } };
    const elsewhere = leased({ path: '/elsewhere' });
    expect(verdict(but(none, session, hidden, elsewhere)).kind).toBe('stale');
    expect(verdict(but(none, session, hidden, leased({ path: '/repo' }))).kind).toBe('spared');
    const dead = leased({ path: '/elsewhere', holder: { ...identity(CLAUDE), startToken: 'earlier' } });
    expect(verdict(but(none, session, hidden, dead)).kind).toBe('unsure');
  });

  test('a folder on the network may be any folder', () => {
    const none = { ...onWindows, written: { ...onWindows.written, leases: [] } };
    const unc = place('Z:\\shop', { real: '\\\\server\\share\\shop' });
    const places = shown({ places: new Map([...onWindows.snapshot.places, [unc.path, unc]]) });
    expect(verdict(but(none, session, hidden, places, leased({ path: unc.path })))).toMatchObject({
      kind: 'unsure',
      reasons: ['unleased'],
    });
  });
});

test.each<[string, string, boolean]>([
  ['C:\\proj\\shop', 'c:/Proj/Shop', true],
  ['C:\\proj\\shop\\src', 'C:\\proj\\shop\\', true],
  ['\\\\?\\C:\\proj\\shop', 'C:\\proj', true],
  ['\\\\?\\UNC\\nas\\code\\shop', '\\\\NAS\\code', true],
  ['C:\\proj\\shop', 'C:\\', true],
  ['C:\\proj\\shop-2', 'C:\\proj\\shop', false],
  ['D:\\proj\\shop', 'C:\\proj\\shop', false],
  ['/Proj/shop', '/proj/shop', false],
  ['/proj/a\\b', '/proj/a', false],
])('whether %s is in %s', (inner, outer, expected) => {
  expect(within(inner, outer)).toBe(expected);
});

describe('what a tree that has ended left behind', () => {
  const members = [cmd, server, mcp];
  const child = (but_: Partial<Process>) => process(8000, { ...bare, orphanOf: MCP, ageMs: MINUTE, ...but_ });
  const left = (...processes: readonly Process[]) =>
    leftChildren(members, NOW, tableOf(...processes), NOW).map(({ pid }) => pid as number);

  test('is found by the pid of its parent', () => {
    expect(left(child({}))).toEqual([8000]);
    expect(left(child({ orphanOf: SERVER }))).toEqual([8000]);
  });

  test.each<[string, Partial<Process>]>([
    ['a process of another parent', { orphanOf: FREE }],
    ['one whose parent lives', { orphanOf: undefined, parent: MCP }],
    ['one of an earlier process with that pid', { ageMs: 2 * HOUR }],
    ['one of unknown age', { ageMs: undefined }],
    ['one whose command cannot be read', { command: undefined }],
    ['a server', { command: serve }],
  ])('is not %s', (_what, but_) => {
    expect(left(child(but_))).toEqual([]);
  });
});
