import { describe, expect, test } from 'vitest';
import {
  formatOurs,
  identity,
  machine,
  numbersIn,
  objects,
  parseObject,
  parseOurs,
  port,
  text,
  texts,
  time,
  wholeNumber,
} from '../../src/state/files/parse.js';
import type { FileRead } from '../../src/state/files/read.js';

/* What is taken for what it says, and what for nothing: a value that is missing or malformed never becomes a default. */

test.each<[string, unknown]>([
  ['{"a":1}', { a: 1 }],
  ['{}', {}],
  ['', 'not valid JSON'],
  ['{"a":', 'not valid JSON'],
  ['null', 'not a JSON object'],
  ['[1]', 'not a JSON object'],
  ['7', 'not a JSON object'],
])('the text %s is understood or refused', (written, said) => expect(parseObject(written)).toEqual(said));

describe('a file of ours', () => {
  test('says so first, in lines that a person can read', () =>
    expect(formatOurs({ id: 'x' })).toBe('{\n  "schema": "opencode-reap/1",\n  "id": "x"\n}\n'));

  test.each<[string, unknown]>([
    ['{"schema":"opencode-reap/1","id":"x"}', { schema: 'opencode-reap/1', id: 'x' }],
    ['{"schema":"opencode-reap/2","id":"x"}', 'written by another version (schema opencode-reap/2)'],
    ['{"schema":1}', 'it has no schema'],
    ['{}', 'it has no schema'],
    ['[]', 'not a JSON object'],
    ['{', 'not valid JSON'],
  ])('%s is understood by its schema alone', (written, said) => expect(parseOurs(written)).toEqual(said));
});

describe('what was not understood', () => {
  const read = (written: string): FileRead => ({
    kind: 'text',
    text: written,
    trust: { kind: 'trusted' },
    modifiedAt: 0,
  });
  const numbers = (written: string) => [...(numbersIn(read(written)) ?? ['not known'])];

  test('is about the numbers in it', () => expect(numbers('{"pid": 42, "port": 4096')).toEqual([42, 4096]));
  test('is about nothing where it has none', () => expect(numbers('{}')).toEqual([]));
  test('may be about anything where it is too long to be a record', () => {
    expect(numbers(`7${' '.repeat(65_534)}`)).toEqual([7]);
    expect(numbers(`7${' '.repeat(65_535)}`)).toEqual(['not known']);
  });
  test('may be about anything where it could not be read', () => {
    expect(numbersIn({ kind: 'unread', error: 'EACCES' })).toBeUndefined();
    expect(numbersIn({ kind: 'absent' })).toBeUndefined();
  });
});

const NOTHING: readonly unknown[] = [undefined, null, true, {}, [], '', '7', -1, 1.5, Number.NaN, 2 ** 53];

test('a text is one that has something in it', () => {
  expect(['a', '7', '', undefined, null, 7, ['a']].map(text)).toEqual(['a', '7', ...Array(5).fill(undefined)]);
});

test('of a list, the texts and the objects are taken, and of anything else none', () => {
  expect(texts(['a', '', 7, null, 'b'])).toEqual(['a', 'b']);
  expect(objects([{ a: 1 }, 'a', null, [], {}])).toEqual([{ a: 1 }, {}]);
  for (const one of [undefined, null, 'a', { a: 'a' }]) expect([texts(one), objects(one)]).toEqual([[], []]);
});

test('a port is one that something can listen on', () => {
  expect([1, 4096, 65_535].map(port)).toEqual([1, 4096, 65_535]);
  expect([0, 65_536, ...NOTHING].filter((value) => port(value) !== undefined)).toEqual([]);
});

test('a whole number is one that can be counted to', () => {
  expect([0, 7, 2 ** 53 - 1].map(wholeNumber)).toEqual([0, 7, 2 ** 53 - 1]);
  expect(NOTHING.filter((value) => wholeNumber(value) !== undefined)).toEqual([]);
});

test('a time is of the clock, in milliseconds or as a date, and within what a date can say', () => {
  expect([0, 1.5, 8.64e15].map(time)).toEqual([0, 1.5, 8.64e15]);
  expect(time('2026-01-01T00:00:00.000Z')).toBe(Date.UTC(2026, 0, 1));
  const none = [-1, 8.64e15 + 1, Number.NaN, 'soon', '', null, undefined, true, {}, ['2026-01-01']];
  expect(none.filter((value) => time(value) !== undefined)).toEqual([]);
});

test('a process is named by a pid, and told apart by its start where that is said', () => {
  expect(identity(42, '7')).toEqual({ pid: 42, startToken: '7' });
  expect(identity(42, 7)).toEqual({ pid: 42, startToken: undefined });
  for (const none of [1, 0, -42, 4.2, '42', undefined]) expect(identity(none, '7')).toBeUndefined();
});

test('a machine is what is said of it, and one without a name has an empty one', () => {
  const box = { id: 'id', boot: 'boot', pidNamespace: 'pids', timeNamespace: 'time', name: 'box' };
  expect(machine(box)).toEqual(box);
  expect(machine({ id: 7 })).toEqual({ name: '' });
  for (const none of [undefined, null, 'box', [box]]) expect(machine(none)).toBeUndefined();
});
