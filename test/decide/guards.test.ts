import { describe, expect, test } from 'vitest';
import { answer, GUARD_NAMES, GUARDS, type GuardName } from '../../src/decide/guards.js';
import { evidence, native, policy, type Situation, verdict } from './given.js';
import { CASES, type Case } from './guard-cases.js';

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
    const reached = CASES[name].map(([, given]) => rows.findIndex(([, says]) => says(evidence(given), policy)));
    expect([...new Set(reached)].sort((a, b) => a - b)).toEqual([...rows.keys()]);
  });

  test('asks one question, and says what would change its answer', () => {
    expect(GUARDS[name].asks).toMatch(/^[a-z][^\r\n]*\?$/);
    expect(GUARDS[name].remedy).toMatch(/^[a-z`][^\r\n]*[^\s.]$/);
  });
});

test('a guard that finds no answer does not know', () => {
  // Every word there is has an answer, so it takes one that there is not.
  const word = { kind: 'a word to come' } as never;
  expect(answer('idle', { ...evidence(native), word }, policy)).toMatchObject({
    outcome: 'unknown',
    detail: expect.stringMatching(SENTENCE),
  });
});
