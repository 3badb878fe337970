import { describe, expect, test } from 'vitest';
import type { Activity } from '../../src/decide/activity.js';
import { answer, type Policy } from '../../src/decide/guards.js';
import { endsSilence, nextUse, quietMs, useKey } from '../../src/decide/quiet.js';
import { judge } from '../../src/decide/verdict.js';
import type { LastUse } from '../../src/model/last-use.js';
import { but, client, ended, leased, says } from './changes.js';
import { CLAUDE, evidence, HOUR, MINUTE, NOW, native, policy, SERVER, type Situation, serverProcess } from './given.js';

/** The machine has been up for ten hours. */
const UP = 10 * HOUR;
const now = { at: NOW, bootMs: UP };
const server = serverProcess(SERVER);
const idle = (lastActiveAt?: number): Activity => ({ kind: 'idle', directories: 1, lastActiveAt });
const noted = (ago: number, but: Partial<LastUse> = {}): Map<string, LastUse> =>
  new Map([[useKey(server), { ms: UP - ago, aheadMs: NOW - UP, activeAt: undefined, ...but }]]);

describe('how long a server is quiet', () => {
  test.each<[string, number, Parameters<typeof quietMs>]>([
    ['not at all when it is seen for the first time', 0, [server, idle(), new Map(), now]],
    ['since it was last seen in use', 40 * MINUTE, [server, idle(), noted(40 * MINUTE), now]],
    ['no longer than it lives', HOUR, [server, idle(), noted(9 * HOUR), now]],
    [
      'since its own last activity, where that is later',
      3 * MINUTE,
      [server, idle(NOW - 3 * MINUTE), noted(HOUR), now],
    ],
    ['and not since an earlier one', 40 * MINUTE, [server, idle(NOW - 2 * HOUR), noted(40 * MINUTE), now]],
    ['not at all when that is yet to come', 0, [server, idle(NOW + 1), noted(HOUR), now]],
    ['not at all when its last use is yet to come', 0, [server, idle(), noted(-MINUTE), now]],
    ['not at all where the boot clock cannot be read', 0, [server, idle(), noted(HOUR), { at: NOW }]],
    ['the same when it was not asked', 40 * MINUTE, [server, { kind: 'not asked' }, noted(40 * MINUTE), now]],
    [
      'not at all where its age cannot be read',
      0,
      [serverProcess(SERVER, { ageMs: undefined }), idle(), noted(HOUR), now],
    ],
    [
      'since its own last activity, where the wall clock was corrected by less than ten seconds',
      30 * MINUTE,
      [server, idle(NOW - 30 * MINUTE), noted(HOUR, { aheadMs: NOW - UP - 9_999 }), now],
    ],
    [
      'not at all after an activity, once the wall clock was set by ten seconds',
      0,
      [server, idle(NOW - 30 * MINUTE), noted(HOUR, { aheadMs: NOW - UP - 10_000 }), now],
    ],
    [
      'not at all after an activity, once the wall clock was set forward',
      0,
      [server, idle(NOW - 3 * HOUR), noted(HOUR, { aheadMs: NOW - UP - 3 * HOUR }), now],
    ],
    [
      'not at all after an activity, once the wall clock was set back',
      0,
      [server, idle(NOW + 3 * HOUR), noted(HOUR, { aheadMs: NOW - UP + 3 * HOUR }), now],
    ],
    ['not at all when it was busy the last time it was asked', 0, [server, idle(), noted(HOUR, { busy: true }), now]],
    [
      'as long as without one, when the clock was set and the activity is known from before',
      HOUR,
      [server, idle(NOW + HOUR), noted(HOUR, { aheadMs: NOW - UP + HOUR, activeAt: NOW + HOUR }), now],
    ],
  ])('%s', (_, expected, args) => expect(quietMs(...args)).toBe(expected));
});

/** The server that may be stopped, as the watch sees it. */
const watched = (
  uses: ReadonlyMap<string, LastUse>,
  activity: Activity = idle(),
  retireAfterMs?: number,
): Situation => ({
  ...native,
  activity,
  record: { ...native.record, retireAfterMs },
  snapshot: { ...native.snapshot, bootMs: UP },
  written: { ...native.written, lastUses: uses },
});
const WATCH: Policy = { ...policy, quietForMs: 30 * MINUTE };
const idleGuard = (given: Situation, by = WATCH) => answer('idle', evidence(given), by);
const notAsked: Activity = { kind: 'not asked' };

describe('the guard `idle`', () => {
  test('waits for quiet in the watch alone', () => {
    const detail = 'last used 3 min ago, and the watch waits for 30 min of quiet';
    const given = watched(noted(3 * MINUTE));
    expect(idleGuard(given)).toEqual({ name: 'idle', outcome: 'veto', detail });
    expect(idleGuard(given, policy).outcome).toBe('pass');
    expect(idleGuard(watched(noted(31 * MINUTE))).outcome).toBe('pass');
  });

  test('says of a server that it sees for the first time only what it knows', () => {
    const detail = 'may just have been used, and the watch waits for 30 min of quiet';
    expect(idleGuard(watched(new Map()))).toEqual({ name: 'idle', outcome: 'veto', detail });
  });

  test('goes by what the record says, and 0 is never', () => {
    expect(idleGuard(watched(noted(31 * MINUTE), idle(), 45 * MINUTE)).outcome).toBe('veto');
    expect(idleGuard(watched(noted(3 * MINUTE), idle(), 2 * MINUTE)).outcome).toBe('pass');
    const never = 'the watch leaves it alone (--retire-after 0)';
    expect(idleGuard(watched(noted(50 * MINUTE), idle(), 0)).detail).toBe(never);
    expect(idleGuard(watched(noted(50 * MINUTE), idle(), 0), policy).outcome).toBe('pass');
  });

  test('and 0 of one record counts, whatever another one says', () => {
    const given = watched(noted(50 * MINUTE), idle(), 1);
    const also = { ...native.record, id: 'also', retireAfterMs: 0 };
    expect(idleGuard({ ...given, record: { ...given.record, alsoIn: [also] } }).outcome).toBe('veto');
  });

  test('vetoes without an answer of the server, so that it is not asked', () => {
    const judged = judge(evidence(watched(noted(3 * MINUTE), notAsked)), WATCH);
    expect(judged).toMatchObject({ kind: 'spared', reasons: ['idle'] });
  });
});

describe('what the watch remembers', () => {
  const remembered = (given: Situation) =>
    nextUse(evidence(given), given.written.lastUses ?? new Map(), { at: NOW, bootMs: UP })?.[1];

  test.each<[string, Situation]>([
    ['seen for the first time', watched(new Map())],
    ['held by a session', but(watched(noted(HOUR), notAsked), leased({ path: '/repo' }))],
    ['busy', but(watched(noted(HOUR)), says({ kind: 'busy', sessions: 1, directory: '/repo' }))],
    ['of which it cannot be told', but(watched(noted(HOUR)), says({ kind: 'unknown', because: 'x' }))],
    ['that did not answer', but(watched(noted(HOUR)), says({ kind: 'silent' }))],
  ])('of a server %s is that it is used now', (_, given) => expect(remembered(given)?.ms).toBe(UP));

  const silence = says({
    kind: 'unknown',
    because: 'it does not answer, but has connections',
    silent: { sinceMs: UP, lastMs: UP, looks: 1 },
  });

  test('of one whose silence is counted is what it knew, so that it is asked again in time', () => {
    expect(remembered(but(watched(noted(HOUR)), silence))).toEqual(noted(HOUR).get(useKey(server)));
    expect(remembered(but(watched(noted(HOUR)), silence, leased({ path: '/repo' })))?.ms).toBe(UP);
    expect(remembered(but(watched(noted(HOUR)), silence, client(CLAUDE)))?.ms).toBe(UP);
  });

  test.each<[string, boolean, Situation]>([
    ['when it has answered', true, watched(noted(HOUR))],
    ['when it could not be heard', true, but(watched(noted(HOUR)), says({ kind: 'unknown', because: 'x' }))],
    ['when a session held it', true, but(watched(noted(HOUR), notAsked), leased({ path: '/repo' }))],
    ['when a client was connected', true, but(watched(noted(HOUR), notAsked), client(CLAUDE))],
    ['not while the watch is patient', false, watched(noted(3 * MINUTE), notAsked)],
  ])('of a silence ends %s', (_, expected, given) => expect(endsSilence(evidence(given))).toBe(expected));

  test('of one that was not asked is what it knew', () => {
    expect(remembered(watched(noted(3 * MINUTE), notAsked))).toEqual(noted(3 * MINUTE).get(useKey(server)));
  });

  test('of one that was asked is its own last activity', () => {
    const activeAt = NOW - 3 * MINUTE;
    const known = { ms: UP - 3 * MINUTE, aheadMs: NOW - UP, activeAt };
    expect(remembered(watched(noted(HOUR), idle(activeAt)))).toEqual(known);
    expect(remembered(watched(noted(HOUR), idle()))).toEqual({ ms: UP - HOUR, aheadMs: NOW - UP, activeAt: undefined });
  });

  test('of one that is busy is that it was, until it is asked again and is not', () => {
    const busy = remembered(but(watched(noted(HOUR)), says({ kind: 'busy', sessions: 1, directory: '/repo' })));
    expect(busy).toMatchObject({ ms: UP, busy: true });
    expect(remembered(watched(noted(MINUTE, { busy: true }), notAsked))).toMatchObject({ ms: UP - MINUTE, busy: true });
    expect(remembered(watched(noted(HOUR, { busy: true })))).toEqual({
      ms: UP,
      aheadMs: NOW - UP,
      activeAt: undefined,
    });
  });

  test('of one that is held is since when, and that it was busy until it has answered', () => {
    const held = (last: Partial<LastUse>, activity: Activity) =>
      remembered(but(watched(noted(HOUR, last), activity), leased({ path: '/repo' })));
    const now = { ms: UP, aheadMs: NOW - UP, activeAt: undefined };
    expect(held({}, notAsked)).toEqual(now);
    expect(held({ busy: true }, notAsked)).toEqual({ ...now, busy: true });
    expect(held({ busy: true }, idle())).toEqual(now);
  });

  test('of one that is gone is nothing', () => {
    expect(remembered(but(watched(noted(HOUR)), ended(SERVER)))).toBeUndefined();
  });
});
