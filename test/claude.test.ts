import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from './support/claude.js';
import { hookSettings, writeUserSettings } from './support/claude-hooks.js';
import { claudeBinary } from './support/claude-release.js';
import { installOpencode } from './support/opencode.js';
import { alive, portHolder } from './support/proc.js';
import { withoutTmux } from './support/tmux.js';
import { waitFor } from './support/wait.js';

const PLUGIN = fileURLToPath(new URL('../.claude-plugin/opencode-reap', import.meta.url));
const missing = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : withoutTmux;

/** Linger, the client's end and one look, on a machine that is busy with other tests. */
const SOON_MS = 20_000;
/** Longer than linger and a look take, so what still lives then was left alone. */
const LEFT_ALONE_MS = 5_000;

describe.skipIf(missing)(`inside the real Claude Code client${missing}`, () => {
  let box: ClaudeSandbox;
  let port: number;
  const start = (): string => `opencode-reap start --port ${port}`;
  const server = (): number | undefined => portHolder(port);
  const isGone = (what: string): Promise<unknown> => waitFor(what, () => server() === undefined, SOON_MS);
  const started = (): Promise<number> => waitFor('the server', server);

  beforeEach(async () => {
    box = await createClaudeSandbox('hooks');
    await installOpencode(box, 'native');
    port = await box.reserve();
    await writeUserSettings(box.home, hookSettings(port));
  });
  afterEach(() => box.dispose());

  test('a server that a printing session started is gone after it, and the client says nothing about hooks', async () => {
    const printed = await box.print(`please execute: ${start()}`);
    expect(printed).toMatchObject({ code: 0, stderr: '' });
    await isGone('the end of the server');
    await waitFor('the end of the background run', () => !readdirSync(box.stateDir).includes('sweep.json'));
    expect(readdirSync(`${box.stateDir}/requests`)).toEqual([]);
  });

  test('in a terminal, clear leaves the server, and exit takes it', async () => {
    const terminal = await box.open();
    await terminal.execute(start());
    const pid = await started();
    await terminal.type('/clear');
    await sleep(LEFT_ALONE_MS);
    expect(alive(pid)).toBe(true);
    await terminal.type('/exit');
    await terminal.ended();
    await isGone('the end of the server');
    expect(terminal.screen()).not.toMatch(/hook/i);
  });

  test('a client nested in another one’s shell tool leaves the outer session’s server alone', async () => {
    const outer = await box.open();
    await outer.execute(start());
    const pid = await started();
    await outer.execute('env -u CLAUDECODE claude -p hello --permission-mode default > nested.txt 2>&1');
    expect(readFileSync(`${box.project}/nested.txt`, 'utf8')).toBe('hello\n');
    await sleep(LEFT_ALONE_MS);
    expect(alive(pid)).toBe(true);
    await outer.type('/exit');
    await isGone('the end of the server');
  });

  test('of two sessions on one port the first one’s end leaves the server, and the last one’s takes it', async () => {
    const other = await box.addProject('other');
    const first = await box.open();
    await first.execute(start());
    const pid = await started();
    const second = await box.open({ cwd: other });
    await first.type('/exit');
    await first.ended();
    await sleep(LEFT_ALONE_MS);
    expect(alive(pid)).toBe(true);
    await second.type('/exit');
    await isGone('the end of the server');
  });

  test('takes the hooks that install writes, and the plugin', async () => {
    const validated = spawnSync(join(box.binDir, 'claude'), ['plugin', 'validate', PLUGIN], {
      env: box.env(),
      encoding: 'utf8',
    });
    expect(validated).toMatchObject({ status: 0, stdout: expect.stringContaining('Validation passed') });
    await writeUserSettings(box.home, {});
    const run = (...args: string[]) =>
      spawnSync(join(box.binDir, 'opencode-reap'), args, { env: box.env(), encoding: 'utf8' });
    expect(run('install', '--port', String(port)).status).toBe(0);
    expect(await box.print(`please execute: ${start()}`)).toMatchObject({ code: 0, stderr: '' });
    await isGone('the end of the server');
    expect(run('uninstall').status).toBe(0);
    const printed = await box.print(`please execute: ${start()}`, { args: ['--plugin-dir', PLUGIN] });
    expect(printed).toMatchObject({ code: 0, stderr: '' });
    await isGone('the end of the server');
  });
});
