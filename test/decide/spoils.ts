import type { Process } from '../../src/model/process.js';
import { secret } from '../../src/model/secret.js';
import {
  announced,
  asking,
  but,
  type Change,
  client,
  connected,
  ended,
  environmentHidden,
  every,
  keptAs,
  leased,
  listening,
  recorded,
  registered,
  running,
  says,
  seen,
  shown,
  spawnedWith,
  unread,
  witnessed,
} from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  HOUR,
  here,
  identity,
  LAUNCHER,
  MCP,
  MINUTE,
  marks,
  NOW,
  PORT,
  pid,
  process,
  SELF,
  SERVER,
  SHELL,
  serve,
  serverProcess,
  witness,
} from './given.js';

export type Named = readonly [name: string, change: Change];

/** A tool of the agent, a session's shell, or a pty: the child of the process that the record leads to. */
const toolBelow: Change = (given) => {
  const { located } = evidence(given);
  return located.kind === 'present' ? running(process(5002, { parent: located.server.pid }))(given) : given;
};
/** Another program's process, below an MCP server of the process that the record leads to. */
const belowMcp =
  (but: Partial<Process> = {}): Change =>
  (given) => {
    const { located } = evidence(given);
    if (located.kind !== 'present') return given;
    const { group, session } = located.server;
    return running(
      process(MCP, { parent: located.server.pid, group, session, ageMs: HOUR - MINUTE }),
      process(5003, { parent: MCP, group, session, ...but }),
    )(given);
  };
const nested = { opencodePid: String(FREE) };

/** A server that is not recorded, on the same port of another address. */
export const stranger = serverProcess(6000, { command: { ...serve, port: PORT } });

export const withStranger: Change = (given) =>
  but(given, running(stranger), spawnedWith(stranger.pid, { tag: undefined }));

/** The process that the record leads to. */
const onServer =
  (change: (pid: number) => Change): Change =>
  (given) => {
    const { located } = evidence(given);
    return located.kind === 'present' ? change(located.server.pid)(given) : given;
  };
/** A person's word outranks what another program says. */
const notAdopted = recorded({ ownership: 'plugin' });

/** If any of these holds, the server stays. */
export const SPARING: readonly Named[] = [
  ['a live session works in its workspace', leased({ path: '/repo' })],
  ['a live session works in a folder of it', leased({ path: '/repo/src' })],
  ['a live session works in a worktree of it', leased({ path: '/worktree' })],
  ['a live session works behind a link to it', leased({ path: '/link' })],
  ['a live session works around it', leased({ path: '/' })],
  ['a live session names it', leased({ servers: ['server-1'] })],
  ['a live session names its port', every(recorded({ port: PORT }), leased({ port: PORT }))],
  ['a session without identity works in it', leased({ path: '/repo', holder: undefined })],
  [
    'a session of another machine works in it',
    leased({ path: '/repo', machine: { id: 'x', boot: 'x', pidNamespace: 'x', name: '' } }),
  ],
  ['Claude Code lists a session in it', witnessed({})],
  ['a claude works in a worktree of it', shown({ claudes: [{ ...witness, path: '/worktree' }] })],
  ['a claude hides where it works', shown({ claudes: [{ ...witness, path: undefined }] })],
  ['a lease is unread', unread('lease')],
  ['a client is connected', client(SHELL)],
  ['an unseen client is connected', client(undefined)],
  ['it was used within the last minute', connected({ lately: [59_000] })],
  ['a tool runs in it', toolBelow],
  ['a tool runs deep below it', belowMcp({ group: 5003, session: 5003 })],
  ['another server runs below it', belowMcp({ command: serve })],
  ['what has a record of its own runs below it', every(belowMcp(), shown({ named: [identity(5003)] }))],
  ['what listens has been given a group of its own below it', every(belowMcp({ group: 5003 }), listening(true, 5003))],
  ['a session is busy', says({ kind: 'busy', sessions: 1, directory: '/repo' })],
  ['the user keeps it', keptAs('server-1')],
  ['a keep mark is unread', unread('keep')],
  ['the user started it', recorded({ ownership: 'user' })],
  ['it is not recorded', recorded({ ownership: 'unrecorded' })],
  ['the record proves nothing', recorded({ trust: { kind: 'untrusted', because: 'x' } })],
  ['the record is not examined', recorded({ trust: { kind: 'unexamined', because: 'x' } })],
  ['it was started on another machine', recorded({ machine: { ...here, id: 'other', boot: 'other' } })],
  ['it was started in another container', recorded({ machine: { ...here, pidNamespace: 'other' } })],
  ['this machine has booted since', recorded({ machine: { ...here, boot: 'other' } })],
  ['OpenChamber has its port and runs', every(notAdopted, registered({ port: PORT }))],
  ['Neovim’s list is unread', every(notAdopted, registered({ by: 'Neovim', holders: [], doubt: 'x' }))],
  [
    'a terminal is its own',
    every(
      notAdopted,
      onServer((pid) => seen(pid, { terminal: true })),
    ),
  ],
  [
    'ADE manages it',
    every(
      notAdopted,
      onServer((pid) => spawnedWith(pid, { marks: { ...marks, ade: true } })),
    ),
  ],
  ['its starter waits for it', recorded({ state: 'starting', starter: identity(CLAUDE) })],
];

const noTag = every(spawnedWith(LAUNCHER, { tag: 'other' }), spawnedWith(SERVER, { tag: undefined }));
const otherTokens = (startToken: string | undefined): Change =>
  every(seen(LAUNCHER, { startToken }), seen(SERVER, { startToken }));

/** If any of these holds, nothing proves that the process is the one that was recorded. */
export const MISTAKING: readonly Named[] = [
  ['both pids were recycled', every(otherTokens('later'), noTag)],
  [
    'both pids were recycled, and environments are hidden',
    every(otherTokens('later'), environmentHidden(LAUNCHER, SERVER)),
  ],
  [
    'both pids were recycled by what a server started',
    every(otherTokens('later'), spawnedWith(LAUNCHER, nested), spawnedWith(SERVER, nested)),
  ],
  ['both pids were recycled, and the record has no tag', every(otherTokens('later'), recorded({ tag: undefined }))],
  ['no start token can be read', otherTokens(undefined)],
  [
    'no start token was recorded',
    recorded({
      spawned: { pid: pid(LAUNCHER), startToken: undefined },
      server: { pid: pid(SERVER), startToken: undefined },
    }),
  ],
  ['nothing was recorded', recorded({ spawned: undefined, server: undefined, tag: undefined })],
  [
    'nothing but a starter was recorded, and it lives',
    recorded({ spawned: undefined, server: undefined, starter: identity(CLAUDE) }),
  ],
  ['both processes ended', ended(LAUNCHER, SERVER)],
  ['processes could not be listed', shown({ processes: undefined })],
];

/** The same for a record without a start token. */
export const MISTAKING_A_PLUGIN: readonly Named[] = [
  ['it started long before', recorded({ startedAt: NOW + HOUR })],
  ['it started long after', recorded({ startedAt: 0 })],
  ['its start is not known', every(seen(LAUNCHER, { ageMs: undefined }), seen(SERVER, { ageMs: undefined }))],
  ['the record does not say when', recorded({ startedAt: undefined })],
  ['it listens on another port', recorded({ port: 5000 })],
  ['it has another password', recorded({ password: secret('a password') })],
  ['both processes ended', ended(LAUNCHER, SERVER)],
  [
    'both pids are another program',
    every(seen(LAUNCHER, { command: { kind: 'other' } }), seen(SERVER, { command: { kind: 'other' } })),
  ],
  ['processes could not be listed', shown({ processes: undefined })],
];

/** What may or may not matter. */
export const SPOILING: readonly Named[] = [
  ...SPARING,
  ['nothing is spoiled', (given) => given],
  ['it belongs to another user', seen(SERVER, { owner: '0' })],
  ['it is young', seen(SERVER, { ageMs: MINUTE })],
  ['it starts in the future', seen(SERVER, { ageMs: -MINUTE })],
  ['it asks to be kept', spawnedWith(SERVER, { keep: true })],
  ['it carries another tag', spawnedWith(SERVER, { tag: 'other' })],
  ['it was adopted', recorded({ ownership: 'adopted' })],
  ['the record has no tag', recorded({ tag: undefined })],
  ['the record names no listener', recorded({ server: undefined })],
  ['the record names another listener', recorded({ server: { pid: pid(SERVER), startToken: 'earlier' } })],
  ['the record names another launcher', recorded({ spawned: { pid: pid(LAUNCHER), startToken: 'earlier' } })],
  ['the record has no start token', recorded({ server: { pid: pid(SERVER), startToken: undefined } })],
  ['the record has no port', recorded({ port: undefined })],
  ['the record has no workspace', recorded({ workspace: undefined })],
  ['the record has no machine', recorded({ machine: undefined })],
  ['the launcher ended', ended(LAUNCHER)],
  ['the listener ended', ended(SERVER)],
  ['it is another command', seen(SERVER, { command: { kind: 'opencode' } })],
  ['it is a shared daemon', seen(SERVER, { command: { ...serve, sharedDaemon: 'service' } })],
  ['its launcher is another program', seen(LAUNCHER, { command: { kind: 'other' } })],
  ['its launcher belongs to another user', seen(LAUNCHER, { owner: '0' })],
  ['its launcher carries another tag', spawnedWith(LAUNCHER, { tag: 'other' })],
  ['its launcher cannot be examined', every(seen(LAUNCHER, { command: undefined }), environmentHidden(LAUNCHER))],
  ['its own MCP server is connected', client(MCP)],
  ['this run asks it', (given) => but(given, client(SELF), asking)],
  ['this very program is connected', client(SELF)],
  ['it was used lately', connected({ lately: [9_000] })],
  ['another run is connected', (given) => but(given, client(CLAUDE), announced(identity(CLAUDE)))],
  ['it listens on nothing', connected({ listening: [] })],
  ['it is hung', says({ kind: 'hung', because: 'x' })],
  ['it is silent', says({ kind: 'silent' })],
  ['a dead session worked in it', leased({ path: '/repo', holder: identity(FREE) })],
  ['a server that is not ours runs', withStranger],
  ['this run is below it', shown({ lineage: new Set([SELF, MCP, SERVER]) })],
  ['this run is below its launcher', shown({ lineage: new Set([SELF, LAUNCHER]) })],
  ['its environment is hidden', environmentHidden(SERVER)],
];
