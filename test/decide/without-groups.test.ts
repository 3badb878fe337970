import { describe, expect, test } from 'vitest';
import { candidateOf, endingWith } from '../../src/decide/candidate.js';
import { within } from '../../src/decide/leases.js';
import { leftChildren, mayEndLeft } from '../../src/decide/left-children.js';
import { locate } from '../../src/decide/locate.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import type { Process } from '../../src/model/process.js';
import type { Written } from '../../src/model/written.js';
import { but, type Change, connected, ended, leased, listening, recorded, running, seen, shown } from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  HOUR,
  identity,
  LAUNCHER,
  launched,
  lease,
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
  witness,
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
const noListener = shown({ listeners: new Map([[PORT, 'nobody']]) });
/** No port was recorded either. */
const portless: Change = (given) => but(given, recorded({ port: undefined }), ended(LAUNCHER), unchained, noListener);
const hiddenListener = shown({ listeners: new Map() });

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
    [
      'on its port, started as early as it may have been',
      but(onWindows, unchained, ended(LAUNCHER), seen(SERVER, { ageMs: HOUR + 2 * MINUTE })),
      [undefined, SERVER],
    ],
    [
      'on its port, started as late as it may have been',
      but(onWindows, unchained, ended(LAUNCHER), seen(SERVER, { ageMs: HOUR - 5_000 })),
      [undefined, SERVER],
    ],
    [
      'as a script that listens itself',
      but(onWindows, listening(true, LAUNCHER), ended(SERVER, MCP), noListener, connected({ listening: [] })),
      [undefined, LAUNCHER],
    ],
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
      'what listens on its port and started a moment too early is another server',
      but(onWindows, ended(LAUNCHER), unchained, seen(SERVER, { ageMs: HOUR + 2 * MINUTE + 1 })),
      'gone',
    ],
    [
      'what listens on its port and started a moment too late is another server',
      but(onWindows, ended(LAUNCHER), unchained, seen(SERVER, { ageMs: HOUR - 5_001 })),
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
      'nothing of it is left, but who listens on its port cannot be seen',
      but(onWindows, ended(LAUNCHER, SERVER, MCP), hiddenListener),
      'unknown',
    ],
    ['what was left behind at that time may be it, where no port was recorded', but(onWindows, portless), 'unknown'],
    [
      'what was left behind under another name may be it, where no port was recorded',
      but(onWindows, portless, seen(SERVER, { name: 'node.exe' })),
      'unknown',
    ],
    [
      'what was left behind and cannot be read may be it, by its name alone, where no port was recorded',
      but(onWindows, portless, seen(SERVER, { command: undefined })),
      'unknown',
    ],
    [
      'a service of another name, which cannot be read, is not it, where no port was recorded',
      but(onWindows, portless, seen(SERVER, { name: 'svchost.exe', command: undefined })),
      'gone',
    ],
    [
      'what listens on its port may be it, though it cannot be read, where the chain is broken',
      but(onWindows, unchained, seen(SERVER, { command: undefined }), shown({ sockets: new Map() })),
      'unknown',
    ],
    [
      'what was left behind at another time is not, where no port was recorded',
      but(onWindows, portless, seen(SERVER, { ageMs: 10 * MINUTE })),
      'gone',
    ],
    [
      'what another user’s launcher left is not, where no port was recorded',
      but(onWindows, portless, seen(SERVER, { owner: 'another' })),
      'gone',
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

  test('nothing was written down about it, with what launched it', () => {
    const [found] = unrecordedIn([], onWindows.snapshot);
    expect([found?.spawned?.pid, found?.server?.pid]).toEqual([LAUNCHER, SERVER]);
  });

  test('what a launcher of ours left is not gone, although nothing shows that it is ours', () => {
    const ours = recorded({ ...record, spawned: identity(LAUNCHER), server: undefined, state: 'starting' });
    const left = but(onWindows, ours, orphaned, noListener);
    expect(where(left)).toBe('unknown');
    expect(verdict(left)).toMatchObject({ kind: 'unsure' });
    expect(verdict(but(left, ended(SERVER, MCP))).kind).toBe('gone');
  });

  test('a parent that a later process is by now does not lead to it', () => {
    const later = serverProcess(LAUNCHER, { ...bare, startToken: 'later', ageMs: MINUTE });
    expect(
      where(but(onWindows, running(later), seen(SERVER, { parent: 0, orphanOf: LAUNCHER }), noListener)),
    ).not.toEqual([LAUNCHER, SERVER]);
  });
});

/** Recorded by us when its launcher was started, and never again: our tag is not shown. */
const begun = but(
  onWindows,
  recorded({
    source: { format: 'native', file: 'C:\\x\\servers\\a.json' },
    tag: 'tag',
    machine: onWindows.snapshot.machine,
    spawned: identity(LAUNCHER),
    provenBy: 'start token',
    state: 'starting',
  }),
);

describe('where no tag is shown, a record of ours that names no listener', () => {
  test('leads to the server below its launcher', () => {
    expect(where(begun)).toEqual([LAUNCHER, SERVER]);
  });

  test.each<[string, Situation, string]>([
    ['may lead to what its launcher has left', but(begun, orphaned, noListener), 'unknown'],
    [
      'may lead to what listens on its port, and was left behind then',
      but(begun, ended(LAUNCHER), unchained),
      'unknown',
    ],
    [
      'may lead to it when who listens there cannot be seen',
      but(begun, ended(LAUNCHER, SERVER, MCP), hiddenListener),
      'unknown',
    ],
    [
      'may lead to any server, where its launcher was never written down',
      but(begun, recorded({ spawned: undefined, state: 'spawning' }), noListener),
      'unknown',
    ],
    ['is gone when nothing of it is left', but(begun, ended(LAUNCHER, SERVER, MCP), noListener), 'gone'],
    ['is gone when another server was left behind', but(begun, ended(LAUNCHER), unchained, noListener), 'gone'],
  ])('%s', (_what, given, kind) => {
    expect(where(given)).toBe(kind);
    expect(verdict(given).kind).toBe(kind === 'gone' ? 'gone' : 'unsure');
  });
});

describe('where there are no groups, a server is idle', () => {
  const idle = (given: Situation) => verdict(given).guards.find(({ name }) => name === 'idle');

  test('with MCP servers and consoles of programs', () => {
    expect(idle(onWindows)?.outcome).toBe('pass');
    expect(idle(but(onWindows, running(console_('own'))))?.outcome).toBe('pass');
    // A terminal of an MCP server's is that one's.
    expect(idle(but(onWindows, running(console_('terminal', MCP)), listening(false, CONSOLE)))?.outcome).toBe('pass');
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

  test('and its launcher ends with it, with the console of that one', () => {
    const given = but(onWindows, running(console_('own', LAUNCHER)));
    const ending = endingWith(candidateOf(given.record, given.snapshot), given.snapshot);
    expect(ending.map(({ pid }) => pid as number).sort()).toEqual([LAUNCHER, SERVER, MCP, CONSOLE]);
  });

  const daemon = running(process(7000, { ...bare, name: 'java.exe', parent: MCP }));
  const shell = seen(MCP, { name: 'cmd.exe' });
  test.each<[string, Situation, boolean]>([
    ['an MCP server that listens', but(onWindows, listening(true, MCP)), true],
    ['an MCP server that listens behind a shell', but(onWindows, shell, daemon, listening(true, 7000)), true],
    ['what an MCP server has started', but(onWindows, daemon, listening(false, 7000)), true],
    ['what an MCP server has started and listens', but(onWindows, daemon, listening(true, 7000)), false],
    ['what an MCP server has started and may be listening', but(onWindows, daemon), false],
  ])('whether it ends with it: %s', (_what, given, ends) => {
    expect(evidence(given).apart.map(({ because, isSure }) => [because, isSure])).toEqual(
      ends ? [] : [['may serve others', false]],
    );
    expect(verdict(given)).toMatchObject(ends ? { kind: 'stale' } : { kind: 'unsure', reasons: ['idle'] });
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
  ['C:\\proj\\shop', 'C:\\proj\\shop\\', true],
  ['C:\\proj\\shop', 'C:\\', true],
  ['//nas/Code/shop', '\\\\NAS\\code', true],
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
    // As old as its parent, as far as the clock tells.
    expect(left(child({ ageMs: HOUR }))).toEqual([8000]);
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

describe('of what a tree left behind, what may be ended', () => {
  const LEFT = 8000;
  const child = process(LEFT, { ...bare, orphanOf: MCP, ageMs: MINUTE });
  const below = process(8001, { ...bare, parent: LEFT, ageMs: MINUTE });
  const mute = () => false;
  const nothing: Written = { ...onWindows.written, leases: [], unread: [] };
  const mayGo = (
    written = nothing,
    listens: (pid: number) => boolean | undefined = mute,
    ...also: readonly Process[]
  ) =>
    mayEndLeft([child], { left: [] }, listens, written, { processes: tableOf(child, below, ...also) }).map(
      ({ pid }) => pid as number,
    );
  const mark = { file: 'x', id: 'x', processes: [identity(LEFT)], machine: undefined };
  const holder = { ...lease, holder: identity(8001) };

  test('is what nobody else has', () => {
    expect(mayGo()).toEqual([LEFT]);
    expect(mayGo({ ...nothing, kept: [{ ...mark, processes: [identity(MCP)] }], leases: [lease] })).toEqual([LEFT]);
  });

  test.each<[string, readonly number[]]>([
    ['what has a keep mark', mayGo({ ...nothing, kept: [mark] })],
    [
      'what may have one',
      mayGo({ ...nothing, kept: [{ ...mark, processes: [{ pid: child.pid, startToken: undefined }] }] }),
    ],
    ['anything, while a mark is unread', mayGo({ ...nothing, kept: [{ ...mark, processes: [] }] })],
    ['what holds a lease below it', mayGo({ ...nothing, leases: [holder] })],
    ['what a session of Claude Code is', mayGo({ ...nothing, witnesses: [{ ...witness, holder: identity(LEFT) }] })],
    ['what is a Claude Code itself', mayGo(nothing, mute, { ...below, claude: 'session' })],
    ['what is a server below it', mayGo(nothing, mute, { ...below, command: serve })],
    ['what waits for others', mayGo(nothing, (pid) => pid === LEFT)],
    ['what may wait for others', mayGo(nothing, () => undefined)],
    ['anything, while a file is unread', mayGo({ ...nothing, unread: [{ file: 'x', error: 'EACCES', kind: 'keep' }] })],
    [
      'what stayed on purpose',
      mayEndLeft([child], { left: [child] }, mute, nothing, { processes: tableOf(child) }).map(
        ({ pid }) => pid as number,
      ),
    ],
    [
      'anything, when processes cannot be listed',
      mayEndLeft([child], { left: [] }, mute, nothing, { processes: undefined }).map(({ pid }) => pid as number),
    ],
  ])('is not %s', (_what, left) => {
    expect(left).toEqual([]);
  });
});

test('a start that is no number makes nothing gone', () => {
  const given = but(onWindows, recorded({ spawned: undefined }), portless, seen(SERVER, { ageMs: Number.NaN }));
  expect(where(given)).toBe('unknown');
});
