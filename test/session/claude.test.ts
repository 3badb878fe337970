import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { linuxHost } from '../../src/observe/linux/processes.js';
import { listedSessions } from '../../src/state/claude-sessions.js';
import { writeUserSettings } from '../support/claude-hooks.js';
import { type Client, test, withoutClaude } from '../support/claude-session.js';
import { onDemand } from '../support/patience.js';
import { startToken } from '../support/proc.js';
import { waitFor } from '../support/wait.js';

const PLUGIN = fileURLToPath(new URL('../../.claude-plugin/opencode-reap', import.meta.url));

describe.skipIf(withoutClaude)(`inside the real Claude Code client${withoutClaude}`, () => {
  /** Its own list of sessions names its process. */
  const isListedAsWeDo = async (box: Client['box']): Promise<void> => {
    const config = join(box.home, '.claude');
    const here = { host: linuxHost(), startTokens: 'ticks' } as const;
    const [entry] = await waitFor('its entry', () => {
      const listed = listedSessions(config, here) ?? [];
      return listed.length > 0 && listed;
    });
    const pid = Number(entry?.holder.pid);
    expect(entry).toMatchObject({ holder: { startToken: startToken(pid) }, path: box.project });
    const { pidDomain } = JSON.parse(readFileSync(join(config, `sessions/${pid}.json`), 'utf8'));
    expect(pidDomain).toMatch(/^linux:/);
    // What would be dropped where pids are others is kept here.
    expect(listedSessions(config, { ...here, host: { ...here.host, pidNamespace: 'pid:[1]' } })).toEqual([]);
  };

  test('a server that a printing session started is gone after it, and the client says nothing about hooks', async ({
    client: { box, start, isGone },
  }) => {
    expect(await box.print(`please execute: ${start}`)).toMatchObject({ code: 0, stderr: '' });
    await isGone();
    await waitFor('the end of the background run', () => !readdirSync(box.stateDir).includes('sweep.json'));
    expect(readdirSync(`${box.stateDir}/requests`)).toEqual([]);
  });

  test('in a terminal, it lists its process as we do, among our pids; clear leaves the server, and exit takes it', async ({
    client,
  }) => {
    const terminal = await client.box.open();
    await isListedAsWeDo(client.box);
    await terminal.execute(client.start);
    const pid = await client.started();
    await terminal.type('/clear');
    await client.isLeftAlone(pid);
    await terminal.type('/exit');
    await terminal.ended();
    await client.isGone();
    expect(terminal.screen()).not.toMatch(/hook/i);
  });

  test('a client nested in another one’s shell tool leaves the outer session’s server alone', { ...onDemand }, async ({
    client,
  }) => {
    const outer = await client.box.open();
    await outer.execute(client.start);
    const pid = await client.started();
    await outer.execute('env -u CLAUDECODE claude -p hello --permission-mode default > nested.txt 2>&1');
    expect(readFileSync(`${client.box.project}/nested.txt`, 'utf8')).toBe('hello\n');
    await client.isLeftAlone(pid);
    await outer.type('/exit');
    await client.isGone();
  });

  test('of two sessions on one port the first one’s end leaves the server, and the last one’s takes it', {
    ...onDemand,
  }, async ({ client }) => {
    const other = await client.box.addProject('other');
    const first = await client.box.open();
    await first.execute(client.start);
    const pid = await client.started();
    const second = await client.box.open({ cwd: other });
    await first.type('/exit');
    await first.ended();
    await client.isLeftAlone(pid);
    await second.type('/exit');
    await client.isGone();
  });

  test('takes the hooks that install writes, and the plugin', { ...onDemand }, async ({
    client: { box, port, start, isGone },
  }) => {
    const run = (program: string, ...args: string[]) =>
      spawnSync(join(box.binDir, program), args, { env: box.env(), encoding: 'utf8' });
    const stdout = expect.stringContaining('Validation passed');
    expect(run('claude', 'plugin', 'validate', PLUGIN)).toMatchObject({ status: 0, stdout });
    await writeUserSettings(box.home, {});
    expect(run('opencode-reap', 'install', '--port', String(port)).status).toBe(0);
    expect(await box.print(`please execute: ${start}`)).toMatchObject({ code: 0, stderr: '' });
    await isGone();
    expect(run('opencode-reap', 'uninstall').status).toBe(0);
    const printed = await box.print(`please execute: ${start}`, { args: ['--plugin-dir', PLUGIN] });
    expect(printed).toMatchObject({ code: 0, stderr: '' });
    await isGone();
  });
});
