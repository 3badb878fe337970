import { chmodSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { installFake, writeState } from '../support/fake.js';
import { installOpencode, waitFor } from '../support/opencode.js';
import { sampled } from '../support/patience.js';
import { alive, children, cmdline, descendants, portHolder } from '../support/proc.js';
import { reapJson } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/* A server that is one of several things which a shell, a script or a task runner runs. */

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await createSandbox('beside');
  await installFake(sandbox);
});
afterAll(() => sandbox.dispose());

/** What the user works on in the same script, with a mark of its own. */
const beside = (port: number): string => `sleep 600.${port}`;
const file = (port: number, name: string, content: string): string => {
  const path = join(sandbox.root, `${port}-${name}`);
  writeFileSync(path, content);
  chmodSync(path, 0o755);
  return path;
};

type Line = readonly [sentence: string, command: (port: number) => readonly string[]];

const sh =
  (line: (port: number) => string): Line[1] =>
  (port) => ['sh', '-c', line(port)];
const bash =
  (line: (port: number) => string): Line[1] =>
  (port) => ['bash', '-c', line(port)];
const serve = (port: number): string => `opencode serve --port ${port}`;

/** Each runs the server and `beside`, and has more to do when the server has ended. */
const LINES: readonly Line[] = [
  ['a shell line that runs it in the background', sh((port) => `${serve(port)} & ${beside(port)}; true`)],
  ['a shell line that runs something else in the background', sh((port) => `${beside(port)} & ${serve(port)}; wait`)],
  ['a subshell', sh((port) => `(${serve(port)}; sleep 601) & ${beside(port)}; true`)],
  ['a shell function', bash((port) => `f() { ${serve(port)}; }; f & ${beside(port)}; true`)],
  ['a shell with jobs', (port) => ['bash', '-ic', `${serve(port)} & ${beside(port)}; true`]],
  ['a pipeline', sh((port) => `${serve(port)} | ${beside(port)}; true`)],
  ['a line that goes somewhere first', sh((port) => `${beside(port)} & cd . && ${serve(port)}; wait`)],
  ['a script', (port) => ['sh', file(port, 'dev.sh', `${beside(port)} &\n${serve(port)}\nwait\n`)]],
  [
    'a script that is called opencode',
    (port) => {
      const program = join(sandbox.binDir, 'opencode');
      const folder = join(sandbox.root, `bin-${port}`);
      const line = `mkdir -p ${folder}; printf '#!/bin/sh\\n${beside(port)} &\\n${program} "$@"\\nwait\\n' > ${folder}/opencode; chmod +x ${folder}/opencode; exec ${folder}/opencode serve --port ${port}`;
      return ['sh', '-c', line];
    },
  ],
  [
    'npm',
    (port) => {
      file(port, 'package.json', '');
      const folder = join(sandbox.root, `npm-${port}`);
      const json = JSON.stringify({ scripts: { dev: `${serve(port)} & ${beside(port)}; true` } });
      return ['sh', '-c', `mkdir ${folder}; cd ${folder}; echo '${json}' > package.json; exec npm run dev`];
    },
  ],
  [
    'make',
    (port) => ['make', '-j2', '-f', file(port, 'Makefile', `all: a b\na:\n\t-${serve(port)}\nb:\n\t${beside(port)}\n`)],
  ],
  [
    'a runner of a Procfile',
    (port) => [
      'node',
      file(
        port,
        'runner.cjs',
        `for (const line of ['${serve(port)}', '${beside(port)}']) require('child_process').spawn('sh', ['-c', line], { stdio: 'ignore' })`,
      ),
    ],
  ],
  ['a line with timeout in front of it', sh((port) => `timeout 600 ${serve(port)} & ${beside(port)}; true`)],
  [
    'a script that is called opencode, and has timeout run it',
    (port) => {
      const folder = join(sandbox.root, `bin-${port}`);
      const line = `mkdir -p ${folder}; printf '#!/bin/sh\\n${beside(port)} &\\ntimeout 600 ${join(sandbox.binDir, 'opencode')} "$@"\\nwait\\n' > ${folder}/opencode; chmod +x ${folder}/opencode; exec ${folder}/opencode serve --port ${port}`;
      return ['sh', '-c', line];
    },
  ],
  ['a line with setsid in front of it', sh((port) => `setsid -w ${serve(port)} & ${beside(port)}; true`)],
];

interface Script {
  readonly port: number;
  /** What was spawned. */
  readonly top: number;
  readonly server: number;
  readonly besides: number;
}

/** Detached, as a plugin or a terminal of its own would start it. */
const run = async (command: Line[1]): Promise<Script> => {
  const port = await sandbox.reserve();
  const [program = '', ...args] = command(port);
  const { pid: top = 0 } = sandbox.spawn(program, args, { detached: true, stdio: 'ignore' });
  const server = await waitFor('it listens', () => portHolder(port));
  const besides = await waitFor('the rest runs', () =>
    descendants(top).find((pid) => cmdline(pid)[1] === `600.${port}`),
  );
  return { port, top, server, besides };
};

describe.concurrent.each(sampled(LINES, 3))('a stand-in for a server, run by %s', (_sentence, command) => {
  test.concurrent('is ended alone', async ({ expect }) => {
    const { port, top, server, besides } = await run(command);
    const { code, stdout, stderr } = await runCli(sandbox, ['stop', `:${port}`, '--yes', '--json']);
    expect(JSON.parse(stdout || stderr)).toMatchObject({ serverPid: server, outcome: { kind: 'stopped' } });
    expect([code, alive(server), alive(top), alive(besides)]).toEqual([0, false, true, true]);
  });
});

const TOGETHER = sh((port) => `${serve(port)} & ${beside(port)}; true`);

test('a stand-in that a shell runs beside its client is in use, whatever was adopted', async ({ expect }) => {
  const script = (port: number) =>
    file(port, 'client.cjs', `require('net').connect(${port}, '127.0.0.1').resume(); setInterval(() => {}, 1e6)`);
  const { port, server } = await run(sh((at) => `${serve(at)} & ${beside(at)} & sleep 1; node ${script(at)}; true`));
  const client = await waitFor('a client is there', () => {
    const found =
      descendants(server).length === 0 && pidsOf(port).find((pid) => cmdline(pid)[1]?.endsWith('client.cjs'));
    return found;
  });
  expect(await runCli(sandbox, ['adopt', `:${port}`])).toMatchObject({ code: 0 });
  await waitFor('it is connected', async () => {
    const { servers } = await reapJson(sandbox, [
      '--all-stale',
      '--port',
      `${port}`,
      '--older-than',
      '0s',
      '--dry-run',
    ]);
    const detail = `1 client connection open (pid ${client})`;
    return servers[0]?.guards.some((guard) => guard.name === 'idle' && guard.detail === detail);
  });
});

/** Everything of a script, by the port in its command lines. */
const pidsOf = (port: number): number[] =>
  descendants(process.pid).filter((pid) => cmdline(pid).some((word) => word.includes(`${port}`)));

test('a stand-in that was adopted is ended without the shell that runs it', async () => {
  const { port, top, server, besides } = await run(TOGETHER);
  expect(await runCli(sandbox, ['adopt', `:${port}`])).toMatchObject({ code: 0 });
  const report = await reapJson(sandbox, ['--all-stale', '--port', `${port}`, '--older-than', '0s']);
  expect(report).toMatchObject({ servers: [{ pid: server, serverPid: server, outcome: { kind: 'stopped' } }] });
  expect([alive(server), alive(top), alive(besides)]).toEqual([false, true, true]);
});

const RECORDED = LINES.filter(([sentence]) => /in the background|jobs|a script$|goes somewhere/.test(sentence));

test.each(sampled(RECORDED))('a plugin’s record of %s leads to the stand-in alone', async (_sentence, command) => {
  const { port, top, server, besides } = await run(command);
  const CLAUDE_PLUGIN_DATA = join(sandbox.root, `data-${port}`);
  const record = { lastServerPid: top, lastServerStartedAt: Date.now() };
  await writeState(CLAUDE_PLUGIN_DATA, 'state/0123456789abcdef/server.json', record);
  const args = ['--all-stale', '--port', `${port}`, '--older-than', '0s'];
  const report = await reapJson(sandbox, args, { env: { CLAUDE_PLUGIN_DATA } });
  expect(report).toMatchObject({
    servers: [{ serverPid: server, outcome: { kind: 'stopped', processes: [server] } }],
  });
  expect([alive(server), alive(top), alive(besides)]).toEqual([false, true, true]);
});

test('a server that a shell has become is ended without what that shell had started', async ({ expect }) => {
  await installOpencode(sandbox, 'native');
  const { port, top, server, besides } = await run(sh((at) => `${beside(at)} & exec ${serve(at)}`));
  expect([server, children(server)]).toEqual([top, [besides]]);
  const { stdout } = await runCli(sandbox, ['stop', `:${port}`, '--yes', '--json']);
  const leftBehind = [{ pid: besides, name: 'sleep', ended: false }];
  expect(JSON.parse(stdout)).toMatchObject({ outcome: { kind: 'stopped', processes: [server], leftBehind } });
  expect([alive(server), alive(besides)]).toEqual([false, true]);
});
