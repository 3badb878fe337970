import type { Activity } from '../../src/decide/activity.js';
import { candidateOf } from '../../src/decide/candidate.js';
import { type Evidence, evidenceOf } from '../../src/decide/evidence.js';
import type { Policy } from '../../src/decide/guards.js';
import { judge, type Verdict } from '../../src/decide/verdict.js';
import { type Host, type Pid, parsePid } from '../../src/model/identity.js';
import type { Marks, Registration } from '../../src/model/owner.js';
import type { Environment, Process, Sockets } from '../../src/model/process.js';
import type { Lease, ServerRecord, Witness } from '../../src/model/record.js';
import type { Place, Snapshot } from '../../src/model/snapshot.js';
import type { Written } from '../../src/model/written.js';

/** Everything that a verdict is made of, for one server. */
export interface Situation {
  readonly record: ServerRecord;
  readonly written: Written;
  readonly snapshot: Snapshot;
  readonly activity: Activity;
}

export const MINUTE = 60_000;
export const HOUR = 60 * MINUTE;
export const NOW = Date.UTC(2026, 0, 1);
export const ME = 1000;
export const PORT = 4096;
export const policy: Policy = { olderThanMs: 5 * MINUTE };

/** Who is who in every situation. `free` is a free pid. */
export const SHELL = 600;
export const SELF = 700;
export const CLAUDE = 800;
export const LAUNCHER = 4900;
export const SERVER = 5000;
export const MCP = 5001;
export const FREE = 9000;

export const evidence = (given: Situation): Evidence =>
  evidenceOf(candidateOf(given.record, given.snapshot), given.written, given.snapshot, given.activity);
export const verdict = (given: Situation): Verdict => judge(evidence(given), policy);

export function pid(value: number): Pid {
  const parsed = parsePid(value);
  if (parsed === undefined) throw new Error(`${value} names no process`);
  return parsed;
}

export const tokenOf = (value: number): string => `start-${value}`;
export const identity = (value: number) => ({ pid: pid(value), startToken: tokenOf(value) });
export const here: Host = { id: 'machine', boot: 'boot', pidNamespace: 'pid:[1]', name: 'box' };

/** A process that leads its own group and session, unless told otherwise. */
export function process(value: number, but: Partial<Process> = {}): Process {
  return {
    ...identity(value),
    parent: 1,
    group: value,
    session: value,
    terminal: false,
    owner: String(ME),
    name: 'something',
    command: { kind: 'other' },
    ageMs: HOUR,
    memoryBytes: 1,
    ...but,
  };
}

export const serve = { kind: 'serve', port: PORT, sharedDaemon: undefined, interpreted: false } as const;
export const serverProcess = (value: number, but: Partial<Process> = {}): Process =>
  process(value, { name: 'opencode', command: serve, ...but });

export const TAG = 'tag-of-this-server';
export const environment: Environment = {
  tag: TAG,
  opencodePid: undefined,
  inOpencode: false,
  pluginConfig: false,
  keep: false,
  username: undefined,
  inTerminal: false,
  passwordOfSecond: undefined,
  password: undefined,
};

export const sockets: Sockets = {
  listening: [{ host: '127.0.0.1', port: PORT, pid: SERVER }],
  inbound: [],
  outbound: 0,
  lately: [],
  ourNetwork: true,
};

export const record: ServerRecord = {
  id: 'server-1',
  source: { format: 'native', file: '/state/servers/server-1.json' },
  trust: { kind: 'trusted' },
  ownership: 'plugin',
  plugin: 'opencode-plugin-cc',
  tag: TAG,
  spawned: identity(SERVER),
  server: identity(SERVER),
  starter: identity(FREE),
  machine: here,
  uid: ME,
  hostname: '127.0.0.1',
  port: PORT,
  portIsStated: true,
  url: `http://127.0.0.1:${PORT}`,
  workspace: '/repo',
  workspaceHash: undefined,
  startedAt: NOW - HOUR,
  state: 'ready',
  password: undefined,
  provenBy: 'start token',
  alsoIn: [],
};

/** A lease that says nothing yet, of a Claude process that lives. */
export const lease: Lease = {
  file: '/state/leases/claude.json',
  session: 'session-1',
  holder: identity(CLAUDE),
  machine: here,
  path: undefined,
  port: undefined,
  servers: [],
  expiresAt: undefined,
  seenAt: NOW - HOUR,
};

/** Claude Code's own word that this process is a session. */
export const witness: Witness = { holder: identity(CLAUDE), session: 'session-2', path: '/repo' };

/** OpenChamber's, which lives; it does not say of which server. */
export const registration: Registration = {
  file: '/home/.config/openchamber/managed-opencode/x.json',
  by: 'OpenChamber',
  variant: 'desktop',
  pid: undefined,
  port: undefined,
  holders: [pid(CLAUDE)],
  holdersName: undefined,
  seenAt: NOW - HOUR,
  doubt: undefined,
};

export const marks: Marks = {
  kimaki: false,
  ade: false,
  adePid: undefined,
  claude: false,
  claudePid: undefined,
  servicePid: undefined,
};

export const place = (path: string, but: Partial<Place> = {}): Place => ({
  path,
  real: path,
  gitCommon: undefined,
  hashes: [`hash of ${path}`],
  ...but,
});
const places = [
  place('/repo', { gitCommon: '/repo/.git' }),
  place('/repo/src', { gitCommon: '/repo/.git' }),
  place('/worktree', { gitCommon: '/repo/.git' }),
  place('/link', { real: '/repo', gitCommon: '/repo/.git' }),
  place('/elsewhere', { gitCommon: '/elsewhere/.git' }),
  ...['/', '/repo-2', '/rep'].map((path) => place(path)),
];

export const tableOf = (...processes: readonly Process[]): ReadonlyMap<number, Process> =>
  new Map(processes.map((one) => [one.pid, one]));

const us = [
  process(SHELL, { name: 'bash', terminal: true }),
  process(SELF, { name: 'node', parent: SHELL, session: SHELL, terminal: true }),
  process(CLAUDE, { name: 'claude', claude: 'session', parent: SHELL, session: SHELL, terminal: true }),
];

const snapshot: Snapshot = {
  at: NOW,
  machine: here,
  owner: String(ME),
  self: SELF,
  lineage: new Set([SELF, SHELL]),
  processes: tableOf(...us, serverProcess(SERVER), process(MCP, { parent: SERVER, group: SERVER, session: SERVER })),
  showsEnvironments: true,
  environments: new Map([[SERVER, environment]]),
  listeners: new Map(),
  questions: new Set(),
  named: [],
  listens: new Map(),
  claudes: [{ holder: identity(CLAUDE), session: undefined, path: '/elsewhere' }],
  sockets: new Map([[record.id, sockets]]),
  places: new Map(places.map((one) => [one.path, one])),
};

/** One session that held it has ended, another one works elsewhere. */
const written: Written = {
  records: [record],
  leases: [
    { ...lease, session: 'ended', holder: identity(FREE), path: '/repo' },
    { ...lease, path: '/elsewhere' },
  ],
  uses: [],
  witnesses: [{ holder: identity(FREE), session: 'ended', path: '/repo' }],
  fences: [],
  runs: [],
  kept: [],
  unread: [],
  skipped: [],
};

/** A server that may be stopped: it listens itself, as releases from 1.15.4 on do. */
export const native: Situation = { record, written, snapshot, activity: { kind: 'idle', directories: 1 } };

const inLaunchersGroup = { group: LAUNCHER, session: LAUNCHER };
const launchedServer = serverProcess(SERVER, { parent: LAUNCHER, ...inLaunchersGroup });
const launchersMcp = process(MCP, { parent: SERVER, ...inLaunchersGroup });
const launcher = serverProcess(LAUNCHER, { name: 'node' });

const shownAs = (processes: readonly Process[]): Snapshot => ({
  ...snapshot,
  processes: tableOf(...us, ...processes),
  environments: new Map(
    [LAUNCHER, SERVER].filter((one) => processes.some((seen) => seen.pid === one)).map((one) => [one, environment]),
  ),
});

/** The same below a launcher, as before 1.15.4. */
export const launched: Situation = {
  ...native,
  record: { ...record, spawned: identity(LAUNCHER) },
  snapshot: shownAs([launcher, launchedServer, launchersMcp]),
};

/** Its starter died before the server answered, so the record names the launcher only. */
export const starting: Situation = {
  ...launched,
  record: { ...launched.record, server: undefined, state: 'starting' },
};

/** The launcher of such a record died too, and left its group behind. */
export const orphaned: Situation = {
  ...starting,
  snapshot: shownAs([{ ...launchedServer, parent: 1 }, launchersMcp]),
};

/** Its starter died between the spawn and writing down its pid. */
export const spawning: Situation = {
  ...starting,
  record: { ...starting.record, spawned: undefined, state: 'spawning' },
};

/** An OpenCode 2, whose MCP servers have sessions of their own, and no mark. */
export const second: Situation = {
  ...native,
  snapshot: {
    ...snapshot,
    processes: tableOf(...us, serverProcess(SERVER), process(MCP, { parent: SERVER, ageMs: HOUR - MINUTE })),
    environments: new Map([SERVER, MCP].map((one) => [one, environment])),
    listens: new Map([[MCP, false]]),
    inputs: new Map([[MCP, 'socket']]),
  },
  activity: { kind: 'idle', directories: 1, isSecond: true },
};

export const everyStale = { native, launched, starting, orphaned, spawning, second };
