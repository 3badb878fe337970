import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fake, startFake, writeRecord } from '../support/fake.js';
import { listHere } from '../support/list-here.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/*
 * From a user namespace of its own, as bwrap and Flatpak make one, a program sees the same processes, and the list of
 * their descriptors, but may not read where any of these leads. The server is a stand-in.
 */

const ENTER = ['unshare', '--user', '--map-root-user', '--'] as const;
const tried = spawnSync(ENTER[0], [...ENTER.slice(1), 'true'], { encoding: 'utf8' });
const reason = tried.error?.message ?? tried.stderr.trim();
const missing = tried.status === 0 ? '' : ` (skipped: no user namespace can be made here: ${reason})`;

const MODULES = fileURLToPath(new URL('../../dist/modules', import.meta.url));
const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));

const LOOK = ['--dry-run', '--all-stale', '--older-than', '0s', '--json'];

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('forbidden');
  server = await startFake(sandbox);
});
afterEach(() => sandbox.dispose());

const inside = (words: readonly string[]): string => {
  const [command, ...args] = [...ENTER, process.execPath, ...words] as const;
  const options = { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8', timeout: 60_000 } as const;
  const { stdout, stderr } = spawnSync(command, args, options);
  expect(stderr).toBe('');
  return stdout;
};

describe.skipIf(missing)(`what may be listed, but not read${missing}`, () => {
  test('is not known to be no socket', () => {
    const code = `
      const { linuxSockets, linuxListener } = await import('${MODULES}/observe/linux/sockets.js');
      const { linuxListens } = await import('${MODULES}/observe/linux/listens.js');
      const [sockets = 'unknown'] = linuxSockets([{ server: ${server.pid}, pids: [${server.pid}] }]);
      const { pid = 'hidden' } = linuxListener(${server.port});
      console.log(JSON.stringify([sockets, linuxListens(${server.pid}) ?? 'unknown', pid]));`;
    expect(JSON.parse(inside(['--input-type=module', '-e', code]))).toEqual(['unknown', 'unknown', 'hidden']);
  });

  test('leaves a server unsure that is stale where it may be read', async () => {
    await writeRecord(sandbox, 'srv', server);
    const { servers } = JSON.parse(inside([PROGRAM, ...LOOK]));
    expect(servers).toMatchObject([{ verdict: 'unsure', reasons: expect.arrayContaining(['idle']) }]);
    // And not that it listens on nothing, which counts as idle after ten minutes.
    const unseen = { name: 'idle', outcome: 'unknown', detail: 'its connections cannot be seen' };
    expect(servers[0].guards).toContainEqual(unseen);
    expect((await listHere(sandbox)).servers).toMatchObject([{ verdict: 'stale' }]);
  });
});
