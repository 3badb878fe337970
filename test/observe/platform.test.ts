import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Host, parsePid } from '../../src/model/identity.js';
import type { Process, Sockets } from '../../src/model/process.js';
import type { Details, Platform, ServerTree, Shows } from '../../src/observe/platform.js';
import { type Judgement, judgeAll, judgeUnrecorded } from '../../src/run/judge.js';
import { survey } from '../../src/run/survey.js';
import { openWorld } from '../../src/run/world.js';
import { environment } from '../decide/given.js';
import { SCHEMA, writeState } from '../support/fake.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

/** Higher than any pid of this machine, so that none of them is seen by mistake. */
const SERVERS = [5_000_001, 5_000_002, 5_000_003];
const [ONE = 0] = SERVERS;
const CLAUDE = 5_000_009;
const HOUR = 3_600_000;
const HOST: Host = { id: 'a made-up machine', boot: 'its boot', pidNamespace: 'its pids', name: 'made-up' };
const TAG = 'a tag';
const US = process.getuid?.().toString();
/** So old, a server that listens on nothing hangs, and is stale without being asked. */
const NOTHING: Sockets = { listening: [], inbound: [], outbound: 0, lately: [], ourNetwork: true };

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('platform');
});
afterEach(() => sandbox.dispose());

const pidOf = (value: number) => parsePid(value) ?? expect.fail(`${value} is no pid`);

const processOf = (pid: number, but: Partial<Process> = {}): Process => ({
  pid: pidOf(pid),
  startToken: `began-${pid}`,
  parent: 1,
  group: pid,
  session: pid,
  terminal: false,
  owner: US,
  name: 'opencode',
  command: { kind: 'serve', port: undefined, sharedDaemon: undefined, interpreted: false },
  ageMs: HOUR,
  memoryBytes: undefined,
  ...but,
});

interface MadeUp {
  readonly shows?: Partial<Shows>;
  readonly processes?: readonly Process[] | undefined;
  readonly details?: Details | undefined;
  readonly sockets?: Sockets | undefined;
  readonly host?: Partial<Host>;
}

/** Another platform's adapter, whose machine runs these processes. It notes what it is asked. */
function madeUp(but: MadeUp = {}): Platform & { readonly asked: { trees: ServerTree[][]; details: number } } {
  const has = <K extends keyof MadeUp>(what: K, otherwise: MadeUp[K]) => (what in but ? but[what] : otherwise);
  const all = has(
    'processes',
    SERVERS.map((pid) => processOf(pid)),
  );
  const table = all && new Map(all.map((one) => [Number(one.pid), one]));
  const details = has('details', { environment: environmentOf(TAG) });
  const asked = { trees: [] as ServerTree[][], details: 0 };
  return {
    asked,
    name: 'made up',
    shows: { environments: true, clients: true, startTokens: 'own', births: false, cwdOfAll: false, ...but.shows },
    host: async () => ({ ...HOST, ...but.host }),
    processes: async () => table,
    look: async (pid) => table?.get(pid) ?? 'gone',
    details: async ({ environment = [], cwd = [] }) => {
      asked.details += 1;
      return new Map(details ? [...environment, ...cwd].map((pid) => [pid, details]) : []);
    },
    sockets: async (trees) => {
      if (trees.length > 0) asked.trees.push([...trees]);
      return trees.map(() => has('sockets', NOTHING));
    },
    listener: async () => undefined,
  };
}

const environmentOf = (tag: string | undefined) => ({ ...environment, tag });

const record = (pid: number): Promise<string> =>
  writeState(sandbox.stateDir, `servers/server-${pid}.json`, {
    schema: SCHEMA,
    id: `server-${pid}`,
    startedByPlugin: true,
    plugin: 'a test',
    tag: TAG,
    pid,
    startToken: `began-${pid}`,
    serverPid: pid,
    serverStartToken: `began-${pid}`,
    machine: HOST,
    hostname: '127.0.0.1',
    port: 4096,
    workspace: sandbox.project,
    startedAt: new Date(Date.now() - HOUR).toISOString(),
    state: 'ready',
  });

const POLICY = { olderThanMs: 0 };

async function judged(platform: Platform): Promise<Judgement[]> {
  const world = await openWorld(sandbox.stateDir, sandbox.env(), 'person', platform);
  const around = await survey(world);
  return [...(await judgeAll(around, POLICY, world)), ...(await judgeUnrecorded(around, POLICY, world))];
}

const without = (field: keyof Process): MadeUp => ({ processes: [processOf(ONE, { [field]: undefined })] });

describe('a platform that is not this one', () => {
  test('is judged by what it shows, and asked once for all of its servers', async () => {
    await Promise.all(SERVERS.map(record));
    const platform = madeUp();
    const servers = await judged(platform);
    expect(servers.map(({ verdict }) => verdict.kind)).toEqual(['stale', 'stale', 'stale']);
    const [first] = platform.asked.trees;
    expect(first?.map(({ server }) => server).sort()).toEqual(SERVERS);
  });

  test('is asked as often for three servers as for one', async () => {
    await record(ONE);
    const world = (platform: Platform) => openWorld(sandbox.stateDir, sandbox.env(), 'person', platform);
    const few = madeUp();
    await survey(await world(few));
    await Promise.all(SERVERS.map(record));
    const many = madeUp();
    await survey(await world(many));
    expect([many.asked.details, many.asked.trees.length]).toEqual([few.asked.details, 1]);
  });

  test.each<[string, MadeUp, string, string | undefined]>([
    ['the sockets of a server', { sockets: undefined }, 'unsure', 'idle'],
    ['what a server did lately', { sockets: { ...NOTHING, lately: undefined } }, 'stale', undefined],
    ['the environment of a server, where it shows some', { details: {} }, 'unsure', 'identity'],
    ['any details, where it shows some', { details: undefined }, 'unsure', 'identity'],
    ['environments at all', { details: undefined, shows: { environments: false } }, 'stale', undefined],
    ['when a process began', without('startToken'), 'unsure', 'identity'],
    ['whose a process is', without('owner'), 'unsure', 'identity'],
    ['what a process runs', without('command'), 'unsure', 'identity'],
    ['how old a process is', without('ageMs'), 'unsure', 'aged'],
    ['sessions', without('session'), 'unsure', 'idle'],
    ['groups', without('group'), 'unsure', 'idle'],
    ['which machine it is', { host: { id: undefined, boot: undefined } }, 'unsure', 'local'],
    ['where its pids count', { host: { pidNamespace: undefined } }, 'unsure', 'local'],
    ['its processes', { processes: undefined }, 'unsure', 'identity'],
    [
      'anything but a list of them',
      { sockets: undefined, details: undefined, shows: { environments: false, clients: false } },
      'unsure',
      'idle',
    ],
  ])('does not show %s', async (_what, but, kind, reason) => {
    await record(ONE);
    const [server] = await judged(madeUp({ processes: [processOf(ONE)], ...but }));
    const verdict = server?.verdict;
    const reasons = verdict && 'reasons' in verdict ? verdict.reasons : [];
    expect([verdict?.kind, reason === undefined || reasons.some((name) => name === reason)]).toEqual([kind, true]);
  });

  test.each<[string, Details | undefined, string]>([
    ['nothing more', undefined, 'unsure'],
    ['no directory', {}, 'unsure'],
    ['that it hides its directory', { hidesCwd: true }, 'unsure'],
    ['no directory, for it has none', { hidesCwd: false }, 'stale'],
    ['the server’s directory', { hidesCwd: false, cwd: 'PROJECT' }, 'spared'],
    ['another directory', { hidesCwd: false, cwd: '/usr' }, 'stale'],
  ])('of a session of Claude Code it shows %s', async (_what, details, kind) => {
    await record(ONE);
    const claude = processOf(CLAUDE, { name: 'claude', command: { kind: 'other' }, claude: 'session' });
    const cwd = details?.cwd === 'PROJECT' ? sandbox.project : details?.cwd;
    const platform = madeUp({ processes: [processOf(ONE), claude], details: details && { ...details, cwd } });
    const [server] = await judged({ ...platform, shows: { ...platform.shows, environments: false } });
    expect(server?.verdict.kind).toBe(kind);
  });

  test('shows a server that nothing was written down about: it is listed, and never stale', async () => {
    const servers = await judged(madeUp({ processes: [processOf(ONE)] }));
    expect(servers.map(({ record: { id }, verdict }) => [id, verdict.kind])).toEqual([[`pid-${ONE}`, 'spared']]);
  });
});
