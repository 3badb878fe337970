import { expect, test } from 'vitest';
import { linuxSetForwardMs, setForwardBy } from '../../../src/observe/linux/set-forward.js';

test.each([
  ['as much as the wall clock is ahead of the boot clock', 50_000],
  ['nothing where both went on alike', 0],
  ['nothing where it was set back', -50_000],
])('the wall clock was set forward by %s', (_by, ms) => {
  const [then, now] = [
    { at: 1_000, ms: 10 },
    { at: 61_000 + ms, ms: 60_010 },
  ];
  expect(setForwardBy(then, now)).toBe(Math.max(0, ms));
});

test('what the root of /proc shows is a time', () => {
  expect(linuxSetForwardMs()).toBeGreaterThanOrEqual(0);
});
