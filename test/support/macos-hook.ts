import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const ROOT = join(import.meta.dirname, '../..');

/**
 * Builds the hook as it is on macOS, but for the programs that it runs there, which are Debian's. Only tests have it: what
 * is shipped takes no such choice from anybody.
 */
export function buildMacosHook(folder: string): string {
  execFileSync(process.execPath, ['build/build.mjs', 'program', folder, 'test/support/macos-adapter'], { cwd: ROOT });
  return join(folder, 'hook.cjs');
}
