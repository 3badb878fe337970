import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { request } from '../support/client.js';
import { unlessAsked } from '../support/patience.js';
import { HOOK, PROGRAM, THROUGH_MACOS } from '../support/program.js';
import { binOf } from '../support/releases.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

/*
 * What a platform has to show before anything may be stopped on it, with real servers. Nothing of the machine is looked at
 * but through node, so this runs wherever the program does; on Linux, other tests show each of it in more detail.
 */

const skipped =
  process.platform === 'win32'
    ? ' (skipped: nothing is started or stopped on Windows yet)'
    : process.platform === 'linux' && !THROUGH_MACOS
      ? unlessAsked
      : '';
/** A machine of a CI takes its time. */
const TIMEOUT = 120_000;

let box: Sandbox;
let children: ChildProcess[];
let sockets: Socket[];
beforeEach(async () => {
  box = await createSandbox('anywhere');
  [children, sockets] = [[], []];
  if (!skipped) symlinkSync(binOf('native'), join(box.binDir, 'opencode'));
});
afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  for (const child of children.filter(({ exitCode, signalCode }) => exitCode === null && signalCode === null)) {
    child.kill('SIGKILL');
    await once(child, 'exit');
  }
  await box.dispose();
});

const run = async (command: string, args: readonly string[], input = ''): Promise<string> => {
  const ran = spawn(command, args, { cwd: box.project, env: box.env() });
  ran.stdin.end(input);
  let out = '';
  for (const stream of [ran.stdout, ran.stderr]) stream.on('data', (text) => (out += text));
  await once(ran, 'close');
  return out;
};

const cli = async (...args: string[]) => JSON.parse(await run(process.execPath, [PROGRAM, ...args, '--json']));
const why = (name: string | number) => cli('why', String(name), '--older-than', '0s');

/** On a connection that is gone without a trace afterwards: one that was closed lately spares. */
const answers = (port: number): Promise<boolean> =>
  request(`http://127.0.0.1:${port}`, '/global/health', { timeoutMs: 1_000 }).then(
    ({ status }) => status === 200,
    () => false,
  );

/** Spawned as a plugin does it. */
const serve = async (): Promise<{ readonly server: ChildProcess; readonly pid: number; readonly port: number }> => {
  const port = await box.reserve();
  const options = { cwd: box.project, env: box.env(), stdio: 'ignore', detached: true } as const;
  const server = spawn(join(box.binDir, 'opencode'), ['serve', '--port', `${port}`], options);
  children.push(server);
  await waitFor('it answers', () => answers(port), TIMEOUT);
  return { server, pid: server.pid ?? 0, port };
};

/** As ZaraLcy's plugin writes it: a bare pid, a port and a time. */
const record = ({ pid, port }: { pid: number; port: number }): void => {
  mkdirSync(join(box.home, '.opencode-plugin'), { recursive: true });
  const file = join(box.home, '.opencode-plugin/server.json');
  writeFileSync(file, JSON.stringify({ pid, port, startedAt: new Date().toISOString() }));
};

const hasEnded = ({ exitCode, signalCode }: ChildProcess): boolean => exitCode !== null || signalCode !== null;

describe.skipIf(skipped)(`on this platform${skipped}`, { timeout: TIMEOUT }, () => {
  test('doctor finds all that guards need to see', async () => {
    const { findings } = await cli('doctor');
    const machine = findings.filter(({ about }: { about: string }) => about === 'machine');
    expect(machine).toEqual([expect.objectContaining({ level: 'ok' })]);
  });

  test('a server that start has started answers every guard, and is stopped with its record', async () => {
    const port = await box.reserve();
    const { pid, id } = await cli('start', '--port', String(port), '--retire-after', '0');
    const judged = await why(id);
    expect(judged.guards.filter(({ outcome }: { outcome: string }) => outcome !== 'pass')).toEqual([]);
    expect(judged).toMatchObject({ verdict: 'stale', pid });
    const { servers } = await cli('--all-stale', '--older-than', '0s');
    expect(servers).toMatchObject([{ id, outcome: { kind: 'stopped' } }]);
    expect(await answers(port)).toBe(false);
    expect(readdirSync(join(box.stateDir, 'servers'))).toEqual([]);
  });

  test('an orphan in a plugin’s record is stopped, and a server that nobody recorded only once it is adopted', async () => {
    const [orphan, users] = [await serve(), await serve()];
    record(orphan);
    const { servers } = await cli('--all-stale', '--older-than', '0s');
    expect(servers).toMatchObject([{ pid: orphan.pid, outcome: { kind: 'stopped' } }]);
    await waitFor('its end', () => hasEnded(orphan.server));
    expect([hasEnded(users.server), await answers(users.port)]).toEqual([false, true]);
    const of = (servers: readonly { pid: number }[]) => servers.find(({ pid }) => pid === users.pid);
    expect(of((await cli('list', '--all')).unrecorded)).toMatchObject({ port: users.port });
    await run(process.execPath, [PROGRAM, 'adopt', `:${users.port}`]);
    const stopped = await cli('--all-stale', '--older-than', '0s');
    expect(of(stopped.servers)).toMatchObject({ outcome: { kind: 'stopped' } });
    await waitFor('its end', () => hasEnded(users.server));
  });

  test('another process with the recorded pid is left alone', async () => {
    const options = { cwd: box.project, env: box.env(), stdio: 'ignore' } as const;
    const bystander = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], options);
    children.push(bystander);
    record({ pid: bystander.pid ?? 0, port: await box.reserve() });
    await cli('--all-stale', '--older-than', '0s');
    expect(hasEnded(bystander)).toBe(false);
  });

  test('a client spares a server, also one that the server has not accepted', async () => {
    const one = await serve();
    record(one);
    const socket = connect(one.port, '127.0.0.1');
    sockets.push(socket);
    await once(socket, 'connect');
    expect(await why(one.pid)).toMatchObject({ verdict: 'spared', reasons: ['idle'] });
    socket.resetAndDestroy();
    await waitFor('it is stale without it', async () => (await why(one.pid)).verdict === 'stale', TIMEOUT);
    one.server.kill('SIGSTOP');
    const late = connect(one.port, '127.0.0.1');
    sockets.push(late);
    await once(late, 'connect');
    expect((await why(one.pid)).verdict).not.toBe('stale');
    one.server.kill('SIGCONT');
  });

  test('the hook names its holder, whose lease spares the server of its workspace', async () => {
    const one = await serve();
    record(one);
    const input = JSON.stringify({ session_id: 's', cwd: box.project, source: 'clear' });
    const line = '"$0" "$@"; true';
    expect(await run('/bin/sh', ['-c', line, process.execPath, HOOK, 'hook', 'session-start'], input)).toBe('');
    const [lease = ''] = readdirSync(join(box.stateDir, 'leases'));
    const { holder } = JSON.parse(readFileSync(join(box.stateDir, 'leases', lease), 'utf8'));
    expect(holder).toMatchObject({ pid: process.pid, startToken: expect.any(String) });
    const judged = await why(one.pid);
    expect(judged).toMatchObject({ verdict: 'spared', reasons: expect.arrayContaining(['unleased']) });
    expect(judged.leases).toContainEqual(expect.objectContaining({ holderPid: process.pid, live: true }));
  });
});
