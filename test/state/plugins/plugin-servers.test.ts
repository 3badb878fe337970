import { existsSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../../support/cli.js';
import { startBystander, startFake } from '../../support/fake.js';
import { inhabitants } from '../../support/inhabitants.js';
import { spawnServer, waitFor } from '../../support/opencode.js';
import { onDemand } from '../../support/patience.js';
import { type Files, HEX, PLUGIN_FORMATS, type Subject } from '../../support/plugin-state.js';
import { alive, descendants, portHolder, startToken } from '../../support/proc.js';
import { reapJson, stateFiles } from '../../support/reaped.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';

const NOW = ['--all-stale', '--older-than', '0s'];

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('plugin-servers');
});
afterEach(() => sandbox.dispose());

/** Writes down what the plugin would have; returns what is then in each file. */
const writeDown = async (...all: readonly Files[]): Promise<Record<string, string>> => {
  const written: Record<string, string> = {};
  for (const [path, content] of all.flatMap((files) => Object.entries(files))) {
    // The sandbox has one temporary folder, which is both.
    const file = join(sandbox.root, path.replace(/^shared\//, 'tmp/'));
    await mkdir(dirname(file), { recursive: true, mode: 0o700 });
    written[file] = typeof content === 'string' ? content : JSON.stringify(content);
    await writeFile(file, written[file]);
  }
  return written;
};

const isUntouched = (written: Record<string, string>): boolean =>
  Object.entries(written).every(([file, text]) => readFileSync(file, 'utf8') === text);

const formatOf = (name: string) => {
  const format = PLUGIN_FORMATS.find((one) => one.format === name);
  if (format === undefined) throw new Error(`no fixture for ${name}`);
  return format;
};

const subject = (pid: number, port: number): Subject => ({
  pid,
  port,
  startToken: startToken(pid) ?? '',
  project: sandbox.project,
  startedAt: Date.now(),
});

test('the server whose launcher a plugin killed is found in its group, and stopped', async () => {
  const { pid, port } = await spawnServer(sandbox, { release: 'launcher', port: await sandbox.reserve() });
  const [listener] = descendants(pid);
  const written = await writeDown(formatOf('johnnyvicious').record(subject(pid, port)));
  process.kill(pid, 'SIGTERM');
  await waitFor('the launcher is gone', () => !alive(pid));
  const report = await reapJson(sandbox, NOW);
  const reached = { pid, serverPid: listener, port, workspace: sandbox.project };
  expect(report).toMatchObject({ code: 0, servers: [reached] });
  expect(report.servers[0]?.outcome).toMatchObject({ kind: 'stopped' });
  // Others may run on this machine; neither of these two is one of them.
  expect(report.unrecorded.filter((one) => one.pid === pid || one.pid === listener)).toEqual([]);
  expect([inhabitants(sandbox), portHolder(port), isUntouched(written)]).toEqual([[], undefined, true]);
  // The record stays, and would be said in every run.
  expect((await runCli(sandbox, NOW)).stdout).toMatch(/^no servers are recorded here$/m);
  expect((await runCli(sandbox, [...NOW, '--verbose'])).stdout).toMatch(new RegExp(`^gone +${pid} `, 'm'));
});

test('the password in a record is used to ask, and is never seen', { ...onDemand }, async () => {
  const port = await sandbox.reserve();
  const { pid } = await spawnServer(sandbox, { release: 'native', port, password: HEX });
  await writeDown(formatOf('dalong0514').record(subject(pid, port)));
  const run = async (...args: string[]) => {
    const { stdout, stderr } = await runCli(sandbox, args);
    const kept = existsSync(sandbox.stateDir) ? Object.values(stateFiles(sandbox.stateDir)) : [];
    expect([stdout, stderr, ...kept].join('\n')).not.toContain(HEX);
    return stdout;
  };
  expect(await run('why', `:${port}`, '--older-than', '0s')).toMatch(/^\S+ is stale$/m);
  expect(await run('list', '--json', '--older-than', '0s')).toContain('"verdict": "stale"');
  expect(await run(...NOW, '-v')).toMatch(/^stopped/m);
  expect(await run('log')).toContain('stopped');
  expect(alive(pid)).toBe(false);
});

test('a server that two plugins wrote down is judged once, and a job of one spares it for both', async () => {
  const { pid, port } = await startFake(sandbox);
  const [jv, naicud] = [formatOf('johnnyvicious'), formatOf('naicud')];
  const runner = { pid: startBystander(sandbox), at: Date.now() };
  const server = subject(pid, port);
  const written = await writeDown(jv.record(server), naicud.record(server));
  const running = await writeDown(naicud.job?.(server, runner, 'running') ?? {});
  const spared = await reapJson(sandbox, NOW);
  expect(spared.servers).toMatchObject([{ verdict: 'spared', reasons: ['idle'], alsoIn: [{ format: 'naicud' }] }]);
  expect(spared.servers[0]?.guards.find(({ name }) => name === 'idle')?.detail).toBe(
    `1 plugin job (task-lx3k9-ab12cd, pid ${runner.pid}) in flight`,
  );
  process.kill(runner.pid, 'SIGKILL');
  await waitFor('the job has ended', () => !alive(runner.pid));
  const stopped = await reapJson(sandbox, NOW);
  expect(stopped.servers).toMatchObject([{ outcome: { kind: 'stopped' } }]);
  expect([alive(pid), isUntouched(written), isUntouched(running)]).toEqual([false, true, true]);
});

test('a server that its plugin did not write down is named with all that helps to know it, until it is adopted', {
  ...onDemand,
}, async () => {
  const { pid, port } = await spawnServer(sandbox, { release: 'native', port: await sandbox.reserve() });
  const first = await runCli(sandbox, NOW);
  expect(first).toMatchObject({ code: 0, stderr: '' });
  // Others may run on this machine, too.
  expect(first.stdout).toMatch(
    /^no servers are recorded here\n\d+ servers? that (is|are) not recorded, [\d.]+ [MG]B: opencode-reap list --all\n$/,
  );
  const [summary, count, , ...others] = (await runCli(sandbox, ['list', '--all'])).stdout.trimEnd().split('\n');
  const line = others.find((one) => one.startsWith(`${pid} `));
  expect(summary).toBe('no servers are recorded here');
  // It has just been started by this very process, which still runs.
  expect(line).toMatch(
    new RegExp(`^${pid} +${port} +\\d+ s +\\d+% +\\d+ MB +\\S+project +below \\S.*, pid ${process.pid}$`),
  );
  expect(count).toMatch(/^\d+ servers? not recorded, [\d.]+ [MG]B, and left alone:$/);
  expect(others.at(-1)).toMatch(/^opencode-reap stop \S+ ends (it|one); opencode-reap adopt \S+ lets it be reaped$/);
  expect(alive(pid)).toBe(true);
  expect((await runCli(sandbox, ['adopt', `${pid}`])).code).toBe(0);
  expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ outcome: { kind: 'stopped' } }]);
  expect(alive(pid)).toBe(false);
});

test('what a record does not prove can be stopped or adopted by naming the process', async () => {
  const { pid, port } = await startFake(sandbox);
  await writeDown(formatOf('brahmsyaifullah').record(subject(pid, port)));
  expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ verdict: 'unsure' }]);
  expect((await runCli(sandbox, ['adopt', `${pid}`])).code).toBe(0);
  expect((await reapJson(sandbox, NOW)).servers).toMatchObject([
    { source: { format: 'native' }, alsoIn: [{ format: 'brahmsyaifullah' }], outcome: { kind: 'stopped' } },
  ]);
});

test('what a plugin says is the user’s, or has not marked, is reaped once a person has handed it over', async () => {
  const server = async (name: string) => {
    const { pid, port } = await startFake(sandbox, { OPENCODE_SERVER_PASSWORD: HEX });
    await writeDown(formatOf(name).foreign?.(subject(pid, port)) ?? {});
    return pid;
  };
  const pids = [await server('therealdinghydog'), await server('thevinialmeida')];
  expect((await reapJson(sandbox, NOW)).servers.map(({ reasons }) => reasons[0])).toEqual(['owned', 'owned']);
  for (const pid of pids) {
    expect(await runCli(sandbox, ['adopt', `${pid}`])).toMatchObject({ code: 0, stderr: '' });
    const again = await runCli(sandbox, ['adopt', `${pid}`]);
    expect(again).toMatchObject({ code: 0, stdout: expect.stringContaining('may already be reaped') });
  }
  const { servers } = await reapJson(sandbox, NOW);
  expect(servers.map(({ outcome }) => outcome?.kind)).toEqual(['stopped', 'stopped']);
  expect(pids.filter(alive)).toEqual([]);
});

test('a server of a plugin’s is used again as its own, and one that its record does not prove as one of unknown origin', async () => {
  const { pid, port } = await startFake(sandbox);
  const start = async () => JSON.parse((await runCli(sandbox, ['start', '--port', `${port}`, '--json'])).stdout);
  const server = subject(pid, port);
  await writeDown(formatOf('johnnyvicious').record({ ...server, startedAt: server.startedAt - 3_600_000 }));
  expect(await start()).toMatchObject({ pid, alreadyRunning: true, startedByPlugin: false, id: null });
  await writeDown(formatOf('johnnyvicious').record(server));
  const id = `${pid}-${server.startToken}`;
  expect(await start()).toMatchObject({ pid, alreadyRunning: true, startedByPlugin: true, id });
});
