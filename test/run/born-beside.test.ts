import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hookEnv, installPlugin, type PluginFolder, runNode, takeDefaultPort, toolEnv } from '../support/companions.js';
import { deadPid } from '../support/fake.js';
import { waitFor } from '../support/opencode.js';
import { alive, cmdline, environ, parent, pids, sessionId, startToken } from '../support/proc.js';
import { type Report, reapJson } from '../support/reaped.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';

/*
 * What looks like the server of a plugin that writes nothing down, and is somebody's own: in the same session, folder and
 * home, with the same command line. All of them run at once, as stand-ins that do not listen, beside one that is a
 * plugin's; a run finds that one alone.
 */

let release: () => void;
let sandbox: Sandbox;
let plugin: PluginFolder;
let session: Changes;
beforeAll(async () => {
  release = await takeDefaultPort();
  sandbox = await createSandbox('born-beside');
  plugin = installPlugin(sandbox);
  session = toolEnv(await deadPid(sandbox));
  writeFileSync(join(sandbox.binDir, 'opencode'), '#!/usr/bin/env node\nsetInterval(() => {}, 1e6);\n', {
    mode: 0o755,
  });
  writeFileSync(join(sandbox.project, 'package.json'), '{"scripts":{"serve":"opencode serve --port 4096"}}');
  for (const [name, stdio] of Object.entries({ ignore: "'ignore'", pipes: "['ignore', 'pipe', 'pipe']" })) {
    writeFileSync(
      join(sandbox.project, `${name}.mjs`),
      `import { spawn } from 'node:child_process';
       spawn('opencode', ['serve', '--port', '4096'], { detached: true, stdio: ${stdio} }).unref();
       setTimeout(() => process.exit(), Number(process.argv[2] ?? 0));\n`,
    );
  }
});
afterAll(async () => {
  await sandbox.dispose();
  release();
});

const SCRIPTS_PIPES = 'a detached script of the user’s, with pipes';
const SERVE = 'opencode serve --port 4096';

/** Other tests may have servers on that port. */
const isOurs = (pid: number): boolean => environ(pid).some((entry) => entry.startsWith(`HOME=${sandbox.root}/`));

const servers = (): number[] =>
  pids().filter(
    (pid) => cmdline(pid)[0] === 'node' && cmdline(pid).slice(-3).join(' ') === 'serve --port 4096' && isOurs(pid),
  );

/** Runs something that starts a server, and returns that server once there is one. */
const starting = async (run: () => unknown): Promise<number> => {
  const before = new Set(servers());
  run();
  return waitFor('one more server', () => servers().find((pid) => !before.has(pid)));
};

const shell =
  (line: string, env: Changes = {}) =>
  (): unknown =>
    sandbox.spawn('bash', ['-c', line], { env: sandbox.env({ ...session, ...env }), stdio: 'ignore', detached: true });

const node =
  (...args: readonly string[]) =>
  (): unknown =>
    runNode(sandbox, args, session);

const root = process.getuid?.() === 0;
const NEW_PIDS = ['--pid', '--fork', '--kill-child', ...(root ? [] : ['--user', '--map-current-user'])];
const noContainer =
  spawnSync('unshare', [...NEW_PIDS, 'true']).status === 0
    ? ''
    : ' (skipped: this machine does not allow a pid namespace)';
const noTerminal =
  spawnSync('script', ['-qec', 'true', '/dev/null']).status === 0 ? '' : ' (skipped: `script` is missing)';
const noPython = spawnSync('python3', ['-c', '0']).status === 0 ? '' : ' (skipped: python3 is missing)';

const PYTHON = `import subprocess as s; s.Popen("${SERVE}".split(), start_new_session=True, stdin=s.DEVNULL, stdout=s.DEVNULL, stderr=s.DEVNULL)`;

/** A log that says what a plugin's does, so long ago. */
const sayInLog = (ms: number): void => {
  const hash = createHash('sha256').update(sandbox.project).digest('hex').slice(0, 16);
  const folder = join(sandbox.root, 'tmp/opencode-companion', hash, 'jobs');
  mkdirSync(folder, { recursive: true });
  const at = new Date(Date.now() - ms).toISOString();
  writeFileSync(join(folder, `task-${ms}.log`), `[${at}] [starting] Connecting to OpenCode server...\n`);
};

const inContainer = () =>
  sandbox.spawn('unshare', [...NEW_PIDS, process.execPath, plugin.companion, 'review'], {
    env: sandbox.env(session),
    stdio: 'ignore',
    detached: true,
  });

type Start = readonly [what: string, start: () => unknown, skipped?: string];

const BESIDE: readonly Start[] = [
  ['a command in the background, of the model’s or typed as `! …`', shell(`${SERVE} &`)],
  ['nohup', shell(`nohup ${SERVE} >/dev/null 2>&1 &`)],
  ['setsid', shell(`setsid ${SERVE} </dev/null >/dev/null 2>&1 &`)],
  ['setsid that has forked', shell(`setsid -f ${SERVE} </dev/null >/dev/null 2>&1`)],
  [
    'a task that the tool’s shell waits for (run_in_background)',
    shell(`${SERVE} </dev/null >task.output 2>&1; exit $?`),
  ],
  ['npm run', shell('npm run serve </dev/null >/dev/null 2>&1 &')],
  [
    'python’s start_new_session',
    () => sandbox.spawn('python3', ['-c', PYTHON], { env: sandbox.env(session) }),
    noPython,
  ],
  ['a detached script of the user’s, without output', node('ignore.mjs')],
  [SCRIPTS_PIPES, node('pipes.mjs')],
  ['a detached script of the user’s that waits for it', node('pipes.mjs', '1000000')],
  [
    'that script, some time after a job of the plugin asked for a server',
    () => {
      sayInLog(10_000);
      runNode(sandbox, ['pipes.mjs'], session);
    },
  ],
  [
    'settings that export a plugin’s folder to everything',
    () => shell(`setsid ${SERVE} </dev/null >/dev/null 2>&1 &`, { CLAUDE_PLUGIN_ROOT: plugin.root })(),
  ],
  [
    'a script of the user’s, in a session whose settings export a plugin’s folder',
    () => runNode(sandbox, ['ignore.mjs'], { ...session, CLAUDE_PLUGIN_ROOT: plugin.root }),
  ],
  [
    'a hook of the user’s own, which has no plugin’s folder',
    () => runNode(sandbox, ['ignore.mjs'], hookEnv(sandbox, 1, plugin.root, { CLAUDE_PLUGIN_ROOT: undefined })),
  ],
  [
    'a hook of the user’s own, where settings export such a folder',
    () => runNode(sandbox, ['ignore.mjs'], hookEnv(sandbox, 1, plugin.root, { CLAUDE_PLUGIN_DATA: undefined })),
  ],
  [
    'a hook of the user’s own, where settings export such a folder and the one for its data',
    () => {
      const cwd = join(sandbox.project, 'exporting');
      mkdirSync(join(cwd, '.claude'), { recursive: true });
      const env = { CLAUDE_PLUGIN_ROOT: plugin.root, CLAUDE_PLUGIN_DATA: 'as the client has it' };
      writeFileSync(join(cwd, '.claude/settings.json'), JSON.stringify({ env }));
      const hook = sandbox.env(hookEnv(sandbox, 1, plugin.root));
      sandbox.spawn(process.execPath, [join(sandbox.project, 'ignore.mjs')], { cwd, env: hook, stdio: 'ignore' });
    },
  ],
  [
    'a hook of the user’s own in a shell, where settings export such a folder',
    () =>
      sandbox.spawn('bash', ['-c', `setsid ${SERVE} </dev/null >/dev/null 2>&1 &`], {
        env: sandbox.env(hookEnv(sandbox, 1, plugin.root)),
      }),
  ],
  [
    'the plugin’s own program in a tool of an OpenCode server',
    () => runNode(sandbox, [plugin.companion, 'review'], { ...session, OPENCODE: '1' }),
  ],
  [
    'the plugin’s own program for somebody with another home',
    () => runNode(sandbox, [plugin.companion, 'review'], { ...session, HOME: join(sandbox.root, 'run') }),
  ],
  [
    'a program of that name that is no plugin’s',
    () => {
      const folder = join(sandbox.project, 'scripts');
      mkdirSync(folder, { recursive: true });
      writeFileSync(
        join(folder, 'opencode-companion.mjs'),
        `import ${JSON.stringify(join(sandbox.project, 'pipes.mjs'))};`,
      );
      runNode(sandbox, [join(folder, 'opencode-companion.mjs'), '1000000'], session);
    },
  ],
  [
    'a terminal',
    () => sandbox.spawn('script', ['-qec', SERVE, '/dev/null'], { env: sandbox.env(session), stdio: 'ignore' }),
    noTerminal,
  ],
  ['a container with our home and user, and the plugin in it', inContainer, noContainer],
];

describe('beside a stand-in for a plugin’s server', () => {
  const started = new Map<string, number>();
  const tokens = new Map<number, string | undefined>();
  let its = 0;
  let companion = 0;
  let report: Report | undefined;

  beforeAll(async () => {
    for (const [what, start, skipped = ''] of BESIDE) {
      if (skipped !== '') continue;
      const pid = await starting(start);
      started.set(what, pid);
      tokens.set(pid, startToken(pid));
    }
    its = await starting(node(plugin.companion, 'review', '--no-wait'));
    companion = parent(its);
    const orphan = started.get(SCRIPTS_PIPES) ?? 0;
    await waitFor('that script has ended', () => !cmdline(parent(orphan)).includes('pipes.mjs'));
    report = await reapJson(sandbox, ['--all-stale', '--older-than', '0s', '--grace', '1s']);
  });

  // It listens on nothing, so it is not stopped either: that is shown by born.test.ts.
  test('a run finds that one alone', () => {
    expect(report?.servers).toMatchObject([{ serverPid: its, reasons: ['idle'] }]);
    expect(report?.servers[0]?.guards[0]?.detail).toBe(
      `its parent, pid ${companion}, is ${plugin.companion} of opencode 1.0.0`,
    );
  });

  for (const [what, , skipped = ''] of BESIDE) {
    test.skipIf(skipped)(`one that was started by ${what} is left alone${skipped}`, () => {
      const pid = started.get(what) ?? 0;
      expect(report?.unrecorded.map((one) => one.pid)).toContain(pid);
      expect([alive(pid), startToken(pid)]).toEqual([true, tokens.get(pid)]);
    });
  }

  test('and each of the dangerous ones leads a session of its own, without a terminal', () => {
    const leaders = [...started].filter(([, pid]) => sessionId(pid) === pid).map(([what]) => what);
    expect(leaders).toEqual(expect.arrayContaining([SCRIPTS_PIPES, 'setsid that has forked']));
  });
});
