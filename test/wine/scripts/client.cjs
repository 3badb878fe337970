// Uses a server over one connection until a file is there, and then ends with a reset. usage: node client.cjs PORT FILE
const { existsSync } = require('node:fs');
const http = require('node:http');

const [port, file] = process.argv.slice(2);
const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
let isTold = false;

function ask() {
  const asked = http.get({ host: '127.0.0.1', port, path: '/global/health', agent }, (answer) => {
    answer.resume();
    answer.on('end', () => {
      if (!isTold) process.stdout.write('connected');
      isTold = true;
      if (existsSync(file)) {
        asked.socket.resetAndDestroy();
        setTimeout(process.exit, 200, 0);
      } else setTimeout(ask, 500);
    });
  });
  asked.on('error', () => process.exit(1));
}
ask();
setTimeout(() => process.exit(2), 300_000);
