import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from './support/claude.js';
import { hookSettings, writeUserSettings } from './support/claude-hooks.js';
import { claudeBinary } from './support/claude-release.js';
import { configEnv, providerConfig } from './support/config.js';
import { createSession, installOpencode, prompt, status } from './support/opencode.js';
import { alive, portHolder } from './support/proc.js';
import { startProvider } from './support/provider.js';
import { withoutTmux } from './support/tmux.js';
import { waitFor } from './support/wait.js';

const missing = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : withoutTmux;
const LEFT_ALONE_MS = 5_000;

describe.skipIf(missing)(`a session of the real Claude Code client that ends${missing}`, () => {
  let box: ClaudeSandbox;
  let port: number;
  const start = (): string => `opencode-reap start --port ${port}`;
  const started = (): Promise<number> => waitFor('the server', () => portHolder(port));
  /** Says what the runs saw where it does not end. */
  const isGone = async (ms: number): Promise<void> => {
    const until = performance.now() + ms;
    while (portHolder(port) !== undefined && performance.now() < until) await sleep(50);
    const log = join(box.stateDir, 'log.ndjson');
    const seen = portHolder(port) === undefined || !existsSync(log) ? '' : readFileSync(log, 'utf8');
    expect(portHolder(port), seen).toBeUndefined();
  };

  beforeEach(async () => {
    box = await createClaudeSandbox('busy');
    await installOpencode(box, 'native');
    port = await box.reserve();
    await writeUserSettings(box.home, hookSettings(port));
  });
  afterEach(() => box.dispose());

  test('while its server is busy leaves it, and has it taken once it is idle', async () => {
    const provider = await startProvider('silent');
    try {
      const printed = await box.print(`please execute: ${start()}`, { env: configEnv(providerConfig(provider)) });
      expect(printed.stdout).toBe('done\n');
      const pid = await started();
      const url = `http://127.0.0.1:${port}`;
      const session = await createSession(url, box.project);
      await prompt(url, session, box.project, 'hello');
      await waitFor('it is busy', async () => (await status(url, box.project))[session]);
      await sleep(LEFT_ALONE_MS);
      expect(alive(pid)).toBe(true);
      provider.release();
      // It is looked at again after 30 s, and if it has not quite ended by then, after 60 s more.
      await isGone(100_000);
    } finally {
      await provider.close();
    }
  }, 150_000);
});
