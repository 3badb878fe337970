import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { installOpencode, request, waitFor } from '../support/opencode.js';
import { PLUGIN_FORMATS } from '../support/plugin-state.js';
import { alive, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { type StandIn, startStandIn } from '../support/stand-in.js';

/*
 * `npm run demo`: a plugin has started two real servers and forgotten both. The session that used one of them has ended,
 * the other one works on. Everything is in a folder of its own below the temporary folder, which has a home, records and
 * projects; at the end, or when it is interrupted, whatever lives in it is ended and the folder is removed.
 */

/** The root of the repository, since this is bundled to somewhere else. */
declare const DEMO_ROOT: string;

/** Younger ones are spared; by default five minutes, which nobody wants to wait for here. */
const AGE = 2;

/** A server ends within a second, but a machine that is busy with tests can need more than the five that are the default. */
const GRACE = '30s';

/** As the output names it, and as a person would type it. */
const PROGRAM = 'npx opencode-reap';

const say = (text: string): void => void process.stdout.write(`${text}\n`);

/** What the program's output depends on at a terminal. */
const terminal = (): Record<string, string | undefined> => {
  const { TERM, LANG, LC_ALL, LC_CTYPE, NO_COLOR } = process.env;
  return { TERM, LANG, LC_ALL, LC_CTYPE, NO_COLOR };
};

/** Shows a command as it would be typed, and runs it for this terminal. */
function run(sandbox: Sandbox, words: string, cwd: string | undefined = undefined): Promise<void> {
  say(`$ ${cwd === undefined ? '' : `cd ~/${relative(sandbox.home, cwd)} && `}${PROGRAM} ${words}`.trimEnd());
  const args = [join(DEMO_ROOT, 'bin/opencode-reap.js'), ...words.split(' ').filter(Boolean)];
  const env = sandbox.env({ ...terminal(), OPENCODE_REAP_OLDER_THAN: `${AGE}s`, OPENCODE_REAP_GRACE: GRACE });
  const options = { cwd: cwd ?? sandbox.home, env, stdio: 'inherit' } as const;
  const child = sandbox.spawn(process.execPath, args, options);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => {
      say('');
      resolve();
    });
  });
}

/** What a plugin's script does: it starts a server, and is gone. */
const SCRIPT = `const [port, cwd] = process.argv.slice(1);
const options = { cwd, detached: true, stdio: 'ignore' };
const child = require('node:child_process').spawn('opencode', ['serve', '--port', port], options);
child.once('spawn', () => process.stdout.write(String(child.pid), () => process.exit()));`;

async function startAsPluginsDo(sandbox: Sandbox, port: number, cwd: string): Promise<number> {
  // Two that start at once in a new home can meet in its database, and then one of them ends.
  const env = sandbox.env({ XDG_DATA_HOME: join(sandbox.root, `data-${port}`) });
  const words = ['-e', SCRIPT, String(port), cwd];
  const script = sandbox.spawn(process.execPath, words, { env, stdio: ['ignore', 'pipe', 2] });
  let printed = '';
  script.stdout?.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  await once(script, 'close');
  const pid = Number(printed);
  const answers = async (): Promise<boolean> => {
    if (!alive(pid)) throw new Error('the server ended before it answered');
    const asked = request(`http://127.0.0.1:${port}`, '/global/health', { timeoutMs: 1_000 });
    const answer = await asked.catch(() => undefined);
    return answer?.status === 200;
  };
  await waitFor(`the server answers on port ${port}`, answers);
  return pid;
}

/** Starts a server, and writes down what the plugin of naicud writes down. Returns when it was, in epoch ms. */
async function forgottenServer(sandbox: Sandbox, name: string, port: number): Promise<number> {
  const project = join(sandbox.home, 'code', name);
  mkdirSync(project, { recursive: true });
  const startedAt = Date.now();
  const pid = await startAsPluginsDo(sandbox, port, project);
  const subject = { pid, startToken: startToken(pid) ?? '', port, project, startedAt };
  const format = PLUGIN_FORMATS.find(({ format }) => format === 'naicud');
  for (const [path, content] of Object.entries(format?.record(subject) ?? {})) {
    const file = join(sandbox.root, path.replace(/^shared\//, 'tmp/'));
    mkdirSync(dirname(file), { recursive: true, mode: 0o700 });
    writeFileSync(file, JSON.stringify(content));
  }
  return startedAt;
}

async function scene(sandbox: Sandbox): Promise<StandIn> {
  const ports = [await sandbox.reserve(), await sandbox.reserve()] as const;
  say('A plugin has started two servers. The session in ~/code/shop is over, the one in ~/code/blog is not.');
  say(`(A server is old enough after ${AGE} s here, and not after 5 min, by OPENCODE_REAP_OLDER_THAN.)\n`);
  await installOpencode(sandbox, 'native');
  const [shop, blog] = ['shop', 'blog'].map((name, at) => forgottenServer(sandbox, name, ports[at] ?? 0));
  const startedAt = Math.max(...(await Promise.all([shop, blog])).map((at) => at ?? 0));
  await sleep(Math.max(0, startedAt + AGE * 1_000 + 500 - Date.now()));
  return startStandIn(sandbox, join(sandbox.home, 'code/blog'));
}

async function show(sandbox: Sandbox): Promise<void> {
  const session = await scene(sandbox);
  await run(sandbox, '--dry-run --all-stale');
  await run(sandbox, '', join(sandbox.home, 'code/shop'));
  say('The session in ~/code/blog ends.\n');
  await session.end();
  await run(sandbox, '--all-stale');
  await run(sandbox, 'log');
}

const CODES = { SIGINT: 130, SIGTERM: 143, SIGHUP: 129 } as const;

const own = await createSandbox('demo');
let isInterrupted = false;
/** Nothing is started any more once everything is being ended. */
const spawn: Sandbox['spawn'] = (...call) => {
  if (isInterrupted) throw new Error('interrupted');
  return own.spawn(...call);
};
// Not once: a second one, of an impatient person or of npm, would end this before everything else has ended.
for (const [signal, code] of Object.entries(CODES))
  process.on(signal, () => {
    if (isInterrupted) return;
    isInterrupted = true;
    void own.dispose().then(() => process.exit(code));
  });
try {
  await show({ ...own, spawn });
} catch (error) {
  // Whatever it was waiting for has been ended; the process exits as soon as everything else has.
  if (isInterrupted) await new Promise(() => undefined);
  process.stderr.write(`error: the demonstration failed: ${error instanceof Error ? error.message : String(error)}\n`);
  process.stderr.write('hint: run it again; a machine that is very busy can be too slow for it\n');
  process.exitCode = 1;
} finally {
  await own.dispose();
}
