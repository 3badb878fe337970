import { expect, test } from 'vitest';
import { compare, parsePid, sameProcess } from '../../src/model/identity.js';
import { identity, pid } from '../decide/given.js';

test.each([2, 4096, 4_194_304])('%s may name a process', (value) => {
  expect(parsePid(value)).toBe(value);
});

test.each([
  0,
  1,
  -1,
  -4096,
  1.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  '4096',
  '',
  null,
  undefined,
  true,
  [5],
])('%s names no process, though a signal to it may hit many', (value) => {
  expect(parsePid(value)).toBeUndefined();
});

test('what was not read is neither the same nor different', () => {
  expect([compare('a', 'a'), compare('a', 'b'), compare('', 'a')]).toEqual(['same', 'different', 'different']);
  expect([compare(undefined, 'a'), compare('a', undefined), compare(undefined, undefined)]).toEqual(
    Array(3).fill('unknown'),
  );
});

test('a process is its pid and its start token together', () => {
  const one = identity(4096);
  const unread = { ...one, startToken: undefined };
  expect(sameProcess(one, { ...one })).toBe('same');
  expect(sameProcess(one, { ...one, startToken: 'later' })).toBe('different');
  expect(sameProcess(one, { ...one, pid: pid(4097) })).toBe('different');
  expect(sameProcess(unread, one)).toBe('unknown');
  expect(sameProcess(unread, { ...unread, pid: pid(4097) })).toBe('different');
});
