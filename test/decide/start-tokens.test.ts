import { describe, expect, test } from 'vitest';
import { isAlive } from '../../src/decide/alive.js';
import { comparable, isOfOurTime, timeNamespaceFrom } from '../../src/decide/start-tokens.js';
import { judge } from '../../src/decide/verdict.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import { but, shownOn } from './changes.js';
import { CLAUDE, evidence, FREE, here, identity, lease, native, policy, SERVER } from './given.js';

const INITIAL = 'time:[4026531834]';
const offsets = (seconds: number, nanoseconds = 0): string =>
  `monotonic           7         0\nboottime   ${seconds}         ${nanoseconds}\n`;

describe('a time namespace', () => {
  test.each<[string, string | undefined, string | undefined, string | undefined]>([
    ['is the initial one', INITIAL, undefined, INITIAL],
    // The offsets are those that its children will have.
    ['is the initial one, whatever it has prepared for its children', INITIAL, offsets(1000), INITIAL],
    ['is as good as the initial one without an offset', 'time:[2]', offsets(0), INITIAL],
    ['is told by its offset, too, since numbers are handed out again', 'time:[2]', offsets(1000), 'time:[2] 1000 0'],
    ['is told by its offset below zero', 'time:[2]', offsets(-5, 7), 'time:[2] -5 7'],
    ['is one of its own where its offset cannot be read', 'time:[2]', undefined, 'time:[2]'],
    ['is none where the kernel has none', undefined, undefined, undefined],
  ])('%s', (_sentence, link, text, expected) => {
    expect(timeNamespaceFrom(link, () => text)).toBe(expected);
  });

  test('without an offset takes a hook no more than a look at its link', () => {
    for (const link of [INITIAL, undefined]) timeNamespaceFrom(link, () => expect.fail('the offsets were read'));
  });
});

describe('a start token', () => {
  test.each<[string, boolean, string | undefined, string | undefined]>([
    ['of the same namespace', true, 'time:[2] 5 0', 'time:[2] 5 0'],
    ['of another one', false, 'time:[2] 5 0', 'time:[3] 5 0'],
    ['of one with that number and another offset', false, 'time:[2] 5 0', 'time:[2] 6 0'],
    ['of an earlier version, seen from the initial one', true, undefined, INITIAL],
    ['of an earlier version, where the kernel has none', true, undefined, undefined],
    ['of an earlier version, seen from another one', false, undefined, 'time:[2] 5 0'],
    ['of the initial one, where the kernel has none', true, INITIAL, undefined],
  ])('%s can be compared: %s', (_sentence, expected, written, ours) => {
    expect(isOfOurTime({ timeNamespace: written }, { ...here, timeNamespace: ours })).toBe(expected);
  });
});

const ELSEWHERE = { timeNamespace: 'time:[2] 5 0' };
const shiftedBy = (given: typeof native): typeof native => but(given, shownOn(ELSEWHERE));

describe('what was noted in another time namespace', () => {
  const { snapshot } = shiftedBy(native);
  const alive = (who: ReturnType<typeof identity>, where = here, at: Snapshot = snapshot) => isAlive(who, where, at);

  test('may live while its pid does, and is over when its pid is free', () => {
    expect(alive(identity(CLAUDE))).toBe('unknown');
    expect(alive({ ...identity(CLAUDE), startToken: 'shifted' })).toBe('unknown');
    expect(alive(identity(FREE))).toBe('no');
    expect(alive(identity(CLAUDE), { ...here, ...ELSEWHERE })).toBe('yes');
    expect(alive({ ...identity(CLAUDE), startToken: 'shifted' }, { ...here, ...ELSEWHERE })).toBe('no');
  });

  test('may live where it does not say where it was written', () => {
    expect(isAlive(identity(CLAUDE), undefined, snapshot)).toBe('unknown');
    expect(isAlive(identity(CLAUDE), undefined, native.snapshot)).toBe('yes');
  });

  const known = { ...here, ...ELSEWHERE };
  const written = {
    ...native.written,
    records: [native.record],
    fences: [
      {
        id: 'x',
        file: 'x',
        run: identity(CLAUDE),
        machine: here,
        tree: [identity(SERVER)],
        port: undefined,
        record: native.record,
        original: '',
        recordIsBack: false,
        content: '',
        seenAt: 0,
      },
    ],
    kept: [{ file: 'x', id: 'y', processes: [identity(SERVER)], machine: here }],
    witnesses: [{ holder: identity(CLAUDE), session: undefined, path: '/repo' }],
    leases: [lease],
  };
  const tokensIn = (text: unknown): number => JSON.stringify(text).split('"startToken"').length - 1;

  test('has no tokens here, and all of them at home', () => {
    const { leases: _, ...rest } = comparable(written, known);
    expect(
      tokensIn([rest.records, rest.fences.map(({ tree, record }) => [tree, record]), rest.kept, rest.witnesses]),
    ).toBe(0);
    expect(comparable(written, here)).toEqual(written);
  });

  test('is never gone, never another process, and never stale', () => {
    const [record] = comparable(written, known).records;
    const given = { ...shiftedBy(native), record: record ?? native.record };
    const verdict = judge(evidence(given), policy);
    expect(verdict).toMatchObject({ kind: 'unsure', reasons: expect.arrayContaining(['identity']) });
    expect(verdict.guards.find(({ name }) => name === 'identity')?.detail).toContain('another time namespace');
  });
});
