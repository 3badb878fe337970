import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { get } from 'node:http';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { endWithReset } from '../support/client.js';
import { deadPid, writeRecord } from '../support/fake.js';
import { become, doneBy, type Second, type SecondOptions, startSecond } from '../support/opencode-2.js';
import { isThorough, onDemand } from '../support/patience.js';
import { alive, children, cmdline, environ, portHolder, sessionId } from '../support/proc.js';
import { THROUGH_MACOS } from '../support/program.js';
import { type Report, type Reported, reapJson } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';
import { logged, watchesOf } from '../support/watching.js';

// No OpenCode 2 can be installed here: whatever is said of one below, a stand-in plays it. The twin with real servers, of
// OpenCode 1, is busy.test.ts and stopping.test.ts.

const NOW = ['--older-than', '0s'];

/** What is between two moments of a child, by which an MCP server is told from what has only just been started. */
const SETTLED_MS = 1_500;

interface Recorded extends Second {
  readonly id: string;
}

/** Starts one with a tag and a record, as `opencode-reap start` would have. */
const record = async (sandbox: Sandbox, id: string, options: SecondOptions = {}): Promise<Recorded> => {
  const tag = randomUUID();
  const second = await startSecond(sandbox, { ...options, env: { OPENCODE_REAP_TAG: tag, ...options.env } });
  await writeRecord(sandbox, id, second, { tag, command: cmdline(second.pid) });
  return { ...second, id };
};

const inSandbox = (name: string, run: (sandbox: Sandbox) => Promise<void>, how = {}) =>
  test(name, how, async () => {
    const sandbox = await createSandbox('second');
    try {
      await run(sandbox);
    } finally {
      await sandbox.dispose();
    }
  });

const onDemandIn = (name: string, run: (sandbox: Sandbox) => Promise<void>) => inSandbox(name, run, onDemand);

const byId = (servers: readonly Reported[]): Map<string, Reported> => new Map(servers.map((one) => [one.id, one]));

/** Two dozen stand-ins at once take longer to answer than a machine that others use has patience for. */
const LATE = /it did not answer \/|it does not answer yet|it answers slowly|this machine is too busy/;
const PATIENT = { timeoutMs: 120_000 };

const judgedInTime = async (run: () => Promise<Report>, attempts = 6): Promise<readonly Reported[]> => {
  const { servers } = await run();
  if (attempts <= 1 || !servers.some(({ guards }) => guards.some(({ detail }) => LATE.test(detail)))) return servers;
  await sleep(5_000);
  return judgedInTime(run, attempts - 1);
};

const guardOf = (server: Reported | undefined, name: string) => server?.guards.find((guard) => guard.name === name);

const veto = (says: string | RegExp) => ({
  verdict: 'spared',
  reasons: ['idle'],
  guards: expect.arrayContaining([{ name: 'idle', outcome: 'veto', detail: expect.stringMatching(says) }]),
});
const unknown = (says: string) => ({
  verdict: 'unsure',
  reasons: ['idle'],
  guards: expect.arrayContaining([{ name: 'idle', outcome: 'unknown', detail: says }]),
});

const SESSION = /^1 session busy in the whole server$/;
const TOOL = /^a tool or shell runs in it \(pid \d+\)/;
const running = (at: string) => ({ location: { directory: at }, data: [{ id: 'sh_1', status: 'running', pid: 1 }] });
/** Another directory than the one that it works in. */
const directory = '/';

const PASSWORD = 'it requires a password that is not known';
const notUnderstood = (path: string): string => `its answer to ${path} was not understood`;
/** A password that the program has no way to know: the server has made it up itself. */
const ITS_OWN = { OPENCODE_PASSWORD: undefined, OPENCODE_SERVER_PASSWORD: undefined };

/** What each of them is doing, and what is said of it. All have an MCP server, which is none of their work. */
const KINDS: Readonly<Record<string, readonly [expected: object, SecondOptions]>> = {
  prompt: [veto(SESSION), { settings: { states: ['prompt'] } }],
  'rate-limit': [veto(SESSION), { settings: { states: ['rate-limit'] } }],
  permission: [veto(SESSION), { settings: { states: ['permission'] } }],
  form: [veto(SESSION), { settings: { states: ['form'] } }],
  subagent: [veto(SESSION), { settings: { states: ['subagent'] } }],
  tool: [veto(TOOL), { settings: { states: ['tool'] } }],
  'background-shell': [veto(TOOL), { settings: { states: ['background shell'] } }],
  pty: [veto(TOOL), { settings: { states: ['pty'] } }],
  'persistent-terminal': [veto(TOOL), { settings: { states: ['persistent terminal'] } }],
  'shell-by-its-word-alone': [
    veto(/^1 shell running in \/$/),
    { settings: { directory, answers: { '/api/shell': running(directory) } } },
  ],
  'terminal-by-its-word-alone': [
    veto(/^1 terminal running in \/$/),
    { settings: { directory, answers: { '/api/pty': running(directory) } } },
  ],
  client: [veto(/^1 client connection open/), {}],
  locked: [unknown(PASSWORD), { env: ITS_OWN }],
  'locked-in-json': [unknown(PASSWORD), { env: ITS_OWN, settings: { refusal: 'json' } }],
  'locked-without-realm': [unknown(PASSWORD), { env: ITS_OWN, settings: { refusal: 'bare' } }],
  'locked-with-its-page': [unknown(PASSWORD), { env: ITS_OWN, settings: { refusesPages: true } }],
  starting: [unknown('it is starting, or already stopping'), { untilReady: false, settings: { startsForMs: 600_000 } }],
  'another-pid': [unknown('it says that it is process 7, and so another server'), { settings: { pid: 7 } }],
  'without-shells': [unknown('its release has no /api/shell'), { settings: { answers: { '/api/shell': 'missing' } } }],
  'without-list-of-places': [
    unknown('its release has no /api/debug/location'),
    { settings: { answers: { '/api/debug/location': 'missing' } } },
  ],
  workspace: [
    unknown(notUnderstood('/api/debug/location')),
    { settings: { answers: { '/api/debug/location': [{ directory: '/', workspaceID: 'wrk_1' }] } } },
  ],
  garbage: [
    unknown(notUnderstood('/api/session/active')),
    { settings: { answers: { '/api/session/active': 'garbage' } } },
  ],
  endless: [unknown('it did not finish its answer to /api/pty'), { settings: { answers: { '/api/pty': 'endless' } } }],
  'endless-from-the-start': [
    unknown('it did not finish its answer to /api/info'),
    { settings: { answers: { '/api/info': 'endless' } } },
  ],
};

/** What observe/server/second.test.ts shows without a process for each: the same sentence for one more answer. */
const ALIKE = ['rate-limit', 'form', 'subagent', 'locked-in-json', 'locked-without-realm', 'locked-with-its-page'];
const ALIKE_ANSWERS = ['without-list-of-places', 'workspace', 'garbage', 'endless-from-the-start'];
const TRIED = Object.entries(KINDS).filter(([id]) => isThorough || ![...ALIKE, ...ALIKE_ANSWERS].includes(id));

const withMcp = (options: SecondOptions): SecondOptions => ({
  ...options,
  settings: { mcp: ['plain'], states: ['loaded'], ...options.settings },
});

describe('a stand-in for OpenCode 2', () => {
  let sandbox: Sandbox;
  let servers: ReadonlyMap<string, Recorded>;
  let judged: ReadonlyMap<string, Reported>;
  const ends: (() => void)[] = [];

  beforeAll(async () => {
    sandbox = await createSandbox('second');
    const started = await Promise.all(TRIED.map(([id, [, options]]) => record(sandbox, id, withMcp(options))));
    servers = new Map(started.map((one) => [one.id, one]));
    ends.push(await listen(servers.get('client')));
    await sleep(SETTLED_MS);
    const before = await Promise.all(started.map(doneBy));
    judged = byId(await judgedInTime(() => reapJson(sandbox, ['--all-stale', ...NOW, '--limit', '100'], PATIENT)));
    const after = await Promise.all(started.map(doneBy));
    questions = after.map(({ asked }, at) => asked.slice(before[at]?.asked.length));
    changes = after.map(({ loaded, mcpStarts }, at) => ({
      loaded: loaded.length - (before[at]?.loaded.length ?? 0),
      mcpStarts: mcpStarts - (before[at]?.mcpStarts ?? 0),
    }));
  });

  let questions: string[][];
  let changes: { readonly loaded: number; readonly mcpStarts: number }[];

  afterAll(async () => {
    for (const end of ends) end();
    await sandbox.dispose();
  });

  /** Its events, as an attached terminal hears them. */
  const listen = async (server: Recorded | undefined): Promise<() => void> => {
    const auth = `opencode:${server?.password}`;
    const client = get(`${server?.url}/api/event`, { agent: false, auth });
    client.on('error', () => undefined);
    const [events] = await once(client, 'response');
    events.on('error', () => undefined).resume();
    return () => endWithReset(client);
  };

  test.each(TRIED)('stays, for its reason alone: %s', (id, [expected]) => {
    expect(judged.get(id)).toMatchObject({ ...expected, outcome: null });
    expect(alive(servers.get(id)?.pid ?? 0)).toBe(true);
  });

  test('is not made to load a directory, or to start an MCP server, by any question', () => {
    expect(changes).toEqual(changes.map(() => ({ loaded: 0, mcpStarts: 0 })));
    const allowed = /^GET \/(global\/health|api\/(info|session\/active|session|debug\/location|shell|pty))$/;
    expect([...new Set(questions.flat())].filter((one) => !allowed.test(one))).toEqual([]);
    expect(new Set(questions.flat()).size).toBeGreaterThan(4);
  });

  test('keeps its password to itself, whatever is printed', async () => {
    const { stdout } = await runCli(sandbox, ['why', `:${servers.get('prompt')?.port}`, ...NOW]);
    expect(stdout).toContain('1 session busy');
    expect(stdout + JSON.stringify([...judged])).not.toContain('the password');
  });
});

describe.concurrent('a stand-in for an OpenCode 2 that nothing uses', () => {
  const reaped = async (sandbox: Sandbox, ...args: string[]) =>
    (await reapJson(sandbox, ['--all-stale', ...NOW, ...args], { timeoutMs: 60_000 })).servers;
  const mcpOf = async (server: Recorded): Promise<number[]> =>
    (await doneBy(server)).children.flatMap(({ kind, pid }) => (kind === 'mcp' ? [pid] : []));

  inSandbox(
    'is stopped with its MCP servers, plain, stubborn and listening, in sessions of their own',
    async (sandbox) => {
      const askedFile = join(sandbox.root, 'asked');
      const settings = { states: ['loaded'], mcp: ['plain', 'stubborn', 'listening'], askedFile } as const;
      const server = await record(sandbox, 'idle', { settings });
      const mcp = await mcpOf(server);
      expect(mcp.map(sessionId)).toEqual(mcp);
      await sleep(SETTLED_MS);
      const [stopped] = await reaped(sandbox);
      expect(stopped).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped', signal: 'SIGTERM' } });
      expect([server.pid, ...mcp].filter(alive)).toEqual([]);
      expect(portHolder(server.port)).toBeUndefined();
      // It has nothing like a dispose.
      expect(readFileSync(askedFile, 'utf8')).not.toMatch(/^(POST|PUT|DELETE) /m);
    },
  );

  onDemandIn('is stopped with MCP servers in its own session, as previews had them', async (sandbox) => {
    const settings = { states: ['loaded'], mcp: ['plain', 'stubborn'], mcpSession: 'server' } as const;
    const server = await record(sandbox, 'idle', { settings });
    const mcp = await mcpOf(server);
    await sleep(SETTLED_MS);
    const [stopped] = await reaped(sandbox);
    expect(stopped).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped', signal: 'SIGTERM' } });
    expect([server.pid, ...mcp].filter(alive)).toEqual([]);
  });

  onDemandIn('gets more than its grace while it ends one stubborn MCP server after another', async (sandbox) => {
    const settings = { states: ['loaded'], mcp: ['stubborn', 'stubborn', 'plain'] } as const;
    const server = await record(sandbox, 'idle', { settings });
    const mcp = await mcpOf(server);
    await sleep(SETTLED_MS);
    const [stopped] = await reaped(sandbox, '--grace', '5s');
    expect(stopped).toMatchObject({ outcome: { kind: 'stopped', signal: 'SIGTERM' } });
    // Two of 4 s each: KILL after the grace would have left the second one.
    expect(stopped?.outcome?.tookMs).toBeGreaterThan(7_500);
    expect([server.pid, ...mcp].filter(alive)).toEqual([]);
  });

  inSandbox(
    'that ignores its SIGTERM is killed after the grace, and its stubborn MCP server after it',
    async (sandbox) => {
      const settings = { states: ['loaded'], mcp: ['plain', 'stubborn'], onSigterm: 'ignore' } as const;
      const server = await record(sandbox, 'wedged', { settings });
      const mcp = await mcpOf(server);
      await sleep(SETTLED_MS);
      const [stopped] = await reaped(sandbox, '--grace', '1s');
      expect(stopped).toMatchObject({ outcome: { kind: 'stopped', signal: 'SIGKILL' } });
      expect([server.pid, ...mcp].filter(alive)).toEqual([]);
    },
  );

  onDemandIn('is stopped with its daemon of terminals, which has none', async (sandbox) => {
    const server = await record(sandbox, 'idle', { settings: { states: ['pty daemon'] } });
    const below = children(server.pid);
    expect(below).toHaveLength(1);
    await sleep(SETTLED_MS);
    expect(await reaped(sandbox)).toMatchObject([{ outcome: { kind: 'stopped' } }]);
    expect([server.pid, ...below].filter(alive)).toEqual([]);
  });

  const noInputs = THROUGH_MACOS ? ' (skipped: no standard inputs are shown there)' : '';
  test.skipIf(noInputs)(
    `is spared by what a plugin inside of it has detached, which stays when it is stopped by name${noInputs}`,
    async () => {
      const sandbox = await createSandbox('second');
      onTestFinished(() => sandbox.dispose());
      const settings = { states: ['detached by a plugin'], mcp: ['plain'] } as const;
      const server = await record(sandbox, 'idle', { settings });
      const isDetached = (pid: number): boolean => cmdline(pid).join(' ') === 'sleep 9877';
      const detached = await waitFor('it is there', () => children(server.pid).find(isDetached));
      const mcp = await mcpOf(server);
      await sleep(SETTLED_MS);
      expect(await reaped(sandbox)).toMatchObject([{ ...veto(TOOL), outcome: null }]);
      expect(await runCli(sandbox, ['stop', `:${server.port}`, '--yes'])).toMatchObject({ code: 0 });
      expect([server.pid, ...mcp].filter(alive)).toEqual([]);
      expect(alive(detached)).toBe(true);
    },
  );

  inSandbox('is stopped without what its tools left by `setsid` and `nohup`, which is named', async (sandbox) => {
    const server = await record(sandbox, 'idle', { settings: { states: ['left behind'] } });
    await waitFor(
      'its tool has ended',
      async () => (await doneBy(server)).children.length === 0 || !children(server.pid).length,
    );
    await sleep(SETTLED_MS);
    const [stopped] = await reaped(sandbox);
    const left = stopped?.outcome?.leftBehind ?? [];
    expect(left.map(({ pid }) => [cmdline(pid).join(' '), alive(pid)])).toEqual(
      expect.arrayContaining([
        ['sleep 9875', true],
        ['sleep 9876', true],
      ]),
    );
    expect(left).toHaveLength(2);
  });

  onDemandIn('may have either password first, and none where it is empty', async (sandbox) => {
    await record(sandbox, 'old', { env: { OPENCODE_PASSWORD: undefined } });
    await record(sandbox, 'new', { env: { OPENCODE_PASSWORD: 'x', OPENCODE_SERVER_PASSWORD: 'y' } });
    // Up to 2.0.16 its page is behind the password, too: the first refusal is not the last word.
    const both = { OPENCODE_PASSWORD: 'x', OPENCODE_SERVER_PASSWORD: 'y' };
    await record(sandbox, 'closed', { env: both, settings: { refusesPages: true } });
    await record(sandbox, 'empty', { env: { OPENCODE_PASSWORD: '' } });
    const verdicts = (await reaped(sandbox, '--dry-run')).map(({ verdict }) => verdict);
    expect(verdicts).toEqual(['stale', 'stale', 'stale', 'stale']);
  });

  inSandbox('is left alone when it is a shared daemon, or lives by its standard input', async (sandbox) => {
    mkdirSync(join(sandbox.home, '.config/opencode'), { recursive: true });
    const service = await record(sandbox, 'service', { args: ['--service'] });
    const spawn = { stdio: ['pipe', 'ignore', 'ignore'] as ['pipe', 'ignore', 'ignore'] };
    const stdio = await record(sandbox, 'stdio', { args: ['--stdio'], spawn });
    const said = byId(await reaped(sandbox));
    for (const id of ['service', 'stdio']) {
      expect(said.get(id)).toMatchObject({ verdict: 'spared', reasons: ['owned'], outcome: null });
      expect(guardOf(said.get(id), 'owned')?.detail).toContain(`\`opencode serve --${id}\``);
    }
    expect([service.pid, stdio.pid].every(alive)).toBe(true);
    expect((await doneBy(service)).asked).toEqual([]);
  });

  inSandbox(
    'is watched like any other: it stays while it is busy, and retires when it has long been quiet',
    async (sandbox) => {
      const soon = {
        OPENCODE_REAP_WATCH_EVERY: '1s',
        OPENCODE_REAP_RETIRE_AFTER: '2s',
        OPENCODE_REAP_OLDER_THAN: '0s',
      };
      const server = await startSecond(sandbox, { settings: { states: ['rate-limit'], mcp: ['plain'] } });
      const before = await doneBy(server);
      expect(await runCli(sandbox, ['adopt', `:${server.port}`], { env: soon })).toMatchObject({ code: 0 });
      await sleep(6_000);
      expect(alive(server.pid)).toBe(true);
      expect(await become(server, [])).toMatchObject({ loaded: before.loaded, mcpStarts: before.mcpStarts });
      await waitFor('it retires', () => !alive(server.pid));
      await waitFor('the watch ends', () => watchesOf(sandbox).length === 0);
      expect(logged(sandbox).slice(1)).toMatchObject([
        { event: 'stopped', detail: expect.stringMatching(/^retired: SIGTERM /) },
      ]);
      expect(before.children.map(({ pid }) => pid).filter(alive)).toEqual([]);
    },
  );

  inSandbox('is found by the password alone that its plugin, brian250713, has written down', async (sandbox) => {
    const password = randomUUID();
    const folder = join(sandbox.root, 'tmp/opencode-companion');
    mkdirSync(folder, { recursive: true });
    writeFileSync(join(folder, 'server-auth.json'), JSON.stringify({ password }), { mode: 0o600 });
    const env = {
      OPENCODE_PASSWORD: undefined,
      OPENCODE_SERVER_USERNAME: 'opencode',
      OPENCODE_SERVER_PASSWORD: password,
    };
    // A server of another test that is just ending hides what it was given.
    const becomes = (verdict: string) =>
      waitFor(`it is ${verdict}`, async () => (await reaped(sandbox, '--dry-run'))[0]?.verdict === verdict);
    await becomes('gone');
    const other = await startSecond(sandbox, { password: 'another' });
    // A person may give their own server the password, so that the plugin uses it.
    const person = await startSecond(sandbox, { env: { ...env, OPENCODE_SERVER_USERNAME: undefined } });
    await becomes('unsure');
    expect((await reaped(sandbox))[0]?.outcome).toBeNull();
    const one = await startSecond(sandbox, { env });
    await becomes('stale');
    const report = await waitFor('it is stopped', async () => {
      const all = await reaped(sandbox);
      return all[0]?.outcome?.kind === 'stopped' && all;
    });
    expect(report).toMatchObject([{ verdict: 'stale', serverPid: one.pid, outcome: { kind: 'stopped' } }]);
    expect(JSON.stringify(report)).not.toContain(password);
    expect([one.pid, other.pid, person.pid].map(alive)).toEqual([false, true, true]);
  });
});

describe.concurrent('a stand-in for an OpenCode 2 that a tool of another one runs', () => {
  /** An outer one whose tool runs another, which inherits its tag and its password, and is marked as a tool's. */
  const withNested = async (sandbox: Sandbox, line: (serve: string) => string) => {
    const port = await sandbox.reserve();
    const nested = line(`opencode serve --port ${port}`);
    const outer = await record(sandbox, 'outer', { settings: { states: ['nested'], nested } });
    const inner = await waitFor('the nested one listens', () => portHolder(port));
    await sleep(SETTLED_MS);
    expect(environ(inner)).toEqual(
      expect.arrayContaining(['OPENCODE_TERMINAL=1', `OPENCODE_PASSWORD=${outer.password}`]),
    );
    expect(tagOf(inner)).toBe(tagOf(outer.pid));
    return { outer, inner: { pid: inner, port, url: `http://127.0.0.1:${port}`, password: outer.password } };
  };
  const tagOf = (pid: number) => environ(pid).find((one) => one.startsWith('OPENCODE_REAP_TAG='));
  const reaped = async (sandbox: Sandbox) =>
    byId((await reapJson(sandbox, ['--all-stale', ...NOW], { timeoutMs: 60_000 })).servers);

  inSandbox('keeps that one alive, and is not ended with it', async (sandbox) => {
    const { outer, inner } = await withNested(sandbox, (serve) => `exec ${serve}`);
    expect((await reaped(sandbox)).get('outer')).toMatchObject({ ...veto(TOOL), outcome: null });
    expect([outer.pid, inner.pid].map(alive)).toEqual([true, true]);
  });

  onDemandIn('lives on when that one goes', async (sandbox) => {
    const { outer, inner } = await withNested(sandbox, (serve) => `setsid ${serve} >/dev/null 2>&1 & exit`);
    expect((await reaped(sandbox)).get('outer')).toMatchObject({
      outcome: { kind: 'stopped', leftBehind: [{ pid: inner.pid }] },
    });
    expect([outer.pid, inner.pid].map(alive)).toEqual([false, true]);
  });

  inSandbox('goes by a record of its own, and that one lives on', async (sandbox) => {
    const { outer, inner } = await withNested(sandbox, (serve) => `setsid ${serve} >/dev/null 2>&1 & exit`);
    await become(outer, ['prompt']);
    await writeRecord(sandbox, 'inner', inner, { tag: undefined, command: cmdline(inner.pid) });
    const said = await reaped(sandbox);
    expect(said.get('inner')).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped' } });
    expect(said.get('outer')).toMatchObject(veto(SESSION));
    expect([outer.pid, inner.pid].map(alive)).toEqual([true, false]);
  });

  inSandbox('is not the one that was recorded with the tag that it has inherited', async (sandbox) => {
    const { outer, inner } = await withNested(sandbox, (serve) => `setsid ${serve} >/dev/null 2>&1 & exit`);
    const tag = tagOf(outer.pid)?.split('=')[1];
    process.kill(outer.pid);
    await waitFor('the outer one has ended', () => !alive(outer.pid));
    // As its starter left it, had it died before it had written down the pid.
    const died = { pid: await deadPid(sandbox), startToken: '1' };
    const none = { pid: undefined, startToken: undefined, serverPid: undefined, serverStartToken: undefined };
    await writeRecord(sandbox, 'outer', outer, { ...none, tag, state: 'spawning', starter: died });
    // Any server of this machine that is just starting or ending may carry that tag, as far as a look can tell.
    await waitFor('it is gone', async () => (await reaped(sandbox)).get('outer')?.verdict === 'gone');
    expect(alive(inner.pid)).toBe(true);
  });
});
