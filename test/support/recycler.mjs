// Stands above a server in a pid namespace of its own, and as soon as that has ended gives its pid to a look-alike: the
// same program with the same arguments, in another process. With `before`, that is right before the program's last look
// before that signal, which a first run with a server of its own finds. Prints one line of JSON about what became of it.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const { program, reapWith, format, until, before, port, serverEnv, dies } = JSON.parse(process.argv[2]);
const { OPENCODE_REAP_STATE_DIR: stateDir, HOME: home } = process.env;

const start = (env = {}) =>
  spawn('opencode', ['serve', '--port', `${port}`], {
    detached: true,
    stdio: 'ignore',
    env: { ...process.env, ...env },
  });
const startToken = (pid) => /.*\) (.*)$/s.exec(readFileSync(`/proc/${pid}/stat`, 'utf8'))[1].split(' ')[19];
const isAlive = (pid) => existsSync(`/proc/${pid}`) && !/\) [ZX] /.test(readFileSync(`/proc/${pid}/stat`, 'utf8'));
const line = (file) => (existsSync(file) ? readFileSync(file, 'utf8').trim() || undefined : undefined);
const row = new RegExp(`:${port.toString(16).toUpperCase().padStart(4, '0')} \\S+ 0A `);
const listens = async () => {
  while (!row.test(readFileSync('/proc/net/tcp', 'utf8'))) await sleep(20);
};
const write = (folder, name, json) => {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  writeFileSync(join(folder, name), JSON.stringify(json), { mode: 0o600 });
};

/** The kernel gives out the number after this one; whatever else starts in here may take it first. */
function startAt(pid) {
  for (let attempt = 0; attempt < 200; attempt += 1) {
    writeFileSync('/proc/sys/kernel/ns_last_pid', `${pid - 1}`);
    const child = start();
    if (child.pid === pid) return child;
    child.kill('SIGKILL');
  }
  throw new Error(`pid ${pid} was not given out again`);
}

const LOOKS = fileURLToPath(new URL('recycle-at-look.cjs', import.meta.url));
const tag = 'a tag';
const machine = {
  id: line('/etc/machine-id') ?? line('/var/lib/dbus/machine-id'),
  boot: line('/proc/sys/kernel/random/boot_id'),
  pidNamespace: readlinkSync('/proc/self/ns/pid'),
  name: 'box',
};

async function startRecorded() {
  const server = start({ OPENCODE_REAP_TAG: tag, ...serverEnv });
  await listens();
  const token = startToken(server.pid);
  record(server.pid, token);
  return { server, pid: server.pid, token };
}

function record(pid, token) {
  if (format === 'native') {
    write(join(stateDir, 'servers'), 'srv.json', {
      schema: 'opencode-reap/1',
      id: 'srv',
      startedByPlugin: true,
      plugin: 'a test',
      tag,
      pid,
      startToken: token,
      serverPid: pid,
      serverStartToken: token,
      machine,
      uid: process.getuid(),
      hostname: '127.0.0.1',
      port,
      command: ['opencode', 'serve'],
      workspace: process.cwd(),
      startedAt: new Date().toISOString(),
      state: 'ready',
    });
  } else {
    // A plugin's: a bare pid and a time, long ago by the time that the look-alike starts.
    write(join(home, '.claude/plugins/data/opencode-x/state/0123456789abcdef'), 'server.json', {
      lastServerPid: pid,
      lastServerStartedAt: Date.now() - Number(dies ?? 0),
    });
  }
}

const reap = async (looking = {}) => {
  const stdio = ['ignore', 'pipe', 'inherit'];
  const env = { ...process.env, ...looking };
  const child = spawn(process.execPath, [program, ...reapWith, '--json'], { stdio, env });
  let printed = '';
  child.stdout.on('data', (text) => (printed += text));
  await once(child, 'close');
  return JSON.parse(printed);
};

/** How many looks at its server the program takes until the last one before that signal. */
async function lastLookBefore(signal) {
  const { server, pid } = await startRecorded();
  const folder = mkdtempSync(join(tmpdir(), 'looks-'));
  await reap({ NODE_OPTIONS: `--require=${LOOKS}`, LOOKED_AT: `${pid}`, LOOKS_IN: folder });
  server.kill('SIGKILL');
  const steps = readFileSync(join(folder, 'steps'), 'utf8').split('\n');
  const sent = steps.indexOf(signal);
  if (sent < 0) throw new Error(`the program has sent no ${signal}: ${steps}`);
  return steps.slice(0, sent).filter((step) => step === 'look').length;
}

/** Ends the server when the program is about to take that look; the program waits for what follows it. */
async function endBefore(folder, server, follower) {
  while (!existsSync(join(folder, 'now'))) await sleep(2);
  server.kill('SIGKILL');
  await follower;
  writeFileSync(join(folder, 'done'), '');
}

const at = before && (await lastLookBefore(before));
const { server, pid, token } = await startRecorded();
const recycled = once(server, 'exit').then(() => startAt(pid));
const looks = mkdtempSync(join(tmpdir(), 'looks-'));
if (before) void endBefore(looks, server, recycled);

if (until === 'the run') {
  server.kill('SIGKILL');
  await recycled;
  await listens();
}
const looking = { NODE_OPTIONS: `--require=${LOOKS}`, LOOKED_AT: `${pid}`, LOOKS_IN: looks, RECYCLE_AT: `${at}` };
const report = await reap(before ? looking : {});
if (until !== 'the run') await Promise.race([recycled, sleep(3_000)]);
const lookAlike = await Promise.race([recycled, sleep(1_000)]);
// A signal that was sent just now arrives before this is over.
await sleep(700);
const same = lookAlike && isAlive(pid) ? startToken(pid) : undefined;
const args = same && readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').slice(1, -1);
process.stdout.write(`${JSON.stringify({ pid, was: token, is: same, args, report: report.servers })}\n`);
lookAlike?.kill('SIGKILL');
process.exit(0);
