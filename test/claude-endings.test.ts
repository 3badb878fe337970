import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from './support/claude.js';
import { hookSettings, writeUserSettings } from './support/claude-hooks.js';
import { claudeBinary } from './support/claude-release.js';
import { installOpencode } from './support/opencode.js';
import { alive, portHolder } from './support/proc.js';
import { withoutTmux } from './support/tmux.js';
import { waitFor } from './support/wait.js';

const missing = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : withoutTmux;
const SOON_MS = 20_000;
const LEFT_ALONE_MS = 5_000;

describe.skipIf(missing)(`a session of the real Claude Code client that ends${missing}`, () => {
  let box: ClaudeSandbox;
  let port: number;
  const start = (): string => `opencode-reap start --port ${port}`;
  const started = (): Promise<number> => waitFor('the server', () => portHolder(port));
  /** Says what the runs saw where it does not end. */
  const isGone = async (ms = SOON_MS): Promise<void> => {
    const until = performance.now() + ms;
    while (portHolder(port) !== undefined && performance.now() < until) await sleep(50);
    const log = join(box.stateDir, 'log.ndjson');
    const seen = portHolder(port) === undefined || !existsSync(log) ? '' : readFileSync(log, 'utf8');
    expect(portHolder(port), seen).toBeUndefined();
  };

  beforeEach(async () => {
    box = await createClaudeSandbox('endings');
    await installOpencode(box, 'native');
    port = await box.reserve();
    await writeUserSettings(box.home, hookSettings(port));
  });
  afterEach(() => box.dispose());

  test('by SIGKILL takes nothing with it; the next session, elsewhere, finds what it left', async () => {
    const elsewhere = await box.addProject('elsewhere');
    const killed = await box.open();
    await killed.execute(start());
    const pid = await started();
    process.kill(killed.pid, 'SIGKILL');
    await sleep(LEFT_ALONE_MS);
    expect(alive(pid)).toBe(true);
    await writeUserSettings(box.home, hookSettings(await box.reserve()));
    const next = await box.open({ cwd: elsewhere });
    await isGone();
    expect(alive(next.pid)).toBe(true);
  });

  test.each(['a closed terminal', 'SIGTERM'])('by %s takes its server', async (how) => {
    const terminal = await box.open();
    await terminal.execute(start());
    await started();
    if (how === 'SIGTERM') process.kill(terminal.pid, 'SIGTERM');
    else terminal.close();
    await terminal.ended();
    await isGone();
  });

  test('to resume another one leaves its server, and takes it when that one ends', async () => {
    await box.print('hello');
    const [folder = ''] = readdirSync(join(box.home, '.claude/projects'));
    const [transcript = ''] = readdirSync(join(box.home, '.claude/projects', folder));
    const terminal = await box.open();
    await terminal.execute(start());
    const pid = await started();
    await terminal.type(`/resume ${transcript.replace('.jsonl', '')}`);
    await sleep(LEFT_ALONE_MS);
    expect(alive(pid)).toBe(true);
    await terminal.type('/exit');
    await terminal.ended();
    await isGone();
  });
});
