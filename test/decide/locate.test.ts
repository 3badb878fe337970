import { describe, expect, test } from 'vitest';
import { locate } from '../../src/decide/locate.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import {
  but,
  type Change,
  connected,
  ended,
  environmentHidden,
  recorded,
  running,
  seen,
  shown,
  spawnedWith,
} from './changes.js';
import {
  CLAUDE,
  environment,
  FREE,
  identity,
  LAUNCHER,
  launched,
  native,
  orphaned,
  pid,
  SERVER,
  type Situation,
  serverProcess,
  sockets,
  spawning,
  starting,
  tableOf,
  verdict,
} from './given.js';
import { weak, weakLaunched } from './plugin-cases.js';

/** Launcher, server and proof. */
type Found = readonly [number | undefined, number, string] | 'gone' | 'unknown';

const where = ({ record, snapshot }: Situation): Found => {
  const located = locate(record, snapshot);
  if (located.kind !== 'present') return located.kind;
  return [located.launcher?.pid, located.server.pid, located.proof];
};

type Row = readonly [sentence: string, given: Situation, expected: Found];

const recycled = (value: number): Change => seen(value, { startToken: 'later' });
const tagless = (value: number): Change => spawnedWith(value, { tag: undefined });
const unnamed = recorded({ server: undefined });

describe('a server that listens itself', () => {
  test.each<Row>([
    ['is found by its start token', native, [undefined, SERVER, 'start token']],
    ['is found before its listener was written down', but(native, unnamed), [undefined, SERVER, 'start token']],
    ['is gone when its pid is free', but(native, ended(SERVER)), 'gone'],
    ['is gone when its pid is another process', but(native, recycled(SERVER), tagless(SERVER)), 'gone'],
    [
      'may be there when its start token cannot be read',
      but(native, seen(SERVER, { startToken: undefined })),
      'unknown',
    ],
    [
      'may be there when none was recorded',
      but(native, unnamed, recorded({ spawned: { pid: pid(SERVER), startToken: undefined } })),
      'unknown',
    ],
    ['may be there when processes cannot be listed', but(native, shown({ processes: undefined })), 'unknown'],
    ['is never started when its starter has ended', but(spawning, ended(LAUNCHER, SERVER)), 'gone'],
  ])('%s', (_sentence, given, expected) => {
    expect(where(given)).toEqual(expected);
  });
});

test('what a launcher has left in its group is there, for all that is known, when its command line cannot be read', () => {
  expect(where(but(orphaned, unnamed, seen(SERVER, { command: undefined })))).toBe('unknown');
  expect(where(but(orphaned, unnamed, seen(SERVER, { command: { kind: 'other' } })))).toBe('gone');
});

const viaLauncher: Found = [LAUNCHER, SERVER, 'start token'];
const second = serverProcess(5003, { parent: LAUNCHER, group: LAUNCHER, session: LAUNCHER });
const listens = connected({ listening: [{ host: '127.0.0.1', port: 4096, pid: 5003 }] });
const listensOnNothing = shown({ sockets: new Map() });

const LAUNCHED: readonly Row[] = [
  ['is found with it', launched, viaLauncher],
  ['is found as its child before it was written down', starting, viaLauncher],
  [
    'is found as its child when the recorded listener ended',
    but(launched, recorded({ server: identity(FREE) })),
    viaLauncher,
  ],
  ['is found without it when it ended', but(launched, ended(LAUNCHER)), [undefined, SERVER, 'start token']],
  [
    'is found without it when its pid is another process',
    but(launched, recycled(LAUNCHER)),
    [undefined, SERVER, 'start token'],
  ],
  ['is the child that listens', but(starting, running(second), listens), [undefined, 5003, 'start token']],
  ['is the launcher until it has a child', but(starting, ended(SERVER)), [undefined, LAUNCHER, 'start token']],
  [
    'is not a tool in a group of its own',
    but(starting, listensOnNothing, seen(SERVER, { group: SERVER })),
    [undefined, LAUNCHER, 'start token'],
  ],
  [
    'is not what a server started',
    but(starting, listensOnNothing, spawnedWith(SERVER, { opencodePid: '1' })),
    [undefined, LAUNCHER, 'start token'],
  ],
  [
    'may be its child whose group cannot be read',
    but(starting, listensOnNothing, seen(SERVER, { group: undefined })),
    'unknown',
  ],
  [
    'is its child where only the group of its launcher cannot be read',
    but(starting, listensOnNothing, seen(LAUNCHER, { group: undefined })),
    viaLauncher,
  ],
  [
    'may be its child that cannot be examined',
    but(starting, listensOnNothing, seen(SERVER, { owner: undefined })),
    'unknown',
  ],
  ['is gone when both pids are free', but(launched, ended(LAUNCHER, SERVER)), 'gone'],
  [
    'may be there when neither start token can be read',
    but(launched, seen(LAUNCHER, { startToken: undefined }), seen(SERVER, { startToken: undefined })),
    'unknown',
  ],
  [
    'may be there when one ended and the other cannot be read',
    but(launched, ended(LAUNCHER), seen(SERVER, { startToken: undefined })),
    'unknown',
  ],
];

describe('a server with a launcher', () => {
  test.each(LAUNCHED)('%s', (_sentence, given, expected) => {
    expect(where(given)).toEqual(expected);
  });
});

describe('what a dead launcher left in its group', () => {
  const byTag: Found = [undefined, SERVER, 'tag'];
  test.each<Row>([
    ['is found by the tag', orphaned, byTag],
    [
      'is found by the tag when the pid of the launcher is another process',
      but(starting, recycled(LAUNCHER), tagless(LAUNCHER), seen(LAUNCHER, { group: 1 })),
      byTag,
    ],
    ['is gone with another tag', but(orphaned, spawnedWith(SERVER, { tag: 'other' })), 'gone'],
    ['is gone without a tag', but(orphaned, tagless(SERVER)), 'gone'],
    ['is gone when another group has the tag', but(orphaned, seen(SERVER, { group: SERVER })), 'gone'],
    ['is gone when only other programs are left', but(orphaned, seen(SERVER, { command: { kind: 'other' } })), 'gone'],
    ['is gone when another user has it', but(orphaned, seen(SERVER, { owner: '0' })), 'gone'],
    ['may be it when its user cannot be read', but(orphaned, seen(SERVER, { owner: undefined })), 'unknown'],
    ['is found by the tag when our own user cannot be read', but(orphaned, shown({ owner: undefined })), byTag],
    ['may be it when its environment is hidden', but(orphaned, environmentHidden(SERVER)), 'unknown'],
    ['may be it when the record has no tag', but(orphaned, recorded({ tag: undefined })), 'unknown'],
  ])('%s', (_sentence, given, expected) => {
    expect(where(given)).toEqual(expected);
  });
});

const upsideDown = (given: Situation): Situation =>
  but(given, shown({ processes: tableOf(...[...(given.snapshot.processes?.values() ?? [])].reverse()) }));

describe('a record without a pid', () => {
  const found: Found = [LAUNCHER, SERVER, 'tag'];
  const native = but(spawning, ended(LAUNCHER), seen(SERVER, { group: SERVER, parent: 1 }));
  const starter = (startToken: string | undefined) => recorded({ starter: { pid: pid(CLAUDE), startToken } });
  test.each<Row>([
    ['leads to the launcher and server that carry its tag', spawning, found],
    ['leads there whichever of the two is listed first', upsideDown(spawning), found],
    ['leads to the server that carries its tag, in whatever group', native, [undefined, SERVER, 'tag']],
    ['leads there when the pid of its starter is another process', but(spawning, starter('earlier')), found],
    ['leads there when it names no starter', but(spawning, recorded({ starter: undefined })), found],
    ['leads nowhere while its starter lives', but(spawning, recorded({ starter: identity(CLAUDE) })), 'unknown'],
    ['leads nowhere while its starter may live', but(spawning, starter(undefined)), 'unknown'],
    ['leads nowhere while a hidden environment may have its tag', but(native, environmentHidden(SERVER)), 'unknown'],
    ['is of no server when none has its tag', but(native, spawnedWith(SERVER, { tag: 'other' })), 'gone'],
  ])('%s', (_sentence, given, expected) => {
    expect(where(given)).toEqual(expected);
  });
});

describe('a server that was started from within a server', () => {
  const nested = serverProcess(5004, { parent: SERVER, group: 5004, session: 5004 });
  const inGroup = { ...nested, parent: 1, group: LAUNCHER };
  const inherits = spawnedWith(5004, { opencodePid: String(SERVER) });
  /** Listed first, so that it would be the first to be found. */
  const first = (given: Situation, process: typeof nested): Situation => {
    const others = [...(given.snapshot.processes?.values() ?? [])];
    return but(given, shown({ processes: tableOf(process, ...others) }), inherits);
  };
  test.each<Row>([
    ['is not the server while that one lives', first(spawning, nested), [LAUNCHER, SERVER, 'tag']],
    ['is not the server when that one is left in the same group', first(orphaned, inGroup), [undefined, SERVER, 'tag']],
    ['is not the server when that one is gone', but(first(orphaned, inGroup), ended(SERVER)), 'gone'],
    [
      'is not the server when its pid was never recorded',
      but(first(spawning, nested), ended(LAUNCHER, SERVER)),
      'gone',
    ],
    [
      'is not the server of its launcher',
      first(starting, { ...inGroup, parent: LAUNCHER }),
      [undefined, SERVER, 'start token'],
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(given.snapshot.environments.get(5004)).toEqual({ ...environment, opencodePid: String(SERVER) });
    expect(given.snapshot.sockets.get('server-1')).toEqual(sockets);
    expect(where(given)).toEqual(expected);
  });
});

test('what is found by the port that it listens on is the server itself, whatever is below it and whatever it hides', () => {
  const byPort = but(weak, recorded({ spawned: undefined }), shown({ listeners: new Map([[4096, SERVER]]) }));
  const nested = but(
    byPort,
    running(serverProcess(5003, { parent: SERVER, group: SERVER, session: SERVER })),
    listensOnNothing,
  );
  expect(where(nested)).toEqual([undefined, SERVER, 'start time']);
  const hidden = but(nested, seen(SERVER, { command: undefined }));
  expect([where(hidden), verdict(hidden).kind]).toEqual([[undefined, SERVER, 'start time'], 'spared']);
});

test('what is in no file is known by its start token, also when its launcher has ended', () => {
  const [record = launched.record] = unrecordedIn([], launched.snapshot);
  expect(where(but({ ...launched, record }, ended(LAUNCHER)))).toEqual([undefined, SERVER, 'start token']);
});

describe('a plugin’s server that this run has found before', () => {
  const known = but(weakLaunched, recorded({ server: identity(SERVER) }));
  test.each<Row>([
    ['is that one', known, [LAUNCHER, SERVER, 'start time']],
    [
      'is that one, though its launcher has ended and it has left its group',
      but(known, ended(LAUNCHER), seen(SERVER, { group: SERVER })),
      [undefined, SERVER, 'start time'],
    ],
    [
      'may be there when its start token cannot be read anymore',
      but(known, seen(SERVER, { startToken: undefined })),
      'unknown',
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(where(given)).toEqual(expected);
  });
});

test.each<[string, Situation, 'gone' | 'unknown', string]>([
  ['has ended', but(native, ended(SERVER)), 'gone', 'its process has ended'],
  ['has ended, of a plugin', but(weak, ended(SERVER)), 'gone', 'its process has ended'],
  ['was never started', but(spawning, ended(LAUNCHER, SERVER)), 'gone', 'it was never started'],
  [
    'had nothing recorded but a port',
    but(weak, recorded({ spawned: undefined }), shown({ listeners: new Map([[4096, 'nobody']]) })),
    'gone',
    'no `opencode serve` listens on its port',
  ],
  [
    'may be one of two that were left behind',
    but(weakLaunched, ended(LAUNCHER), running(second), recorded({ port: undefined })),
    'unknown',
    'several servers were started together, and it may be any of them',
  ],
  [
    'is another program by now',
    but(weak, seen(SERVER, { command: { kind: 'other' } })),
    'unknown',
    `process ${SERVER} is running, but does not look like a server`,
  ],
  [
    'cannot be compared',
    but(native, seen(SERVER, { startToken: undefined })),
    'unknown',
    'its start token could not be read',
  ],
])('why a server is not there is said of one that %s', (_sentence, given, kind, because) => {
  expect(locate(given.record, given.snapshot)).toMatchObject({ kind, because });
});
