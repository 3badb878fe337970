import { describe, expect, test } from 'vitest';
import { GUARD_NAMES } from '../../src/decide/guards.js';
import { targetNamed, targetOfSpawn, type Verdict } from '../../src/decide/verdict.js';
import {
  but,
  type Change,
  client,
  ended,
  keptAs,
  leased,
  recorded,
  recordedOn,
  says,
  seen,
  shown,
  shownOn,
  spawnedWith,
  unread,
} from './changes.js';
import {
  CLAUDE,
  evidence,
  identity,
  LAUNCHER,
  launched,
  MINUTE,
  native,
  orphaned,
  SERVER,
  type Situation,
  verdict,
} from './given.js';

const otherMachine = recordedOn({ id: 'other', boot: 'other' });
const otherContainer = recordedOn({ pidNamespace: 'pid:[2]' });
const earlierBoot = recordedOn({ boot: 'earlier' });
const absent = ended(SERVER);
const kept = keptAs('server-1');
const held = leased({ path: '/repo' });
const theUsers = recorded({ ownership: 'user' });
const socketsHidden = shown({ sockets: new Map() });
const ageHidden = seen(SERVER, { ageMs: undefined });
const busy = says({ kind: 'busy', sessions: 2, directory: '/repo' });

const both =
  (...changes: Change[]): Change =>
  (given) =>
    but(given, ...changes);

/** Without the answers of the guards, which have a test of their own. */
const withoutGuards = ({ guards: _, ...rest }: Verdict): object => rest;
const spared = (...reasons: string[]) => ({ kind: 'spared', reasons });
const unsure = (...reasons: string[]) => ({ kind: 'unsure', reasons });
const gone = { kind: 'gone', because: expect.any(String) };

const ORDER: readonly [string, Change[], object][] = [
  ['an absent process of another machine is spared', [otherMachine, absent], spared('local')],
  ['an absent process of another container is spared', [otherContainer, absent], spared('local')],
  [
    'a process of another machine is spared for all its reasons',
    [otherMachine, kept, busy],
    spared('local', 'idle', 'unkept'),
  ],
  ['nothing is left from before this machine booted', [earlierBoot], gone],
  ['nothing is left from before it booted, whoever holds it', [earlierBoot, held, kept, theUsers, busy], gone],
  ['nothing is left from before it booted, even in a container', [earlierBoot, otherContainer], gone],
  [
    'an earlier boot of who knows which machine is spared',
    [earlierBoot, recordedOn({ id: undefined })],
    spared('local'),
  ],
  ['an earlier boot of another machine is spared', [otherMachine], spared('local')],
  ['an absent process is gone, whoever started it', [absent, theUsers], gone],
  ['an absent process is gone, whoever holds or keeps it', [absent, held, kept], gone],
  ['an absent process is gone, even if leases are unread', [absent, unread('lease'), unread('keep')], gone],
  ['a veto comes before an unknown', [kept, socketsHidden], spared('unkept')],
  [
    'vetoes are named together, in the order of the guards',
    [kept, held, theUsers, ageHidden],
    spared('owned', 'unleased', 'unkept'),
  ],
  [
    'unknowns are named together, in the order of the guards',
    [ageHidden, socketsHidden, unread('lease')],
    unsure('unleased', 'idle', 'aged'),
  ],
  [
    'processes that could not be listed are not absent',
    [shown({ processes: undefined })],
    unsure('identity', 'unleased', 'idle', 'aged'),
  ],
  ['a machine that is not known spares', [shownOn({ id: undefined, boot: undefined })], unsure('local', 'unleased')],
];

describe('the order of a verdict', () => {
  test.each(ORDER)('%s', (_sentence, changes, expected) => {
    expect(withoutGuards(verdict(but(native, ...changes)))).toEqual(expected);
  });

  test.each([native, but(native, earlierBoot), but(native, absent), but(native, kept), but(native, ageHidden)])(
    'shows the answer of every guard, whatever it is (%#)',
    (given) => {
      expect(verdict(given).guards.map(({ name }) => name)).toEqual(GUARD_NAMES);
    },
  );
});

describe('a stale server', () => {
  const hung = says({ kind: 'hung', because: 'silent' });
  test.each<[string, Situation, object]>([
    ['is its own process', native, { server: identity(SERVER), launcher: undefined, hung: false }],
    ['comes with its launcher', launched, { server: identity(SERVER), launcher: identity(LAUNCHER), hung: false }],
    ['may have lost its launcher', orphaned, { server: identity(SERVER), launcher: undefined, hung: false }],
    ['may be hung', but(native, hung), { server: identity(SERVER), launcher: undefined, hung: true }],
  ])('%s', (_sentence, given, target) => {
    expect(withoutGuards(verdict(given))).toEqual({ kind: 'stale', target });
  });
});

const ALLOWED: readonly [string, Change][] = [
  ['a busy server', busy],
  ['a server with clients', client(CLAUDE)],
  ['a server that does not say whether it is busy', says({ kind: 'silent' })],
  ['a server whose connections cannot be seen', socketsHidden],
  ['a leased server', held],
  ['a server with unread leases', unread('lease')],
  ['a young server', seen(SERVER, { ageMs: MINUTE })],
  ['a server of unknown age', ageHidden],
  ['a kept server', kept],
  ["the user's own server", theUsers],
  ['a server that is not recorded', recorded({ ownership: 'unrecorded' })],
  ['a server with a record that proves nothing', recorded({ trust: { kind: 'untrusted', because: 'it is a link' } })],
];

const FORBIDDEN: readonly [string, string, Change][] = [
  ['a process of another user', 'identity', seen(SERVER, { owner: '0' })],
  ['a process of who knows which user', 'identity', seen(SERVER, { owner: undefined })],
  ['another program', 'identity', seen(SERVER, { command: { kind: 'other' } })],
  ['another command of opencode', 'identity', seen(SERVER, { command: { kind: 'opencode' } })],
  ['a process with another tag', 'identity', spawnedWith(SERVER, { tag: 'other' })],
  ['a process without a start token', 'identity', seen(SERVER, { startToken: undefined })],
  [
    'a later process with its pid',
    'identity',
    both(seen(SERVER, { startToken: 'later' }), spawnedWith(SERVER, { tag: 'later' })),
  ],
  ['an absent process', 'identity', absent],
  ['a process that could not be looked for', 'identity', shown({ processes: undefined })],
  ['a process of another machine', 'local', otherMachine],
  ['a process of another container', 'local', otherContainer],
  ['a process from before this machine booted', 'local', earlierBoot],
  ['a process of who knows which machine', 'local', shownOn({ id: undefined, boot: undefined })],
];

describe('on the word of a person', () => {
  const named = (...changes: Change[]) => {
    const given = but(native, ...changes);
    return targetNamed(verdict(given), evidence(given));
  };

  test.each(ALLOWED)('%s may be stopped', (_sentence, change) => {
    expect(named(change)).toEqual({ server: identity(SERVER), launcher: undefined, hung: false });
  });

  test.each(FORBIDDEN)('%s may not be stopped', (_sentence, name, change) => {
    const answered = named(change);
    expect(answered).toMatchObject({ name });
    expect(answered).not.toMatchObject({ outcome: 'pass' });
    expect(answered).not.toHaveProperty('server');
  });

  test('what its tag alone proves may not be stopped if it cannot be told from a later process', () => {
    const given = but(orphaned, seen(SERVER, { startToken: undefined }));
    expect(verdict(given).guards.find(({ name }) => name === 'identity')?.outcome).toBe('pass');
    expect(targetNamed(verdict(given), evidence(given))).toMatchObject({ name: 'identity', outcome: 'unknown' });
    expect(verdict(given)).toMatchObject({ kind: 'unsure', reasons: ['identity'] });
  });
});

test('what has only just been spawned is a target where it is found, and is asked to let go like any that answers', () => {
  const { located } = evidence(launched);
  expect(targetOfSpawn(located)).toEqual({ server: identity(SERVER), launcher: identity(LAUNCHER), hung: false });
  expect(targetOfSpawn({ kind: 'unknown', because: 'x' })).toBeUndefined();
  expect(targetOfSpawn(evidence(but(native, seen(SERVER, { startToken: undefined }))).located)).toBeUndefined();
});
