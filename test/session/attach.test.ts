import { mkdir, readFile, rm } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Fields,
  filesIn,
  installFake,
  machine,
  SCHEMA,
  startBystander,
  startFake,
  writeState,
} from '../support/fake.js';
import { HOOK } from '../support/hooks.js';
import { callLibrary, callWords } from '../support/library.js';
import { sampled } from '../support/patience.js';
import { alive, startToken } from '../support/proc.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';
import { runOrphaned, startStandIn } from '../support/stand-in.js';

let sandbox: Sandbox;
/** Where the servers work; no session does. */
let elsewhere: string;

beforeEach(async () => {
  sandbox = await createSandbox('attach');
  elsewhere = join(sandbox.root, 'elsewhere');
  await mkdir(elsewhere);
  await installFake(sandbox);
});

afterEach(() => sandbox.dispose());

const leases = async (): Promise<Record<string, Fields>> => {
  const files = filesIn(join(sandbox.stateDir, 'leases'));
  const read = files.map(async (file) => [basename(file), JSON.parse(await readFile(file, 'utf8'))] as const);
  return Object.fromEntries(await Promise.all(read));
};
const leaseOf = (pid: number, besides = ''): string => `${pid}-${startToken(pid)}${besides}.json`;
const verdict = async (): Promise<unknown[]> => {
  const { value } = await callLibrary(sandbox, 'scan', [{ olderThan: 0 }]);
  return Object.values(value ?? {}).map((server) => [(server as Fields).verdict, (server as Fields).reasons]);
};
const ask = { port: 0, sessionId: 'a-session' };

test.each(sampled(['claude.exe', '2.1.330', '.claude-wrapped'], 1))(
  'a session is found by its hook and by a plugin, though its process is called %s',
  async (name) => {
    const session = await startStandIn(sandbox, sandbox.project, name);
    await session.run(callWords('attachSession', [{ cwd: elsewhere, port: 4999 }]));
    const [lease] = Object.values(await leases());
    expect(lease).toMatchObject({ holder: { pid: session.pid, startToken: startToken(session.pid) } });
    for (const file of filesIn(join(sandbox.stateDir, 'leases'))) await rm(file);
    await session.run([HOOK, 'hook', 'session-start'], {}, JSON.stringify({ cwd: sandbox.project, source: 'clear' }));
    expect(Object.keys(await leases())).toEqual([leaseOf(session.pid)]);
  },
);

test('a caller that asks for a server holds it, by the Claude process above, until that ends', async () => {
  const session = await startStandIn(sandbox, sandbox.project);
  const call = async (name: string, options: object, env = {}): Promise<Fields> =>
    JSON.parse(await session.run(callWords(name, [options]), env)).value;
  const said = JSON.stringify({ session_id: 'a-session', cwd: sandbox.project, source: 'clear' });
  await session.run([HOOK, 'hook', 'session-start'], {}, said);
  const holder = { pid: session.pid, startToken: startToken(session.pid), machine: machine() };
  const lease = { holder, session: 'a-session', cwd: sandbox.project, port: 4096 };
  expect(await leases()).toMatchObject({ [leaseOf(session.pid)]: { ...lease, servers: [] } });

  // A CLAUDE_PID that is not above the caller was inherited from who knows where.
  const { id, pid } = await call(
    'ensureServer',
    { ...ask, cwd: elsewhere },
    { CLAUDE_PID: `${startBystander(sandbox)}` },
  );
  const naming = { holder, session: 'a-session', servers: [id] };
  expect(await leases()).toMatchObject({
    [leaseOf(session.pid)]: { ...lease, servers: [] },
    [leaseOf(session.pid, `.${id}`)]: naming,
  });
  expect(await verdict()).toEqual([['spared', ['unleased']]]);
  // Another plugin's hook is later than this one's, which has started its server by then.
  await session.run([HOOK, 'hook', 'session-start', '--port', '5000'], {}, said.replace('clear', 'startup'));
  expect(await leases()).toMatchObject({
    [leaseOf(session.pid)]: lease,
    [leaseOf(session.pid, '.port-5000')]: { ...lease, port: 5000 },
    [leaseOf(session.pid, `.${id}`)]: naming,
  });

  expect(await call('releaseSession', { sessionId: 'another-session' })).toMatchObject({ held: true, servers: [id] });
  expect(await call('releaseSession', { sessionId: 'a-session', server: 'other' })).toMatchObject({ servers: [id] });
  expect(await verdict()).toEqual([['spared', ['unleased']]]);
  expect(await call('releaseSession', { sessionId: 'a-session', server: id })).toEqual({
    held: true,
    holderPid: session.pid,
    servers: [],
  });
  expect(await verdict()).toEqual([['stale', []]]);

  expect(await call('attachSession', { server: id })).toMatchObject({ holderPid: session.pid, servers: [id] });
  expect(await verdict()).toEqual([['spared', ['unleased']]]);
  await session.end();
  await callLibrary(sandbox, 'reap', [{ all: true, olderThan: 0 }]);
  expect([alive(Number(pid)), await leases()]).toEqual([false, {}]);
});

test('a session that has leases holds a server without an id by its port', async () => {
  const { port } = await startFake(sandbox, {}, { cwd: elsewhere });
  const by = async (env: Changes): Promise<unknown> => {
    const call = (name: string, options: object) => callLibrary(sandbox, name, [{ ...ask, ...options }], { env });
    for (const other of [5000, 4096]) await call('attachSession', { port: other });
    expect((await call('ensureServer', { port, cwd: elsewhere })).value).not.toHaveProperty('id');
    return Object.fromEntries(Object.entries(await leases()).map(([name, lease]) => [name, lease.port]));
  };
  const [file, session] = [leaseOf(process.pid), 'session-a-session.json'].map((name) => name.replace(/json$/, ''));
  const held = (name?: string) => ({
    [`${name}json`]: 5000,
    [`${name}port-5000.json`]: 5000,
    [`${name}port-4096.json`]: 4096,
    [`${name}port-${port}.json`]: port,
  });
  expect(await by({ CLAUDE_PID: `${process.pid}` })).toEqual(held(file));
  await rm(join(sandbox.stateDir, 'leases'), { recursive: true });
  // Where no Claude process is known, the one by the session's name is renewed, and must not lose what it held.
  expect(await by({})).toEqual(held(session));
});

test('what a session holds by its port it still holds after its hook has said another', async () => {
  const session = await startStandIn(sandbox, elsewhere);
  await session.run(callWords('attachSession', [{ sessionId: 's', port: 5000 }]));
  const said = JSON.stringify({ session_id: 's', cwd: elsewhere, source: 'compact' });
  await session.run([HOOK, 'hook', 'session-start'], {}, said);
  const ports = Object.entries(await leases()).map(([name, { port }]) => [name, port]);
  expect(ports).toEqual([
    [leaseOf(session.pid), 4096],
    [leaseOf(session.pid, '.port-5000'), 5000],
  ]);
});

test('CLAUDE_PID counts where that process is above the caller, whatever it is called', async () => {
  const env = { CLAUDE_PID: `${process.pid}`, CLAUDE_CODE_SESSION_ID: 'from-the-client' };
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port: 0, cwd: elsewhere }], { env });
  const lease = { session: 'from-the-client', cwd: elsewhere, port: Number(new URL(String(value?.url)).port) };
  expect(await leases()).toMatchObject({
    [leaseOf(process.pid)]: lease,
    [leaseOf(process.pid, `.${value?.id}`)]: { session: 'from-the-client', servers: [value?.id] },
  });
});

test('of servers that are attached and released at the same moment none is lost, and none is kept', async () => {
  const env = { CLAUDE_PID: `${process.pid}` };
  const call = (name: string, server: string) => callLibrary(sandbox, name, [{ server }], { env });
  const [kept, released] = [
    ['one', 'two', 'three', 'four'],
    ['five', 'six'],
  ];
  await Promise.all(released.map((server) => call('attachSession', server)));
  await Promise.all([
    ...kept.map((server) => call('attachSession', server)),
    ...released.map((server) => call('releaseSession', server)),
  ]);
  const { value } = await callLibrary(sandbox, 'attachSession', [{}], { env });
  expect(new Set(value?.servers as string[])).toEqual(new Set(kept));
});

test('a worker that was detached renews the lease of its session, and else leaves one that expires', async () => {
  const orphaned = async (name: string, options: object): Promise<Fields> =>
    JSON.parse(await runOrphaned(sandbox, callWords(name, [options]))).value;
  const session = { sessionId: 'a-session', workspace: elsewhere };
  const env = { CLAUDE_PID: `${process.pid}` };
  await callLibrary(sandbox, 'attachSession', [session], { env });
  expect(await orphaned('attachSession', { ...session, server: 'one' })).toMatchObject({ holderPid: process.pid });
  const held = {
    [leaseOf(process.pid)]: {},
    [leaseOf(process.pid, '.one')]: { session: 'a-session', servers: ['one'] },
  };
  expect(await leases()).toMatchObject(held);

  // A session that left no lease: it cannot be told when it ends, so its lease expires, unless it is taken back.
  const unheld = { sessionId: 'another', workspace: elsewhere };
  const { id } = await orphaned('ensureServer', { ...unheld, port: 0 });
  const { 'session-another.json': expiring, [`session-another.${id}.json`]: naming, ...others } = await leases();
  expect(others).toMatchObject(held);
  expect(expiring).toMatchObject({ session: 'another', cwd: elsewhere });
  expect(naming).toMatchObject({ session: 'another', servers: [id] });
  expect([Date.parse(String(expiring?.expiresAt)) - Date.now() > 86_000_000, expiring?.holder]).toEqual([
    true,
    undefined,
  ]);
  expect(await orphaned('releaseSession', unheld)).toMatchObject({ held: false });
  expect(Object.keys(await leases()).sort()).toEqual(Object.keys(held).sort());
});

test('plugins with state folders of their own see each other’s sessions, until those end or release', async () => {
  const env = { OPENCODE_REAP_STATE_DIR: undefined };
  const [one, other] = [join(sandbox.root, 'one'), join(sandbox.root, 'other')];
  /**
   * A caller that asked for a server a moment ago may use it even without a lease, so only the one guard is looked at.
   */
  const unleasedIn = async (stateDir: string): Promise<unknown> => {
    const { value } = await callLibrary(sandbox, 'scan', [{ olderThan: 0, stateDir }], { env });
    const guards = Object.values(value ?? {}).map((server) => (server as { guards: Fields[] }).guards);
    return guards.map((all) => all.find(({ name }) => name === 'unleased')?.outcome);
  };
  const port = await sandbox.reserve();
  const { value } = await callLibrary(sandbox, 'ensureServer', [{ port, stateDir: one }], { env });
  expect(await unleasedIn(one)).toEqual(['pass']);
  const asked = { port, stateDir: other, cwd: elsewhere, sessionId: 'a-session' };
  await callLibrary(sandbox, 'ensureServer', [asked], { env });
  expect(await unleasedIn(one)).toEqual(['unknown']);
  await callLibrary(sandbox, 'releaseSession', [asked], { env });
  expect(await unleasedIn(one)).toEqual(['pass']);
  // Where that one cannot be written, the own one is all there is.
  const closed = { ...env, HOME: join(sandbox.binDir, 'opencode'), XDG_STATE_HOME: undefined };
  const held = await callLibrary(sandbox, 'attachSession', [{ ...asked, server: value?.id }], { env: closed });
  expect(held.value).toMatchObject({ held: true });
});

test('sessions whose names look alike keep leases of their own, and find those of earlier versions', async () => {
  const call = async (name: string, sessionId: string, server?: string) =>
    (await callLibrary(sandbox, name, [{ sessionId, server }])).value;
  const names = ['team/a', 'team:a', 'team_a', `${'x'.repeat(100)}1`, `${'x'.repeat(100)}2`];
  for (const name of names) await call('attachSession', name, 'a/b');
  expect(Object.keys(await leases())).toHaveLength(2 * names.length);
  expect(Object.keys(await leases())).toContain('session-team_a.json');
  const former = { schema: SCHEMA, session: 'team/a', cwd: sandbox.project, servers: ['old'] };
  const written = await writeState(sandbox.stateDir, 'leases/session-team_a.old.json', former);
  expect(await call('releaseSession', 'team/a')).toMatchObject({ held: false });
  const left = filesIn(join(sandbox.stateDir, 'leases'));
  expect(left).toHaveLength(2 * (names.length - 1));
  expect(left).not.toContain(written);
});

test('without a session there is no end to wait for, so there is no lease', async () => {
  await callLibrary(sandbox, 'ensureServer', [{ port: 0 }], { env: { CLAUDE_PID: `${process.pid}` } });
  expect(await leases()).toEqual({});
});

test('port 0 names no port, and what is not an id is refused', async () => {
  const attach = (options: object) => callLibrary(sandbox, 'attachSession', [{ sessionId: 'a-session', ...options }]);
  expect((await attach({ port: 0, server: 'one' })).value).toMatchObject({ held: true, servers: ['one'] });
  expect(await leases()).toMatchObject({
    'session-a-session.json': { port: 4096 },
    'session-a-session.one.json': { servers: ['one'] },
  });
  expect((await attach({ server: 5 })).error?.message).toMatch(/^server is not a non-empty string/);
});
