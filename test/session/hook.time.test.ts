import { spawnSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { lineOf } from '../../src/install/shell-line.js';
import { HOOK } from '../support/hooks.js';
import { BUILDS } from '../support/library.js';
import { buildMacosHook } from '../support/macos-hook.js';
import { isPatient, isThorough, onDemand } from '../support/patience.js';
import { startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const SAID = JSON.stringify({ session_id: 'session', cwd: '/', source: 'startup', reason: 'other' });

describe('the time a hook takes', () => {
  let box: Sandbox;
  beforeEach(async () => {
    box = await createSandbox('hook-time');
  });
  afterEach(() => box.dispose());

  // What other tests have ended may still be torn down, some hundred megabytes each, and a moment is enough for that where
  // nothing else is done: half a second, as long as one of two processors has more to do.
  beforeAll(async () => {
    for (let waited = 0; waited < 2_000; waited += 500) {
      const before = busyTicks();
      await sleep(500);
      if (busyTicks() - before < 25) return;
    }
  });

  /** Hundredths of a second in which the processors have worked so far. */
  const busyTicks = (): number => {
    const [, user = 0, nice = 0, system = 0] = readFileSync('/proc/stat', 'utf8').split(/\s+/, 5).map(Number);
    return user + nice + system;
  };

  /** A copy beside a program that ends at once, so that no background run takes the processor from what is measured. */
  const alone = (): string => {
    const folder = join(box.root, 'alone');
    mkdirSync(folder);
    cpSync(HOOK, join(folder, 'hook.cjs'));
    writeFileSync(join(folder, 'opencode-reap.cjs'), '');
    return join(folder, 'hook.cjs');
  };
  const records = (count: number): void => {
    for (const folder of ['servers', 'leases']) {
      mkdirSync(join(box.stateDir, folder), { recursive: true, mode: 0o700 });
      for (let n = 0; n < count; n += 1) writeFileSync(join(box.stateDir, folder, `${folder}-${n}.json`), '{}');
    }
  };
  const timed = (args: readonly string[], program = process.execPath): number => {
    const began = performance.now();
    spawnSync(program, args, { input: SAID, env: box.env() });
    return performance.now() - began;
  };
  const median = (times: readonly number[]): number =>
    [...times].sort((a, b) => a - b)[times.length >> 1] ?? Number.NaN;

  /** Medians of 10 in turn. Others work on this machine too, so the best of up to forty counts. */
  const ratio = (args: readonly string[], enough: number): number => {
    let best = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 40 && best > enough; attempt += 1) {
      const pairs = Array.from({ length: 10 }, () => [timed(args), timed(['-e', '0'])] as const);
      best = Math.min(best, median(pairs.map(([hook]) => hook)) / median(pairs.map(([, node]) => node)));
    }
    return best;
  };

  const sweptBy = (pid: number): void => {
    const holder = { pid, startToken: startToken(pid) };
    mkdirSync(box.stateDir, { recursive: true, mode: 0o700 });
    writeFileSync(join(box.stateDir, 'sweep.json'), JSON.stringify({ schema: 'opencode-reap/1', holder, machine: {} }));
  };

  // The more there are, the less it could hide.
  test.each(isThorough ? [0, 1_000] : [1_000])(
    'with %i records is hardly more than node itself takes',
    { timeout: 300_000 },
    (count) => {
      records(count);
      const hook = alone();
      const worst = (enough: number): number =>
        Math.max(...['session-start', 'session-end'].map((event) => ratio([hook, 'hook', event], enough)));
      // Measured on until it is as good as aimed at, or by default until it is good enough.
      const withRun = worst(isPatient ? 1.45 : 1.5);
      sweptBy(process.pid);
      const without = worst(isPatient ? 1.2 : 1.25);
      process.stderr.write(
        `hook to node -e 0, ${count} records: ${without.toFixed(2)}, with a run to start ${withRun.toFixed(2)}\n`,
      );
      // Aimed at is 1.2; on a machine whose other half is busy even the best of forty may lie a little above.
      expect(without).toBeLessThanOrEqual(1.25);
      expect(withRun).toBeLessThanOrEqual(1.5);
    },
  );

  test('as on macOS, with one list of processes by Debian’s ps, is below three times as much', {
    ...onDemand,
  }, async () => {
    const folder = join(box.root, 'macos');
    const hook = buildMacosHook(folder);
    writeFileSync(join(folder, 'opencode-reap.cjs'), '');
    const [start, end] = ['session-start', 'session-end'].map((event) => ratio([hook, 'hook', event], 2.2));
    process.stderr.write(`hook as on macOS to node -e 0: start ${start?.toFixed(2)}, end ${end?.toFixed(2)}\n`);
    expect(start).toBeLessThanOrEqual(3);
    expect(end).toBeLessThanOrEqual(3);
  });

  test('by the line for a shell is little more than without one', () => {
    sweptBy(process.pid);
    const words = [alone(), 'hook', 'session-start'];
    const line = lineOf([
      [process.execPath, ...words],
      ['/gone/node', ...words],
    ]);
    let best = Number.POSITIVE_INFINITY;
    for (let attempt = 0; attempt < 10 && best > 1.1; attempt += 1) {
      const pairs = Array.from({ length: 20 }, () => timed(['-c', line], '/bin/sh') / timed(words));
      best = Math.min(best, median(pairs));
    }
    process.stderr.write(`hook by the line to hook: ${best.toFixed(2)}\n`);
    expect(best).toBeLessThanOrEqual(1.15);
  });

  test('of the vendored file, which brings the whole library along, is some ten milliseconds more', () => {
    sweptBy(process.pid);
    const vendored = ratio([BUILDS.vendored, 'hook', 'session-start'], 1.9);
    process.stderr.write(`hook of the vendored file to node -e 0: ${vendored.toFixed(2)}\n`);
    expect(vendored).toBeLessThanOrEqual(2);
  });
});
