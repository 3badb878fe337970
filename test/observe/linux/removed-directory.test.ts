import { spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readlinkSync, realpathSync, rmdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { linuxDetails } from '../../../src/observe/linux/details.js';
import { waitFor } from '../../support/wait.js';

/** What is said of a process that works in a directory of that name, before and after it was removed. */
async function workingIn(name: string) {
  const root = realpathSync(mkdtempSync(join(tmpdir(), 'opencode-reap-removed-')));
  const cwd = join(root, name);
  mkdirSync(cwd);
  const child = spawn('sleep', ['60'], { cwd, stdio: 'ignore' });
  onTestFinished(() => {
    child.kill('SIGKILL');
    rmSync(root, { recursive: true });
  });
  const { pid = 0 } = child;
  const said = () => linuxDetails({ cwd: [pid] }).get(pid);
  await waitFor('it works there', () => readlinkSync(`/proc/${pid}/cwd`) === cwd);
  const before = said();
  rmdirSync(cwd);
  return { cwd, before, after: said() };
}

test.each(['work', 'work (deleted)'])('a process works in `%s`, and did so once that was removed', async (name) => {
  const { cwd, before, after } = await workingIn(name);
  const expected = { cwd, hidesCwd: false, isElsewhere: false };
  expect([before, after]).toEqual([expected, expected]);
});
