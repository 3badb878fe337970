import type { GuardName, GuardOutcome } from '../../src/decide/guards.js';
import type { Verdict } from '../../src/decide/verdict.js';
import type { Process } from '../../src/model/process.js';
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
  recordedOn,
  running,
  says,
  seen,
  shown,
  shownOn,
  spawnedWith,
  unread,
  witnessed,
} from './changes.js';
import {
  CLAUDE,
  FREE,
  here,
  identity,
  LAUNCHER,
  launched,
  MCP,
  MINUTE,
  NOW,
  native,
  orphaned,
  PORT,
  pid,
  process,
  SELF,
  SERVER,
  type Situation,
  serve,
  sockets,
  starting,
  witness,
} from './given.js';
import { jobs, pluginLeases, pluginsOwned, weak, weakIdentity, weakLaunched } from './plugin-cases.js';

/** What is the case, and what the guard says about it; then what becomes of the server, and for which reasons. */
export type Case = readonly [
  sentence: string,
  given: Situation,
  outcome: GuardOutcome,
  kind: Verdict['kind'],
  reasons: readonly GuardName[],
];

const on = (...changes: readonly Change[]): Situation => but(native, ...changes);
const tool = (session: number | undefined) => process(5002, { parent: SERVER, session, group: session });
/** Something below an MCP server, in the server's own session and group unless told otherwise. */
const below = (change: Partial<Process> = {}, listens = false): Change => {
  const grandchild = process(5003, { parent: MCP, session: SERVER, group: SERVER, ...change });
  return every(running(grandchild), listening(listens, 5003));
};
/** A shell that has spawned the server, and something else that is no part of it. */
const beside = but(
  launched,
  seen(LAUNCHER, { command: { kind: 'other' } }),
  running(process(5003, { parent: LAUNCHER, group: LAUNCHER, session: LAUNCHER })),
);
const ownGroup = { group: 5003 };
const ownSession = { group: 5003, session: 5003 };

const owned: readonly Case[] = [
  ['a plugin started it', native, 'pass', 'stale', []],
  ['a plugin that gave no name started it', on(recorded({ plugin: undefined })), 'pass', 'stale', []],
  ['the user handed it over', on(recorded({ ownership: 'adopted' })), 'pass', 'stale', []],
  ['it is not recorded', on(recorded({ ownership: 'unrecorded' })), 'veto', 'spared', ['owned']],
  ['the user started it', on(recorded({ ownership: 'user' })), 'veto', 'spared', ['owned']],
  ['its record was removed in the meantime', on(recorded({ ownership: 'withdrawn' })), 'veto', 'spared', ['owned']],
  [
    'another user could have written the record',
    on(recorded({ trust: { kind: 'untrusted', because: 'its folder is writable by others' } })),
    'veto',
    'spared',
    ['owned'],
  ],
  [
    'the record cannot be examined',
    on(recorded({ trust: { kind: 'unexamined', because: 'EACCES' } })),
    'unknown',
    'unsure',
    ['owned'],
  ],
  [
    'it is a shared daemon',
    on(seen(SERVER, { command: { ...serve, sharedDaemon: true } })),
    'veto',
    'spared',
    ['owned'],
  ],
];

const local: readonly Case[] = [
  ['it was started here', native, 'pass', 'stale', []],
  ['a plugin does not say where it was started', on(recorded({ machine: undefined })), 'pass', 'stale', []],
  ['the machine has no id but the same boot', on(shownOn({ id: undefined })), 'pass', 'stale', []],
  ['the machine was renamed', on(shownOn({ name: 'other' })), 'pass', 'stale', []],
  ['it was started on another machine', on(recordedOn({ id: 'other' })), 'veto', 'spared', ['local']],
  ['it was started in another container', on(recordedOn({ pidNamespace: 'pid:[2]' })), 'veto', 'spared', ['local']],
  ['this machine has booted since', on(recordedOn({ boot: 'other' })), 'veto', 'gone', []],
  [
    'nothing tells which machine it was',
    on(recordedOn({ id: undefined, boot: undefined })),
    'unknown',
    'unsure',
    ['local'],
  ],
  [
    'nothing tells when this machine booted',
    on(shownOn({ boot: undefined })),
    'unknown',
    'unsure',
    ['local', 'unleased'],
  ],
  [
    'nothing tells which container this is',
    on(shownOn({ pidNamespace: undefined })),
    'unknown',
    'unsure',
    ['local', 'unleased'],
  ],
];

const identityCases: readonly Case[] = [
  ['it is the recorded process', native, 'pass', 'stale', []],
  ['both launcher and server are the recorded ones', launched, 'pass', 'stale', []],
  ['its launcher died and it carries the tag', orphaned, 'pass', 'stale', []],
  [
    'it has the start token, and environments cannot be seen here',
    on(environmentHidden(SERVER), shown({ showsEnvironments: false })),
    'pass',
    'stale',
    [],
  ],
  ['its environment alone cannot be seen', on(environmentHidden(SERVER)), 'unknown', 'unsure', ['identity', 'unkept']],
  ['the record has no tag', on(recorded({ tag: undefined })), 'pass', 'stale', []],
  ['it belongs to another user', on(seen(SERVER, { owner: '0' })), 'veto', 'spared', ['identity']],
  [
    'its launcher belongs to another user',
    but(launched, seen(LAUNCHER, { owner: '0' })),
    'veto',
    'spared',
    ['identity'],
  ],
  [
    'what started it is a shell or a script, which runs more',
    but(launched, seen(LAUNCHER, { command: { kind: 'other' } })),
    'pass',
    'stale',
    [],
  ],
  [
    'the command line of its launcher cannot be read',
    but(launched, seen(LAUNCHER, { command: undefined })),
    'unknown',
    'unsure',
    ['identity'],
  ],
  ['it became another program', on(seen(SERVER, { command: { kind: 'other' } })), 'veto', 'spared', ['identity']],
  [
    'it is another command of opencode',
    on(seen(SERVER, { command: { kind: 'opencode' } })),
    'veto',
    'spared',
    ['identity'],
  ],
  ['it carries another tag', on(spawnedWith(SERVER, { tag: 'other' })), 'veto', 'spared', ['identity']],
  ['it carries no tag', on(spawnedWith(SERVER, { tag: undefined })), 'veto', 'spared', ['identity']],
  [
    'its launcher carries another tag',
    but(launched, spawnedWith(LAUNCHER, { tag: 'x' })),
    'veto',
    'spared',
    ['identity'],
  ],
  ['its pid is free', on(ended(SERVER)), 'unknown', 'gone', []],
  [
    'its pid was recycled',
    on(seen(SERVER, { startToken: 'later' }), spawnedWith(SERVER, { tag: undefined })),
    'unknown',
    'gone',
    [],
  ],
  [
    'its start token cannot be read',
    on(seen(SERVER, { startToken: undefined })),
    'unknown',
    'unsure',
    ['identity', 'idle', 'aged'],
  ],
  ['its user cannot be read', on(seen(SERVER, { owner: undefined })), 'unknown', 'unsure', ['identity']],
  ['the user of this run cannot be read', on(shown({ owner: undefined })), 'unknown', 'unsure', ['identity']],
  ['its command line cannot be read', on(seen(SERVER, { command: undefined })), 'unknown', 'unsure', ['identity']],
  [
    'its launcher has the tag, but its own environment is hidden',
    but(starting, recorded({ spawned: undefined }), environmentHidden(SERVER), shown({ showsEnvironments: false })),
    'unknown',
    'unsure',
    ['identity'],
  ],
];

const unleased: readonly Case[] = [
  ['the session that held it has ended', native, 'pass', 'stale', []],
  ['its starter has ended', starting, 'pass', 'stale', []],
  ['a live session works elsewhere', on(leased({ path: '/elsewhere', port: 5000 })), 'pass', 'stale', []],
  ['a live session works in its workspace', on(leased({ path: '/repo' })), 'veto', 'spared', ['unleased']],
  ['a live session names it', on(leased({ servers: ['server-1'] })), 'veto', 'spared', ['unleased']],
  ['a live session names its port', on(leased({ port: PORT })), 'veto', 'spared', ['unleased']],
  [
    'a live session names the port that it really listens on',
    on(recorded({ port: 5000 }), leased({ port: PORT })),
    'veto',
    'spared',
    ['unleased'],
  ],
  [
    'its starter still waits for it',
    but(starting, recorded({ starter: identity(CLAUDE) })),
    'veto',
    'spared',
    ['unleased'],
  ],
  [
    'its starter may still wait for it',
    but(starting, recorded({ starter: { pid: pid(CLAUDE), startToken: undefined } })),
    'veto',
    'spared',
    ['unleased'],
  ],
  ['Claude Code lists a session elsewhere', on(witnessed({ path: '/elsewhere' })), 'pass', 'stale', []],
  ['Claude Code lists a live session in its workspace', on(witnessed({})), 'veto', 'spared', ['unleased']],
  ['a live claude works in its workspace', on(shown({ claudes: [witness] })), 'veto', 'spared', ['unleased']],
  ['a session has no identity', on(leased({ path: '/repo', holder: undefined })), 'unknown', 'unsure', ['unleased']],
  ['its workspace is not known', on(recorded({ workspace: undefined })), 'unknown', 'unsure', ['unleased']],
  ['a lease could not be read', on(unread('lease')), 'unknown', 'unsure', ['unleased']],
  [
    'such a lease was last written before this boot',
    on(shown({ bootMs: MINUTE }), unread('lease', NOW - 10 * MINUTE)),
    'pass',
    'stale',
    [],
  ],
  [
    'such a lease may have been written since',
    on(shown({ bootMs: MINUTE }), unread('lease', NOW - 5 * MINUTE)),
    'unknown',
    'unsure',
    ['unleased'],
  ],
];

const HUNG = { kind: 'hung', because: 'silent on 3 connections in 6 s' } as const;

const idle: readonly Case[] = [
  ['it says that it is idle', native, 'pass', 'stale', []],
  ['this very command runs inside it', on(shown({ lineage: new Set([SELF, SERVER]) })), 'veto', 'spared', ['idle']],
  ['it is hung', on(says(HUNG)), 'pass', 'stale', []],
  ['only its own tree is connected', on(client(MCP)), 'pass', 'stale', []],
  ['only a question of this run is connected', on(client(SELF), asking), 'pass', 'stale', []],
  ['the program that this run is part of is connected', on(client(SELF)), 'veto', 'spared', ['idle']],
  ['another live run stays connected', on(client(CLAUDE), announced(identity(CLAUDE))), 'veto', 'spared', ['idle']],
  ['it was used within the last minute', on(connected({ lately: [9_000] })), 'veto', 'spared', ['idle']],
  ['a client is just connecting', on(connected({ lately: [0] })), 'veto', 'spared', ['idle']],
  ['it was used while it was silent', on(connected({ lately: [1] }), says(HUNG)), 'veto', 'spared', ['idle']],
  [
    'its port was another server’s',
    on(seen(SERVER, { ageMs: 6 * MINUTE }), connected({ lately: [6 * MINUTE + 1] })),
    'pass',
    'stale',
    [],
  ],
  [
    'its starter saw it listen',
    on(seen(SERVER, { ageMs: 6 * MINUTE }), connected({ lately: [6 * MINUTE - 2_000] })),
    'pass',
    'stale',
    [],
  ],
  [
    'it was used soon after it started',
    on(seen(SERVER, { ageMs: 6 * MINUTE }), connected({ lately: [6 * MINUTE - 2_001] })),
    'veto',
    'spared',
    ['idle'],
  ],
  [
    'it was used twice as it started',
    on(seen(SERVER, { ageMs: 6 * MINUTE }), connected({ lately: [6 * MINUTE, 6 * MINUTE - 1] })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['closed connections are not shown', on(connected({ lately: undefined })), 'pass', 'stale', []],
  [
    'the pid of a run that died is connected',
    on(client(CLAUDE), announced({ pid: pid(CLAUDE), startToken: 'x' })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['what a shell runs beside it is connected', but(beside, client(5003)), 'veto', 'spared', ['idle']],
  ['only processes of its own session run below it', on(running(tool(SERVER))), 'pass', 'stale', []],
  ['a client is connected', on(client(CLAUDE)), 'veto', 'spared', ['idle']],
  ['a client that cannot be seen is connected', on(client(undefined)), 'veto', 'spared', ['idle']],
  ['a hung server has a client', on(client(FREE), says({ kind: 'hung', because: 'x' })), 'veto', 'spared', ['idle']],
  ['a tool runs in a session of its own', on(running(tool(5002))), 'veto', 'spared', ['idle']],
  ['a session is busy', on(says({ kind: 'busy', sessions: 1, directory: '/repo' })), 'veto', 'spared', ['idle']],
  ['its connections cannot be seen', on(shown({ sockets: new Map() })), 'unknown', 'unsure', ['idle']],
  ['its own session cannot be seen', on(seen(SERVER, { session: undefined })), 'unknown', 'unsure', ['idle']],
  ['an MCP server has started something', on(below()), 'pass', 'stale', []],
  ['what an MCP server has started listens, as an MCP server may', on(below({}, true)), 'pass', 'stale', []],
  ['what an MCP server has started has a group of its own', on(below(ownGroup)), 'pass', 'stale', []],
  ['that one listens', on(below(ownGroup, true)), 'veto', 'spared', ['idle']],
  [
    'it cannot be told whether it listens',
    on(running(process(5003, { parent: MCP, session: SERVER, group: 5003 }))),
    'unknown',
    'unsure',
    ['idle'],
  ],
  ['an MCP server has detached something', on(below(ownSession)), 'veto', 'spared', ['idle']],
  [
    'that one has something below it',
    on(below(ownSession), running(process(5004, { ...ownSession, parent: 5003 }))),
    'veto',
    'spared',
    ['idle'],
  ],
  ['a tool runs deep below it', on(below(), running(process(5004, { parent: 5003 }))), 'veto', 'spared', ['idle']],
  ['another server runs below it', on(below({ command: serve })), 'veto', 'spared', ['idle']],
  ['what runs below it cannot be examined', on(below({ command: undefined })), 'unknown', 'unsure', ['idle']],
  [
    'another OpenCode runs below it',
    on(below({ command: { kind: 'opencode' } }), spawnedWith(5003, {})),
    'pass',
    'stale',
    [],
  ],
  [
    'that one’s environment cannot be read',
    on(below({ command: { kind: 'opencode' } })),
    'unknown',
    'unsure',
    ['idle'],
  ],
  [
    'that one has a tag of its own',
    on(below({ command: { kind: 'opencode' } }), spawnedWith(5003, { tag: 'other' })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['that one is to be kept', on(below(), spawnedWith(5003, { keep: true })), 'veto', 'spared', ['idle']],
  [
    'what asks to be kept has inherited that',
    on(below(), spawnedWith(SERVER, { keep: true }), spawnedWith(5003, { keep: true })),
    'pass',
    'spared',
    ['unkept'],
  ],
  [
    'another record names what runs below it',
    on(below(), shown({ named: [identity(5003)] })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['its own record names it', on(shown({ named: [identity(SERVER)] })), 'pass', 'stale', []],
  [
    'another record names a bare pid below it',
    on(below(), shown({ named: [{ pid: pid(5003), startToken: undefined }] })),
    'pass',
    'stale',
    [],
  ],
  [
    'another record names a bare pid below it, of an OpenCode',
    on(
      below({ command: { kind: 'opencode' } }),
      spawnedWith(5003, {}),
      shown({ named: [{ pid: pid(5003), startToken: undefined }] }),
    ),
    'unknown',
    'unsure',
    ['idle'],
  ],
  [
    'another record named its pid before',
    on(below(), shown({ named: [{ pid: pid(5003), startToken: 'earlier' }] })),
    'pass',
    'stale',
    [],
  ],
  ['the session of a child cannot be seen', on(running(tool(undefined))), 'unknown', 'unsure', ['idle']],
  ['it wants another password', on(says({ kind: 'unknown', because: 'no password' })), 'unknown', 'unsure', ['idle']],
  ['it is silent', on(says({ kind: 'silent' })), 'unknown', 'unsure', ['idle']],
  ['it was not asked', on(says({ kind: 'not asked' })), 'unknown', 'unsure', ['idle']],
];

const aged: readonly Case[] = [
  ['it is old', native, 'pass', 'stale', []],
  ['it is just old enough', on(seen(SERVER, { ageMs: 5 * MINUTE })), 'pass', 'stale', []],
  ['it is a millisecond too young', on(seen(SERVER, { ageMs: 5 * MINUTE - 1 })), 'veto', 'spared', ['aged']],
  ['it has only just started', on(seen(SERVER, { ageMs: 0 })), 'veto', 'spared', ['aged']],
  ['its age cannot be computed', on(seen(SERVER, { ageMs: undefined })), 'unknown', 'unsure', ['aged']],
  ['it starts in the future', on(seen(SERVER, { ageMs: -1 })), 'unknown', 'unsure', ['aged']],
  ['its age is not a number', on(seen(SERVER, { ageMs: Number.NaN })), 'unknown', 'unsure', ['aged']],
];

const marked = { processes: [identity(LAUNCHER), identity(SERVER)], machine: here };
const recycled = { ...marked, processes: [{ pid: pid(SERVER), startToken: 'earlier' }] };
const unrecorded = recorded({
  ownership: 'unrecorded',
  id: `pid-${SERVER}`,
  source: { format: 'unrecorded', file: '' },
});
const shownAsUnrecorded = shown({ sockets: new Map([[`pid-${SERVER}`, sockets]]) });

const unkept: readonly Case[] = [
  ['it has no keep mark', native, 'pass', 'stale', []],
  ['another server is kept', on(keptAs('server-2')), 'pass', 'stale', []],
  ['the user asked to keep it', on(keptAs('server-1')), 'veto', 'spared', ['unkept']],
  ['it was kept under another id', on(keptAs('x', marked)), 'veto', 'spared', ['unkept']],
  [
    'it was kept while its launcher lived, whose process a plugin’s id is made of',
    but(weakLaunched, ended(LAUNCHER), keptAs('x', marked)),
    'veto',
    'spared',
    ['unkept'],
  ],
  ['a mark does not say where', on(keptAs('x', { ...marked, machine: undefined })), 'veto', 'spared', ['unkept']],
  ['what had its pid before was kept', on(keptAs('x', recycled)), 'pass', 'stale', []],
  [
    'that was before this machine booted',
    on(keptAs('x', { ...marked, machine: { ...here, boot: 'x' } })),
    'pass',
    'stale',
    [],
  ],
  [
    'that was in another container',
    on(keptAs('x', { ...marked, machine: { ...here, pidNamespace: 'x' } })),
    'pass',
    'stale',
    [],
  ],
  ['its record was kept, whatever had its pid', on(keptAs('server-1', recycled)), 'veto', 'spared', ['unkept']],
  [
    'it cannot be told whether it is the one that was kept',
    but(weak, keptAs('x', marked), seen(SERVER, { startToken: undefined })),
    'unknown',
    'unsure',
    ['unkept'],
  ],
  [
    'it is not recorded, and an older version kept its pid',
    on(unrecorded, shownAsUnrecorded, keptAs(`pid-${SERVER}`)),
    'veto',
    'spared',
    ['owned', 'unkept'],
  ],
  [
    'it is not recorded, and the process that had its pid before was kept',
    on(unrecorded, shownAsUnrecorded, keptAs(`pid-${SERVER}`, recycled)),
    'pass',
    'spared',
    ['owned'],
  ],
  ['its environment asks to keep it', on(spawnedWith(SERVER, { keep: true })), 'veto', 'spared', ['unkept']],
  ['a keep mark cannot be read', on(unread('keep')), 'unknown', 'unsure', ['unkept']],
  [
    'a keep mark from before this boot cannot be read',
    on(shown({ bootMs: MINUTE }), unread('keep', NOW - 10 * MINUTE)),
    'unknown',
    'unsure',
    ['unkept'],
  ],
];

export const CASES: Readonly<Record<GuardName, readonly Case[]>> = {
  owned: [...owned, ...pluginsOwned],
  local,
  identity: [...identityCases, ...weakIdentity],
  unleased: [...unleased, ...pluginLeases],
  idle: [...idle, ...jobs],
  aged,
  unkept,
};
