import { expect, test } from 'vitest';
import { candidateOf } from '../../src/decide/candidate.js';
import { begunBy, named } from '../../src/decide/find.js';
import { serverName } from '../../src/decide/server-name.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import type { KeepMark, ServerRecord } from '../../src/model/record.js';
import { here, identity, LAUNCHER, launched, PORT, SERVER } from './given.js';

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
