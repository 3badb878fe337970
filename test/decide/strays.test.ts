import { expect, test } from 'vitest';
import { mayEnd, straysOf } from '../../src/decide/strays.js';
import type { Identity } from '../../src/model/identity.js';
import type { Environment } from '../../src/model/process.js';
import { secret } from '../../src/model/secret.js';
import { environment, HOUR, identity, native, process, SERVER, serverProcess, TAG, tableOf } from './given.js';

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
  expect(strays.map((stray) => mayEnd(stray, stopped, false, environments, []))).toEqual([false, true]);
});

test('of these none is ended that has a record or a mark of its own, or asks to be kept', () => {
  const [stray] = straysOf(stopped, tableOf(process(12)), environments, native.snapshot);
  if (stray === undefined) return expect.fail('nothing was left');
  const may = (named: readonly Identity[], its = environments) => mayEnd(stray, stopped, false, its, named);
  expect(may([])).toBe(true);
  expect(may([identity(12)])).toBe(false);
  expect(may([{ ...identity(12), startToken: undefined }])).toBe(false);
  // Another process had its pid when that was written down.
  expect(may([{ ...identity(12), startToken: 'earlier' }, identity(13)])).toBe(true);
  expect(may([], new Map([[12, { ...environment, keep: true }]]))).toBe(false);
});

const its = { ...environment, tag: undefined, inTerminal: true, password: secret('x') };

test('a tool of an OpenCode 2 without a tag is named by the password that it has inherited, and never ended', () => {
  const untagged = { ...stopped, tag: undefined, apart: [], passwords: [secret('x')] };
  const left = tableOf(
    process(20, { ageMs: 1 }),
    process(21, { ageMs: 2 * HOUR }),
    process(22, { ageMs: 1 }),
    process(23, { ageMs: 1 }),
    serverProcess(30),
    process(24, { ageMs: 1, parent: 30 }),
    serverProcess(25, { ageMs: 1 }),
    // As old as its server, as far as the clock tells.
    process(26, { ageMs: HOUR }),
    process(27, { ageMs: 1 }),
    process(28, { ageMs: undefined }),
  );
  const carried = new Map([
    ...[20, 21, 24, 25, 26, 28].map((pid) => [pid, its] as const),
    [22, { ...its, inTerminal: false }] as const,
    [23, { ...its, password: secret('y') }] as const,
    [27, { ...its, password: secret('y'), passwordOfSecond: secret('x') }] as const,
  ]);
  const strays = straysOf(untagged, left, carried, native.snapshot);
  expect(strays.map(({ pid }) => pid)).toEqual([20, 26, 27]);
  expect(strays.map((stray) => mayEnd(stray, untagged, false, carried, []))).toEqual([false, false, false]);
  const both = { ...untagged, passwords: [secret('z'), secret('x')] };
  expect(straysOf(both, left, carried, native.snapshot).map(({ pid }) => pid)).toEqual([20, 26, 27]);
  expect(straysOf({ ...untagged, tag: TAG }, left, carried, native.snapshot)).toEqual([]);
});

test('what a server has started may be ended when it has left it, unless it has a tag of its own', () => {
  const started = { ...environment, tag: undefined, opencodePid: String(SERVER) };
  const all = new Map<number, Environment>([
    [14, started],
    [15, { ...started, tag: 'other' }],
  ]);
  const strays = straysOf(stopped, tableOf(process(14), process(15)), all, native.snapshot);
  expect(strays.map(({ pid }) => pid)).toEqual([14, 15]);
  expect(strays.map((stray) => mayEnd(stray, stopped, false, all, []))).toEqual([true, false]);
});
