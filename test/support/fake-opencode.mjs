#!/usr/bin/env node
// Stands in for `opencode serve --port N` where many are needed and what they are does not matter: it answers as an
// idle server does. With OPENCODE_SERVER_PASSWORD it wants that, unless FAKE_OPENCODE=open. FAKE_OPENCODE=silent accepts connections and never answers; `old` cannot list its sessions; `last`
// ends once it has answered; `slow` never answers the first who asks it to let go, so that a stop takes 6 s;
// FAKE_OPENCODE_ASKED is a file that gets a line for every connection and question, and for every SIGTERM if it takes its time; `late` answers nothing that comes in
// its first 1.2 s; `disposed` ends once it has let go; FAKE_OPENCODE_ENDS is how many ms after SIGTERM it ends; `deaf` takes its first SIGTERM for another's, as OpenCode does while it waits for a child.
// With FAKE_OPENCODE_CHILD it has a child, which outlives it, as an MCP server does that ignores the end of its input.
import { spawn } from 'node:child_process';
import { appendFileSync } from 'node:fs';
import { createServer } from 'node:http';

const optionOf = (name, otherwise) => {
  const at = process.argv.indexOf(name);
  return at < 0 ? otherwise : process.argv[at + 1];
};

const ANSWERS = {
  '/global/health': { healthy: true, version: '0.0.0-fake' },
  '/experimental/session': [],
  '/project': [],
  '/session/status': {},
  '/global/dispose': true,
};

if (process.env.FAKE_OPENCODE === 'old') delete ANSWERS['/experimental/session'];

let hasBeenSlow = false;

const { FAKE_OPENCODE_ASKED: asked, FAKE_OPENCODE_ENDS: endsAfter } = process.env;

const server = createServer((request, response) => {
  if (asked) appendFileSync(asked, `${request.method} ${request.url}\n`);
  if (process.env.FAKE_OPENCODE === 'silent') return;
  if (process.env.FAKE_OPENCODE === 'late' && performance.now() < 1_200) return;
  if (process.env.FAKE_OPENCODE === 'slow' && request.method === 'POST' && !hasBeenSlow) {
    hasBeenSlow = true;
    return;
  }
  const { OPENCODE_SERVER_PASSWORD: password } = process.env;
  const wanted = `Basic ${Buffer.from(`opencode:${password}`).toString('base64')}`;
  if (password && process.env.FAKE_OPENCODE !== 'open' && request.headers.authorization !== wanted) {
    response.writeHead(401, { 'www-authenticate': 'Basic realm="Secure Area"' }).end();
    return;
  }
  const answer = ANSWERS[new URL(request.url, 'http://fake').pathname];
  const [type, body] =
    answer === undefined ? ['text/html', '<html></html>'] : ['application/json', JSON.stringify(answer)];
  if (process.env.FAKE_OPENCODE === 'disposed' && request.method === 'POST') response.on('close', () => process.exit());
  if (process.env.FAKE_OPENCODE === 'last') response.on('close', () => process.exit());
  response.writeHead(200, { 'content-type': type }).end(body);
});

if (endsAfter !== undefined)
  process.on('SIGTERM', () => {
    if (asked) appendFileSync(asked, 'SIGTERM\n');
    setTimeout(() => process.exit(), Number(endsAfter));
  });
if (process.env.FAKE_OPENCODE === 'deaf') process.once('SIGTERM', () => undefined);
if (process.env.FAKE_OPENCODE_CHILD) spawn('sleep', ['600'], { stdio: 'ignore' });
if (asked) server.on('connection', () => appendFileSync(asked, 'connection\n'));
server.listen(Number(optionOf('--port', '0')), optionOf('--hostname', '127.0.0.1'));
