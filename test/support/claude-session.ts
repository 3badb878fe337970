import { setTimeout as sleep } from 'node:timers/promises';
import { expect, test as plain } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from './claude.js';
import { hookSettings, writeUserSettings } from './claude-hooks.js';
import { claudeBinary } from './claude-release.js';
import { installOpencode, releases } from './opencode.js';
import { alive, portHolder } from './proc.js';
import { stateFiles } from './reaped.js';
import { withoutTmux } from './tmux.js';
import { waitFor } from './wait.js';

/** Why a test that needs the real client is skipped; empty if it can run. */
export const withoutClaude =
  claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : withoutTmux;

/** The real client with our hooks in its settings, and a port for the server that its sessions start. */
export interface Client {
  readonly box: ClaudeSandbox;
  readonly port: number;
  /** The command that starts the server. */
  readonly start: string;
  /** The pid of the server, once it exists. */
  started(): Promise<number>;
  isLeftAlone(pid: number): Promise<void>;
  /** Reports what the runs saw if it does not end. */
  isGone(ms?: number): Promise<void>;
}

/** Linger, the client's end and one look, on a machine that is busy with other tests. */
const SOON_MS = 20_000;
/** Longer than linger and a look take, so what is still alive then was left alone. */
const LEFT_ALONE_MS = 5_000;

/** A client takes seconds of processor time to start, so one after the other is fastest. */
export const test = plain.extend<{ client: Client }>({
  client: async ({ task: _ }, use) => {
    const box = await createClaudeSandbox('client');
    // The client does the same with both, and a server of this release takes a second less to start.
    const [release = 'launcher'] = releases('launcher');
    await installOpencode(box, release);
    const port = await box.reserve();
    await writeUserSettings(box.home, hookSettings(port));
    await use({
      box,
      port,
      start: `opencode-reap start --port ${port}`,
      started: () => waitFor('the server', () => portHolder(port)),
      isLeftAlone: async (pid) => {
        await sleep(LEFT_ALONE_MS);
        expect(alive(pid)).toBe(true);
      },
      isGone: async (ms = SOON_MS) => {
        const until = performance.now() + ms;
        while (portHolder(port) !== undefined && performance.now() < until) await sleep(200);
        const seen = portHolder(port) === undefined ? '' : JSON.stringify(stateFiles(box.stateDir), undefined, 1);
        expect(portHolder(port), seen).toBeUndefined();
      },
    });
    await box.dispose();
  },
});
