import { chmodSync, linkSync, mkdirSync, realpathSync, writeFileSync } from 'node:fs';
import { cp } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { installFake, writeState } from '../support/fake.js';
import { request, waitFor } from '../support/opencode.js';
import { onDemand, sampled } from '../support/patience.js';
import { alive, cmdline, descendants, portHolder, portsOf } from '../support/proc.js';
import { THROUGH_MACOS } from '../support/program.js';
import { reapJson } from '../support/reaped.js';
import { binOf } from '../support/releases.js';
import { createSandbox, type Environment, type Sandbox } from '../support/sandbox.js';

/* The command lines that an `opencode serve` has, what stands in front of one, and what only looks like one. */

let sandbox: Sandbox;
beforeAll(async () => {
  sandbox = await createSandbox('shapes');
  await installFake(sandbox);
});
afterAll(() => sandbox.dispose());

const FAKE = fileURLToPath(new URL('../support/fake-opencode.mjs', import.meta.url));

interface Running {
  readonly port: number;
  /** What was spawned. */
  readonly top: number;
  readonly server: number;
}

interface Spawned {
  readonly program: string;
  readonly args: readonly string[];
  readonly argv0?: string;
  readonly cwd?: string;
  readonly env?: Environment;
}

/** Detached, as a plugin starts it; returns once something below it listens. */
const run = async (port: number, { program, args, ...as }: Spawned): Promise<Running> => {
  const all = [...args, '--port', `${port}`];
  const { pid: top = 0 } = sandbox.spawn(program, all, { detached: true, stdio: 'ignore', ...as });
  const server = await waitFor('it listens', () => portHolder(port), 60_000);
  return { port, top, server };
};

/** As JohnnyVicious writes it: a bare pid and a time. Returns where the plugin keeps it. */
const recorded = async ({ top, port }: Running): Promise<string> => {
  const folder = join(sandbox.root, `data-${port}`);
  const record = { lastServerPid: top, lastServerStartedAt: Date.now() };
  await writeState(folder, 'state/0123456789abcdef/server.json', record);
  return folder;
};

const reapRecorded = async (running: Running) =>
  reapJson(sandbox, ['--all-stale', '--port', `${running.port}`, '--older-than', '0s'], {
    env: { CLAUDE_PLUGIN_DATA: await recorded(running) },
  });

/** A file that runs the stand-in, where node takes the word after its own name for a script: so it has any command line. */
const scriptAt = (folder: string, name: string): string => {
  const file = join(folder, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, `import(${JSON.stringify(FAKE)})`);
  return file;
};

const NIX = 'nix/store/x-opencode-1.18.33/lib/opencode/dist/index.js';

type Shape = readonly [sentence: string, spawned: (folder: string) => Spawned];

const asNode = (folder: string, argv0: string | undefined, script: string, args: readonly string[] = []): Spawned => {
  scriptAt(folder, script);
  return { program: process.execPath, args: [script, ...args], cwd: folder, ...(argv0 === undefined ? {} : { argv0 }) };
};

const SHAPES: readonly Shape[] = [
  ['Nix’s wrapper', (at) => asNode(at, '/nix/store/x-opencode-adjusted/bin/.opencode-wrapped_', 'serve')],
  ['a Bun that Nix calls opencode', (at) => asNode(at, 'opencode', 'run', [scriptAt(at, NIX), 'serve'])],
  ['a Bun that runs Nix’s script', (at) => asNode(at, 'bun', 'run', [scriptAt(at, NIX), 'serve'])],
  [
    'node with options',
    (at) => ({
      program: process.execPath,
      args: [
        '--max-old-space-size=256',
        '--require',
        scriptAt(at, 'nothing/before.cjs').replace(/.*/, 'node:fs'),
        scriptAt(at, 'opencode'),
        'serve',
      ],
    }),
  ],
  ['deno', (at) => asNode(at, 'deno', 'run', ['-A', 'npm:opencode-ai', 'serve'])],
  ['bunx', (at) => asNode(at, 'bunx', 'opencode-ai', ['serve'])],
  ['qemu', (at) => asNode(at, '/usr/bin/qemu-x86_64', 'opencode', ['serve'])],
];

describe.concurrent.each(sampled(SHAPES, 1))('a stand-in with the command line of %s', (_sentence, spawned) => {
  const start = async (): Promise<Running> => {
    const port = await sandbox.reserve();
    return run(port, spawned(join(sandbox.root, `shape-${port}`)));
  };

  test.concurrent('is stopped where a plugin wrote its pid down', async ({ expect }) => {
    const running = await start();
    const report = await reapRecorded(running);
    expect(report).toMatchObject({ code: 0, servers: [{ serverPid: running.server, outcome: { kind: 'stopped' } }] });
    expect(alive(running.server)).toBe(false);
  });

  test.concurrent('is found by port and pid where nothing was written down', async ({ expect }) => {
    const { port, server } = await start();
    const { stdout: listed } = await runCli(sandbox, ['list', '--all', '--json']);
    expect(JSON.parse(listed).unrecorded).toContainEqual(expect.objectContaining({ pid: server, port }));
    for (const name of [`:${port}`, `${server}`]) {
      expect(JSON.parse((await runCli(sandbox, ['why', name, '--json'])).stdout)).toMatchObject({ serverPid: server });
    }
    expect(await runCli(sandbox, ['adopt', `:${port}`])).toMatchObject({ code: 0 });
    expect(await runCli(sandbox, ['stop', `${server}`, '--yes'])).toMatchObject({ code: 0 });
    expect(alive(server)).toBe(false);
  });
});

const executable = (file: string, content: string): string => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
  chmodSync(file, 0o755);
  return file;
};

/** As `op run -- …`, `doppler run -- …` and their like do: it waits for its child, and ends with it. */
const SECRETS =
  "const a=process.argv.slice(2),i=a.indexOf('--');process.exit(require('child_process').spawnSync(a[i+1],a.slice(i+2),{stdio:'inherit'}).status??0)";

/** What is called `opencode`, and has something else run the real one. */
const FRONTS: readonly (readonly [string, (real: string, secrets: string) => string])[] = [
  ['a secrets manager', (real, secrets) => `exec node ${secrets} run -- ${real} "$@"`],
  ['a secrets manager that a script waits for', (real, secrets) => `node ${secrets} run -- ${real} "$@"; exit $?`],
  ['timeout', (real) => `exec timeout 1h ${real} "$@"`],
  ['timeout that a script waits for', (real) => `timeout 1h ${real} "$@"; exit $?`],
  ['nice, stdbuf and env', (real) => `nice -n 1 stdbuf -oL env -u X A=b ${real} "$@"; exit $?`],
  ['a shell that has jobs', (real) => `bash -ic '${real} "$@"; exit $?' x "$@"; exit $?`],
  ['setsid', (real) => `setsid -w ${real} "$@"; exit $?`],
  ['a secrets manager below timeout', (real, secrets) => `timeout 1h node ${secrets} run -- ${real} "$@"; exit $?`],
];

describe.concurrent.each(sampled(FRONTS, 1))('where opencode is a script, a stand-in below %s', (_sentence, line) => {
  const install = (): { readonly port: Promise<number>; readonly bin: string } => {
    const bin = join(sandbox.root, `front-${Math.random()}`, 'bin');
    const secrets = executable(join(dirname(bin), 'op.cjs'), SECRETS);
    const real = executable(
      join(dirname(bin), 'real/opencode'),
      `#!/usr/bin/env node\nimport(${JSON.stringify(FAKE)})`,
    );
    executable(join(bin, 'opencode'), `#!/bin/sh\n${line(real, secrets)}\n`);
    return { port: sandbox.reserve(), bin };
  };

  test.concurrent('is stopped where a plugin wrote its pid down', async ({ expect }) => {
    const { port, bin } = install();
    const running = await run(await port, { program: join(bin, 'opencode'), args: ['serve'] });
    const tree = [running.top, ...descendants(running.top)];
    const { stdout } = await runCli(sandbox, ['list', '--all', '--json']);
    const unrecorded: { readonly pid: number }[] = JSON.parse(stdout).unrecorded;
    expect(unrecorded.map(({ pid }) => pid).filter((pid) => tree.includes(pid))).toEqual([running.server]);
    const report = await reapRecorded(running);
    expect(report).toMatchObject({ servers: [{ serverPid: running.server, outcome: { kind: 'stopped' } }] });
    await waitFor('what was in front has ended', () => !alive(running.top));
  });

  test.concurrent('is stopped where this program started it', async ({ expect }) => {
    const { port, bin } = install();
    const at = await port;
    const env = { PATH: `${bin}:${sandbox.env().PATH}`, OPENCODE_REAP_STATE_DIR: join(dirname(bin), 'state') };
    expect(await runCli(sandbox, ['start', '--port', `${at}`], { env })).toMatchObject({ code: 0 });
    const server = portHolder(at);
    const report = await reapJson(sandbox, ['--all-stale', '--port', `${at}`, '--older-than', '0s'], { env });
    expect(report).toMatchObject({ servers: [{ serverPid: server, outcome: { kind: 'stopped' } }] });
    const { pid } = report.servers[0] ?? {};
    await waitFor('what was in front has ended', () => pid !== undefined && pid !== null && !alive(pid));
  });
});

/** It listens before it can answer, and what arrives until then is never answered. */
const answers = async ({ port }: Running): Promise<void> => {
  const asks = () => request(`http://127.0.0.1:${port}`, '/global/health', { timeoutMs: 1_000 }).catch(() => undefined);
  await waitFor('it answers', async () => (await asks())?.status === 200, 60_000);
};

describe('OpenCode itself', () => {
  const native = realpathSync(binOf('native'));

  /** Its file, under another name. */
  const copied = async (name: string): Promise<string> => {
    const file = join(sandbox.root, 'copies', name);
    mkdirSync(dirname(file), { recursive: true });
    try {
      linkSync(native, file);
    } catch {
      // The folder for temporary files may be another file system.
      await cp(native, file);
    }
    return file;
  };

  const names = [
    ['under Nix’s name', '.opencode-wrapped_', undefined],
    // By a list that joins arguments with blanks, a first one with blanks leaves a doubt.
    ['under any name of its first argument', 'opencode', THROUGH_MACOS ? 'a-server' : 'a server'],
  ] as const;
  test.each(sampled(names, 1))('is stopped %s', async (_sentence, name, argv0) => {
    const file = await copied(name);
    const port = await sandbox.reserve();
    const spawned = { program: file, args: ['serve'], ...(argv0 === undefined ? {} : { argv0 }) };
    const running = await run(port, spawned);
    await answers(running);
    const report = await reapRecorded(running);
    expect(report).toMatchObject({ servers: [{ serverPid: running.server, outcome: { kind: 'stopped' } }] });
    expect(alive(running.server)).toBe(false);
  });

  test('is stopped with npx, its shell and its launcher', { ...onDemand }, async () => {
    const cwd = join(dirname(binOf('launcher')), '../../..');
    const args = ['--offline', '--yes', 'opencode-ai', 'serve'];
    // The releases do not read each other's data.
    const env = sandbox.env({ XDG_DATA_HOME: join(sandbox.root, 'npx') });
    const running = await run(await sandbox.reserve(), { program: 'npx', args, cwd, env });
    await answers(running);
    const tree = [running.top, ...descendants(running.top)];
    expect(tree.map((pid) => cmdline(pid)[0])).toEqual([
      expect.stringMatching(/^npm exec /),
      'sh',
      'node',
      expect.stringMatching(/\.opencode$/),
    ]);
    const { stdout } = await runCli(sandbox, ['why', `${running.top}`, '--json']);
    expect(JSON.parse(stdout)).toMatchObject({ pid: running.top, serverPid: running.server });
    const report = await reapRecorded(running);
    expect(report.servers).toMatchObject([{ serverPid: running.server, reasons: [], outcome: { kind: 'stopped' } }]);
    expect(tree.filter(alive)).toEqual([]);
  });
});

/** Somebody's own, with the same words. */
const OTHERS: readonly (readonly [string, (folder: string) => readonly [string, ...string[]]])[] = [
  ['a pager of its log', () => ['tail', '-f', '/dev/null', '/dev/null']],
  ['a shell line that mentions it', () => ['sh', '-c', 'sleep 600; : opencode serve']],
  ['a script of somebody’s own project', (at) => ['node', scriptAt(at, 'opencode/src/index.js'), 'serve']],
  ['a test runner of that project', (at) => ['node', scriptAt(at, 'opencode/node_modules/.bin/vitest'), 'serve']],
  ['another program that is told to serve', (at) => ['node', scriptAt(at, 'editor'), 'opencode', 'serve']],
];

test.each(sampled(OTHERS))('%s is neither gone nor stopped, whatever a plugin wrote down', async (_, command) => {
  const port = await sandbox.reserve();
  const [program, ...args] = command(join(sandbox.root, `other-${port}`));
  const more = program === 'node' ? ['--port', `${port}`] : [];
  const { pid = 0 } = sandbox.spawn(program, [...args, ...more], { detached: true, stdio: 'ignore' });
  if (more.length > 0) await waitFor('it listens', () => portsOf(pid).includes(port));
  const CLAUDE_PLUGIN_DATA = await recorded({ port, top: pid, server: pid });
  const report = await reapJson(sandbox, ['--all-stale', '--older-than', '0s'], { env: { CLAUDE_PLUGIN_DATA } });
  const said = report.servers.find((one) =>
    one.guards.some(({ detail }) => detail.includes(`process ${pid} is running`)),
  );
  expect(said).toMatchObject({ verdict: 'unsure', outcome: null });
  const why = await runCli(sandbox, ['why', `${pid}`], { env: { CLAUDE_PLUGIN_DATA } });
  // Neither could be done.
  expect(why.stdout).toContain(`end it yourself (kill ${pid})`);
  expect(why.stdout).not.toMatch(/opencode-reap (adopt|stop)/);
  const { stdout } = await runCli(sandbox, ['list', '--all', '--json']);
  expect(JSON.parse(stdout).unrecorded.map((one: { pid: number }) => one.pid)).not.toContain(pid);
  for (const name of more.length > 0 ? [`${pid}`, `:${port}`] : [`${pid}`]) {
    expect((await runCli(sandbox, ['stop', name, '--yes'])).code).not.toBe(0);
    expect((await runCli(sandbox, ['adopt', name])).code).not.toBe(0);
  }
  expect(alive(pid)).toBe(true);
});
