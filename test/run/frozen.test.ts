import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { installFake } from '../support/fake.js';
import { isPatient, withoutPatience } from '../support/patience.js';
import { portHolder } from '../support/proc.js';
import { createSandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// Nothing here fakes a clock: this is the twin of what ../session/clock.test.ts does with a file's time.

test.skipIf(!isPatient)(
  `a start that stands still for 30 seconds blocks nobody, and starts nothing when it goes on (a stand-in)${withoutPatience}`,
  {
    timeout: 100_000,
  },
  async () => {
    const own = await createSandbox('frozen-start');
    await installFake(own);
    const port = await own.reserve();
    const args = ['start', '--port', `${port}`, '--json'];
    const first = runCli(own, args, { env: { FAKE_OPENCODE: 'silent' }, timeoutMs: 90_000 });
    const claim = join(own.stateDir, 'starts', `${port}.json`);
    const starter = await waitFor(
      'its claim',
      () => existsSync(claim) && JSON.parse(readFileSync(claim, 'utf8')).holder,
    );
    await waitFor('its server', () => portHolder(port));
    process.kill(starter.pid, 'SIGSTOP');
    process.kill(portHolder(port) ?? 0, 'SIGKILL');
    const second = await runCli(own, args, { timeoutMs: 90_000 });
    expect(second).toMatchObject({ code: 0, stderr: '' });
    process.kill(starter.pid, 'SIGCONT');
    await first;
    expect(portHolder(port)).toBe(JSON.parse(second.stdout).pid);
    expect(existsSync(claim)).toBe(false);
    await own.dispose();
  },
);
