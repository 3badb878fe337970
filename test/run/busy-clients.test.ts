import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { describe } from 'vitest';
import { releases, waitFor } from '../support/opencode.js';
import { isPatient, onDemand, sampled } from '../support/patience.js';
import { closedLately, cmdline, descendants } from '../support/proc.js';
import { type Recorded, type Reported, reapJson, startAndLeave, test } from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';
import { withoutTmux } from '../support/tmux.js';

/*
 * Clients that close their connections themselves. What they have closed counts for a minute, which each of these tests
 * waits for; everything else that uses a server is in busy.test.ts.
 */

interface Client {
  /** What the guard says about it. */
  readonly says: RegExp;
  readonly end: () => unknown;
}

/** Established connections to a server, by the kernel's own list. */
const connections = (port: number): number => {
  const hex = port.toString(16).toUpperCase();
  return readFileSync('/proc/net/tcp', 'utf8').match(new RegExp(`:${hex} \\S+ 01 `, 'g'))?.length ?? 0;
};

const attached = async (sandbox: Sandbox, { url, port }: Recorded): Promise<Client> => {
  const options = { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8' } as const;
  const tmux = (...args: string[]) => execFileSync('tmux', ['-S', join(sandbox.root, 'tmux'), ...args], options);
  tmux('new-session', '-d', '-x', '120', '-y', '40', `exec opencode attach ${url}`);
  // It keeps 9 to 18, and opens a few before it shows anything.
  await waitFor('it is attached', () => connections(port) >= 5, 20_000);
  const pane = Number(tmux('display-message', '-p', '#{pane_pid}'));
  const pid = [pane, ...descendants(pane)].filter((one) => cmdline(one).includes('attach')).at(-1);
  return { says: new RegExp(`^\\d+ client connections open \\(pid ${pid}\\)$`), end: () => tmux('kill-server') };
};

/** Asks now and then, each time on a connection of its own, and keeps none open in between. */
const POLL = `const { get } = require('node:http');
const options = { agent: false, headers: { connection: 'close' } };
setInterval(() => get(process.argv[1], options, (response) => response.resume()).on('error', () => undefined), 1_000);`;

const LATELY = /^it was used within the last minute$/;

const polled = async (sandbox: Sandbox, { url, port }: Recorded): Promise<Client> => {
  const child = sandbox.spawn(process.execPath, ['-e', POLL, `${url}/session/status`], { stdio: 'ignore' });
  await waitFor('it was asked twice', () => closedLately(port) >= 2);
  return { says: LATELY, end: () => child.kill() };
};

const ALL_NOW = ['--all-stale', '--older-than', '0s'];

/** Said of a server that a starved machine keeps from its answer. */
const NOT_YET = /does not answer yet/;

const judged = async (sandbox: Sandbox, attempts = 5): Promise<Reported | undefined> => {
  const [server] = (await reapJson(sandbox, ALL_NOW)).servers;
  if (attempts <= 1 || !NOT_YET.test(JSON.stringify(server))) return server;
  await sleep(2_000);
  return judged(sandbox, attempts - 1);
};

const CLIENTS: readonly [string, (sandbox: Sandbox, server: Recorded) => Promise<Client>, string][] = [
  ['a client asks now and then', polled, ''],
  ['a person is attached', attached, withoutTmux],
];

describe.concurrent.each(releases('native'))('a %s server', { timeout: 180_000 }, (release) => {
  for (const [what, begin, without] of sampled(CLIENTS, 1)) {
    test.skipIf(without)(
      `is spared while ${what}, and for a minute after${without}${isPatient ? '' : ', of which the end is not waited for'}`,
      { ...onDemand },
      async ({ sandbox, expect }) => {
        const server = await startAndLeave(sandbox, release);
        const spared = (detail: RegExp) => ({
          verdict: 'spared',
          reasons: ['idle'],
          guards: expect.arrayContaining([{ name: 'idle', outcome: 'veto', detail: expect.stringMatching(detail) }]),
          outcome: null,
        });
        // The kernel forgets at once what ends with something unread, which on a starved machine may be all.
        const before = closedLately(server.port);
        for (let clients = 0; clients < 5 && closedLately(server.port) <= before; clients += 1) {
          const { says, end } = await begin(sandbox, server);
          expect(await judged(sandbox)).toMatchObject(spared(says));
          await end();
          await waitFor('its connections are closed', () => connections(server.port) === 0);
        }
        expect(await judged(sandbox)).toMatchObject(spared(LATELY));
        if (!isPatient) return;
        await waitFor('it is forgotten', () => closedLately(server.port) === 0, 75_000);
        expect(await judged(sandbox)).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped' } });
      },
    );
  }
});
