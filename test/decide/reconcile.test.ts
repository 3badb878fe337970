import { describe, expect, test } from 'vitest';
import { candidateOf } from '../../src/decide/candidate.js';
import { marksOn } from '../../src/decide/keep-marks.js';
import { asItStands, concerns, reconcile } from '../../src/decide/reconcile.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import type { ServerRecord } from '../../src/model/record.js';
import { born } from './born-cases.js';
import { but, ended, environmentHidden, running, seen, shown, spawnedWith, written } from './changes.js';
import {
  FREE,
  here,
  identity,
  LAUNCHER,
  launched,
  native,
  PORT,
  pid,
  record,
  SERVER,
  serve,
  serverProcess,
  starting,
  tokenOf,
  verdict,
} from './given.js';
import { weak, weakLaunched } from './plugin-cases.js';

test('of two records of a server whose command line names no port, the one that proves it speaks for both', () => {
  // Sockets are only looked at once it is known whose to look at.
  const { record, snapshot } = but(
    weak,
    seen(SERVER, { command: { ...serve, port: undefined } }),
    shown({ sockets: new Map() }),
  );
  const vague = { ...record, source: { format: 'a vague plugin', file: '/x' }, startedAt: undefined };
  const settled = reconcile([vague, record], snapshot);
  expect(settled).toMatchObject([{ source: record.source, alsoIn: [{ source: vague.source }] }]);
});

test('a record of ours speaks for a process that may be the recorded one, whatever a plugin says of it', () => {
  const hers = { ...native.record, ownership: 'user' } as const;
  const { snapshot } = but(native, seen(SERVER, { startToken: undefined }));
  const theirs = { ...weak.record, spawned: native.record.spawned, server: undefined };
  expect(reconcile([theirs, hers], snapshot)).toMatchObject([{ id: hers.id, alsoIn: [{ source: theirs.source }] }]);
  expect(unrecordedIn([candidateOf(hers, snapshot)], snapshot)).toEqual([]);
});

test('what a plugin says of a launcher spares the server below it, also where nobody can tell whether it is that one', () => {
  const { snapshot } = but(launched, environmentHidden(LAUNCHER, SERVER));
  const theirs = { ...weakLaunched.record, source: { format: 'another', file: '/x' }, ownership: 'user' } as const;
  const vague = { ...theirs, port: undefined, startedAt: undefined };
  const only = (server: number) => ({ ...weak.record, spawned: { pid: pid(server), startToken: `start-${server}` } });
  expect(reconcile([launched.record, vague], snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
  expect(reconcile([only(SERVER), vague], snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
  // The launcher has died, and left two servers in its group, of which it may mean either.
  const left = but({ ...launched, snapshot }, ended(LAUNCHER), running(serverProcess(6000, { group: LAUNCHER })));
  expect(reconcile([only(SERVER), vague], left.snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
});

test('what a plugin says of the spawned process spares its server, even if that is no launcher', () => {
  // It says that another server has started it, so it is not looked for below what a plugin says was spawned.
  const inside = spawnedWith(SERVER, { opencodePid: '9000' });
  const { snapshot } = but(launched, environmentHidden(LAUNCHER), inside, shown({ sockets: new Map() }));
  const theirs = { ...weakLaunched.record, source: { format: 'another', file: '/x' }, ownership: 'user' } as const;
  expect(reconcile([launched.record, theirs], snapshot)).toMatchObject([{ alsoIn: [{ source: theirs.source }] }]);
});

test('a record that cannot be read and mentions the spawned process is about its server, even if that is no launcher', () => {
  const mentions = { file: '/x', error: 'x', kind: 'server', mentions: new Set([LAUNCHER]) } as const;
  const given = but(launched, environmentHidden(LAUNCHER), written({ unread: [mentions] }));
  expect(verdict(given)).toMatchObject({ kind: 'unsure', reasons: ['owned'] });
});

const bare = (value: number) => ({ pid: pid(value), startToken: undefined });
/** Sockets are only looked at once it is known whose to look at. */
const unlooked = shown({ sockets: new Map() });
/** What a plugin wrote down, each in a file of its own. */
const theirs = (file: string, change: Partial<ServerRecord> = {}): ServerRecord => ({
  ...weak.record,
  source: { format: 'a plugin', file },
  ...change,
});
const withToken = { provenBy: 'start token', spawned: identity(SERVER) } as const;
const filesOf = (all: readonly ServerRecord[]): string[][] =>
  all.map(({ source, alsoIn }) => [source, ...alsoIn.map((one) => one.source)].map(({ file }) => file));

describe('of several records of one server there speaks', () => {
  const doubted = { startedAt: undefined };
  // Nothing can be said of what has no start token, where one was to be compared.
  const unclear = { provenBy: 'start token', spawned: bare(SERVER) } as const;
  test.each<[string, ServerRecord, ServerRecord]>([
    ['ours, whatever a plugin can prove', { ...record, ownership: 'user' }, theirs('/b', withToken)],
    ['one that proves itself before one that does not', theirs('/a'), theirs('/b', doubted)],
    [
      'one that proves itself by its time before a start token that is the user’s',
      theirs('/a'),
      theirs('/b', { ...withToken, ownership: 'user' }),
    ],
    ['one with a start token before one with a time', theirs('/a', withToken), theirs('/b')],
    ['one that leads to it before one that may', theirs('/a'), theirs('/b', unclear)],
    [
      'one that leads to it before one that may lead to it as the server',
      theirs('/a'),
      theirs('/b', { ...unclear, spawned: undefined, server: bare(SERVER) }),
    ],
  ])('%s', (_which, first, second) => {
    const expected = [[first.source.file, second.source.file]];
    expect(filesOf(reconcile([first, second], native.snapshot))).toEqual(expected);
    expect(filesOf(reconcile([second, first], native.snapshot))).toEqual(expected);
  });
});

test('what has the pid of a spawned process by now is a server of its own', () => {
  const { snapshot } = but(native, running(serverProcess(LAUNCHER)), spawnedWith(LAUNCHER, {}), unlooked);
  const one = theirs('/a', {
    ...withToken,
    spawned: { pid: pid(LAUNCHER), startToken: 'earlier' },
    server: identity(SERVER),
  });
  const other = theirs('/b', { ...withToken, spawned: identity(LAUNCHER) });
  expect(filesOf(reconcile([one, other], snapshot))).toEqual([['/a'], ['/b']]);
});

test('what had the pid of a server before has nothing to say of it', () => {
  const { snapshot } = but(native, seen(SERVER, { group: 1 }), unlooked);
  const one = theirs('/a', { ...withToken, spawned: { pid: pid(SERVER), startToken: 'earlier' } });
  expect(candidateOf(one, snapshot).located.kind).toBe('gone');
  expect(filesOf(reconcile([one, theirs('/b', withToken)], snapshot))).toEqual([['/b'], ['/a']]);
});

test('for the rest of a run a plugin’s server is known by the start tokens of its processes', () => {
  const [own] = reconcile([weak.record], native.snapshot);
  expect(own).toMatchObject({
    id: `${SERVER}-${tokenOf(SERVER)}`,
    spawned: identity(SERVER),
    server: identity(SERVER),
  });
  const [below] = reconcile([weakLaunched.record], launched.snapshot);
  expect(below).toMatchObject({
    id: `${LAUNCHER}-${tokenOf(LAUNCHER)}`,
    spawned: identity(LAUNCHER),
    server: identity(SERVER),
  });
  const { snapshot } = but(launched, seen(LAUNCHER, { command: { kind: 'other' } }));
  const [byShell] = reconcile([weakLaunched.record], snapshot);
  expect(byShell).toMatchObject({ spawned: weakLaunched.record.spawned, server: identity(SERVER) });
});

test.each<[string, Partial<ServerRecord>, boolean]>([
  ['the process that was spawned', { spawned: bare(LAUNCHER), server: undefined }, true],
  ['its server, below a launcher that the other does not name', { spawned: bare(FREE), server: bare(SERVER) }, true],
  ['another process, on the same port', { spawned: bare(FREE), server: undefined }, false],
  ['no process, and its port', { spawned: undefined, server: undefined }, true],
  ['no process, and another port', { spawned: undefined, server: undefined, port: PORT + 1 }, false],
  ['another process, in the same file', { spawned: bare(FREE), server: undefined, source: record.source }, true],
  [
    'another process, in the file of another record of it',
    { spawned: bare(FREE), server: undefined, source: { format: 'x', file: '/also' } },
    true,
  ],
])('a record may be about a known server when it names %s', (_what, change, expected) => {
  const known = { ...launched.record, alsoIn: [theirs('/also')] };
  expect(concerns(theirs('/new', change), known)).toBe(expected);
});

describe('right before a server is stopped, its record', () => {
  const [known = weakLaunched.record] = reconcile([weakLaunched.record], launched.snapshot);
  const stands = (near: readonly ServerRecord[], { snapshot } = launched, was = known) =>
    asItStands(was, near, snapshot);

  test('says what it says now, with what others say', () => {
    expect(stands([weakLaunched.record])).toEqual(known);
    const users = theirs('/b', { spawned: bare(LAUNCHER), ownership: 'user' });
    expect(stands([weakLaunched.record, users]).alsoIn).toMatchObject([{ source: users.source, ownership: 'user' }]);
  });

  test('says the same of a server whose launcher has ended since, by whose pid it was called', () => {
    const alone = but(launched, ended(LAUNCHER));
    expect(stands([weakLaunched.record], alone)).toMatchObject({
      id: `${SERVER}-${tokenOf(SERVER)}`,
      ownership: 'plugin',
    });
  });

  test('says nothing anymore when it was removed, or leads elsewhere', () => {
    expect(stands([])).toEqual({ ...known, ownership: 'withdrawn' });
    const beside = but(launched, running(serverProcess(6000)), spawnedWith(6000, {}), unlooked);
    const moved = { ...weakLaunched.record, spawned: bare(6000) };
    expect(stands([moved], beside)).toEqual({ ...known, ownership: 'withdrawn' });
  });

  test('says nothing anymore where another one may be about it, and names no server', () => {
    expect(stands([{ ...starting.record, id: 'ours' }])).toEqual({ ...known, ownership: 'withdrawn' });
    expect(stands([weakLaunched.record], launched, starting.record)).toMatchObject({
      id: starting.record.id,
      ownership: 'withdrawn',
    });
  });

  test('is as it was when its server has ended', () => {
    expect(stands([], but(launched, ended(LAUNCHER, SERVER)))).toEqual(known);
  });

  test('is as it was when it is in no file: unless one is about it by now', () => {
    const [unrecorded = record] = unrecordedIn([], native.snapshot);
    expect(stands([], native, unrecorded)).toEqual(unrecorded);
    expect(stands([], born, born.record)).toEqual(born.record);
    const ours = { ...record, id: 'ours' };
    expect(stands([ours], born, born.record)).toMatchObject({ id: 'ours', source: record.source });
  });
});

test('a keep mark of a process whose start token cannot be read may be of it', () => {
  const mark = { file: '/x', id: 'x', processes: [bare(SERVER)], machine: here };
  const marks = marksOn(candidateOf(record, native.snapshot), [mark], native.snapshot);
  expect(marks).toMatchObject([{ id: 'x', means: 'unknown' }]);
});
