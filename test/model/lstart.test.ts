import { spawnSync } from 'node:child_process';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { lstartParts, lstartSeconds } from '../../src/model/lstart.js';

const WEEKDAY = ['Sun', 'Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat'];
const MONTH = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];

/** As strftime's `%c` has it in the language C. */
const shown = (seconds: number): string => {
  const at = new Date(seconds * 1000);
  const [, time = ''] = at.toISOString().split('T');
  const day = String(at.getUTCDate()).padStart(2);
  return `${WEEKDAY[at.getUTCDay()]} ${MONTH[at.getUTCMonth()]} ${day} ${time.slice(0, 8)} ${at.getUTCFullYear()}`;
};

describe('a date as ps prints it', () => {
  test.each<[string, number]>([
    ['Tue Nov 24 09:10:11 2026', Date.UTC(2026, 10, 24, 9, 10, 11)],
    ['Thu Sep  3 08:31:58 2026', Date.UTC(2026, 8, 3, 8, 31, 58)],
    ['Thu Feb 29 23:59:59 2024', Date.UTC(2024, 1, 29, 23, 59, 59)],
    ['Thu Jan  1 00:00:00 1970', 0],
    // macOS pads the column.
    ['Tue Nov 24 09:10:11 2026    ', Date.UTC(2026, 10, 24, 9, 10, 11)],
  ])('%s is one', (text, ms) => {
    expect(lstartSeconds(text)).toBe(ms / 1000);
  });

  test('is one at any moment', () => {
    const seconds = fc.integer({ min: 0, max: Date.UTC(9999, 11, 31) / 1000 });
    fc.assert(fc.property(seconds, (at) => lstartSeconds(shown(at)) === at));
  });

  const noPs = process.platform === 'win32' ? ' (skipped: Windows has no ps)' : '';
  test.skipIf(noPs)(`is read as this machine’s own ps prints it${noPs}`, () => {
    const began = Date.now() - process.uptime() * 1000;
    const env = { LC_ALL: 'C', TZ: 'UTC' };
    const { stdout } = spawnSync('/bin/ps', ['-o', 'lstart=', '-p', `${process.pid}`], { env, encoding: 'utf8' });
    expect(Math.abs((lstartSeconds(stdout) ?? 0) * 1000 - began)).toBeLessThan(3_000);
  });

  test.each([
    '',
    'STARTED',
    '1795507211',
    'Tue Nov 24 09:10:11',
    'Mon Nov 24 09:10:11 2026',
    'Tue Nov 31 09:10:11 2026',
    'Sun Feb 29 00:00:00 2026',
    'Tue Nov  0 09:10:11 2026',
    'Tue Nov 24 24:00:00 2026',
    'Tue Nov 24 09:60:11 2026',
    'Tue nov 24 09:10:11 2026',
    'Tue 24 Nov 09:10:11 2026',
    'Di. 24 Nov. 09:10:11 2026',
    '火 11/24 09:10:11 2026',
    'Tue Nov 24 09:10:11 2026\nTue Nov 24 09:10:11 2026',
    'Tue Nov 24 09:10:11 2026 UTC',
    `Tue Nov 24 09:10:11 2026${'0'.repeat(1_000_000)}`,
  ])('is nothing else: %#', (text) => {
    expect([lstartParts(text), lstartSeconds(text)]).toEqual([undefined, undefined]);
  });
});
