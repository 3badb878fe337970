import { spawnSync } from 'node:child_process';
import { statSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { linuxSetForwardMs, setForwardBy } from '../../../src/observe/linux/set-forward.js';

const HOUR = 3_600_000;
const BOOT = { at: 1_700_000_000_000, ms: 300 };

describe('a clock', () => {
  test.each([
    ['that runs as the boot clock does was not set', HOUR, HOUR, 0],
    ['that has gone on while the boot clock stood still was set forward', 3 * HOUR, HOUR, 2 * HOUR],
    ['that was set back counts as one that was not set', 0, HOUR, 0],
  ])('%s', (_what, wall, boot, expected) => {
    expect(setForwardBy(BOOT, { at: BOOT.at + wall, ms: BOOT.ms + boot })).toBe(expected);
  });

  test('of this very machine: what /proc was mounted at, and how long its first process has run, leave the rest', () => {
    const ranMs = 1_000 * Number(spawnSync('ps', ['-o', 'etimes=', '-p', '1'], { encoding: 'utf8' }).stdout);
    const sinceMs = Date.now() - statSync('/proc').mtimeMs;
    // ps tells whole seconds.
    expect(Math.abs((linuxSetForwardMs() ?? Number.NaN) - Math.max(0, sinceMs - ranMs))).toBeLessThan(2_500);
  });
});
