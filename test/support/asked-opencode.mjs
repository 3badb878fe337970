#!/usr/bin/env node
// Stands in for `opencode serve --port N` where it matters when it is asked what. Its folder ASKED has what it was asked, a
// line each, in `log`. The HOLD_AT-th question about busy sessions is answered only once the file `go` is there; `held` is
// there from when it came. With TOOL_MS each such question starts a process in a session of its own, for that long.
import { spawn } from 'node:child_process';
import { appendFileSync, existsSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const { ASKED: folder, HOLD_AT, TOOL_MS } = process.env;
const JSON_TYPE = { 'content-type': 'application/json' };
let statuses = 0;

const answer = (response, body) => response.writeHead(200, JSON_TYPE).end(JSON.stringify(body));

const whenReleased = (then) => {
  writeFileSync(join(folder, 'held'), '');
  const timer = setInterval(() => {
    if (!existsSync(join(folder, 'go'))) return;
    clearInterval(timer);
    then();
  }, 10);
};

const status = (response) => {
  statuses += 1;
  if (TOOL_MS) {
    const tool = `setTimeout(() => undefined, ${TOOL_MS})`;
    spawn(process.execPath, ['-e', tool], { detached: true, stdio: 'ignore' }).unref();
  }
  if (statuses === Number(HOLD_AT)) whenReleased(() => answer(response, {}));
  else answer(response, {});
};

const server = createServer((request, response) => {
  const path = new URL(request.url, 'http://asked').pathname;
  appendFileSync(join(folder, 'log'), `${request.method} ${path}\n`);
  if (path === '/session/status') status(response);
  else if (path === '/global/event')
    response.writeHead(200, { 'content-type': 'text/event-stream' }).write('data: {}\n\n');
  else if (path === '/global/health') answer(response, { healthy: true, version: '0.0.0-stand-in' });
  else answer(response, path === '/global/dispose' ? true : []);
});
server.on('connection', (socket) => socket.on('error', () => undefined));
server.listen(Number(process.argv[process.argv.indexOf('--port') + 1]), '127.0.0.1');
