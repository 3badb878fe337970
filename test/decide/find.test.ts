import { expect, test } from 'vitest';
import { candidateOf } from '../../src/decide/candidate.js';
import { begunBy, named } from '../../src/decide/find.js';
import { countsFrom } from '../../src/decide/named-folders.js';
import { serverName } from '../../src/decide/server-name.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import type { KeepMark, ServerRecord } from '../../src/model/record.js';
import { FREE, here, identity, LAUNCHER, launched, PORT, place, SERVER } from './given.js';

const { record: native, snapshot } = launched;
const record: ServerRecord = { ...native, id: 'c0ffee1234' };
const plugins: ServerRecord = { ...native, id: `${SERVER}-start-${SERVER}`, source: { format: 'x', file: '/x' } };
const numeric: ServerRecord = { ...native, id: `${PORT}123456` };
const handedOver: ServerRecord = { ...native, id: `adopted-${SERVER}-start` };
const [unrecorded] = unrecordedIn([], snapshot);

const candidates = (records: readonly ServerRecord[]) => records.map((one) => candidateOf(one, snapshot));

const of = (name: string, records: readonly ServerRecord[], kept: readonly KeepMark[] = []): ServerRecord[] =>
  named(serverName(name), [], candidates(records), kept, snapshot);

const mayMean = (name: string, one: ServerRecord | undefined): boolean => {
  const records = one ? [one] : [];
  return of(name, records).length + begunBy(name, records).length > 0;
};

test.each([
  ['its id', 'c0ffee1234', record],
  ['the start of its id', 'c0f', record],
  ['its pid', `${SERVER}`, record],
  ['the pid of its launcher', `${LAUNCHER}`, record],
  ['its port', `${PORT}`, record],
  ['an id of digits alone', numeric.id, numeric],
  ['the id that another file gives it', 'other', { ...record, alsoIn: [{ ...record, id: 'other' }] }],
  ['its pid, in a plugin’s id', `${SERVER}-`, plugins],
  ['what it is called without a record', `pid-${SERVER}`, unrecorded],
])('a server goes by %s', (_sentence, name, one) => {
  expect(mayMean(name, one)).toBe(true);
});

test.each([
  ['too little of its id', 'c0', record],
  ['half its pid', '500', record],
  ['half its pid, where its id begins with that', '500', plugins],
  ['half its pid, where it has no record', 'pid-500', unrecorded],
  ['half its pid, where it was handed over', 'adopted-500', handedOver],
  ['digits that its id begins with', `${PORT}123`, numeric],
])('no server goes by %s', (_sentence, name, one) => {
  expect(one).toBeDefined();
  expect(mayMean(name, one)).toBe(false);
});

test('a prefix of an id is not a name', () => {
  expect(of('c0ffee', [record])).toEqual([]);
});

test('a server still goes by what it was called when it was kept', () => {
  const mark = { file: '/x', id: 'pid-5000', processes: [identity(SERVER)], machine: here };
  expect(of('pid-5000', [record], [mark])).toEqual([record]);
  expect(of('pid-5000', [record], [{ ...mark, processes: [identity(LAUNCHER + 1)] }])).toEqual([]);
});

test('of servers that had the same port, one that has ended is meant only if there is no other', () => {
  const ended = { ...record, id: 'ended', spawned: identity(FREE), server: identity(FREE) };
  expect(of(`:${PORT}`, [ended, record])).toEqual([record]);
  expect(of(`${PORT}`, [ended, record])).toEqual([record]);
  expect(of(`:${PORT}`, [ended])).toEqual([ended]);
  expect(of(`${FREE}`, [ended, record])).toEqual([ended]);
  expect(of('ended', [ended, record])).toEqual([ended]);
});

test('a port is no pid, and a pid is no port', () => {
  expect(of(`:${SERVER}`, [record])).toEqual([]);
  expect(of('no-number', [{ ...record, id: 'x', port: undefined }])).toEqual([]);
});

test.each<[string, string, Partial<ServerRecord>, boolean]>([
  ['it works there', '/repo', {}, true],
  ['it works in a link to it', '/repo', { workspace: '/link' }, true],
  ['it works in a folder that is no longer there', '/old', { workspace: '/old' }, true],
  ['it works in a folder in it', '/repo', { workspace: '/repo/src' }, false],
  ['it works around it', '/repo/src', {}, false],
  ['nothing says where it works', '/repo', { workspace: undefined }, false],
  [
    'its record has the hash of it',
    '/repo',
    { workspace: undefined, workspaceHash: 'hash of /repo'.slice(0, 10) },
    true,
  ],
  ['its record has the hash of another', '/elsewhere', { workspace: undefined, workspaceHash: 'hash of /repo' }, false],
  ['another record of it says so', '/repo', { workspace: undefined, alsoIn: [record] }, true],
])('a folder names a server where %s', (_how, folder, change, expected) => {
  const one = { ...record, ...change };
  const found = named(serverName(folder), [place('/nowhere'), place(folder)], candidates([one]), [], snapshot);
  expect(found).toEqual(expected ? [one] : []);
});

test('a folder names a server whose record has the hash of where that leads', () => {
  const hashed = { ...record, workspace: undefined, workspaceHash: 'hash of /repo' };
  const link = place('/link', { hashes: ['hash of /link', 'hash of /repo'] });
  expect(named(serverName('/link'), [link], candidates([hashed]), [], snapshot)).toEqual([hashed]);
});

test.each<[string, Partial<ServerRecord>, 'session' | 'server', number, boolean]>([
  ['its own server names the folder', {}, 'server', SERVER, true],
  ['only another server names the folder', {}, 'server', LAUNCHER, false],
  ['a session names the folder', {}, 'session', FREE, true],
  ['it says that the user started it, whoever names the folder', { ownership: 'user' }, 'server', LAUNCHER, true],
  ['it does not say that a plugin started it, whoever names it', { ownership: 'unmarked' }, 'server', LAUNCHER, true],
  ['its server has ended', { spawned: identity(FREE), server: identity(FREE) }, 'server', FREE, false],
])(
  'what a record says counts, in a folder that only processes name, where %s: %s',
  (_what, change, kind, namer, expected) => {
    const one = { ...record, ...change };
    expect(
      countsFrom(
        one,
        [
          { pid: LAUNCHER, folders: {}, of: 'server' },
          { pid: namer, folders: {}, of: kind },
        ],
        snapshot,
      ),
    ).toBe(expected);
  },
);
