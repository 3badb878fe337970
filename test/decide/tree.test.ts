import { describe, expect, test } from 'vitest';
import { candidateOf, endingWith, stayingAfter } from '../../src/decide/candidate.js';
import { leftOfSpawn, restOf } from '../../src/decide/tree.js';
import { descendants, lineage, type Process } from '../../src/model/process.js';
import type { Fence } from '../../src/model/record.js';
import { but, type Change, ended, every, listening, recorded, running, seen, shown, spawnedWith } from './changes.js';
import {
  CLAUDE,
  environment,
  evidence,
  HOUR,
  here,
  identity,
  LAUNCHER,
  launched,
  MCP,
  MINUTE,
  native,
  orphaned,
  process,
  record,
  SELF,
  SERVER,
  SHELL,
  type Situation,
  serve,
  serverProcess,
  starting,
  tableOf,
  verdict,
} from './given.js';

const pids = ({ record, snapshot }: Situation): number[] =>
  endingWith(candidateOf(record, snapshot), snapshot)
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);

const tool = every(
  running(process(5002, { parent: SERVER }), process(5005, { parent: 5002 })),
  listening(false, 5002, 5005),
);
/** The group leader died, and its child was adopted by init. */
const leftInGroup = (group: number): Change =>
  running(process(5006, { group, session: group }), process(5007, { parent: 5006, group, session: group }));

const markedBy = (server: number): Change => spawnedWith(5006, { tag: undefined, opencodePid: `${server}` });
const marked = markedBy(SERVER);

/** `sh -c 'opencode serve'`, above npm's launcher. */
const shellAbove = every(
  recorded({ spawned: identity(4800) }),
  running(serverProcess(4800)),
  spawnedWith(4800, {}),
  seen(LAUNCHER, { parent: 4800, group: 4800, session: 4800 }),
  seen(SERVER, { group: 4800, session: 4800 }),
  seen(MCP, { group: 4800, session: 4800 }),
);

describe('with a server ends', () => {
  test.each<[string, Situation, number[]]>([
    ['what it started', native, [SERVER, MCP]],
    ['what its tools started, in sessions of their own', but(native, tool), [SERVER, MCP, 5002, 5005]],
    ['its launcher', launched, [LAUNCHER, SERVER, MCP]],
    ['its launchers, however many there are', but(launched, shellAbove), [4800, LAUNCHER, SERVER, MCP]],
    ['its launcher, before the listener is known', starting, [LAUNCHER, SERVER, MCP]],
    ['what a dead launcher left', orphaned, [SERVER, MCP]],
    ['what it has left in the group of the spawn', but(native, leftInGroup(SERVER), marked), [SERVER, MCP, 5006, 5007]],
    [
      'what it has left in the group of a dead launcher',
      but(orphaned, leftInGroup(LAUNCHER), marked),
      [SERVER, MCP, 5006, 5007],
    ],
    ['nothing of that group that does not carry its mark', but(orphaned, leftInGroup(LAUNCHER)), [SERVER, MCP]],
    ['nothing of it that another server has marked', but(native, leftInGroup(SERVER), markedBy(1)), [SERVER, MCP]],
    [
      'nothing of a group that it is not in',
      but(native, seen(SERVER, { group: SHELL }), leftInGroup(SERVER), listening(false, MCP)),
      [SERVER, MCP],
    ],
    [
      'nothing of a group that it is not in, whatever mark that has',
      but(native, seen(SERVER, { group: SHELL }), leftInGroup(SERVER), marked, listening(false, MCP)),
      [SERVER, MCP],
    ],
    [
      'what it has left in the group of a launcher that lives',
      but(launched, leftInGroup(LAUNCHER), marked),
      [LAUNCHER, SERVER, MCP, 5006, 5007],
    ],
    [
      'nothing of a group that was not spawned',
      but(native, recorded({ spawned: undefined }), leftInGroup(SERVER)),
      [SERVER, MCP],
    ],
    ['nothing when it is gone', but(native, ended(SERVER)), []],
    ['nothing that has no start token', but(native, seen(MCP, { startToken: undefined })), [SERVER]],
    ['nothing when the processes cannot be listed', but(native, shown({ processes: undefined })), []],
  ])('%s', (_sentence, given, expected) => {
    expect(pids(given)).toEqual(expected);
  });
});

/** Below the MCP server, in the server's own session and group unless told otherwise. */
const below = (value: number, change: Partial<Process> = {}, listens = false): Change =>
  every(running(process(value, { parent: MCP, group: SERVER, session: SERVER, ...change })), listening(listens, value));
const own = (value: number) => ({ group: value, session: value });
const opencode = { command: { kind: 'opencode' } } as const;
const child = (value: number, parent: number, but: Partial<Process>): Change => below(value, { parent, ...but });

describe('with a server ends what an MCP server has started, but not', () => {
  const on = (...changes: readonly Change[]): Situation => but(native, ...changes);
  test.each<[string, Situation, number[], string[]]>([
    ['less than it all', on(below(6, {}, true), child(7, 6, {})), [6, 7], []],
    ['what it has detached', on(below(6, own(6))), [], ['6 was detached by pid 5001']],
    ['what it has detached in turn', on(below(6, own(6)), child(7, 6, own(7))), [], ['6 was detached by pid 5001']],
    [
      'what shares a session with it',
      on(below(6, own(6)), child(7, 6, { group: 7, session: 6 })),
      [],
      ['6 was detached by pid 5001'],
    ],
    [
      'what shares a session with it, and the MCP server has taken in',
      on(below(6, own(6)), below(7, { group: 7, session: 6 })),
      [],
      ['6 was detached by pid 5001'],
    ],
    ['what listens in a group of its own', on(below(6, { group: 6 }, true)), [], ['6 listens']],
    [
      'what may listen there',
      on(running(process(6, { parent: MCP, group: 6, session: SERVER }))),
      [],
      ['6 may be listening'],
    ],
    ['less than what does not', on(below(6, { group: 6 })), [6], []],
    ['what shares that group', on(below(6, { group: 6 }, true), below(7, { group: 6 })), [], ['6 listens']],
    ['another server', on(below(6, { command: serve }), child(7, 6, {})), [], ['6 is another `opencode serve`']],
    [
      'another server, one more, and a third that the first runs',
      on(below(6, { command: serve }), below(7, { command: serve }), child(8, 6, { command: serve })),
      [],
      ['6 is another `opencode serve`', '7 is another `opencode serve`'],
    ],
    [
      'another OpenCode with a record',
      on(below(6, opencode), spawnedWith(6, {}), shown({ named: [identity(6)] })),
      [],
      ['6 has a record or a keep mark of its own'],
    ],
    [
      'another OpenCode with a tag of its own',
      on(below(6, opencode), spawnedWith(6, { tag: 'x' })),
      [],
      ['6 has a tag of its own'],
    ],
    ['less than another OpenCode with the same tag', on(below(6, opencode), spawnedWith(6, {})), [6], []],
    [
      'another OpenCode that is to be kept',
      on(below(6, opencode), spawnedWith(6, { keep: true })),
      [],
      ['6 asks to be kept'],
    ],
    ['another OpenCode that cannot be examined', on(below(6, opencode)), [], ['6 cannot be examined']],
  ])('%s', (_sentence, given, more, apart) => {
    expect(pids(given)).toEqual([...more, SERVER, MCP]);
    expect(evidence(given).apart.map(({ process, because }) => `${process.pid} ${because}`)).toEqual(apart);
  });

  test('what listens in the session of a tool, nor the tool', () => {
    const serving = every(
      tool,
      running(process(5008, { parent: 5002, session: 5002, group: 5002 })),
      listening(true, 5008),
    );
    expect(pids(but(native, serving))).toEqual([SERVER, MCP]);
    expect(stayingAfter(candidateOf(native.record, but(native, serving).snapshot)).map(({ pid }) => pid)).toEqual([
      5008, 5002, 5005,
    ]);
  });
});

/** A shell that runs the server and something else, or a task runner. */
const script = every(
  seen(LAUNCHER, { command: { kind: 'other' } }),
  running(process(5009, { parent: LAUNCHER, ...own(LAUNCHER) }), process(5010, { parent: 5009, ...own(LAUNCHER) })),
);

describe('with a server that a shell runs beside something else ends', () => {
  const server = [SERVER, MCP];
  const handedOver = recorded({ ownership: 'adopted' });
  const unrecorded = recorded({ ownership: 'unrecorded', spawned: identity(SERVER) });
  test.each<[string, Situation, number[]]>([
    ['neither of these', but(launched, script), server],
    ['neither of these, before the listener is known', but(starting, script), server],
    [
      'neither of these, where a command line hides what else it runs',
      but(launched, script, seen(LAUNCHER, { command: serve })),
      server,
    ],
    [
      'nothing that has its mark, in a group where the shell still runs more',
      but(launched, script, leftInGroup(LAUNCHER), marked),
      server,
    ],
    ['neither of these after it was adopted', but(launched, script, handedOver), server],
    [
      'neither of these after it was adopted with its shell, which ended',
      but(launched, script, handedOver, ended(LAUNCHER)),
      server,
    ],
    ['neither of these when nothing was written down', but(launched, script, unrecorded), server],
    [
      'no part of a pipeline whose first command it is',
      but(native, handedOver, running(process(5009, own(SERVER)))),
      server,
    ],
    ['nothing else that a plugin’s own spawn has left in its group', but(launched, script, ended(LAUNCHER)), server],
    ['what OpenCode says that it has started', but(native, spawnedWith(MCP, { opencodePid: `${SERVER}` })), server],
    ['what an older OpenCode says that it has started', but(native, spawnedWith(MCP, { inOpencode: true })), server],
    [
      'nothing that was there before it',
      but(native, spawnedWith(MCP, {}), running(process(7, { parent: MCP }))),
      [SERVER],
    ],
    ['nothing that another OpenCode had started', but(native, spawnedWith(MCP, { opencodePid: '1' })), [SERVER]],
    [
      'everything that a script has started that stands in for it',
      but(native, spawnedWith(MCP, {}), seen(SERVER, { command: { ...serve, interpreted: true } })),
      server,
    ],
    ['no second server of that spawn', but(launched, script, ended(LAUNCHER), seen(5009, { command: serve })), server],
  ])('%s', (_sentence, given, expected) => {
    expect(pids(given)).toEqual(expected);
  });
});

test('with a server ends what runs below it, but never this run nor what is above that', () => {
  const below = but(native, running(process(SHELL, { parent: SERVER })), listening(false, SHELL, SELF, CLAUDE));
  const table = below.snapshot.processes ?? new Map();
  expect(pids(but(below, shown({ lineage: lineage(table, SELF) })))).toEqual([CLAUDE, MCP]);
});

test('a command that ended has left what is in its group and carries its tag', () => {
  const groups: Record<number, number> = { 10: 9, 11: 9, 12: 9, 13: 8 };
  const table = tableOf(...Object.entries(groups).map(([pid, group]) => process(Number(pid), { group })));
  const tags = [
    [10, 'ours'],
    [11, 'another'],
    [13, 'ours'],
  ] as const;
  const environments = new Map(tags.map(([pid, tag]) => [pid, { ...environment, tag }]));
  const left = (group: number | undefined, tag: string | undefined) =>
    leftOfSpawn(group, tag, table, environments).map(({ pid }) => pid);
  expect([left(9, 'ours'), left(9, undefined), left(undefined, 'ours')]).toEqual([[10], [], []]);
});

test.each([
  ['long before it', HOUR + MINUTE, 'stale'],
  ['while what started it had not become the server yet', HOUR - 299, 'stale'],
  ['once it could start something', HOUR - 300, 'spared'],
  ['who knows when', undefined, 'spared'],
])('what listens beside a server that did not mark it, started %s', (_when, ageMs, kind) => {
  const given = but(native, spawnedWith(MCP, {}), seen(MCP, { ageMs, group: MCP }), listening(true, MCP));
  expect(verdict(given).kind).toBe(kind);
  expect(pids(given)).toEqual([SERVER]);
});

test('a launcher between its server and another launcher does not spare it', () => {
  expect(verdict(but(launched, shellAbove)).kind).toBe('stale');
});

test('what was there before a server does not keep it from being stopped', () => {
  expect(verdict(but(native, spawnedWith(MCP, {}))).kind).toBe('stale');
});

describe('of what was noted by a run that died ends', () => {
  const noted = [SERVER, MCP, 5002].map(identity);
  const fence: Fence = {
    id: 'server-1',
    file: '',
    run: identity(SELF),
    machine: here,
    tree: noted,
    port: undefined,
    record,
    original: '',
    recordIsBack: false,
    content: '',
    seenAt: 0,
  };
  const left = but(native, ended(SERVER), running(process(MCP, own(SERVER)), process(5002)));
  const sessionless = but(left, seen(MCP, { session: undefined }), seen(5002, { session: undefined }));
  const rest = (given: Situation, listens: boolean | undefined, changes: Partial<Fence> = {}): number[] =>
    restOf({ ...fence, ...changes }, given.snapshot, given.snapshot.environments, () => listens).map(({ pid }) => pid);
  test.each<[string, number[], number[]]>([
    ['the rest', rest(left, false), [MCP, 5002]],
    ['the rest of a plugin’s', rest(left, false, { record: undefined }), [MCP, 5002]],
    ['nothing that listens but as an MCP server does', rest(left, true), [MCP]],
    [
      'what listens as an MCP server does, in the session of the launcher',
      rest(but(left, seen(MCP, own(LAUNCHER))), true, { record: { ...record, spawned: identity(LAUNCHER) } }),
      [MCP],
    ],
    ['nothing that may listen', rest(left, undefined), [MCP]],
    ['nothing that is a server', rest(but(left, seen(MCP, { command: serve })), false), [5002]],
    ['nothing that is another OpenCode', rest(but(left, seen(MCP, opencode)), false), [5002]],
    ['nothing that has a record', rest(but(left, shown({ named: [identity(5002)] })), false), [MCP]],
    ['nothing that has a tag of its own', rest(but(left, spawnedWith(MCP, { tag: 'x' })), false), [5002]],
    ['nothing that is to be kept', rest(but(left, spawnedWith(5002, { keep: true })), false), [MCP]],
    ['nothing that listens, where there are no sessions', rest(sessionless, true, { record: undefined }), []],
    ['the rest that does not, where there are no sessions', rest(sessionless, false), [MCP, 5002]],
    ['nothing from before the boot', rest(left, false, { machine: { ...here, boot: 'x' } }), []],
  ])('%s', (_sentence, ends, expected) => {
    expect(ends).toEqual(expected);
  });
});

describe('a process table', () => {
  test('with a circle in it has an end', () => {
    const circle = tableOf(process(10, { parent: 11 }), process(11, { parent: 10 }));
    expect(descendants(circle, 10).map(({ pid }) => pid)).toEqual([11]);
    expect([...lineage(circle, 10)]).toEqual([10, 11]);
  });

  test('leads from a process up to the first that is not in it', () => {
    expect([...lineage(tableOf(process(10, { parent: 9 }), process(9)), 10)]).toEqual([10, 9, 1]);
  });
});

test('what started the server stays, also where it is in the server’s group, and nothing of the server’s with it', () => {
  const given = but(native, running(process(4242, { parent: 1, group: SERVER })), seen(SERVER, { parent: 4242 }));
  expect(pids(given)).toEqual(pids(native));
  expect(verdict(given).kind).toBe('stale');
  const nested = but(given, running(process(5005, { parent: SERVER, command: serve })), listening(true, 5005));
  expect(pids(nested)).toEqual(pids(native));
  expect(verdict(nested)).toMatchObject({ kind: 'spared', reasons: ['idle'] });
});
