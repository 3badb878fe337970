import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isoTime } from '../../src/state/files/iso-time.js';

const LAST = Date.parse('9999-12-31T23:59:59.999Z');

test('a time is written as `toISOString` writes it, to the end of the year 9999', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: LAST }), (ms) => {
      expect(isoTime(ms)).toBe(new Date(ms).toISOString());
    }),
    { examples: [[0], [LAST], [Date.parse('2000-02-29T09:08:07.006Z')], [1.5]], numRuns: 2_000 },
  );
});

test('without a time it is now', () => {
  const before = Date.now();
  expect(Date.parse(isoTime())).toBeGreaterThanOrEqual(before);
  expect(Date.parse(isoTime())).toBeLessThanOrEqual(Date.now());
});
