import { spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/*
 * What `npm test` does before it runs anything: the linter and the types, and the build beside them, since none of them uses
 * a second processor. The types are checked from the sources, so that they do not wait for a build, which the tests run.
 */

const ROOT = fileURLToPath(new URL('../', import.meta.url));
const BIOME = 'node_modules/@biomejs/biome/bin/biome';
const TSC = 'node_modules/typescript/bin/tsc';

/** One after the other, each in a process of its own; whether all went well. What they say comes as they say it. */
const inTurn = async (...all) => {
  for (const args of all) {
    const child = spawn(process.execPath, args, { cwd: ROOT, stdio: 'inherit' });
    const code = await new Promise((resolve) => child.once('exit', resolve).once('error', resolve));
    if (code !== 0) return false;
  }
  return true;
};

const done = await Promise.all([
  inTurn([TSC, '-p', 'test/tsconfig.json']),
  inTurn([BIOME, 'check', '--error-on-warnings'], [TSC, '-p', 'tsconfig.json', '--noCheck'], ['build/build.mjs']),
]);
process.exitCode = done.every(Boolean) ? 0 : 1;
