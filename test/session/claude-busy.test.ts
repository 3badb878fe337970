import { describe, expect } from 'vitest';
import { test, withoutClaude } from '../support/claude-session.js';
import { configEnv, providerConfig } from '../support/config.js';
import { createSession, prompt, status } from '../support/opencode.js';
import { unlessAsked } from '../support/patience.js';
import { MAIN, startProvider } from '../support/provider.js';
import { waitFor } from '../support/wait.js';

const left = withoutClaude || unlessAsked;

// In a file of its own, since it mostly waits.
describe.skipIf(left)(`a session of the real Claude Code client that ends${left}`, () => {
  test('while its server is busy leaves it, and has it taken once it is idle', { timeout: 240_000 }, async ({
    client,
  }) => {
    const { box, port, start } = client;
    const provider = await startProvider('silent');
    try {
      const printed = await box.print(`please execute: ${start}`, { env: configEnv(providerConfig(provider)) });
      expect(printed.stdout).toBe('done\n');
      const pid = await client.started();
      const url = `http://127.0.0.1:${port}`;
      const session = await createSession(url, box.project);
      await prompt(url, session, box.project, 'hello');
      await waitFor('it is busy', async () => (await status(url, box.project))[session]);
      await waitFor('the provider is asked', () => provider.requests.some(({ model }) => model === MAIN));
      await client.isLeftAlone(pid);
      provider.release();
      // It is looked at again after 30 s, after 60 s more, and then after 2 min: on a machine that is not quiet.
      await client.isGone(180_000);
    } finally {
      await provider.close();
    }
  });
});
