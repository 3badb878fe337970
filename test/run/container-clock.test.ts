import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fake, startFake, writeRecord, writeState } from '../support/fake.js';
import { PROGRAM } from '../support/program.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

// lxcfs shows an LXC container how long that is up, beside processes that started on a machine which is up for longer.

const ENTER = ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /proc/uptime && exec "$@"'] as const;
const [command, ...enter] = ENTER;
const tried = spawnSync(command, [...enter, '/proc/uptime', 'true'], { encoding: 'utf8' });
const reason = tried.error?.message ?? tried.stderr.trim();
const missing = tried.status === 0 ? '' : ` (skipped: nothing can be mounted here: ${reason})`;

let sandbox: Sandbox;
let server: Fake;
beforeEach(async () => {
  sandbox = await createSandbox('container-clock');
  server = await startFake(sandbox);
});
afterEach(() => sandbox.dispose());

async function judgedIn(uptime: string) {
  const file = await writeState(sandbox.home, 'uptime', uptime);
  const words = [...enter, file, process.execPath, PROGRAM, '--all-stale', '--older-than', '0s', '--dry-run', '--json'];
  const options = { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8', timeout: 60_000 } as const;
  const { stdout, stderr } = spawnSync(command, words, options);
  expect(stderr).toBe('');
  return JSON.parse(stdout).servers;
}

describe.skipIf(missing)(`in a container with an uptime of its own${missing}`, () => {
  test.each([
    ['ours', () => writeRecord(sandbox, 'srv-1', server)],
    [
      'a plugin’s, which has a time alone',
      () =>
        writeState(join(sandbox.home, '.claude/plugins/data/opencode-x/state/0123456789abcdef'), 'server.json', {
          lastServerPid: server.pid,
          lastServerStartedAt: Date.now(),
        }),
    ],
  ])('a server is as old as it is, and stale as anywhere: by a record of %s', async (_whose, write) => {
    await write();
    const began = Date.now();
    expect(await judgedIn('0.01 0.01\n')).toMatchObject([{ verdict: 'stale' }]);
    const [{ ageMs }] = await judgedIn('0.01 0.01\n');
    expect(ageMs).toBeGreaterThan(0);
    expect(ageMs).toBeLessThan(Date.now() - began + 120_000);
  });
});
