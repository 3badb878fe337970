import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test as plain } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from '../support/claude.js';
import { hookSettings, writeUserSettings } from '../support/claude-hooks.js';
import { withoutClaude } from '../support/claude-session.js';
import {
  DEFAULT_PORT,
  installPlugin,
  onDefaultPort,
  type PluginFolder,
  takeDefaultPort,
  withoutDefaultPort,
} from '../support/companions.js';
import { logOf } from '../support/fake.js';
import { installOpencode, type Release, releases } from '../support/opencode.js';
import { alive, cmdline, environ, parent, pids, portHolder, sessionId, startToken } from '../support/proc.js';
import { reapJson, stateFiles } from '../support/reaped.js';
import { waitFor } from '../support/wait.js';

/*
 * The real client, its real hooks and real servers; the plugin is a stand-in, written by hand, that starts them in
 * exactly the plugins' way. The port is always the same, so the tests follow one another.
 */

const without =
  withoutClaude ||
  withoutDefaultPort ||
  (process.env.EVERY_RELEASE ? '' : ' (skipped: it takes minutes; EVERY_RELEASE=1 runs it)');

interface Client {
  readonly box: ClaudeSandbox;
  readonly plugin: PluginFolder;
  /** What the model's tool runs to have the plugin do something. */
  readonly companion: (words: string) => string;
}

const test = plain.extend<{ client: Client }>({
  client: async ({ task: _ }, use) => {
    const release = await takeDefaultPort();
    const box = await createClaudeSandbox('born');
    const plugin = installPlugin(box);
    await writeUserSettings(box.home, hookSettings(DEFAULT_PORT));
    await use({ box, plugin, companion: (words) => `node "${plugin.companion}" ${words}` });
    await box.dispose();
    release();
  },
});

/**
 * The plugin has just used its server, which the kernel remembers for a minute; then the background run looks again, after
 * half a minute and after a whole one.
 */
const SOON_MS = 150_000;

const areGone = async ({ box }: Client, ...all: readonly number[]): Promise<void> => {
  const isOver = (): boolean => portHolder(DEFAULT_PORT) === undefined && !all.some(alive);
  await waitFor('they are gone', isOver, SOON_MS).catch(() => undefined);
  // What is still written while it is read would fail the reading.
  const seen = isOver() ? '' : JSON.stringify(stateFiles(box.stateDir), undefined, 1);
  expect(isOver(), seen).toBe(true);
};

/** A run by hand, which need not wait for half a minute to look again. */
const isStopped = async ({ box }: Client, server: number): Promise<void> => {
  const run = async () => (await reapJson(box, ['--all-stale', '--older-than', '0s'])).servers;
  const stops = async () =>
    (await run()).some(({ serverPid, outcome }) => serverPid === server && outcome?.kind === 'stopped');
  await waitFor('a run stops it, once its plugin’s last connection is over', stops, SOON_MS);
};

/** By that process alone: everything else would let a run stop it. */
const isSparedBy = async ({ box }: Client, server: number, holder: number): Promise<void> => {
  const look = async () => (await reapJson(box, ['--all-stale', '--older-than', '0s'])).servers;
  const spares = async (): Promise<boolean> => {
    const [seen] = await look();
    expect([seen?.serverPid, seen?.outcome]).toEqual([server, null]);
    const because = seen?.guards.find(({ name }) => name === 'unleased')?.detail;
    return seen?.reasons.join() === 'unleased' && because?.includes(`pid ${holder}`) === true;
  };
  await waitFor('a run spares it for that alone', spares, SOON_MS);
};

/** It is written once nothing is left, a little after the port is free. */
const why = ({ box }: Client): Promise<string> =>
  waitFor('the log says so', () =>
    logOf(box.stateDir)
      .flatMap(({ event, detail }) => (event === 'stopped' ? [String(detail)] : []))
      .at(-1),
  );

/** The plugin's program above a server, and the server. */
const started = async (): Promise<{ server: number; above: number }> => {
  const server = await onDefaultPort();
  return { server, above: parent(sessionId(server)) };
};

describe.skipIf(without)(
  `in a session of the real client, what a plugin started and wrote nothing down about${without}`,
  () => {
    test.for<Release>(releases('native'))(
      'in the background (%s) is gone after /exit, its worker too',
      async (release, { client }) => {
        await installOpencode(client.box, release);
        const terminal = await client.box.open();
        await terminal.execute(client.companion('task --background task-1'));
        const { server, above } = await started();
        const { servers } = await reapJson(client.box, ['--all-stale', '--older-than', '0s']);
        expect(servers).toMatchObject([{ serverPid: server, verdict: 'spared' }]);
        await terminal.type('/exit');
        await terminal.ended();
        await areGone(client, server, sessionId(server), above);
        expect(await why(client)).toContain(
          `its parent, pid ${above}, is ${client.plugin.companion} of opencode 1.0.0`,
        );
      },
    );

    test('in the foreground is gone after the client was killed, once another session ends', async ({ client }) => {
      await installOpencode(client.box, 'native');
      const elsewhere = await client.box.addProject('elsewhere');
      const killed = await client.box.open();
      await killed.type(`please execute: ${client.companion('review')}`);
      const { server, above } = await started();
      process.kill(killed.pid, 'SIGKILL');
      await waitFor('the client has ended', () => !alive(killed.pid));
      await client.box.print('hello', { cwd: elsewhere });
      await areGone(client, server, above);
    });

    test.for<Release>(releases('launcher'))(
      'by a worker that was canceled (%s) is gone after /exit',
      async (release, { client }) => {
        await installOpencode(client.box, release);
        const terminal = await client.box.open();
        await terminal.execute(client.companion('task --background task-2'));
        const { server, above } = await started();
        process.kill(above, 'SIGTERM');
        await waitFor('the worker has ended', () => !alive(above));
        await terminal.type('/exit');
        await terminal.ended();
        await areGone(client, server, sessionId(server));
        expect(await why(client)).toMatch(/job task-2 asked for a server \d\.\d\d s before it started/);
      },
    );

    test('by its SessionStart hook is gone after the session, and not before a second one on the port has ended', async ({
      client,
    }) => {
      const { box } = client;
      await installOpencode(box, 'native');
      const { root, prewarm } = installPlugin(box, 'DevMinions', '1.2.0');
      const hook = { hooks: [{ type: 'command', command: `node "${prewarm}"`, timeout: 10 }] };
      mkdirSync(join(root, 'hooks'), { recursive: true });
      writeFileSync(join(root, 'hooks/hooks.json'), JSON.stringify({ hooks: { SessionStart: [hook] } }));
      const elsewhere = await box.addProject('elsewhere');
      const first = await box.open({ args: ['--plugin-dir', root] });
      const server = await onDefaultPort();
      const second = await box.open({ cwd: elsewhere });
      await first.type('/exit');
      await first.ended();
      await waitFor('a run has looked', () => logOf(box.stateDir).length > 0, SOON_MS);
      expect(alive(server)).toBe(true);
      await second.type('/exit');
      await second.ended();
      await areGone(client, server);
      expect(await why(client)).toMatch(
        /started by the SessionStart hook of DevMinions 1\.2\.0 in session [0-9a-f-]{36}/,
      );
    });

    test('is spared while its session, resumed under its id in a folder that is none of the server’s, lives', async ({
      client,
    }) => {
      const { box } = client;
      await installOpencode(box, 'native');
      // Without hooks there are no leases: what is left is the client's own list of its sessions.
      await writeUserSettings(box.home, {});
      const elsewhere = await box.addProject('elsewhere');
      writeFileSync(
        join(box.project, 'rescue.sh'),
        `cd ${elsewhere}; ${client.companion('task --background task-4')}\n`,
      );
      const first = await box.open();
      await first.type('please execute: sh rescue.sh');
      const { server, above } = await started();
      const session =
        environ(server)
          .find((entry) => entry.startsWith('CLAUDE_CODE_SESSION_ID='))
          ?.split('=')[1] ?? '';
      await first.type('/exit');
      await first.ended();
      for (const args of [['--resume', session], ['--continue']]) {
        const resumed = await box.open({ args });
        await resumed.execute('true');
        await isSparedBy(client, server, resumed.pid);
        await resumed.type('/exit');
        await resumed.ended();
      }
      await isStopped(client, server);
      await waitFor('who waited for it has ended', () => !alive(above));
    });

    /** Each starts a stand-in that listens on nothing, so that all can have the same command line at once. */
    const SERVE = 'opencode serve --port 4096';
    const MOVED = 'the model’s, which the user has moved to the background';
    /** By what the model does, in `execute…`, or by how the tool is asked to. */
    const LINES: readonly (readonly [what: string, line: string, how?: string])[] = [
      ['&', `${SERVE} >/dev/null 2>&1 &`],
      ['nohup', `nohup ${SERVE} >/dev/null 2>&1 &`],
      ['setsid', `setsid ${SERVE} </dev/null >/dev/null 2>&1 &`],
      ['setsid that has forked', `setsid -f ${SERVE} </dev/null >/dev/null 2>&1`],
      ['npm run', 'npm run serve </dev/null >/dev/null 2>&1 &'],
      ['python’s start_new_session', 'python3 session.py'],
      ['run_in_background', SERVE, ' in the background'],
      [MOVED, `${SERVE} </dev/null`],
      ['a detached script of the user’s, without output', 'node ignore.mjs'],
      ['a detached script of the user’s, with pipes', 'node pipes.mjs'],
      ['the same, below a nested client', `claude -p 'please execute: node pipes.mjs' --allowedTools Bash </dev/null`],
      ['tmux', `tmux -S ./tmux -f /dev/null new-session -d '${SERVE}'`],
      ['setsid in tmux', `tmux -S ./tmux new-window -d 'setsid ${SERVE} </dev/null >/dev/null 2>&1'`],
    ];

    const writeScripts = ({ box, plugin }: Client): void => {
      writeFileSync(join(box.binDir, 'opencode'), '#!/usr/bin/env node\nsetInterval(() => {}, 1e6);\n', {
        mode: 0o755,
      });
      writeFileSync(join(box.project, 'package.json'), `{"scripts":{"serve":"${SERVE}"}}`);
      writeFileSync(
        join(box.project, 'session.py'),
        `from subprocess import DEVNULL, Popen
Popen("${SERVE}".split(), start_new_session=True, stdin=DEVNULL, stdout=DEVNULL, stderr=DEVNULL)\n`,
      );
      for (const [name, stdio] of Object.entries({ ignore: "'ignore'", pipes: "['ignore', 'pipe', 'pipe']" })) {
        writeFileSync(
          join(box.project, `${name}.mjs`),
          `import { spawn } from 'node:child_process';
         spawn('opencode', ['serve', '--port', '4096'], { detached: true, stdio: ${stdio} }).unref();
         process.exit();\n`,
        );
      }
      expect(plugin.root).not.toBe('');
    };
    const servers = ({ box }: Client): number[] =>
      pids().filter(
        (pid) =>
          cmdline(pid)[0] === 'node' &&
          cmdline(pid).slice(-3).join(' ') === 'serve --port 4096' &&
          environ(pid).includes(`HOME=${box.home}`),
      );

    /** Settings that export the folders of a plugin to everything, and a hook of the user's own. */
    const exporting = ({ plugin, box }: Client) => {
      const { hooks } = hookSettings(DEFAULT_PORT);
      const its = { hooks: [{ type: 'command', command: 'node ignore.mjs', timeout: 10 }] };
      const env = {
        CLAUDE_PLUGIN_ROOT: plugin.root,
        CLAUDE_PLUGIN_DATA: join(box.home, '.claude/plugins/data/opencode-market'),
      };
      return { env, hooks: { ...hooks, SessionStart: [...hooks.SessionStart, its] } };
    };

    test('is gone once that session was killed, and nothing that the model or the user started beside it in the same session', async ({
      client,
    }) => {
      const { box } = client;
      writeScripts(client);
      await writeUserSettings(box.home, exporting(client));
      const terminal = await box.open();
      const found = new Map<number, string>();
      const more = (): number | undefined => servers(client).find((pid) => !found.has(pid));
      found.set(await waitFor('one more server, by a hook', more), 'a hook of the user’s own');
      for (const [what, line, how = ''] of LINES) {
        await terminal.type(`please execute${how}: ${line}`);
        found.set(await waitFor(`one more server, by ${what}\n${terminal.screen()}`, more), what);
        if (what === MOVED) {
          await waitFor('it can be moved', () => /to run in background/.test(terminal.screen()));
          terminal.press('C-b');
        }
        await waitFor('the model has answered', () => !/esc to interrupt/.test(terminal.screen()));
      }
      await terminal.type(`!${SERVE} >/dev/null 2>&1 & # mine`, '& # mine');
      found.set(await waitFor('one more server, by the user', more), 'the user’s own `!`');
      const tokens = new Map([...found.keys()].map((pid) => [pid, startToken(pid)]));
      // The stand-ins may still be reading theirs.
      const real = join(box.root, 'real');
      mkdirSync(real);
      await installOpencode({ ...box, binDir: real }, 'native');
      const rescue = `PATH="${real}:$PATH" ${client.companion('task --background task-3')}\n`;
      writeFileSync(join(box.project, 'rescue.sh'), rescue);
      await terminal.type('please execute: sh rescue.sh');
      const { server, above } = await started();
      // A client that ends by itself ends what it has in the background as well.
      process.kill(terminal.pid, 'SIGKILL');
      await waitFor('the client has ended', () => !alive(terminal.pid));
      await isStopped(client, server);
      await waitFor('who waited for it has ended', () => !alive(above));
      const report = await reapJson(box, ['--all-stale', '--older-than', '0s']);
      expect(report.servers).toEqual([]);
      expect(report.unrecorded.map(({ pid }) => pid)).toEqual(expect.arrayContaining([...found.keys()]));
      for (const [pid, what] of found)
        expect([alive(pid), startToken(pid), what]).toEqual([true, tokens.get(pid), what]);
    });
  },
);
