import { describe, expect, test } from 'vitest';
import { answer, GUARD_NAMES, GUARDS, type GuardName } from '../../src/decide/guards.js';
import { REMEDIES } from '../../src/decide/remedies.js';
import type { ServerRecord } from '../../src/model/record.js';
import { secret } from '../../src/model/secret.js';
import { but, type Change, recorded, seen, written } from './changes.js';
import { evidence, native, policy, SERVER, type Situation, serve, verdict } from './given.js';
import { CASES, type Case } from './guard-cases.js';
import { job, weak } from './plugin-cases.js';

/** Starts lower-case, is one line, and ends without a full stop: it is printed after the name of the guard. */
const SENTENCE = /^[a-z0-9][^\r\n]*[^\s.]$/;

const reasonsOf = (given: Situation): readonly GuardName[] => {
  const judged = verdict(given);
  return 'reasons' in judged ? judged.reasons : [];
};

describe.each(GUARD_NAMES)('%s', (name) => {
  test.each<Case>(CASES[name])('%s', (_sentence, given, outcome, kind, reasons) => {
    const said = verdict(given).guards.find((guard) => guard.name === name);
    expect(said).toMatchObject({ outcome, detail: expect.stringMatching(SENTENCE) });
    expect(verdict(given).kind).toBe(kind);
    expect(reasonsOf(given)).toEqual(reasons);
  });

  test('passes for some server, vetoes for another, and may not know', () => {
    expect(new Set(CASES[name].map(([, , outcome]) => outcome))).toEqual(new Set(['pass', 'veto', 'unknown']));
  });

  test('has no answer that no case reaches', () => {
    const rows = GUARDS[name].answers;
    const policies = [policy, { ...policy, quietForMs: 1 }];
    const reached = policies.flatMap((by) =>
      CASES[name].map(([, given]) => rows.findIndex(([, says]) => says(evidence(given), by))),
    );
    expect([...new Set(reached)].sort((a, b) => a - b)).toEqual([...rows.keys()]);
  });

  test('asks one question, and says what would change its answer', () => {
    expect(GUARDS[name].asks).toMatch(/^[a-z][^\r\n]*\?$/);
    for (const [, given] of CASES[name]) expect(REMEDIES[name](evidence(given))).toMatch(/^[a-z`][^\r\n]*[^\s.]$/);
  });
});

const detailOf = (given: Situation, name: GuardName) => answer(name, evidence(given), policy).detail;

test('of many jobs only the first few are named', () => {
  const jobs = [1, 2, 3, 4, 5].map((number) => ({ ...job, name: `task-${number}`, holder: undefined }));
  const given = but(native, recorded({ source: { format: 'a plugin', file: '/x' } }), written({ uses: jobs }));
  expect(detailOf(given, 'idle')).toBe('5 plugin jobs (task-1; task-2; task-3; and 2 more) in flight');
});

test('another password is named before a time that is not there', () => {
  const given = but(weak, recorded({ password: secret('x'), startedAt: undefined }));
  expect(detailOf(given, 'identity')).toBe('its password is not the recorded one');
});

const unreadable = written({ unread: [{ file: '/x', error: 'x', kind: 'server', mentions: new Set([SERVER]) }] });
const untrusted = recorded({ trust: { kind: 'untrusted', because: 'x' } });
const daemon = seen(SERVER, { command: { ...serve, sharedDaemon: 'service' } });
const theirs = recorded({ source: { format: 'a plugin', file: '/x' } });
const ours = recorded({ source: native.record.source });
const owner = (ownership: ServerRecord['ownership']): Change => recorded({ ownership });

test.each<[string, Change[], RegExp]>([
  ['it is not recorded', [owner('unrecorded')], /adopt/],
  ['it is the user’s', [owner('user')], /adopt/],
  ['it does not have the plugin’s mark', [owner('unmarked'), unreadable], /adopt/],
  ['anyone could have written its record', [untrusted], /adopt/],
  ['anyone could have written that it was adopted', [owner('adopted'), untrusted], /^make sure that no one else/],
  ['another record of it cannot be read', [unreadable], /^fix \/x, or remove it/],
  ['it was adopted, and another record of it cannot be read', [owner('adopted'), unreadable], /^fix \/x/],
  ['it is in a record of ours, which has leases by its id', [ours, untrusted], /^make sure that no one else can write/],
  ['it is in a record of ours as the user’s', [ours, owner('user')], /`opencode-reap stop`/],
  ['it is a shared daemon', [owner('unrecorded'), daemon], /^a shared daemon .* `opencode-reap stop`/],
])('adopt is advised only where it helps: %s', (_sentence, changes, advice) => {
  expect(REMEDIES.owned(evidence(but(native, theirs, ...changes)))).toMatch(advice);
});

test('a server that was not asked has nothing to wait for yet', () => {
  const idle = { ...evidence(native), activity: { kind: 'not asked' } } as const;
  expect(REMEDIES.idle(idle)).toBe('it was not asked: change the rest first, then it is');
  expect(REMEDIES.idle({ ...idle, clients: [{ clientPid: 7 }] as never })).toMatch(/^wait until its work is done/);
});

test('a guard that finds no answer does not know', () => {
  // Every word there is has an answer, so it takes one that there is not.
  const activity = { kind: 'a word to come' } as never;
  expect(answer('idle', { ...evidence(native), activity }, policy)).toMatchObject({
    outcome: 'unknown',
    detail: expect.stringMatching(SENTENCE),
  });
});

describe('what the watch alone asks', () => {
  const watch = { ...policy, quietForMs: 60_000 };
  const idleBy = (change: object) => answer('idle', { ...evidence(native), quietMs: 3_600_000, ...change }, watch);

  test('is how long nothing has used a server, to the millisecond', () => {
    expect(idleBy({ quietMs: 60_000 }).outcome).toBe('pass');
    expect(idleBy({ quietMs: 59_999 })).toMatchObject({ outcome: 'veto', detail: expect.stringContaining('60 s') });
    expect(idleBy({ quietMs: undefined }).outcome).toBe('veto');
    expect(idleBy({ quietMs: 999 }).detail).toContain('may just have been used');
    expect(idleBy({ quietMs: 1_000 }).detail).toContain('last used 1 s ago');
    expect(answer('idle', { ...evidence(native), quietMs: 0 }, policy).outcome).toBe('pass');
  });

  test('is unknown of a server that does not say when it was last used, which is nothing to others', () => {
    const silent = { activity: { kind: 'idle', directories: 1, lastActiveAt: 'unknown' } } as const;
    expect(idleBy(silent)).toMatchObject({ outcome: 'unknown', detail: 'it does not say when it was last used' });
    expect(answer('idle', { ...evidence(native), ...silent }, policy).outcome).toBe('pass');
  });
});

test('a sentence names what was seen: the plugin, what is busy, and what of a record fits', () => {
  const says = (name: GuardName, change: object) => answer(name, { ...evidence(native), ...change }, policy).detail;
  expect(says('owned', { plugin: 'x' })).toBe('started by x');
  expect(says('owned', { plugin: undefined })).toBe('started by a plugin');
  const busy = { kind: 'busy', sessions: 1, directory: '/repo' };
  expect(says('idle', { activity: busy })).toBe('1 session busy in /repo');
  expect(says('idle', { activity: { ...busy, what: 'shell' } })).toBe('1 shell running in /repo');
  const lease = { session: 'a', file: '/1', holderPid: 7, live: 'unknown', covers: 'yes' };
  const leases = [lease, { ...lease, file: '/2' }, { ...lease, session: undefined, file: '/3' }];
  expect(says('unleased', { coveringLeases: leases })).toBe('cannot tell whether 2 sessions may still use it');
  const unfiled = { ...lease, session: undefined, file: undefined };
  expect(says('unleased', { coveringLeases: [unfiled, unfiled, { ...unfiled, holderPid: 8 }] })).toContain(
    ' 2 sessions ',
  );
  const weakly = { startsAfterMs: 0, port: 'same', password: 'same', pluginConfig: true };
  const all = 'same user, command line, start time, port, password and plugin configuration';
  expect(says('identity', { weak: weakly })).toBe(all);
  const less = { ...weakly, startsAfterMs: undefined, port: 'unstated', pluginConfig: false };
  expect(says('identity', { weak: less })).toBe('same user, command line and password');
  expect(says('identity', { weak: { ...weakly, password: 'unstated', pluginConfig: false } })).toBe(
    'same user, command line, start time and port',
  );
});
