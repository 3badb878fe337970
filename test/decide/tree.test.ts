import { describe, expect, test } from 'vitest';
import { treeAt } from '../../src/decide/evidence.js';
import { descendants, lineage } from '../../src/decide/process.js';
import { leftOfSpawn } from '../../src/decide/tree.js';
import { but, type Change, ended, recorded, running, seen, shown } from './changes.js';
import {
  CLAUDE,
  environment,
  LAUNCHER,
  launched,
  MCP,
  native,
  orphaned,
  process,
  SELF,
  SERVER,
  SHELL,
  type Situation,
  starting,
  tableOf,
} from './given.js';

const pids = ({ record, snapshot }: Situation): number[] =>
  treeAt(record, snapshot)
    .map(({ pid }) => pid)
    .sort((a, b) => a - b);

const tool = running(process(5002, { parent: SERVER }), process(5005, { parent: 5002 }));
/** The group leader died, and its child was adopted by init. */
const leftInGroup = (group: number): Change => running(process(5006, { group }), process(5007, { parent: 5006 }));

describe('with a server ends', () => {
  test.each<[string, Situation, number[]]>([
    ['what it started', native, [SERVER, MCP]],
    ['what its tools started, in sessions of their own', but(native, tool), [SERVER, MCP, 5002, 5005]],
    ['its launcher', launched, [LAUNCHER, SERVER, MCP]],
    ['its launcher, before the listener is known', starting, [LAUNCHER, SERVER, MCP]],
    ['what a dead launcher left', orphaned, [SERVER, MCP]],
    ['what is left in the group of the spawn', but(native, leftInGroup(SERVER)), [SERVER, MCP, 5006, 5007]],
    ['what a dead launcher left in the group', but(orphaned, leftInGroup(LAUNCHER)), [SERVER, MCP, 5006, 5007]],
    [
      'nothing of a group that it is not in',
      but(native, seen(SERVER, { group: SHELL }), leftInGroup(SERVER)),
      [SERVER, MCP],
    ],
    [
      'nothing of a group that nobody spawned',
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

test('with a server ends what runs below it, but never this run nor what is above that', () => {
  const below = but(native, running(process(SHELL, { parent: SERVER })));
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
