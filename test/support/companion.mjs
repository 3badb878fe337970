// A stand-in for the program of the plugins that write nothing down (tasict's line), written by hand: it starts a server
// in exactly their way, and says what they say in a job's log. Where they write to `/tmp` by name, it writes to
// OPENCODE_REAP_TMP.
//   review                 asks for a server and waits for whatever it starts, which keeps this process alive
//   task --background      starts a detached worker, which does that, and ends
//   task-worker JOB
// With --for-long its job never ends; with --no-wait it does not wait until the server answers.
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { appendFileSync, mkdirSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const [, script, command, ...rest] = process.argv;
const hash = createHash('sha256').update(process.cwd()).digest('hex').slice(0, 16);
const folder = join(process.env.OPENCODE_REAP_TMP ?? '/tmp', 'opencode-companion', hash);
const job = rest.find((word) => !word.startsWith('-')) ?? `${command}-${process.pid}`;
mkdirSync(join(folder, 'jobs'), { recursive: true, mode: 0o700 });

const log = (line) => appendFileSync(join(folder, 'jobs', `${job}.log`), `[${new Date().toISOString()}] ${line}\n`);
const note = (status) => {
  const at = new Date().toISOString();
  const jobs = [{ id: job, type: 'task', status, pid: process.pid, createdAt: at, updatedAt: at }];
  writeFileSync(join(folder, 'state.json'), JSON.stringify({ config: {}, jobs }));
};

/** Its connections end with a reset, so that a test need not wait for the minute in which the kernel remembers them. */
const isHealthy = () =>
  new Promise((resolve) => {
    const asking = get('http://127.0.0.1:4096/global/health', { agent: false, timeout: 3_000 }, (answer) => {
      answer.socket.resetAndDestroy();
      resolve(answer.statusCode === 200);
    });
    // A 1.18 accepts connections before it can answer, and never answers those.
    asking.on('timeout', () => {
      asking.socket?.resetAndDestroy();
      resolve(false);
    });
    asking.on('error', () => resolve(false));
  });

if (rest.includes('--background')) {
  const worker = spawn(process.execPath, [script, 'task-worker', job], { detached: true, stdio: 'ignore' });
  worker.unref();
} else {
  note('running');
  log(
    `[starting] ${command === 'task-worker' ? 'Background worker connecting to OpenCode' : 'Connecting to OpenCode server'}...`,
  );
  if (!(await isHealthy())) {
    const server = spawn('opencode', ['serve', '--port', '4096'], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    });
    server.unref();
    while (!rest.includes('--no-wait') && !(await isHealthy())) await sleep(250);
  }
  log('[running] connected');
  if (!rest.includes('--for-long')) note('completed');
}
