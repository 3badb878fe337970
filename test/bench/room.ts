import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { machine, recordOf } from '../support/fake.js';
import { pids, portHolder, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

declare const BENCH_ROOT: string;
export const ROOT = BENCH_ROOT;

/** What a command has to look at. Every number is exact but `processes`, which is at least this machine's own. */
export interface Furniture {
  readonly records?: number;
  readonly processes?: number;
  /** Pairs of TCP sockets of a process that has nothing to do with anything. */
  readonly connections?: number;
  /** Recorded servers that live, and that a younger guard than the server's own word spares. */
  readonly live?: number;
  readonly unrecorded?: number;
}

export interface Room {
  readonly box: Sandbox;
  readonly close: () => Promise<void>;
}

/** `opencode serve` in name and in its answers only: a stand-in, since ten real ones would be 3 GB. */
const STAND_IN = join(ROOT, 'test/support/fake-opencode.mjs');

export async function furnish({
  records = 0,
  processes = 0,
  connections = 0,
  live = 0,
  unrecorded = 0,
}: Furniture): Promise<Room> {
  const box = await createSandbox('bench');
  const own: ChildProcess[] = [];
  symlinkSync(STAND_IN, join(box.binDir, 'opencode'));
  for (let n = 0; n < live; n += 1) record(box, `live-${n}`, await standIn(box));
  for (let n = 0; n < unrecorded; n += 1) await standIn(box);
  const gone = spawnSync('true', { stdio: 'ignore' }).pid;
  for (let n = 0; n < records; n += 1) {
    record(box, `gone-${`${n}`.padStart(5, '0')}`, { pid: gone, port: 20_000 + n, token: `1${n}` });
  }
  if (connections > 0) own.push(await connected(box, connections));
  const lacking = processes - pids().length;
  if (lacking > 0) own.push(await crowd(box, lacking, processes));
  const close = async (): Promise<void> => {
    // Each leads a group in which there is nothing but what it started itself.
    for (const { pid } of own) if (pid !== undefined) process.kill(-pid, 'SIGKILL');
    await box.dispose();
  };
  return { box, close };
}

interface Server {
  readonly pid: number;
  readonly port: number;
  readonly token: string | undefined;
}

async function standIn(box: Sandbox): Promise<Server> {
  const port = await box.reserve();
  const { pid = 0 } = box.spawn('opencode', ['serve', '--port', `${port}`], { detached: true, stdio: 'ignore' });
  await waitFor('the stand-in listens', () => portHolder(port) === pid);
  return { pid, port, token: startToken(pid) };
}

function record(box: Sandbox, id: string, { pid, port, token }: Server): void {
  const folder = join(box.stateDir, 'servers');
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const identity = { startToken: token, serverStartToken: token, machine: machine() };
  writeFileSync(join(folder, `${id}.json`), JSON.stringify({ ...recordOf(box, id, { pid, port }), ...identity }), {
    mode: 0o600,
  });
}

async function crowd(box: Sandbox, count: number, all: number): Promise<ChildProcess> {
  const script = `i=0; while [ $i -lt ${count} ]; do sleep 3600 & i=$((i+1)); done; wait`;
  const child = box.spawn('sh', ['-c', script], { detached: true, stdio: 'ignore' });
  await waitFor('the crowd is there', () => pids().length >= all, 120_000);
  return child;
}

async function connected(box: Sandbox, count: number): Promise<ChildProcess> {
  const script = `
    const net = require('node:net'); let left = ${count};
    const server = net.createServer(() => undefined).listen(0, '127.0.0.1', () => {
      for (let n = 0; n < ${count}; n += 1) net.connect(server.address().port, '127.0.0.1', () => { if (--left === 0) console.log('connected'); });
    });`;
  const child = spawn(process.execPath, ['-e', script], {
    env: box.env(),
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  await new Promise((resolve) => child.stdout?.once('data', resolve));
  return child;
}
