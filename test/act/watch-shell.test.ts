import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { alive, environ } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// The shell that is the watch, with a stand-in for the program that it runs for each look.

const MODULE = fileURLToPath(new URL('../../dist/modules/act/start-watch.js', import.meta.url));
/** Only empty, so that reading it fails in another way than where there is none. */
const EMPTIES = 'mount --bind /dev/null /proc/uptime';
const HIDES = 'mount -t tmpfs none /proc';
/** Called `sh` it behaves as POSIX says; it is what macOS has there. */
const AS_ON_MACOS = `${HIDES} && mount --bind /bin/bash /bin/sh`;
const inMounts = (what: string) => [
  'unshare',
  '-m',
  '--propagation',
  'private',
  '/bin/sh',
  '-c',
  `${what} && exec "$@"`,
  'sh',
];
const works = (what: string): boolean => {
  const [command = '', ...args] = [...inMounts(what), '/bin/sh', '-c', '! read -r up rest </proc/uptime'];
  return spawnSync(command, args).status === 0;
};
const missing = works(HIDES) ? '' : ' (skipped: nothing can be mounted here)';
const withoutBash = works(AS_ON_MACOS) ? '' : ' (skipped: bash cannot take the place of sh here)';

let box: Sandbox;
beforeEach(async () => {
  box = await createSandbox('watch-shell');
});
afterEach(() => box.dispose());

const TOKEN = '0123456789abcdef';

/** Starts the watch with a look every second, and returns its pid. */
const watchIn = (enter: readonly string[]): number => {
  // What would mean something to a shell that read it as its own text.
  const program = join(box.root, 'look $(id) `id`; exit 10 \'".cjs');
  const looks = join(box.root, 'looks');
  writeFileSync(
    program,
    `require('fs').appendFileSync(${JSON.stringify(looks)}, process.argv.slice(2).join(' ') + '\\n'); console.log(1)`,
  );
  mkdirSync(box.stateDir, { mode: 0o700 });
  writeFileSync(join(box.stateDir, 'watch.json'), JSON.stringify({ token: TOKEN }).concat('\n'));
  const watching = {
    ...{ token: TOKEN, claim: join(box.stateDir, 'watch.json'), stateDir: box.stateDir },
    ...{ everyMs: 1_000, firstMs: 1_000, programs: [program] },
  };
  const script = `const { startWatch } = await import(${JSON.stringify(MODULE)});
    process.stdout.write(String(await startWatch(${JSON.stringify(watching)}, process.env)));`;
  const [command = '', ...args] = [...enter, process.execPath, '--input-type=module', '-e', script];
  const { stdout } = spawnSync(command, args, { env: box.env(), encoding: 'utf8' });
  const pid = Number(stdout);
  expect(pid).toBeGreaterThan(1);
  box.track(pid);
  return pid;
};

const looks = (): string[] => {
  const file = join(box.root, 'looks');
  return existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
};

describe.each<[string, string, readonly string[]]>([
  ['with a boot clock in /proc', '', []],
  ['without one', missing, inMounts(HIDES)],
  ['with one that is empty', missing, inMounts(EMPTIES)],
  ['without one, by bash', withoutBash, inMounts(AS_ON_MACOS)],
])('the watch %s%s', (_where, skipped, enter) => {
  test.skipIf(skipped)('looks when a look is due, and ends with its claim', async () => {
    const pid = watchIn(enter);
    await waitFor('three looks', () => looks().length >= 3);
    expect(new Set(looks())).toEqual(new Set([`watch ${TOKEN} --state-dir ${box.stateDir}`]));
    // Of the variables of its starter only those that it needs: a look by this name would show it.
    expect(environ(pid).some((line) => line.startsWith('OPENCODE_DISABLE_'))).toBe(false);
    rmSync(join(box.stateDir, 'watch.json'));
    await waitFor('its end', () => !alive(pid));
  });
});
