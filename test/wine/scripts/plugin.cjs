// Starts a server as JohnnyVicious' plugin does, waits until it answers, writes down the pid of what it spawned, and ends.
// usage: node plugin.cjs PORT PROJECT HOME
const { spawn } = require('node:child_process');
const { createHash } = require('node:crypto');
const { mkdirSync, writeFileSync } = require('node:fs');
const http = require('node:http');
const { join } = require('node:path');

const [port, project, home] = process.argv.slice(2);
const child = spawn(`opencode serve --port ${port}`, {
  shell: true,
  detached: true,
  stdio: 'ignore',
  windowsHide: true,
  cwd: project,
});
child.unref();
const lastServerStartedAt = Date.now();

function writeDown() {
  const hash = createHash('sha256').update(project).digest('hex').slice(0, 16);
  const folder = join(home, '.claude/plugins/data/opencode-jv/state', hash);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'server.json'), JSON.stringify({ lastServerPid: child.pid, lastServerStartedAt }));
  process.stdout.write(String(child.pid));
  process.exit();
}

function ask() {
  const asked = http.get({
    host: '127.0.0.1',
    port,
    path: '/global/health',
    timeout: 1500,
    agent: new http.Agent({ keepAlive: true }),
  });
  const again = () => setTimeout(ask, 300);
  asked.once('error', again);
  // Closed in the usual way it would leave a row for a minute, by which the server counts as used.
  asked.on('timeout', () => (asked.socket?.connecting ? asked.destroy() : asked.socket?.resetAndDestroy()));
  asked.on('response', (answer) => {
    answer.resume();
    answer.on('end', () => {
      asked.off('error', again).on('error', () => undefined);
      asked.socket.resetAndDestroy();
      setTimeout(writeDown, 100);
    });
  });
}
setTimeout(() => process.exit(3), 120_000).unref();
ask();
