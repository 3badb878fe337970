// Stays connected to a server until a file is there, and then ends with a reset. usage: node client.cjs PORT FILE
const { existsSync } = require('node:fs');
const http = require('node:http');

const [port, file] = process.argv.slice(2);
const asked = http.get({ host: '127.0.0.1', port, path: '/event' }, (answer) => answer.resume());
asked.on('error', () => process.exit(1));
asked.on('response', () => process.stdout.write('connected'));
setInterval(() => {
  if (!existsSync(file)) return;
  asked.socket.resetAndDestroy();
  process.exit();
}, 200);
setTimeout(() => process.exit(2), 300_000);
