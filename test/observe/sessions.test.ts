import { spawnSync } from 'node:child_process';
import { chmodSync, cpSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { configEnv } from '../support/config.js';
import {
  type Fake,
  type Fields,
  identityOf,
  machine,
  SCHEMA,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { listHere } from '../support/list-here.js';
import { request, spawnServer } from '../support/opencode.js';
import { onDemand, sampled } from '../support/patience.js';
import { alive, cmdline, descendants, environ, startToken } from '../support/proc.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// Who is a session: processes that stand in for Claude Code under each of its names, and a stand-in for a server.

const MODULES = fileURLToPath(new URL('../../dist/modules', import.meta.url));
const isRoot = process.getuid?.() === 0;
const WAITS = 'setInterval(() => {}, 1e6)';

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('sessions');
  server = await startFake(sandbox);
  await writeRecord(sandbox, 'srv', server);
});

afterEach(() => sandbox.dispose());

interface Started {
  /** Below the sandbox; a link to node unless it is copied. */
  readonly program: string;
  readonly argv0?: string;
  readonly words?: readonly string[];
  readonly cwd?: string;
  readonly env?: Changes;
  readonly copied?: boolean;
}

const start = async ({ program, argv0, words = ['-e', WAITS], cwd, env, copied }: Started): Promise<number> => {
  const file = join(sandbox.root, program);
  mkdirSync(dirname(file), { recursive: true });
  if (copied) cpSync(process.execPath, file);
  else symlinkSync(process.execPath, file);
  const options = { cwd: cwd ?? sandbox.project, env: sandbox.env(env), stdio: 'ignore' } as const;
  const { pid } = sandbox.spawn(file, words, argv0 === undefined ? options : { ...options, argv0 });
  if (pid === undefined) throw new Error(`${program} could not be spawned`);
  await waitFor('the stand-in has begun', () => environ(pid).some((line) => line.startsWith('HOME=')));
  return pid;
};

const list = (configDir: string, pid: number, cwd: string, changes: Fields = {}): Promise<string> =>
  writeState(configDir, `sessions/${pid}.json`, {
    ...{ pid, sessionId: 's', cwd, procStart: startToken(pid), version: '2.1.330', kind: 'bg', entrypoint: 'cli' },
    ...changes,
  });

const judge = async (env: Changes = {}) => {
  const { code, servers } = await listHere(sandbox, env);
  expect(code).toBe(0);
  return servers[0];
};

const SPARED = { verdict: 'spared', reasons: ['unleased'] };
const UNSURE = { verdict: 'unsure', reasons: ['unleased'] };
const STALE = { verdict: 'stale', reasons: [] };

const VERSIONS = 'home/.local/share/claude/versions';
const CLI = 'lib/node_modules/@anthropic-ai/claude-code/cli.js';

const script = (name: string): string => {
  const file = join(sandbox.root, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, WAITS);
  return file;
};

describe('a stand-in for a live session spares the server of its workspace', () => {
  const names: [string, () => Started][] = [
    ['as claude', () => ({ program: 'bin/claude' })],
    ['called by its version', () => ({ program: `${VERSIONS}/2.1.330` })],
    ['called by its version, by a name of its own', () => ({ program: 'x/2.1.330', argv0: 'claude' })],
    ['called claude.exe, as npm calls it', () => ({ program: 'bin/claude.exe' })],
    ['wrapped by Nix', () => ({ program: 'bin/.claude-wrapped' })],
    ['of an old release, which is a script', () => ({ program: 'bin/node', words: [script(CLI)] })],
    ['of an old release, with options', () => ({ program: 'bin/node', words: ['--no-warnings', script(CLI), '-c'] })],
    ['by a link to a version', () => ({ program: `${VERSIONS}/2.1.330`, copied: true, argv0: 'cc' })],
    ['with an unknown command', () => ({ program: 'bin/claude', words: ['-e', WAITS, 'some-day'] })],
  ];
  test.each(sampled(names, 3))('%s', async (_sentence, started) => {
    await start(started());
    expect(await judge()).toMatchObject(SPARED);
  });

  test('by a link of another name', async () => {
    await start({ program: `${VERSIONS}/2.1.330`, copied: true, cwd: sandbox.home });
    expect(await judge()).toMatchObject(STALE);
    symlinkSync(join(sandbox.root, VERSIONS, '2.1.330'), join(sandbox.binDir, 'cc'));
    sandbox.spawn(join(sandbox.binDir, 'cc'), ['-e', WAITS], { stdio: 'ignore' });
    await waitFor('it is seen', async () => (await judge())?.verdict === 'spared');
  });

  test('in a folder that has been deleted since', async () => {
    const gone = join(sandbox.project, 'gone');
    mkdirSync(gone);
    await start({ program: 'bin/claude', cwd: gone });
    rmSync(gone, { recursive: true });
    expect(await judge()).toMatchObject(SPARED);
  });

  test('but none of another workspace, and no other program', async () => {
    await start({ program: 'bin/claude', cwd: sandbox.home });
    await start({ program: 'bin/vim', argv0: 'vim', words: ['-e', WAITS, 'claude'] });
    await start({ program: 'bin/node', words: [script('home/claude-code-router/dist/cli.js')] });
    expect(await judge()).toMatchObject(STALE);
  });
});

describe('the list of sessions of an account that only a live client names', () => {
  const config = (): string => join(sandbox.home, '.claude-work');

  test.each<[string, () => Changes]>([
    ['by CLAUDE_CONFIG_DIR', () => ({ CLAUDE_CONFIG_DIR: config() })],
    ['by CLAUDE_CONFIG_DIR, from where it works', () => ({ CLAUDE_CONFIG_DIR: '.claude-work' })],
  ])('counts: %s', async (_sentence, env) => {
    const pid = await start({ program: 'bin/claude', cwd: sandbox.home, env: env() });
    await list(config(), pid, sandbox.project);
    expect(await judge()).toMatchObject(SPARED);
  });

  test('counts in the home that it has, for everything it lists', async () => {
    const other = join(sandbox.root, 'other');
    await start({ program: 'bin/claude.exe', cwd: sandbox.home, env: { HOME: other, XDG_STATE_HOME: '' } });
    const pid = await start({ program: 'bin/anything', cwd: sandbox.home });
    await list(join(other, '.claude'), pid, sandbox.project);
    expect(await judge()).toMatchObject(SPARED);
  });

  test('does not count where nothing names it, nor for a process that it does not mean', async () => {
    const pid = await start({ program: 'bin/claude', cwd: sandbox.home });
    await list(config(), pid, sandbox.project);
    await list(join(sandbox.home, '.claude'), pid, sandbox.project, { procStart: '1' });
    expect(await judge()).toMatchObject(STALE);
  });
});

describe('a stand-in for a helper of the client', () => {
  /** Node runs what its first word names, so the word is a script where it works. */
  const help = ([activity = '', ...words]: readonly string[], argv0?: string): Promise<number> => {
    writeFileSync(join(sandbox.project, activity), WAITS);
    return start({ program: 'bin/claude', words: [activity, ...words], ...(argv0 === undefined ? {} : { argv0 }) });
  };
  const SPARE = ['bg-spare', '--bg-spare', '/x.sock'];

  const helpers: [string, readonly string[], string?][] = [
    ['which is the daemon', ['daemon', 'run', '--origin', 'transient']],
    ['which hosts a terminal', ['x.js', '/x.sock', '200', '50', '--', 'claude'], 'claude bg-pty-host'],
    ['which is spare', SPARE],
    ['which is spare, by its name', ['x.js', '/x.sock'], 'claude bg-spare'],
    ['which serves its tools', ['mcp', 'serve']],
  ];
  test.each(sampled(helpers, 2))('%s, holds nothing', async (_sentence, words, argv0) => {
    await help(words, argv0);
    expect(await judge()).toMatchObject(STALE);
  });

  const entries: [string, object, (config: string, pid: number) => unknown][] = [
    ['spares once it is claimed', SPARED, (config, pid) => list(config, pid, sandbox.project)],
    ['holds nothing elsewhere', STALE, (config, pid) => list(config, pid, sandbox.home)],
    [
      'holds nothing by what another process left',
      STALE,
      (config, pid) => list(config, pid, sandbox.project, { procStart: '1' }),
    ],
    [
      'may hold anything by what says nothing',
      UNSURE,
      (config, pid) => writeState(config, `sessions/${pid}.json`, '{"pid":'),
    ],
    [
      'spares by a start that cannot be compared here',
      SPARED,
      (config, pid) => list(config, pid, sandbox.project, { procStart: 'Tue Nov 24 08:00:09 2026' }),
    ],
    [
      'holds nothing by what a container wrote, whatever runs with that pid here',
      STALE,
      (config, pid) =>
        list(config, pid, sandbox.project, { procStart: 'unknown', pidDomain: `linux:${'0'.repeat(32)}:pid:[1]` }),
    ],
    [
      'holds nothing by what a Mac wrote, whatever runs with that pid here',
      STALE,
      (config, pid) => list(config, pid, sandbox.project, { procStart: undefined, pidDomain: 'darwin' }),
    ],
    ['spares where the list cannot be read', SPARED, (config) => writeState(config, 'sessions', '')],
  ];
  test.each(sampled(entries, 3))('which is spare, %s', async (_sentence, verdict, write) => {
    const config = join(sandbox.root, 'account');
    writeFileSync(join(sandbox.project, 'bg-spare'), WAITS);
    const pid = await start({ program: 'bin/claude', words: SPARE, env: { CLAUDE_CONFIG_DIR: config } });
    await write(config, pid);
    expect(await judge()).toMatchObject(verdict);
  });
});

describe('a Claude that runs in the server itself, and one beside it', () => {
  test('holds it only from outside: a real server, and a stand-in for the client as its MCP server', {
    ...onDemand,
  }, async () => {
    const [claude, script] = [join(sandbox.binDir, 'claude'), join(import.meta.dirname, '../support/mcp-server.mjs')];
    symlinkSync(process.execPath, claude);
    const mcp = { nested: { type: 'local', command: [claude, script, 'polite'], enabled: true } };
    const port = await sandbox.reserve();
    const real = await spawnServer(sandbox, { release: 'native', port, env: configEnv({ mcp }) });
    rmSync(join(sandbox.stateDir, 'servers/srv.json'));
    await writeRecord(sandbox, 'real', real);
    await request(real.url, '/mcp', { directory: sandbox.project, timeoutMs: 30_000 });
    const nested = await waitFor('it runs', () => descendants(real.pid).find((pid) => cmdline(pid)[0] === claude));
    await writeState(sandbox.stateDir, 'leases/a.json', {
      ...{ schema: SCHEMA, session: 'one', cwd: sandbox.project, servers: ['real'] },
      holder: { ...identityOf(nested), machine: machine() },
    });
    await list(join(sandbox.home, '.claude'), nested, sandbox.project);
    await waitFor('it is stale', async () => (await judge())?.verdict === 'stale');
    sandbox.spawn(claude, ['-e', WAITS], { stdio: 'ignore' });
    await waitFor('it is held', async () => (await judge())?.verdict === 'spared');
    expect(await judge()).toMatchObject({ ...SPARED, leases: expect.not.arrayContaining([{ holderPid: nested }]) });
  });
});

const hidden = isRoot ? '' : ' (skipped: only root can run a program that its own user may not read)';

describe.skipIf(hidden)(`a Claude that keeps from us where it works${hidden}`, () => {
  test('may use any server: a stand-in whose program its user may run and not read', async ({ skip }) => {
    const NOBODY = 65_534;
    const reads = { uid: NOBODY, gid: NOBODY, stdio: 'ignore' } as const;
    if (spawnSync('/bin/cat', [join(MODULES, 'run/world.js')], reads).status !== 0)
      skip('no other user may read this checkout');
    const place = mkdtempSync('/tmp/opencode-reap-hidden-');
    chmodSync(place, 0o755);
    const program = join(place, 'claude');
    cpSync('/bin/sleep', program);
    chmodSync(program, 0o711);
    const asNobody = { uid: NOBODY, gid: NOBODY, cwd: place } as const;
    const child = sandbox.spawn(program, ['600'], { ...asNobody, stdio: 'ignore' });
    const script = `
      const { linuxDetails } = await import('${MODULES}/observe/linux/details.js');
      const { lookAtProcesses } = await import('${MODULES}/observe/snapshot.js');
      const { openWorld } = await import('${MODULES}/run/world.js');
      const { claudes } = await lookAtProcesses([], await openWorld(undefined, {}));
      const mine = claudes.filter(({ holder }) => holder.pid === ${child.pid});
      console.log(JSON.stringify({ claudes: mine.map(({ path = null }) => path), hides: linuxDetails({ cwd: [${child.pid}] }).get(${child.pid}).hidesCwd }));`;
    const answer = (): unknown => {
      const ran = spawnSync(process.execPath, ['--input-type=module', '-e', script], { ...asNobody, encoding: 'utf8' });
      return ran.status === 0 ? JSON.parse(ran.stdout) : ran.stderr;
    };
    await waitFor('it runs', () => cmdline(child.pid ?? 0)[0] === program);
    expect(answer()).toEqual({ claudes: [null], hides: true });
    child.kill('SIGKILL');
    await waitFor('it has ended', () => !alive(child.pid ?? 0));
    expect(answer()).toMatchObject({ claudes: [] });
    rmSync(place, { recursive: true });
  });
});
