import { describe, expect, test } from 'vitest';
import { inScope, isHistory, type Judged, planStops, type Scope } from '../../src/decide/plan.js';
import type { ServerRecord } from '../../src/model/record.js';
import { but, ended, says } from './changes.js';
import { evidence, native, PORT, place, record, type Situation, verdict } from './given.js';
import { weak } from './plugin-cases.js';

const judged = (given: Situation): Judged => ({
  record: given.record,
  seen: evidence(given),
  verdict: verdict(given),
  outcome: undefined,
});
const gone = (given: Situation): Situation => but(given, ended(given.record.spawned?.pid ?? 0));
const stale = judged(native);
const others = [
  judged(but(native, says({ kind: 'silent' }))),
  judged(but(native, says({ kind: 'busy', sessions: 1, directory: '/' }))),
  judged(gone(native)),
];

describe('of all servers a run stops', () => {
  test('the stale ones', () => {
    expect(planStops([...others, stale], 20)).toEqual({ stop: [stale], overLimit: undefined });
  });

  test('as many as the limit allows, and none of more', () => {
    expect(planStops([stale, stale, ...others], 2)).toEqual({ stop: [stale, stale], overLimit: undefined });
    expect(planStops([stale, stale, stale], 2)).toEqual({
      stop: [],
      overLimit: {
        kind: 'withheld',
        because: '3 servers are stale, more than --limit 2; --limit 3 stops them',
        overLimit: true,
      },
    });
    expect(planStops([stale], 0).overLimit).toMatchObject({
      because: '1 server is stale, more than --limit 0; --limit 1 stops them',
    });
    expect(planStops(others, 0)).toEqual({ stop: [], overLimit: undefined });
  });
});

const within = (path: string, port?: number) => ({ kind: 'workspace', workspace: place(path), port }) satisfies Scope;
const nameless = { ...record, workspace: undefined };
const hashed = { ...nameless, workspaceHash: 'hash of /repo'.slice(0, 12) };

test.each<[string, Scope, ServerRecord, boolean]>([
  ['all of them', { kind: 'all', port: undefined }, nameless, true],
  ['one on the port', { kind: 'all', port: PORT }, record, true],
  ['none on another port', { kind: 'all', port: PORT + 1 }, record, false],
  ['one of the workspace', within('/repo'), record, true],
  ['none of the workspace on another port', within('/repo', PORT + 1), record, false],
  ['one of a folder in it', within('/repo'), { ...record, workspace: '/repo/src' }, true],
  ['none of a folder around it', within('/repo/src'), record, false],
  ['none of a sibling', within('/repo-2'), record, false],
  ['one of a link to it', within('/repo'), { ...record, workspace: '/link' }, true],
  ['one of a folder in it that is no longer there', within('/repo'), { ...record, workspace: '/repo/old' }, true],
  ['none of which nothing says where it works', within('/repo'), nameless, false],
  ['one of which only a hash says so', within('/repo'), hashed, true],
  [
    'one with the hash of where the folder leads',
    { ...within('/link'), workspace: place('/link', { hashes: ['hash of /link', 'hash of /repo'] }) },
    hashed,
    true,
  ],
  ['none with the hash of another folder', within('/elsewhere'), hashed, false],
  ['one of which another record says so', within('/repo'), { ...nameless, alsoIn: [nameless, record] }, true],
])('in the scope of a run is %s', (_what, scope, one, expected) => {
  expect(inScope(scope, one, native.snapshot.places)).toBe(expected);
});

test('only what a plugin wrote down about a server that has ended is history', () => {
  expect([gone(weak), gone(native), weak].map((given) => isHistory(judged(given)))).toEqual([true, false, false]);
});
