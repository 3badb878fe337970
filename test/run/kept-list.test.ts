import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { ProcessTable } from '../../src/model/process.js';
import type { Platform } from '../../src/observe/platform.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { reap } from '../../src/reap.js';
import { openWorld } from '../../src/run/world.js';
import { writeRecord } from '../support/fake.js';
import { alive, portsOf } from '../support/proc.js';
import { test } from '../support/reaped.js';
import { waitFor } from '../support/wait.js';

/*
 * Where a list of processes costs too much for each look, as on Windows, the one that a server was asked by is kept. With
 * this machine's own list, kept as there.
 */

const STAND_IN = fileURLToPath(new URL('../support/asked-opencode.mjs', import.meta.url));

type Step = 'list' | 'address' | 'signal';

async function keeping(steps: Step[]): Promise<Platform> {
  const here = await thisPlatform();
  let kept: Promise<ProcessTable | undefined> | undefined;
  const list = () => {
    steps.push('list');
    return here.processes();
  };
  return {
    ...here,
    processes: () => {
      kept ??= list();
      return kept;
    },
    lookAnew: () => {
      kept = undefined;
    },
    // Before each question, and before it is asked to dispose.
    recent: async (pid) => {
      steps.push('address');
      return here.look(pid);
    },
    look: (pid) => {
      if (pid !== process.pid) steps.push('signal');
      return here.look(pid);
    },
  };
}

test('between what a server answers and what is done to it, processes are listed anew (a stand-in)', async ({
  sandbox,
  expect,
}) => {
  const folder = join(sandbox.root, 'asked');
  mkdirSync(folder);
  symlinkSync(STAND_IN, join(sandbox.binDir, 'opencode'));
  const port = await sandbox.reserve();
  const child = sandbox.spawn('opencode', ['serve', '--port', `${port}`], {
    env: sandbox.env({ ASKED: folder }),
    detached: true,
    stdio: 'ignore',
  });
  child.unref();
  const pid = child.pid ?? 0;
  await waitFor('the stand-in listens', () => portsOf(pid).includes(port));
  await writeRecord(sandbox, 'stand-in-1', { pid, port, url: `http://127.0.0.1:${port}` });
  const steps: Step[] = [];
  const world = await openWorld(sandbox.stateDir, sandbox.env({}), 'person', await keeping(steps));
  const policy = {
    dryRun: false,
    scope: { kind: 'all' as const, port: undefined },
    olderThanMs: 0,
    graceMs: 1_000,
    limit: 20,
  };
  const { servers } = await reap({ ...policy, endStrays: false }, world);
  expect(servers).toMatchObject([{ verdict: { kind: 'stale' }, outcome: { kind: 'stopped' } }]);
  expect(alive(pid)).toBe(false);
  // Judged by one list and asked; asked again behind the fence, and listed; told to dispose; asked again, and listed. On
  // a busy machine, what took too long is done again.
  const said = steps.slice(0, steps.indexOf('signal')).join(' ');
  expect(said).toMatch(/^list address( address list)+ address( address list)+$/);
});
