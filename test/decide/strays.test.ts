import { expect, test } from 'vitest';
import { mayEnd, straysOf } from '../../src/decide/strays.js';
import { environment, HOUR, identity, native, process, SERVER, TAG, tableOf } from './given.js';

const server = identity(SERVER);
const stopped = {
  server,
  tag: TAG,
  tree: [server],
  apart: [identity(10), { ...identity(11), startToken: 'earlier' }],
  ageMs: HOUR,
};
const table = tableOf(...[10, 11, 12, 13].map((pid) => process(pid)));
const environments = new Map([
  [12, environment],
  [13, { ...environment, tag: 'other' }],
]);

test('what ran below a server and is not its own is named with what it has lost, but not what has its pid by now', () => {
  const strays = straysOf(stopped, table, environments, native.snapshot);
  expect(strays.map(({ pid }) => pid)).toEqual([10, 12]);
});

test('of these only what it has lost may be ended', () => {
  const strays = straysOf(stopped, table, environments, native.snapshot);
  expect(strays.map((stray) => mayEnd(stray, stopped, false, environments))).toEqual([false, true]);
});
