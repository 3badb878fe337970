import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe, expect } from 'vitest';
import { test, withoutClaude } from '../support/claude-session.js';
import { releases, spawnServer } from '../support/opencode.js';
import { unlessAsked } from '../support/patience.js';
import { PLUGIN_FORMATS } from '../support/plugin-state.js';
import { alive, startToken } from '../support/proc.js';
import { waitFor } from '../support/wait.js';
import { watchesOf } from '../support/watching.js';

/** Seconds instead of minutes. Another session's end never comes, so nothing but the watch looks. */
const SOON = { OPENCODE_REAP_WATCH_EVERY: '1s', OPENCODE_REAP_RETIRE_AFTER: '3s' };

const left = withoutClaude || unlessAsked;

describe.skipIf(left)(`after the real client was killed, the watch${left}`, () => {
  test('retires the server that it started, and one that a JohnnyVicious record names', async ({ client }) => {
    const { box } = client;
    const [release = 'launcher'] = releases('launcher');
    const port = await box.reserve();
    const theirs = await spawnServer(box, { release, port });
    const format = PLUGIN_FORMATS.find((one) => one.format === 'johnnyvicious');
    const { pid } = theirs;
    const subject = { pid, port, startToken: startToken(pid) ?? '', project: box.project, startedAt: Date.now() };
    for (const [path, content] of Object.entries(format?.record(subject) ?? {})) {
      const file = join(box.root, path);
      mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
      writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
    }
    const terminal = await box.open({ env: SOON });
    await terminal.execute(client.start);
    const ours = await client.started();
    await waitFor('the watch', () => watchesOf(box).length === 1);
    await sleep(6_000);
    expect([alive(ours), alive(pid)]).toEqual([true, true]);
    process.kill(terminal.pid, 'SIGKILL');
    await waitFor('both have retired', () => !alive(ours) && !alive(pid));
    await waitFor('the watch ends', () => watchesOf(box).length === 0);
  });
});
