// Starts a server as its user does, waits until it answers, and leaves it. usage: node serve.cjs PORT PROJECT
const { spawn } = require('node:child_process');
const http = require('node:http');
const { join } = require('node:path');

const [port, project] = process.argv.slice(2);
const exe = join('C:/tools/npm/node_modules/opencode-ai/bin/opencode.exe');
const child = spawn(exe, ['serve', '--port', port], {
  detached: true,
  stdio: 'ignore',
  windowsHide: true,
  cwd: project,
});
child.unref();

function ask() {
  const asked = http.get({ host: '127.0.0.1', port, path: '/global/health', timeout: 1500 });
  const again = () => setTimeout(ask, 300);
  asked.once('error', again);
  asked.on('timeout', () => asked.destroy());
  asked.on('response', (answer) => {
    answer.resume();
    answer.on('end', () => {
      asked.off('error', again).on('error', () => undefined);
      // Closed in the usual way it would leave a row for a minute, by which the server counts as used.
      asked.socket.resetAndDestroy();
      process.stdout.write(String(child.pid));
      setTimeout(process.exit, 100, 0);
    });
  });
}
setTimeout(() => process.exit(3), 120_000).unref();
ask();
