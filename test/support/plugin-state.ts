import { createHash } from 'node:crypto';
import { startToken } from './proc.js';

/*
 * What each known plugin writes, in its own format and without the code that reads it. Paths are below a folder that
 * stands for one user's machine: `home/`, `tmp/` ($TMPDIR), `shared/` (what plugins call /tmp) and `project/`.
 */

/** By path. Anything but a string is written as JSON. */
export type Files = Readonly<Record<string, unknown>>;

/** A server as a plugin knows it. */
export interface Subject {
  readonly pid: number;
  readonly startToken: string;
  readonly port: number;
  readonly project: string;
  /** Epoch milliseconds. */
  readonly startedAt: number;
}

/** A user of a server. */
export interface User {
  readonly pid: number;
  /** Epoch milliseconds. */
  readonly at: number;
}

export interface PluginFormat {
  readonly format: string;
  /** What the plugin starts its server with. */
  readonly password?: string;
  /** As with most on `--port 0`, its command line does not show its port. */
  readonly anyPort?: true;
  /** Nothing in the record proves the process, so it is never stale. */
  readonly unprovable?: true;
  /** The record names no process. */
  readonly withoutPid?: true;
  readonly record: (subject: Subject) => Files;
  /** A running job, of this process if the format says which. */
  readonly job?: (subject: Subject, runner: User, status: string) => Files;
  /** Its jobs have no process. */
  readonly jobWithoutPid?: true;
  readonly session?: (subject: Subject, holder: User) => Files;
  /** For a server that the plugin did not start. */
  readonly foreign?: (subject: Subject) => Files;
}

const hash = (text: string, digits: number): string => createHash('sha256').update(text).digest('hex').slice(0, digits);
const iso = (ms: number): string => new Date(ms).toISOString();
const url = (port: number): string => `http://127.0.0.1:${port}`;
/** Its own, since nothing else ties the server to the record. */
const BASE64URL = 'Zm9yIHRoZSBzZXJ2ZXJzIG9mIGJyaWFu';
export const HEX = '0123456789abcdef0123456789abcdef';

const DATA = 'home/.claude/plugins/data';
const slug = (project: string): string => `project-${hash(project, 16)}`;
const jv = (project: string): string => `${DATA}/opencode-jv/state/${hash(project, 16)}`;
const naicudAt = (project: string): string => `shared/opencode-companion/${hash(project, 16)}`;
const dalongAt = (project: string): string => `${DATA}/opencode-dalong/opencode-state/${slug(project)}`;
const dinghyAt = (project: string): string => `tmp/opencode-companion/${slug(project)}`;
const viniAt = (project: string): string => `${DATA}/opc-opencode-plugin-cc/state/${slug(project)}`;
const BROKER = 'home/.local/state/opencode-plugin-cc/broker';
const kusabiAt = (project: string): string => `home/.kusabi/${hash(project, 12)}`;

/** A job of the tasict line: `pid` is the companion's, never the server's. */
const taskJob = ({ pid, at }: User, status: string) => ({
  id: 'task-lx3k9-ab12cd',
  type: 'task',
  status,
  pid,
  phase: 'running',
  createdAt: iso(at),
  updatedAt: iso(at),
});

const codexJob = ({ project }: Subject, { pid, at }: User, status: string) => ({
  id: 'task-1',
  kind: 'task',
  kindLabel: 'Task',
  jobClass: 'task',
  status,
  workspaceRoot: project,
  pid,
  sessionId: '4f0c',
  createdAt: iso(at),
  updatedAt: iso(at),
});

const dinghyRecord = ({ pid, port }: Subject) => ({
  url: url(port),
  pid,
  pidFile: '/tmp/occ-Ab12Cd/opencode-server.pid',
  logFile: '/tmp/occ-Ab12Cd/opencode-server.log',
  sessionDir: '/tmp/occ-Ab12Cd',
  external: false,
  api: 1,
  password: HEX,
  username: 'opencode',
  port,
  pidCommandLine: `/usr/local/bin/opencode serve --hostname 127.0.0.1 --port ${port}`,
  leases: [] as unknown[],
});

const viniRecord = ({ pid, startToken: startTime, port, startedAt }: Subject) => ({
  schemaVersion: 1,
  pid,
  startTime,
  port,
  url: url(port),
  version: '2.0.22',
  password: HEX,
  startedAt: iso(startedAt),
  spawnedBy: 'opc',
  cmdline: ['opencode', 'serve', '--port', `${port}`, '--hostname', '127.0.0.1'],
  world: { shareBlocked: false, deniedDefaults: [] },
});

const rivaldoRecord = ({ pid, port, startedAt }: Subject) => ({ port, pid, password: HEX, startedAt });
const rivaldoOwner = ({ pid, port, startedAt }: Subject) => ({
  pid,
  port,
  startedAt,
  passwordHash: createHash('sha256').update(HEX).digest('hex'),
});

export const PLUGIN_FORMATS: readonly PluginFormat[] = [
  {
    format: 'johnnyvicious',
    record: ({ pid, project, startedAt }) => ({
      [`${jv(project)}/server.json`]: { lastServerPid: pid, lastServerStartedAt: startedAt },
    }),
    // Its commands do not see the variable that its hooks see, so its jobs are elsewhere.
    job: ({ project }, runner, status) => ({
      [`tmp/opencode-companion/${hash(project, 16)}/state.json`]: {
        config: {},
        jobs: [{ ...taskJob(runner, status), pidStartToken: `linux:${startToken(runner.pid) ?? '1'}` }],
      },
    }),
  },
  {
    format: 'naicud',
    record: ({ pid, port, project, startedAt }) => ({
      [`${naicudAt(project)}/servers/serve-${port}.json`]: {
        pid,
        port,
        host: '127.0.0.1',
        account: null,
        logFile: `/x/serve-${port}.log`,
        cwd: project,
        startedAt: iso(startedAt),
      },
    }),
    job: ({ project }, runner, status) => ({
      [`${naicudAt(project)}/state.json`]: { config: {}, jobs: [taskJob(runner, status)] },
    }),
  },
  {
    format: 'dalong0514',
    password: HEX,
    anyPort: true,
    record: ({ pid, port, project, startedAt }) => ({
      [`${dalongAt(project)}/server.json`]: {
        pid,
        url: url(port),
        password: HEX,
        startedAt: iso(startedAt),
        startedBySession: '4f0c',
      },
    }),
    job: (subject, runner, status) => ({
      [`${dalongAt(subject.project)}/state.json`]: {
        version: 1,
        config: { stopReviewGate: false },
        jobs: [codexJob(subject, runner, status)],
      },
    }),
  },
  {
    format: 'therealdinghydog',
    password: HEX,
    record: (subject) => ({ [`${dinghyAt(subject.project)}/server.json`]: dinghyRecord(subject) }),
    job: (subject, runner, status) => ({
      [`${dinghyAt(subject.project)}/state.json`]: {
        version: 1,
        config: {},
        jobs: [{ ...codexJob(subject, runner, status), serverUrl: url(subject.port), serverExternal: false }],
      },
    }),
    session: (subject, { pid, at }) => ({
      [`${dinghyAt(subject.project)}/server.json`]: {
        ...dinghyRecord(subject),
        leases: [{ pid, token: `${pid}-k3j2`, createdAt: iso(at), expiresAt: iso(at + 6 * 3_600_000) }],
      },
    }),
    foreign: (subject) => ({
      [`${dinghyAt(subject.project)}/server.json`]: { ...dinghyRecord(subject), external: true, pid: null },
    }),
  },
  {
    format: 'thevinialmeida',
    password: HEX,
    record: (subject) => ({ [`${viniAt(subject.project)}/server.json`]: viniRecord(subject) }),
    job: ({ project }, { pid, at }, status) => ({
      [`${viniAt(project)}/jobs/job-1.json`]: {
        id: 'job-1',
        kind: 'task',
        status,
        claudeSessionId: '4f0c',
        pid,
        pidStartTime: startToken(pid) ?? '1',
        updatedAt: iso(at),
      },
    }),
    // The data folder of its hooks, when the plugin is loaded from a folder.
    session: ({ project }, { pid, at }) => ({
      [`${viniAt(project).replace('opc-opencode-plugin-cc', 'opc-inline')}/state.json`]: {
        version: 1,
        claudeSessions: [
          {
            sessionId: '4f0c',
            pid,
            pidStartTime: startToken(pid) ?? '1',
            pidComm: 'claude',
            source: 'startup',
            startedAt: iso(at),
          },
        ],
        jobs: [],
      },
    }),
    foreign: (subject) => ({ [`${viniAt(subject.project)}/server.json`]: { ...viniRecord(subject), spawnedBy: 'me' } }),
  },
  {
    format: 'rivaldofwijaya',
    password: HEX,
    anyPort: true,
    record: (subject) => ({
      [`${BROKER}/port.json`]: rivaldoRecord(subject),
      [`${BROKER}/owner.json`]: rivaldoOwner(subject),
    }),
    job: ({ project }, { pid, at }, state) => ({
      [`${BROKER}/../jobs/job_1/meta.json`]: {
        id: 'job_1',
        ccSessionId: '4f0c',
        verb: 'task',
        cwd: project,
        state,
        sessionID: 'ses_1',
        pid,
        startedAt: at,
        endedAt: null,
      },
    }),
    session: (_, { pid, at }) => ({
      [`${BROKER}/refs.json`]: {
        '4f0c': {
          'session:4f0c': {
            pid: 2 ** 22,
            at,
            scope: 'session',
            sessionPid: pid,
            sessionCommand: 'claude',
            expiresAt: at + 6 * 3_600_000,
          },
        },
      },
    }),
    foreign: (subject) => ({
      [`${BROKER}/port.json`]: rivaldoRecord(subject),
      [`${BROKER}/owner.json`]: { ...rivaldoOwner(subject), passwordHash: 'another' },
    }),
  },
  {
    format: 'joelfrancisco',
    password: HEX,
    record: ({ pid, port, project, startedAt }) => ({
      [`home/.local/state/opencode-plugin-cc/server/${hash(project, 16)}.json`]: {
        pid,
        host: '127.0.0.1',
        port,
        password: HEX,
        workspace: project,
        started: iso(startedAt),
      },
    }),
    job: ({ project }, { pid, at }, status) => ({
      'home/.local/state/opencode-plugin-cc/jobs/review-1.json': {
        id: 'review-1',
        kind: 'review',
        workspace: project,
        pid,
        started: iso(at),
        scope: 'auto',
        status,
      },
    }),
  },
  {
    format: 'masuda-masuo',
    password: HEX,
    record: ({ pid, port, project, startedAt }) => ({
      [`${kusabiAt(project)}/server.json`]: { port, password: HEX, pid, cwd: project, startedAt: iso(startedAt) },
    }),
    jobWithoutPid: true,
    job: ({ project }, { at }, status) => ({
      [`${kusabiAt(project)}/jobs/job-1/job.json`]: {
        id: 'job-1',
        kind: 'task',
        status,
        sessionID: 'ses_1',
        cwd: project,
        startedAt: iso(at),
        stats: { lastActivity: iso(at) },
      },
    }),
  },
  {
    format: 'zaralcy',
    record: ({ pid, port, startedAt }) => ({
      'home/.opencode-plugin/server.json': { pid, port, startedAt: iso(startedAt) },
    }),
    jobWithoutPid: true,
    job: (_, { at }, status) => ({
      'home/.opencode-plugin/sessions/ses_1.json': {
        prompt: 'do it',
        claudeSessionId: '4f0c',
        status,
        sessionId: 'ses_1',
        startedAt: iso(at),
      },
    }),
  },
  {
    format: 'brahmsyaifullah',
    unprovable: true,
    record: ({ pid }) => ({ 'home/.claude/opencode-server/pid': `${pid}\n` }),
    job: (_, { pid }, status) => ({
      'home/.claude/opencode-jobs/oc-1/pid': `${pid}\n`,
      ...(status === 'running' ? {} : { 'home/.claude/opencode-jobs/oc-1/exit-code': '0\n' }),
    }),
  },
  {
    format: 'brian250713',
    password: BASE64URL,
    anyPort: true,
    withoutPid: true,
    record: () => ({ 'tmp/opencode-companion/server-auth.json': { password: BASE64URL } }),
    job: ({ project }, runner, status) => ({
      [`tmp/opencode-companion/${hash(project, 16)}/state.json`]: { config: {}, jobs: [taskJob(runner, status)] },
    }),
  },
  {
    format: 'apoapps',
    anyPort: true,
    withoutPid: true,
    record: ({ port, project, startedAt }) => ({
      'shared/oc-bridge-state.json': { url: url(port), sessionID: 'ses_1', cwd: project, startedAt },
    }),
    job: (subject, runner, status) => ({
      [`${DATA}/swarm-code/state/${slug(subject.project)}/state.json`]: {
        version: 1,
        config: {},
        jobs: [codexJob(subject, runner, status)],
      },
    }),
  },
  {
    format: 'opencode-delegate',
    record: ({ pid, port, startedAt }) => ({
      'project/.opencode-delegate/serve.lock': { pid, port, startedAt: iso(startedAt) },
    }),
    job: ({ project }, { pid, at }, state) => ({
      'project/.opencode-delegate/jobs/ocd-mck1-a1b2/meta.json': {
        description: 'rename the module',
        prompt: 'do it',
        model: 'a/b',
        isolation: 'worktree',
        ownerPid: pid,
        id: 'ocd-mck1-a1b2',
        state: state === 'completed' ? 'done' : state,
        createdAt: iso(at),
        ...(state === 'running' ? { opencodeSessionId: 'ses_1' } : { finishedAt: iso(at) }),
        worktreePath: `${project}/.opencode-delegate/worktrees/ocd-mck1-a1b2`,
      },
    }),
  },
];
