import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

/** Whether servers are looked at through macOS's adapter (`npm run test:macos-adapter`). */
export const THROUGH_MACOS = process.env.OPENCODE_REAP_TEST_PLATFORM === 'macos';

/** A build that does so lies apart, so that no test and no package takes it for the one that is shipped. */
const BUILD = THROUGH_MACOS ? join(ROOT, 'node_modules/.cache/opencode-reap/through-macos') : ROOT;

/** The built program, as a user runs it. */
export const PROGRAM = join(BUILD, 'bin/opencode-reap.js');
export const DIST = join(BUILD, 'dist/');
export const HOOK = join(DIST, 'hook.cjs');

/** Builds it, once for all tests of a run. */
export function buildThroughMacos(): void {
  if (!THROUGH_MACOS) return;
  mkdirSync(DIST, { recursive: true });
  cpSync(join(ROOT, 'bin'), join(BUILD, 'bin'), { recursive: true });
  // It says that dist/index.js is an ES module.
  cpSync(join(ROOT, 'package.json'), join(BUILD, 'package.json'));
  for (const part of ['program', 'parts', 'library', 'vendored']) {
    execFileSync(process.execPath, ['build/build.mjs', part, DIST, 'test/support/macos-adapter'], { cwd: ROOT });
  }
}
