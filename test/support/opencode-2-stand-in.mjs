// Stands in for `opencode serve` of OpenCode 2 (as 2.0.16 to 2.3 are known to be), which cannot be installed here: it speaks
// its routes, has its children, and is in the states that a test chooses. opencode-2.ts puts it on the PATH and drives it.
// It is loaded before node looks for a program, so that its command line is `opencode serve --port N`, like the real one's.
//
// STAND_IN is what opencode-2.ts calls Settings, as JSON. POST /stand-in takes { states, answers } and GET /stand-in says
// what it has done; neither wants a password, and both work while it is hung.
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:http';
import { homedir, tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

const args = process.argv.slice(2);
const has = (flag) => args.includes(flag);
const optionOf = (flag) => {
  const at = args.findIndex((arg) => arg === flag || arg.startsWith(`${flag}=`));
  return at < 0 ? undefined : args[at].includes('=') ? args[at].slice(flag.length + 1) : args[at + 1];
};

const settings = JSON.parse(process.env.STAND_IN ?? '{}');
const {
  version = '2.3.2',
  mcp = [],
  mcpSession = 'own',
  bootMs = 400,
  refusal = 'empty',
  onSigterm = 'end',
} = settings;
const directory = settings.directory ?? process.cwd();
delete process.env.STAND_IN;
delete process.env.NODE_OPTIONS;

if (has('--version')) {
  process.stdout.write(`${version}\n`);
  process.exit(0);
}

const mode = has('--service') ? 'service' : has('--stdio') ? 'stdio' : 'plain';
const configFile = join(process.env.XDG_CONFIG_HOME ?? join(homedir(), '.config'), 'opencode/service.json');
const registration = join(process.env.XDG_STATE_HOME ?? join(homedir(), '.local/state'), 'opencode/service.json');

const readJson = (file) => {
  try {
    return JSON.parse(readFileSync(file, 'utf8'));
  } catch {
    return undefined;
  }
};

const writeJson = (file, content) => {
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(`${file}.tmp`, JSON.stringify(content), { mode: 0o600 });
  renameSync(`${file}.tmp`, file);
};

if (mode === 'service') process.chdir(homedir());
const config = mode === 'service' ? (readJson(configFile) ?? {}) : {};
// An empty variable counts as none; a service's password comes from its file alone.
const given =
  mode === 'service' ? config.password : process.env.OPENCODE_PASSWORD || process.env.OPENCODE_SERVER_PASSWORD;
const password = given || randomBytes(32).toString('base64url');
if (mode === 'stdio') {
  delete process.env.OPENCODE_PASSWORD;
  delete process.env.OPENCODE_SERVER_PASSWORD;
}

// ---- what it has done, for the test
const done = { loaded: [], mcpStarts: 0, asked: [] };

// ---- what runs in it
const newId = (prefix) => `${prefix}_${randomBytes(12).toString('hex')}`;
let phase = 'starting';
let isSwallowing = true;
let states = [];
let answers = settings.answers ?? {};
const loaded = new Set();
const active = new Map();
const [shells, ptys, permissions, forms] = [[], [], [], []];
const children = [];

const forget = (list, one) => {
  const at = list.indexOf(one);
  if (at >= 0) list.splice(at, 1);
};

/** Every child but an older release's MCP server has a session of its own; only tools and terminals carry OPENCODE_TERMINAL. */
const start = (kind, command, words, { isTerminal = false, own = true, at = directory, ...options } = {}) => {
  const env = { ...process.env, ...(isTerminal && { TERM: 'xterm-256color', OPENCODE_TERMINAL: '1' }) };
  const child = spawn(command, words, {
    cwd: at,
    env,
    detached: own,
    stdio: [kind === 'mcp' ? 'pipe' : 'ignore', 'ignore', 'ignore'],
    ...options,
  });
  child.on('error', () => undefined);
  child.stdin?.on('error', () => undefined);
  const one = { kind, child, own, at, gone: new Promise((resolve) => child.once('exit', () => resolve(true))) };
  children.push(one);
  // What has ended is not ended again, and so what it has left in its group goes on.
  void one.gone.then(() => forget(children, one));
  return one;
};

const signal = ({ own, child }, name) => {
  try {
    process.kill(own ? -child.pid : child.pid, name);
  } catch {
    // It has ended by itself.
  }
};

const within = ({ gone }, ms) => Promise.race([gone, sleep(ms).then(() => false)]);

/** As the real one does: its standard input first, then SIGTERM to the group, then SIGKILL. */
const end = async (one) => {
  forget(children, one);
  if (one.kind === 'mcp') {
    one.child.stdin.end();
    if (await within(one, 2_000)) return;
  }
  signal(one, 'SIGTERM');
  if (await within(one, one.kind === 'mcp' ? 2_000 : 3_000)) return;
  signal(one, 'SIGKILL');
  await one.gone;
};

const STUBBORN = 'trap "" TERM INT HUP; ';
const MCP = { plain: 'cat >/dev/null', stubborn: `${STUBBORN}sleep 9870; true`, listening: undefined };
const LISTENS =
  "require('net').createServer().listen(0,'127.0.0.1');process.stdin.resume().on('end',()=>process.exit())";

/** A directory is loaded when it is first asked about: its MCP servers start then, one set for each. */
const load = (at) => {
  if (loaded.has(at)) return;
  loaded.add(at);
  done.loaded.push(at);
  for (const kind of mcp) {
    done.mcpStarts += 1;
    const [command, flag] = kind === 'listening' ? [process.execPath, '-e'] : ['/bin/sh', '-c'];
    start('mcp', command, [flag, MCP[kind] ?? LISTENS, kind], { own: mcpSession === 'own', at });
  }
};

const unload = async (at) => {
  loaded.delete(at);
  // One after another, and so are the directories.
  for (const one of children.filter((child) => child.at === at)) await end(one);
};

const shellLine = (line) => ['-c', `${settings.stubbornShells ? STUBBORN : ''}${line}; true`];
const infoOf = (prefix, { child }, more) => ({
  id: newId(prefix),
  status: 'running',
  cwd: directory,
  pid: child.pid,
  ...more,
});

const runShell = (line, sessionID) => {
  const one = start('shell', '/bin/sh', shellLine(line), { isTerminal: true });
  const info = infoOf('sh', one, { command: line, shell: '/bin/sh', metadata: { sessionID } });
  const shell = { at: directory, info };
  shells.push(shell);
  void one.gone.then(() => forget(shells, shell));
};

const openPty = () => {
  const one = start('pty', '/bin/sh', shellLine('sleep 9872'), { isTerminal: true });
  ptys.push({ at: directory, info: infoOf('pty', one, { title: 'Terminal', command: '/bin/sh', args: ['-l'] }) });
};

/** A child of the server; its terminals are children of its own, in sessions of their own. */
const startDaemon = (hasTerminal) => {
  const folder = join(dirname(registration), 'pty');
  const run = `${hasTerminal ? 'setsid sleep 9873' : 'sleep 9874'} & trap "kill $!; exit" TERM; wait`;
  const named = ['daemon', '--runtime-dir', folder, '--name', randomUUID()];
  // The kernel calls a process as the file that it was started by.
  const program = join(folder, 'opencode-pty');
  mkdirSync(folder, { recursive: true });
  if (!existsSync(program)) symlinkSync('/bin/sh', program);
  start('daemon', program, ['-c', run, ...named], { argv0: 'opencode-pty' });
};

const BUSY = ['prompt', 'rate-limit', 'permission', 'form', 'tool', 'subagent'];

const begin = (state) => {
  const sessionID = newId('ses');
  if (state !== 'hung') load(directory);
  if (BUSY.includes(state)) active.set(sessionID, { type: 'running' });
  if (state === 'tool') runShell('sleep 9871', sessionID);
  if (state === 'background shell') runShell('sleep 9871', sessionID);
  if (state === 'left behind') runShell('setsid sleep 9875 & nohup sleep 9876 >/dev/null 2>&1 & exit', sessionID);
  if (state === 'nested') runShell(settings.nested, sessionID);
  if (state === 'pty') openPty();
  if (state === 'persistent terminal') startDaemon(true);
  if (state === 'pty daemon') startDaemon(false);
  // It is nobody's to end.
  if (state === 'detached by a plugin') spawn('sleep', ['9877'], { detached: true, stdio: 'ignore' }).unref();
  if (state === 'permission')
    permissions.push({ at: directory, info: { id: newId('per'), sessionID, action: 'shell' } });
  if (state === 'form') forms.push({ at: directory, info: { id: newId('frm'), sessionID, fields: [] } });
};

const become = async (next) => {
  for (const one of children.filter(({ kind }) => kind !== 'mcp')) await end(one);
  for (const list of [shells, ptys, permissions, forms]) list.length = 0;
  active.clear();
  states = next;
  next.forEach(begin);
};

// ---- what it answers
const json = (response, status, body, headers = {}) =>
  response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
const empty = (response, status, headers = {}) => response.writeHead(status, { 'content-length': 0, ...headers }).end();

const REALM = { 'www-authenticate': 'Basic realm="Secure Area"' };
const REFUSE = {
  empty: (response) => empty(response, 401, REALM),
  json: (response) => json(response, 401, { _tag: 'UnauthorizedError', message: 'Authentication required' }, REALM),
  bare: (response) => empty(response, 401),
};

/** Answers that are not what they should be, by path. */
const WRONG = {
  missing: (response) => empty(response, 404),
  garbage: (response) => response.writeHead(200, { 'content-type': 'application/json' }).end('{"data":'),
  page: (response) => response.writeHead(200, { 'content-type': 'text/html' }).end('<!doctype html>'),
  error: (response) => json(response, 500, { _tag: 'InternalServerError' }),
  silent: () => undefined,
  endless: (response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).write('{"data":{"');
    const timer = setInterval(() => response.write(' '.repeat(1_000)), 20);
    response.on('close', () => clearInterval(timer));
  },
};

const isAllowed = ({ headers }, url) => {
  const basic = /^Basic\s+(.+)$/i.exec(headers.authorization ?? '')?.[1];
  const token = url.searchParams.get('auth_token') ?? basic ?? '';
  return Buffer.from(token, 'base64').toString() === `opencode:${password}`;
};

const isApi = (path) => path === '/api' || /^\/(api|auth)\//.test(path) || path === '/openapi.json';

const placeOf = ({ headers }, url) => {
  const header = headers['x-opencode-directory'];
  return url.searchParams.get('location[directory]') ?? (header && decodeURIComponent(header)) ?? process.cwd();
};

/** What is true of one directory, which loads it. */
const listed = (list) => (response, at) => {
  load(at);
  const data = list.filter((one) => one.at === at).map(({ info }) => info);
  json(response, 200, { location: { directory: at, project: { id: 'global', directory: at, canonical: at } }, data });
};

const events = (response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write(
    `data: ${JSON.stringify({ id: newId('evt'), type: 'server.connected', data: {} })}\n\n: heartbeat\n\n`,
  );
};

const ROUTES = {
  'GET /api/info': (response) => json(response, 200, info()),
  'GET /api/session/active': (response) => json(response, 200, { data: Object.fromEntries(active) }),
  'GET /api/session': (response) => json(response, 200, { data: [], cursor: { previous: null, next: null } }),
  'GET /api/debug/location': (response) =>
    json(
      response,
      200,
      [...loaded].map((at) => ({ directory: at })),
    ),
  'DELETE /api/debug/location': (response, at) => void unload(at).then(() => empty(response, 204)),
  'GET /api/shell': listed(shells),
  'GET /api/pty': listed(ptys),
  'GET /api/permission/request': listed(permissions),
  'GET /api/form': listed(forms),
  'GET /api/mcp': listed([]),
  'GET /api/plugin': listed([]),
  'GET /api/location': listed([]),
  'GET /api/event': events,
};

const info = () => ({ version, pid: settings.pid ?? process.pid, urls: [url()], paths: { tmp: tmpdir() } });

const control = async (request, response) => {
  if (request.method === 'POST') {
    const chunks = await request.toArray();
    const asked = JSON.parse(Buffer.concat(chunks).toString());
    if (asked.answers) answers = asked.answers;
    if (asked.states) await become(asked.states);
  }
  const running = children.map(({ kind, child }) => ({ kind, pid: child.pid }));
  json(response, 200, { ...done, phase, children: running });
};

const server = createServer((request, response) => {
  const asked = new URL(request.url, 'http://stand-in');
  const path = asked.pathname;
  if (path === '/stand-in') return void control(request, response);
  done.asked.push(`${request.method} ${path}`);
  if (settings.askedFile) appendFileSync(settings.askedFile, `${request.method} ${path}\n`);
  if (isSwallowing || states.includes('hung')) return;
  if (answers[path] in WRONG) return void WRONG[answers[path]](response);
  if (settings.refusesPages && !isAllowed(request, asked)) return void REFUSE[refusal](response);
  if (!isApi(path)) {
    if (request.method !== 'GET' && request.method !== 'HEAD') return void empty(response, 405);
    return void WRONG.page(response);
  }
  if (!isAllowed(request, asked)) return void REFUSE[refusal](response);
  const wait = { 'retry-after': '1' };
  if (phase !== 'ready')
    return void json(response, 503, path === '/api/info' ? info() : { code: `service_${phase}` }, wait);
  if (path in answers) return void json(response, 200, answers[path]);
  const route = ROUTES[`${request.method} ${path}`];
  if (route) route(response, placeOf(request, asked));
  else empty(response, 404);
});

const host = optionOf('--hostname') ?? config.hostname ?? '127.0.0.1';
const url = () => `http://${host.includes(':') ? `[${host}]` : host}:${server.address()?.port}`;

// ---- its life
const instance = randomUUID();
let isEnding = false;

/** The port is closed at once, long before the last child has ended. */
const finish = async (code) => {
  phase = 'stopping';
  server.closeAllConnections();
  server.close();
  for (const at of new Set(children.map((one) => one.at))) await unload(at);
  if (mode === 'service' && readJson(registration)?.id === instance) rmSync(registration, { force: true });
  process.exit(code);
};

const finishOnce = (code) => {
  if (!isEnding) void finish(code);
  isEnding = true;
};

// `default` dies at once, and what it runs is left to itself.
if (onSigterm !== 'default') {
  for (const name of ['SIGTERM', 'SIGINT'])
    process.on(name, () => (onSigterm === 'ignore' ? undefined : finishOnce(130)));
}

const listen = (port) =>
  new Promise((resolve, reject) => {
    server.once('error', reject);
    server.listen(port, host, () => {
      server.off('error', reject);
      resolve();
    });
  });

const wanted = optionOf('--port') ?? config.port ?? (mode === 'service' ? 49_374 : undefined);
for (let port = Number(wanted ?? 4096); ; port += 1) {
  try {
    await listen(port);
    break;
  } catch (error) {
    if (wanted === undefined && error.code === 'EADDRINUSE') continue;
    process.stderr.write(`ServeError: Failed to start server. Is port ${port} in use?\n`);
    process.exit(1);
  }
}

if (mode === 'service') {
  if (!config.password) writeJson(configFile, { ...config, password });
  writeJson(registration, { id: instance, version, url: url(), pid: process.pid, password });
}

// What comes in at first is never answered, then it is 503, then it is ready.
await sleep(bootMs / 2);
isSwallowing = false;
await sleep(settings.startsForMs ?? bootMs / 2);
await become(settings.states ?? []);
phase = 'ready';
const secret = mode === 'plain' && !given ? `server password ${password}\n` : '';
process.stdout.write(
  mode === 'stdio' ? `${JSON.stringify({ url: url() })}\n` : `server listening on ${url()}\n${secret}`,
);
if (mode === 'stdio') process.stdin.resume().once('close', () => finishOnce(0));

// Node would go on to the program that is called `serve`.
await new Promise(() => undefined);
