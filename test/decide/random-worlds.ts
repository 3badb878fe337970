import fc from 'fast-check';
import type { Activity } from '../../src/decide/activity.js';
import { activityNow } from '../../src/decide/activity.js';
import { birthOf, BORN as FORMAT_OF_BORN, mayBeBorn } from '../../src/decide/born.js';
import { candidateOf, endingWith } from '../../src/decide/candidate.js';
import { evidenceOf } from '../../src/decide/evidence.js';
import type { Policy } from '../../src/decide/guards.js';
import type { Present } from '../../src/decide/locate.js';
import { reconcile } from '../../src/decide/reconcile.js';
import { comparable } from '../../src/decide/start-tokens.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import { judge, type Target, targetNamed, type Verdict } from '../../src/decide/verdict.js';
import type { Origin } from '../../src/model/birth.js';
import type { Host, Identity } from '../../src/model/identity.js';
import type { Environment, Process, Sockets } from '../../src/model/process.js';
import type { Coverage, ServerRecord } from '../../src/model/record.js';
import { secret } from '../../src/model/secret.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import { namedIn, type Unread } from '../../src/model/written.js';
import {
  ARGV,
  type Bearing,
  type Birthmarks,
  BORN,
  COMPANION,
  ENV_FILE,
  marked,
  originating,
  PLUGIN,
  ranAs,
  SCRIPT,
  SESSION,
  STRANGER,
  STREAMS,
  SYSTEMD,
  tracesOf,
} from './born-worlds.js';
import {
  but,
  type Change,
  connected,
  ended,
  environmentHidden,
  keptAs,
  leased,
  listening,
  recorded,
  running,
  says,
  seen,
  shown,
  shownOn,
  spawnedWith,
  witnessed,
  written,
} from './changes.js';
import {
  CLAUDE,
  everyStale,
  FREE,
  HOUR,
  here,
  identity,
  LAUNCHER,
  launched,
  MCP,
  MINUTE,
  NOW,
  native,
  PORT,
  pid,
  place,
  process,
  record,
  SELF,
  SERVER,
  SHELL,
  type Situation,
  serve,
  serverProcess,
  tokenOf,
} from './given.js';
import type { Facts } from './oracle.js';
import { asShownOn, PLATFORMS, type PlatformName } from './platform-worlds.js';
import { weak, weakLaunched } from './plugin-cases.js';

/*
 * Worlds at random: each begins with a server that may be stopped, and is spoiled up to four times, each time by one
 * kind of thing with values drawn at random; then some platform shows what it can of it. What is harmless stands first in
 * each list, so that a counterexample shrinks towards the server that may be stopped, on Linux.
 */

type Values = Readonly<Record<string, readonly unknown[]>>;
type Drawn<V extends Values> = { readonly [Name in keyof V]: V[Name][number] };

interface Spoil {
  readonly what: string;
  readonly values: Values;
  readonly change: (drawn: never) => Change;
}

const spoil = <const V extends Values>(what: string, values: V, change: (drawn: Drawn<V>) => Change): Spoil => ({
  what,
  values,
  change: change as Spoil['change'],
});

const token = (value: number, startToken: string | undefined): Identity => ({ pid: pid(value), startToken });

const TIMES = [0, HOUR, -MINUTE, -10 * HOUR, -23 * HOUR, -25 * HOUR, -72 * HOUR] as const;
const PATHS = [
  '/elsewhere',
  '/repo',
  '/repo/src',
  '/worktree',
  '/link',
  '/',
  '/repo-2',
  '/rep',
  '/unlooked',
  '/dead/a',
  '\\\\nas\\code',
  undefined,
] as const;
const PEOPLE = [
  identity(FREE),
  identity(CLAUDE),
  token(CLAUDE, 'earlier'),
  token(CLAUDE, undefined),
  identity(MCP),
  token(MCP, undefined),
  token(FREE, undefined),
  undefined,
] as const;
const HOSTS: readonly (Host | undefined)[] = [
  here,
  undefined,
  { ...here, boot: 'earlier' },
  { ...here, id: undefined },
  { ...here, boot: undefined },
  { ...here, pidNamespace: undefined },
  { ...here, pidNamespace: 'pid:[2]' },
  { ...here, id: undefined, boot: 'earlier' },
  { ...here, timeNamespace: 'time:[7] 5 0' },
  { id: 'other', boot: 'other', pidNamespace: 'pid:[1]', name: 'box' },
  { id: undefined, boot: undefined, pidNamespace: undefined, name: '' },
];
const PORTS = [undefined, PORT, 5000] as const;
const IDS = ['x', 'server-1', `${SERVER}-start-${SERVER}`, `${LAUNCHER}-start-${LAUNCHER}`, `${LAUNCHER}-old`] as const;
const COVERAGES: readonly Coverage[] = [
  { kind: 'port', port: 5000 },
  { kind: 'port', port: PORT },
  { kind: 'plugins', formats: ['a plugin'], ports: [] },
  { kind: 'plugins', formats: ['another'], ports: [PORT] },
  { kind: 'plugins', formats: ['another'], ports: [5000] },
  { kind: 'record', file: '/data/state/server.json' },
  { kind: 'record', file: '/elsewhere.json' },
  { kind: 'workspace', format: 'a plugin', hash: 'hash of' },
];
const KINDS: readonly Unread['kind'][] = [
  'request',
  'server',
  'native',
  'lease',
  'use',
  'keep',
  'fence',
  'run',
  'claim',
];
const COMMANDS: readonly Process['command'][] = [
  serve,
  { ...serve, interpreted: true },
  { ...serve, port: 5000 },
  { ...serve, port: undefined },
  { ...serve, sharedDaemon: 'service' },
  { ...serve, sharedDaemon: 'stdio' },
  { kind: 'opencode' },
  { kind: 'other' },
  undefined,
];
const ACTIVITIES: readonly Activity[] = [
  { kind: 'idle', directories: 1 },
  { kind: 'idle', directories: 1, isSecond: true },
  { kind: 'busy', sessions: 1, directory: '/repo' },
  { kind: 'silent' },
  { kind: 'hung', because: 'x' },
  { kind: 'hung', because: 'x', whateverOutbound: true },
  { kind: 'unknown', because: 'x' },
  { kind: 'not asked' },
];
const AGES = [
  HOUR,
  10 * MINUTE,
  5 * MINUTE,
  5 * MINUTE - 1,
  0,
  -1,
  undefined,
  Number.NaN,
  HOUR + 5_000,
  HOUR - 5_001,
  HOUR + 120_001,
  30 * HOUR,
] as const;
const THEIRS = [SERVER, LAUNCHER] as const;
const EVERYONE = [SERVER, LAUNCHER, MCP, CLAUDE, SHELL, COMPANION] as const;
/** Of the session that a server was born in, or of another one. */
const SESSIONS = ['session-1', SESSION, undefined] as const;
const PLUGINS: Partial<ServerRecord> = {
  source: { format: 'a plugin', file: '/data/state/server.json' },
  tag: undefined,
  server: undefined,
  starter: undefined,
  machine: undefined,
  uid: undefined,
};

const SPOILS: readonly Spoil[] = [
  spoil(
    'a session has a lease',
    {
      path: PATHS,
      holder: PEOPLE,
      machine: HOSTS,
      port: PORTS,
      id: IDS,
      seen: TIMES,
      until: [undefined, -MINUTE, HOUR],
      session: SESSIONS,
    },
    (it) =>
      leased({
        session: it.session,
        path: it.path,
        holder: it.holder,
        machine: it.machine,
        port: it.port,
        servers: [it.id],
        seenAt: NOW + it.seen,
        expiresAt: it.until && NOW + it.until,
      }),
  ),
  spoil(
    'Claude Code lists a session',
    { holder: PEOPLE, path: PATHS, session: SESSIONS },
    ({ holder, path, session }) => (holder ? witnessed({ holder, path, session }) : (given) => given),
  ),
  spoil(
    'a Claude is running',
    { holder: PEOPLE, path: PATHS },
    ({ holder, path }) =>
      (given) =>
        holder ? shown({ claudes: [...given.snapshot.claudes, { holder, session: undefined, path }] })(given) : given,
  ),
  spoil(
    'what the process of a session looks like',
    {
      claude: ['session', 'spare', 'helper', undefined],
      startToken: ['start-800', undefined, 'later'],
      parent: [SHELL, SERVER, MCP],
    },
    (change) => seen(CLAUDE, change),
  ),
  spoil(
    'a plugin lists what may use it',
    {
      kind: ['job', 'lease'],
      covers: COVERAGES,
      holder: PEOPLE,
      seen: [...TIMES, undefined],
      written: [0, -72 * HOUR, undefined],
      lasts: [30 * MINUTE, 0, 24 * HOUR],
      session: SESSIONS,
    },
    (it) => (given) =>
      written({
        uses: [
          ...given.written.uses,
          {
            kind: it.kind,
            file: '/data/state.json',
            name: 'job-1',
            session: it.session,
            covers: it.covers,
            holder: it.holder,
            seenAt: it.seen === undefined ? undefined : NOW + it.seen,
            modifiedAt: it.written === undefined ? undefined : NOW + it.written,
            countsForMs: it.lasts,
            directories: [],
          },
        ],
      })(given),
  ),
  spoil(
    'a file cannot be read',
    {
      kind: KINDS,
      mentions: [undefined, [], [SERVER], [PORT], [LAUNCHER], [1, 2]],
      written: [undefined, 0, -72 * HOUR],
    },
    (it) => (given) =>
      written({
        unread: [
          ...given.written.unread,
          {
            file: '/x',
            error: 'EACCES',
            kind: it.kind,
            mentions: it.mentions && new Set(it.mentions),
            modifiedAt: it.written === undefined ? undefined : NOW + it.written,
          },
        ],
      })(given),
  ),
  spoil(
    'the user keeps a server',
    {
      id: IDS,
      processes: [
        [],
        [identity(SERVER)],
        [identity(LAUNCHER)],
        [token(SERVER, 'earlier')],
        [token(SERVER, undefined)],
        [identity(FREE)],
      ],
      machine: HOSTS,
    },
    ({ id, ...rest }) => keptAs(id, rest),
  ),
  spoil(
    'someone is connected',
    {
      clientPid: [MCP, SERVER, LAUNCHER, SELF, SHELL, CLAUDE, undefined],
      clientPort: [50_000, undefined],
      asks: [[], [50_000]],
    },
    (it) => (given) =>
      but(
        given,
        connected({ inbound: [{ port: PORT, clientPid: it.clientPid, clientPort: it.clientPort }] }),
        shown({ questions: new Set<number>(it.asks) }),
      ),
  ),
  spoil(
    'its sockets',
    {
      listening: [[PORT], [], [5000], [PORT, 5000]],
      by: [SERVER, LAUNCHER, FREE],
      outbound: [0, 1],
      lately: [[], [59_000], [5 * MINUTE], [HOUR - 1000], [1, 2], undefined],
    },
    (it) =>
      connected({
        listening: it.listening.map((port) => ({ host: '127.0.0.1', port, pid: it.by })),
        outbound: it.outbound,
        lately: it.lately,
      }),
  ),
  spoil('its sockets cannot be seen', {}, () => shown({ sockets: new Map() })),
  spoil('what it says', { activity: ACTIVITIES }, ({ activity }) => says(activity)),
  spoil('whose a process is', { pid: EVERYONE, owner: ['1000', '0', undefined] }, ({ pid, owner }) =>
    seen(pid, { owner }),
  ),
  spoil(
    'a pid was recycled',
    { pid: EVERYONE, startToken: ['later', undefined], ageMs: [MINUTE, 10 * MINUTE, HOUR] },
    ({ pid, ...change }) => seen(pid, change),
  ),
  spoil(
    'its pid was recycled by another server',
    {
      pid: THEIRS,
      startToken: ['later', undefined],
      ageMs: [10 * MINUTE, HOUR, HOUR + MINUTE],
      tag: [undefined, 'other'],
    },
    ({ pid, tag, ...change }) =>
      (given) =>
        but(given, seen(pid, { ...change, command: serve }), spawnedWith(pid, { tag })),
  ),
  spoil('what a process runs', { pid: [SERVER, LAUNCHER, MCP], command: COMMANDS }, ({ pid, command }) =>
    seen(pid, { command }),
  ),
  spoil('how old a process is', { pid: EVERYONE, ageMs: AGES }, ({ pid, ageMs }) => seen(pid, { ageMs })),
  spoil('the group of a process', { pid: EVERYONE, group: [SERVER, LAUNCHER, 77, undefined] }, ({ pid, group }) =>
    seen(pid, { group }),
  ),
  spoil('the session of a process', { pid: EVERYONE, session: [SERVER, LAUNCHER, 77, undefined] }, ({ pid, session }) =>
    seen(pid, { session }),
  ),
  spoil('a process has ended', { pid: EVERYONE }, ({ pid }) => ended(pid)),
  spoil('its launcher and it have ended', {}, () => ended(LAUNCHER, SERVER)),
  spoil('it was left by its launcher', {}, () => (given) => but(given, ended(LAUNCHER), seen(SERVER, { parent: 1 }))),
  spoil(
    'an environment',
    {
      pid: [SERVER, LAUNCHER, MCP],
      with: [
        { tag: undefined },
        { tag: 'other' },
        { opencodePid: '9000' },
        { opencodePid: String(SERVER), inOpencode: true },
        { keep: true },
        { pluginConfig: true },
        { password: secret('a password') },
        { password: secret('another') },
        { passwordOfSecond: secret('a password') },
        { username: 'opencode' },
      ] as readonly Partial<Environment>[],
    },
    (it) => spawnedWith(it.pid, it.with),
  ),
  spoil('an environment is hidden', { pid: THEIRS }, ({ pid }) => environmentHidden(pid)),
  spoil('this platform hides environments', {}, () => shown({ showsEnvironments: false, environments: new Map() })),
  spoil(
    'this platform shows neither groups nor sessions',
    {},
    () => (given) =>
      but(
        given,
        ...[...(given.snapshot.processes?.keys() ?? [])].map((one) =>
          seen(one, { group: undefined, session: undefined, terminal: undefined }),
        ),
      ),
  ),
  spoil('the processes cannot be listed', {}, () => shown({ processes: undefined })),
  spoil(
    'this machine',
    {
      with: [
        { id: undefined },
        { boot: undefined },
        { pidNamespace: undefined },
        { boot: 'later' },
        { id: 'clone' },
        { pidNamespace: 'pid:[9]' },
        { timeNamespace: 'time:[7] 5 0' },
      ] as readonly Partial<Host>[],
    },
    (it) => shownOn(it.with),
  ),
  spoil('this user cannot be told', {}, () => shown({ owner: undefined })),
  spoil('when this machine booted', { bootMs: [2 * HOUR, 48 * HOUR, undefined] }, ({ bootMs }) => (given) => {
    const { bootMs: _, ...rest } = given.snapshot;
    return { ...given, snapshot: bootMs === undefined ? rest : { ...rest, bootMs } };
  }),
  spoil(
    'the clock was set',
    { by: [-6_000, 4_000, 121_000, -HOUR, HOUR, 72 * HOUR, -72 * HOUR] },
    ({ by }) =>
      (given) =>
        shown({ at: given.snapshot.at + by })(given),
  ),
  spoil('the clock was set forward since the boot', { by: [1, 4_000, HOUR, 72 * HOUR, undefined] }, ({ by }) =>
    shown({ setForwardMs: by }),
  ),
  spoil(
    'this run is below it',
    { of: THEIRS },
    ({ of }) =>
      (given) =>
        shown({ lineage: new Set([SELF, SHELL, of, given.snapshot.processes?.get(of)?.parent ?? of]) })(given),
  ),
  spoil(
    'whose the record says it is',
    { ownership: ['plugin', 'adopted', 'user', 'unmarked', 'withdrawn', 'unrecorded'] },
    (it) => recorded(it),
  ),
  spoil('who could have written the record', { kind: ['trusted', 'untrusted', 'unexamined'] }, ({ kind }) =>
    recorded({ trust: { kind, because: 'x' } as ServerRecord['trust'] }),
  ),
  spoil('where the record was written', { machine: HOSTS }, (it) => recorded(it)),
  spoil(
    'the process that the record says was spawned',
    {
      spawned: [
        identity(SERVER),
        identity(LAUNCHER),
        token(LAUNCHER, 'earlier'),
        token(LAUNCHER, undefined),
        token(SERVER, undefined),
        token(SERVER, 'earlier'),
        identity(FREE),
        undefined,
      ],
    },
    (it) => recorded(it),
  ),
  spoil(
    'the process that the record says listens',
    {
      server: [
        identity(SERVER),
        token(SERVER, 'earlier'),
        token(SERVER, undefined),
        identity(FREE),
        identity(MCP),
        undefined,
      ],
    },
    (it) => recorded(it),
  ),
  spoil('the starter', { state: ['ready', 'starting', 'spawning'], starter: PEOPLE }, (it) => recorded(it)),
  spoil('the tag that was recorded', { tag: ['tag-of-this-server', 'other', undefined] }, (it) => recorded(it)),
  spoil('the port that was recorded', { port: [PORT, 5000, undefined], portIsStated: [true, false] }, (it) =>
    recorded(it),
  ),
  spoil(
    'when the record says that it started',
    { at: [-HOUR, -HOUR - 5_001, -HOUR + 120_001, 0, undefined] },
    ({ at }) => recorded({ startedAt: at === undefined ? undefined : NOW + at }),
  ),
  spoil(
    'the password that was recorded',
    { password: [secret('a password'), undefined], pluginConfig: [undefined, true] as readonly (true | undefined)[] },
    (it) => recorded(it),
  ),
  spoil(
    'the workspace that was recorded',
    {
      workspace: ['/repo', '/unlooked', '/dead/a/b', undefined],
      workspaceHash: [undefined, 'hash of /repo', 'hash of', 'other'],
    },
    (it) => recorded(it),
  ),
  spoil(
    'something runs below it',
    {
      parent: [SERVER, MCP],
      with: [
        {},
        { group: 5002 },
        { group: 5002, session: 5002 },
        { command: serve },
        { command: { kind: 'opencode' } },
        { command: undefined },
        { startToken: undefined },
        { owner: '0' },
      ] as readonly Partial<Process>[],
      its: [
        undefined,
        {},
        { opencodePid: String(SERVER), inOpencode: true },
        { tag: 'other' },
        { keep: true },
      ] as readonly (Partial<Environment> | undefined)[],
      listens: [undefined, false, true],
      named: [undefined, identity(5002), token(5002, undefined)],
    },
    (it) => (given) => {
      const above = given.snapshot.processes?.get(it.parent);
      if (above === undefined) return given;
      const one = process(5002, { parent: it.parent, group: above.group, session: above.session, ...it.with });
      return but(
        given,
        running(one),
        it.its ? spawnedWith(5002, { tag: undefined, ...it.its }) : (same) => same,
        it.listens === undefined ? (same) => same : listening(it.listens, 5002),
        it.named ? shown({ named: [it.named] }) : (same) => same,
      );
    },
  ),
  spoil('whether it has a terminal', { pid: [SERVER, SELF], terminal: [false, true, undefined] }, ({ pid, terminal }) =>
    seen(pid, { terminal }),
  ),
  spoil(
    'what runs above it',
    { pid: [950, CLAUDE], name: ['something', 'tmux: server', 'code'] },
    ({ pid, name }) =>
      (given) => {
        const top = given.snapshot.processes?.has(LAUNCHER) ? LAUNCHER : SERVER;
        return but(given, pid === 950 ? running(process(950, { name })) : (same) => same, seen(top, { parent: pid }));
      },
  ),
  spoil(
    'another program has it in its list',
    {
      pid: [FREE, SERVER, LAUNCHER],
      holder: [FREE, CLAUDE],
      seen: [-MINUTE, -30 * HOUR, undefined],
      doubt: [undefined, 'x'],
    },
    (it) => (given) =>
      written({
        registrations: [
          {
            file: '/list.json',
            by: 'OpenChamber',
            variant: undefined,
            pid: pid(it.pid),
            port: undefined,
            holders: [pid(it.holder)],
            holdersName: undefined,
            seenAt: it.seen === undefined ? undefined : NOW + it.seen,
            doubt: it.doubt,
          },
        ],
      })(given),
  ),
  spoil(
    'who manages it',
    { kimaki: [false, true], ade: [false, true], adePid: [undefined, CLAUDE, FREE], inOpencode: [false, true] },
    ({ inOpencode, adePid, ...marks }) =>
      spawnedWith(SERVER, {
        inOpencode,
        marks: { ...marks, adePid: adePid && pid(adePid), claude: false, claudePid: undefined, servicePid: undefined },
      }),
  ),
  spoil('an OpenCode 2 says that it is a tool’s', { pid: [SERVER, LAUNCHER, MCP] }, ({ pid }) =>
    spawnedWith(pid, { inTerminal: true }),
  ),
  spoil(
    'an input that it has leads elsewhere',
    { input: ['null, for both', 'pipe', 'other', undefined] },
    ({ input }) => shown({ inputs: new Map(input ? [[MCP, input]] : []) }),
  ),
  spoil(
    'another server runs',
    {
      parent: [1, LAUNCHER, SHELL],
      group: [STRANGER, SERVER, LAUNCHER],
      owner: ['1000', '0'],
      startToken: [tokenOf(STRANGER), undefined],
      port: [5000, PORT],
      tag: [undefined, 'tag-of-this-server', 'other'],
    },
    ({ port, tag, ...rest }) =>
      (given) =>
        but(
          given,
          running(serverProcess(STRANGER, { ...rest, command: { ...serve, port } })),
          spawnedWith(STRANGER, { tag }),
        ),
  ),
  spoil(
    'a plugin wrote a record about it too',
    {
      ownership: ['plugin', 'user', 'unmarked'],
      spawned: [token(SERVER, undefined), identity(SERVER), token(LAUNCHER, undefined), token(SERVER, 'earlier')],
      trust: ['trusted', 'untrusted'],
      port: [PORT, undefined, 5000],
      workspace: ['/repo', '/elsewhere', undefined],
      started: [-HOUR, 0],
    },
    (it) => (given) =>
      written({
        records: [
          ...given.written.records,
          {
            ...record,
            ...PLUGINS,
            source: { format: 'another', file: `/data/other-${given.written.records.length}.json` },
            id: 'other',
            ownership: it.ownership,
            spawned: it.spawned,
            trust: { kind: it.trust, because: 'x' } as ServerRecord['trust'],
            port: it.port,
            workspace: it.workspace,
            startedAt: NOW + it.started,
            provenBy: it.spawned.startToken === undefined ? 'start time' : 'start token',
          },
        ],
      })(given),
  ),
  spoil('a console', { of: [SERVER, MCP, LAUNCHER], is: ['own', 'terminal', 'unknown'] }, (it) =>
    running(process(5004, { parent: it.of, name: 'conhost.exe', consoleHost: it.is })),
  ),
  spoil('how old it has to be', { olderThanMs: [5 * MINUTE, 0, HOUR, 2 * HOUR] }, ({ olderThanMs }) => (given) => ({
    ...given,
    policy: { olderThanMs },
  })),
];

/** What may be different about the start of a server that is in no file. */
const BIRTH_SPOILS: readonly Spoil[] = [
  spoil(
    'what started as what',
    {
      pid: THEIRS,
      argv: [
        ARGV,
        ['opencode', 'serve', '--port=4096'],
        [...ARGV, '--print-logs'],
        ['opencode', '--pure', 'serve', '--port', '4096'],
        ['npx', 'opencode-ai', 'serve', '--port', '4096'],
        ['node', '--inspect', '/usr/bin/opencode', 'serve', '--port', '4096'],
        ['tail', '/usr/bin/opencode', 'serve', '--port', '4096'],
        undefined,
      ],
    },
    ({ pid, argv }) => ranAs(pid, argv),
  ),
  spoil(
    'what its parent runs',
    {
      pid: [COMPANION, 1, SYSTEMD],
      argv: [
        ['bun', SCRIPT],
        ['node', './p/scripts/opencode-companion.mjs'],
        ['node', '/home/me/serve.mjs', SCRIPT],
        ['tail', '-f', SCRIPT],
        ['bash', '-c', SCRIPT],
        ['node', '/home/me/serve.mjs'],
        undefined,
      ],
    },
    ({ pid, argv }) => ranAs(pid, argv),
  ),
  spoil('which plugins are there', { parentPlugin: [PLUGIN, 'none', undefined] as const }, (it) => marked(it)),
  spoil('which plugin its environment names', { hookPlugin: [PLUGIN, 'none', undefined] as const }, (it) => marked(it)),
  spoil(
    'where its streams lead',
    {
      streams: [
        STREAMS.socket,
        STREAMS.hook,
        ['null, to read', 'null, to write', 'null, to write'],
        ['other', 'socket', 'socket'],
        ['null, for both', 'socket', 'null, for both'],
        ['null, to read', 'other', 'socket'],
        ['null, to read', undefined, 'socket'],
        [undefined, 'socket', 'socket'],
        [],
      ] as readonly Birthmarks['streams'][],
    },
    (it) => marked(it),
  ),
  spoil(
    'a job that asked for a server',
    { job: [20, 0, 1_500, 1_501, 2_899, 2_900, 4_500, 4_501, -20, -21, 'none', undefined] as const },
    ({ job }) => marked({ job: typeof job === 'number' ? { name: 'task-2', afterMs: job } : job }),
  ),
  spoil('which pids it has', { pidNamespace: ['same', 'different', 'unknown'] }, (it) => marked(it)),
  spoil(
    'what its environment says of its start',
    {
      with: [
        { home: undefined },
        { home: '/root' },
        { inAgent: true },
        { aiAgent: undefined },
        { aiAgent: undefined, claudeCode: undefined },
        { aiAgent: 'my_agent' },
        { aiAgent: 'claude-code_2-1-330_harness' },
        { aiAgent: 'claude-code_2-1-330_agent' },
        { gitEditor: 'true' },
        { gitEditor: undefined },
        { envFile: ENV_FILE },
        { envFile: ENV_FILE.replace('sessionstart-hook', 'cwd-changed') },
        { envFile: undefined },
        { pluginRoot: '/p' },
        { pluginRoot: 'p' },
        { pluginData: undefined },
        { pluginData: 'plugins/data/DevMinions-a-market' },
        { pluginData: '/home/me/.claude/plugins/data/opencode-a-market' },
        { pluginData: '/home/me/.claude/plugins/data/DevMinions' },
        { session: undefined },
        { session: 'session-1' },
        { clientPid: pid(CLAUDE) },
        { clientPid: pid(CLAUDE) },
        { clientPid: undefined },
      ] as readonly Partial<Origin>[],
    },
    (it) => originating(it.with),
  ),
  spoil(
    'what its parent is',
    {
      parent: [COMPANION, 1, SYSTEMD, SHELL, CLAUDE, FREE],
      of: [SHELL, 1, CLAUDE],
      with: [
        { ageMs: HOUR + 500 },
        { ageMs: HOUR - 1 },
        { ageMs: undefined },
        { owner: '0' },
        { owner: undefined },
        { terminal: true },
        { terminal: undefined },
        { name: 'systemd' },
        { claude: 'session' },
      ] as readonly Partial<Process>[],
    },
    (it) => (given) => {
      const top = given.snapshot.processes?.has(LAUNCHER) ? LAUNCHER : SERVER;
      const parent = process(COMPANION, { name: 'node', ageMs: HOUR + 500, parent: it.of, ...it.with });
      return but(
        given,
        it.parent === COMPANION ? running(parent) : (same) => same,
        it.parent === SYSTEMD ? running(process(SYSTEMD, { name: 'systemd', ...it.with })) : (same) => same,
        seen(top, { parent: it.parent }),
      );
    },
  ),
];

const UNSAID = { id: 'plugin-0123456789', state: 'ready', hostname: undefined } as const;
const ofPlugin = { ...PLUGINS, startedAt: NOW - HOUR };
/** What launches a server is a script or a shell. */
const interpreted = seen(LAUNCHER, { command: { ...serve, interpreted: true } });
const secretly = { password: secret('a password'), startedAt: undefined };

/** Every kind of record, each with its server as it may be stopped. */
export const STARTS: Readonly<Record<string, Situation>> = {
  ...Object.fromEntries(
    Object.entries({ ...everyStale, weak, weakLaunched }).map(([name, start]) => [name, but(start, interpreted)]),
  ),
  'weak, by password': but(weak, recorded(secretly), spawnedWith(SERVER, { password: secret('a password') })),
  'weak, by its password alone': but(
    weak,
    recorded({ ...secretly, spawned: undefined, port: undefined }),
    spawnedWith(SERVER, { password: secret('a password'), username: 'opencode' }),
  ),
  'weak, by its port alone': but(
    weak,
    recorded({ spawned: undefined }),
    shown({ listeners: new Map([[PORT, SERVER]]) }),
  ),
  'a plugin’s, with a start token': but(native, recorded(ofPlugin)),
  'a plugin’s, left by its launcher': but(
    launched,
    recorded({ ...ofPlugin, spawned: identity(LAUNCHER) }),
    ended(LAUNCHER),
    seen(SERVER, { parent: 1 }),
  ),
  adopted: but(native, recorded({ ownership: 'adopted', tag: undefined, starter: undefined })),
  ...BORN,
};

/** These are not looked for where births are not shown. */
const isBorn = (from: string): boolean => Object.hasOwn(BORN, from);

/** What a world is made of, so that a counterexample can be read. */
export interface Made {
  readonly from: string;
  readonly on: PlatformName;
  readonly spoiled: readonly { readonly what: string; readonly with: Readonly<Record<string, unknown>> }[];
}

const drawnFrom = (spoils: readonly Spoil[]) =>
  spoils.map(({ what, values }) =>
    fc
      .record(Object.fromEntries(Object.entries(values).map(([name, list]) => [name, fc.constantFrom(...list)])))
      .map((drawn) => ({ what, with: drawn })),
  );

const froms = Object.keys(STARTS);

/** Half of them on Linux, which shows most; and of the servers that are in no file, which are looked for there, more. */
export const made: fc.Arbitrary<Made> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc.record({
      from: fc.constantFrom(...froms.filter((from) => !isBorn(from))),
      on: fc.constantFrom('Linux', 'Linux', ...PLATFORMS.slice(1)),
      spoiled: fc.array(fc.oneof(...drawnFrom(SPOILS)), { maxLength: 4 }),
    }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      from: fc.constantFrom(...froms.filter(isBorn)),
      on: fc.constantFrom('Linux', 'Linux', 'Linux', 'Linux', ...PLATFORMS),
      spoiled: fc.array(fc.oneof(...drawnFrom(SPOILS), ...drawnFrom(BIRTH_SPOILS), ...drawnFrom(BIRTH_SPOILS)), {
        maxLength: 4,
      }),
    }),
  },
);

const changes = new Map([...SPOILS, ...BIRTH_SPOILS].map(({ what, change }) => [what, change]));

interface Random extends Bearing {
  readonly policy?: Policy;
}

const DEAD = [
  place('/unwatched'),
  place('/dead/a', { silent: ['/dead/a'] }),
  place('/dead/a/b', { silent: ['/dead/a/b'] }),
  place('\\\\nas\\code'),
];

/** As the parsers would have read it: what a plugin's record can never say, it does not say here either. */
function asWritten(one: ServerRecord): ServerRecord {
  if (one.source.format === 'native') return { ...one, machine: one.machine ?? here };
  const provenBy = one.spawned?.startToken === undefined ? 'start time' : 'start token';
  return {
    ...one,
    ...ofPlugin,
    ...UNSAID,
    startedAt: one.startedAt,
    source: one.source,
    provenBy,
    portIsStated: one.port !== undefined,
  };
}

/** No process is below itself. */
function hasLoop({ snapshot: { processes } }: Situation): boolean {
  for (const { pid } of processes?.values() ?? []) {
    let steps = 0;
    for (let at = processes?.get(pid); at; at = processes?.get(at.parent)) {
      steps += 1;
      if (steps > (processes?.size ?? 0)) return true;
    }
  }
  return false;
}

export function worldOf({ from, on, spoiled }: Made): Random {
  const start = but(STARTS[from] ?? native, shown({ bootMs: 48 * HOUR }), (given) =>
    shown({ places: new Map([...given.snapshot.places, ...DEAD.map((one) => [one.path, one] as const)]) })(given),
  );
  let given: Random = start;
  for (const { what, with: drawn } of spoiled) {
    const spoilt = { ...given, ...changes.get(what)?.(drawn as never)(given) };
    const isMoved = spoilt.snapshot.processes !== given.snapshot.processes;
    if (!isMoved || !hasLoop(spoilt)) given = spoilt;
  }
  return asShownOn(on, given);
}

export interface Judged {
  /** `none` where there is nothing to judge. */
  readonly verdict: Verdict | { readonly kind: 'none' };
  /** What an oracle has to know for its own. */
  readonly facts: Facts;
  /** The target if a person names the server, and what would be signaled with it. */
  readonly named: Target | undefined;
  readonly ending: readonly Identity[];
  readonly located: Present | undefined;
}

/** What the program says of the server that the first record, or none, is about. */
export function judged(given: Random): Judged {
  const policy = given.policy ?? { olderThanMs: 5 * MINUTE };
  const sockets: Sockets | undefined = given.snapshot.sockets.get(given.record.id);
  const own = given.marks ? [] : [given.record];
  const all = { ...given.written, records: [...own, ...given.written.records.slice(1)].map(asWritten) };
  const known = comparable(all, given.snapshot.machine);
  const bare = withoutSockets(given, sockets, namedIn(known));
  const record = recordOf(given, reconcile(known.records, bare), bare);
  const facts = { records: all.records, written: all, sockets, activity: given.activity, policy };
  const births = given.marks && {
    births: { ...given.marks, isShown: !given.hidesBirths, workspace: given.record.workspace },
  };
  if (record === undefined) {
    const verdict = { kind: 'none' } as const;
    return {
      verdict,
      facts: { ...facts, ...births, snapshot: bare },
      named: undefined,
      ending: [],
      located: undefined,
    };
  }
  // Which processes are the server's own decides which sockets are.
  const its = new Set<number>(candidateOf(record, bare).tree.members.map(({ pid }) => pid));
  const listening = sockets?.listening.filter((socket) => its.has(socket.pid)) ?? [];
  const snapshot = { ...bare, sockets: sockets ? new Map([[record.id, { ...sockets, listening }]]) : bare.sockets };
  const candidate = candidateOf(record, snapshot);
  const activity = activityNow(given.activity, snapshot.sockets.get(record.id));
  const evidence = evidenceOf(candidate, known, snapshot, activity);
  const verdict = judge(evidence, policy);
  const named = targetNamed(verdict, evidence);
  return {
    verdict,
    facts: { ...facts, ...births, snapshot },
    named: 'server' in named ? named : undefined,
    ending: endingWith(candidate, snapshot),
    located: candidate.located.kind === 'present' ? candidate.located : undefined,
  };
}

/** As it is before the sockets of each server have been looked at; whether a possible launcher listens has been. */
function withoutSockets(given: Random, sockets: Sockets | undefined, named: readonly Identity[]): Snapshot {
  const serving = [...(given.snapshot.processes?.values() ?? [])].filter(({ command }) => command?.kind === 'serve');
  const listens = serving.flatMap(({ pid }) => {
    const does = sockets?.listening.some((socket) => socket.pid === pid);
    return does === undefined ? [] : [[pid as number, does] as const];
  });
  return {
    ...given.snapshot,
    named: [...given.snapshot.named, ...named],
    sockets: new Map(),
    environments: given.snapshot.showsEnvironments ? given.snapshot.environments : new Map(),
    listens: new Map([...listens, ...given.snapshot.listens]),
  };
}

const isOther = ({ server }: ServerRecord): number =>
  ([SERVER, LAUNCHER] as number[]).includes(server?.pid ?? 0) ? 0 : 1;

/** The record by which the program judges: of a server in no file, the one that it makes up. */
function recordOf(given: Random, found: readonly ServerRecord[], bare: Snapshot): ServerRecord | undefined {
  const ofFile = (file: string | undefined): ServerRecord | undefined =>
    found.find((one) => [one, ...one.alsoIn].some(({ source }) => source.file === file));
  if (given.marks === undefined) {
    const record = ofFile(given.record.source.file);
    if (record === undefined) throw new Error('a record was lost');
    return record;
  }
  const candidates = found.map((record) => candidateOf(record, bare));
  const unrecorded = unrecordedIn(candidates, bare);
  const isBeside = ({ spawned, server }: ServerRecord): boolean =>
    server?.pid === STRANGER && spawned?.pid === STRANGER && (bare.processes?.get(STRANGER)?.parent ?? 0) <= 1;
  const [record] = unrecorded.filter((one) => !isBeside(one)).sort((a, b) => isOther(a) - isOther(b));
  if (record === undefined) return ofFile(given.written.records[1]?.source.file);
  const traces = given.hidesBirths || !mayBeBorn(record, bare) ? undefined : tracesOf(given.marks, record, bare);
  const birth = traces && birthOf(record, traces, bare);
  const placed = { ...record, workspace: given.record.workspace };
  if (birth === undefined) return placed;
  const id = `${record.spawned?.pid}-${record.spawned?.startToken ?? 'unknown'}`;
  return { ...placed, id, source: { format: FORMAT_OF_BORN, file: '' }, ownership: 'plugin', birth };
}
