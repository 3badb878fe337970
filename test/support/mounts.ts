import fs from 'node:fs';
import { syncBuiltinESMExports } from 'node:module';
import { onTestFinished } from 'vitest';
import { unsureMounts } from '../../src/observe/linux/mounts.js';

export interface Mounts {
  /** From now on, these folders are where file systems are mounted that may not answer. */
  are(folders: readonly string[]): void;
  /** Whole seconds. */
  pass(seconds: number): void;
}

/** What one test has seen is long over for the next. */
let last = 0;

/**
 * Stands in for the list of mounts, and for the clock by which it is kept: `folders` are ordinary ones, and code that asks
 * what is behind such a mount only takes them for it. Until the test is over.
 */
export function standInForMounts(...folders: readonly string[]): Mounts {
  const { readFileSync } = fs;
  const { uptime } = process;
  let now = Math.max(Math.ceil(uptime()), last) + 100;
  let list = '';
  const read = (file: unknown, ...rest: readonly unknown[]): unknown =>
    file === '/proc/self/mountinfo' ? list : (readFileSync as (...all: readonly unknown[]) => unknown)(file, ...rest);
  const stage: Mounts = {
    are: (all) => {
      list = all.map((at, id) => `${id} 1 0:${id} / ${at} rw - nfs4 far:/ rw\n`).join('');
      stage.pass(1);
    },
    pass: (seconds) => {
      now += seconds;
    },
  };
  Object.assign(fs, { readFileSync: read });
  Object.assign(process, { uptime: () => now });
  syncBuiltinESMExports();
  onTestFinished(() => {
    Object.assign(fs, { readFileSync });
    syncBuiltinESMExports();
    // What was listed here is forgotten: the real list comes in its place.
    stage.pass(1);
    unsureMounts();
    last = now;
    Object.assign(process, { uptime });
  });
  stage.are(folders);
  return stage;
}
