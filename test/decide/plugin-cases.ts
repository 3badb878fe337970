import type { GuardName, GuardOutcome } from '../../src/decide/guards.js';
import type { Verdict } from '../../src/decide/verdict.js';
import type { ServerRecord, Use } from '../../src/model/record.js';
import { secret } from '../../src/model/secret.js';
import type { Unread } from '../../src/model/written.js';
import {
  but,
  type Change,
  connected,
  ended,
  environmentHidden,
  recorded,
  running,
  seen,
  shown,
  spawnedWith,
  unread,
  written,
} from './changes.js';
import {
  CLAUDE,
  FREE,
  HOUR,
  identity,
  LAUNCHER,
  launched,
  MINUTE,
  NOW,
  native,
  PORT,
  pid,
  record,
  SERVER,
  type Situation,
  serve,
  serverProcess,
} from './given.js';

/** As in guard-cases.ts. */
type Case = readonly [
  sentence: string,
  given: Situation,
  outcome: GuardOutcome,
  kind: Verdict['kind'],
  reasons: readonly GuardName[],
];

/** What a plugin wrote down that knows no start tokens: a bare pid, a time and a port. */
const plugins: Partial<ServerRecord> = {
  source: { format: 'a plugin', file: '/data/state/server.json' },
  tag: undefined,
  server: undefined,
  starter: undefined,
  machine: undefined,
  uid: undefined,
  provenBy: 'start time',
  startedAt: NOW - HOUR,
};

const bare = (value: number): Change => recorded({ ...plugins, spawned: { pid: pid(value), startToken: undefined } });
export const weak = but(native, bare(SERVER));
export const weakLaunched = but(launched, bare(LAUNCHER));
/** As TheViniAlmeida's: the start token was that of a launcher, which died. */
const tokened = but(launched, recorded({ ...plugins, provenBy: 'start token', spawned: identity(LAUNCHER) }));
const leftBy = (...changes: readonly Change[]): Situation => but(tokened, ended(LAUNCHER), ...changes);
const on = (...changes: readonly Change[]): Situation => but(weak, ...changes);
const startedAgo = (ms: number): Change => recorded({ startedAt: NOW - ms });
const other = { ...serve, port: 5000 };
const elsewhere = connected({ listening: [{ host: '127.0.0.1', port: 5000, pid: SERVER }] });
const password = recorded({ password: secret('a password') });
const carries = spawnedWith(SERVER, { password: secret('a password') });
const configured = recorded({ pluginConfig: true });
const inPlugin = spawnedWith(SERVER, { pluginConfig: true });
const timeless = recorded({ startedAt: undefined });
const unsure = ['identity'] as const;
const unlike = { command: { kind: 'other' } } as const;
const unseen = ['identity', 'idle', 'aged'] as const;

export const weakIdentity: readonly Case[] = [
  ['it started when a plugin says', weak, 'pass', 'stale', []],
  ['its launcher started when a plugin says', weakLaunched, 'pass', 'stale', []],
  ['that launcher died and left it in its group', but(weakLaunched, ended(LAUNCHER)), 'pass', 'stale', []],
  [
    'that launcher died, and another group has a server',
    but(weakLaunched, ended(LAUNCHER), seen(SERVER, { group: SERVER })),
    'unknown',
    'gone',
    [],
  ],
  [
    'what that launcher left cannot be examined',
    but(weakLaunched, ended(LAUNCHER), environmentHidden(SERVER)),
    'unknown',
    'unsure',
    ['identity', 'idle', 'aged'],
  ],
  ['a plugin knows the start token of its launcher', tokened, 'pass', 'stale', []],
  ['that launcher died, too, and left it in its group', leftBy(), 'pass', 'stale', []],
  ['that one started at another time', leftBy(startedAgo(2 * HOUR)), 'unknown', 'unsure', unsure],
  ['that one has another password', leftBy(password), 'unknown', 'unsure', unsure],
  [
    'that one listens on another port',
    leftBy(seen(SERVER, { command: other }), elsewhere),
    'unknown',
    'unsure',
    unsure,
  ],
  ['that one has a group of its own', leftBy(seen(SERVER, { group: SERVER })), 'unknown', 'gone', []],
  [
    'that one was seen before in this run, and started at another time',
    leftBy(recorded({ server: identity(SERVER) }), startedAgo(2 * HOUR)),
    'unknown',
    'unsure',
    unsure,
  ],
  [
    'the pid of that launcher is another server by now',
    but(tokened, seen(LAUNCHER, { startToken: 'later' })),
    'unknown',
    'unsure',
    ['identity', 'idle', 'aged'],
  ],
  ['it started 2 min before a plugin says', on(startedAgo(HOUR - 2 * MINUTE)), 'pass', 'stale', []],
  ['it started earlier than that', on(startedAgo(HOUR - 2 * MINUTE - 1)), 'unknown', 'unsure', unsure],
  ['it started 5 s after a plugin says', on(startedAgo(HOUR + 5000)), 'pass', 'stale', []],
  ['it started later than that', on(startedAgo(HOUR + 5001)), 'unknown', 'unsure', unsure],
  ['a plugin does not say when it started', on(recorded({ startedAt: undefined })), 'unknown', 'unsure', unsure],
  ['nobody knows when it started', on(seen(SERVER, { ageMs: undefined })), 'unknown', 'unsure', ['identity', 'aged']],
  ['its start is no number', on(seen(SERVER, { ageMs: Number.NaN })), 'unknown', 'unsure', ['identity', 'aged']],
  [
    'it listens on the port, and on another one',
    on(
      seen(SERVER, { command: { ...serve, port: undefined } }),
      connected({ listening: [5000, PORT].map((port) => ({ host: '127.0.0.1', port, pid: SERVER })) }),
    ),
    'pass',
    'stale',
    [],
  ],
  ['a plugin does not say where it listens', on(recorded({ port: undefined })), 'pass', 'stale', []],
  ['its command line has the port', on(connected({ listening: [] })), 'pass', 'stale', []],
  ['it listens on the port', on(seen(SERVER, { command: { ...serve, port: undefined } })), 'pass', 'stale', []],
  ['it listens on another port', on(seen(SERVER, { command: other }), elsewhere), 'unknown', 'unsure', unsure],
  [
    'its port cannot be seen',
    on(seen(SERVER, { command: other }), shown({ sockets: new Map() })),
    'unknown',
    'unsure',
    ['identity', 'idle'],
  ],
  ['it has the password', on(password, carries), 'pass', 'stale', []],
  [
    'it has the password, and no time is recorded',
    on(password, carries, recorded({ startedAt: undefined })),
    'pass',
    'stale',
    [],
  ],
  ['its plugin’s configuration stands in for a time', on(configured, inPlugin, timeless), 'pass', 'stale', []],
  ['its plugin knows no such thing', on(inPlugin, timeless), 'unknown', 'unsure', unsure],
  ['it has another configuration', on(configured, timeless), 'unknown', 'unsure', unsure],
  [
    'its launcher alone has that configuration',
    but(weakLaunched, configured, timeless, spawnedWith(LAUNCHER, { pluginConfig: true })),
    'unknown',
    'unsure',
    unsure,
  ],
  [
    'its launcher alone has the password',
    but(weakLaunched, password, spawnedWith(LAUNCHER, { password: secret('a password') })),
    'unknown',
    'unsure',
    unsure,
  ],
  [
    'it runs in such a server',
    on(configured, inPlugin, timeless, spawnedWith(SERVER, { opencodePid: '1' })),
    'unknown',
    'unsure',
    unsure,
  ],
  [
    'it has that configuration, but started later',
    on(configured, inPlugin, startedAgo(2 * HOUR)),
    'unknown',
    'unsure',
    unsure,
  ],
  ['it has the password, but started later', on(password, carries, startedAgo(2 * HOUR)), 'unknown', 'unsure', unsure],
  [
    'it has another password',
    on(password, spawnedWith(SERVER, { password: secret('x') })),
    'unknown',
    'unsure',
    unsure,
  ],
  ['it has no password', on(password), 'unknown', 'unsure', unsure],
  [
    'environments cannot be seen here',
    on(password, environmentHidden(SERVER), shown({ showsEnvironments: false })),
    'pass',
    'stale',
    [],
  ],
  [
    'its environment cannot be read',
    on(password, environmentHidden(SERVER)),
    'unknown',
    'unsure',
    ['identity', 'unkept'],
  ],
  ['a plugin’s pid is what looks like another program', on(seen(SERVER, unlike)), 'unknown', 'unsure', unseen],
  ['a plugin’s pid is a TUI', on(seen(SERVER, { command: { kind: 'opencode' } })), 'unknown', 'unsure', unseen],
  ['that is older than a plugin says', on(seen(SERVER, unlike), startedAgo(0)), 'unknown', 'unsure', unseen],
  ['nobody knows when that started', on(seen(SERVER, { ...unlike, ageMs: undefined })), 'unknown', 'unsure', unseen],
  ['a plugin does not say when that started', on(seen(SERVER, unlike), timeless), 'unknown', 'gone', []],
  [
    'that has the password, and nobody says when',
    on(seen(SERVER, unlike), timeless, password, carries),
    'unknown',
    'unsure',
    unseen,
  ],
  [
    'that may have the password',
    on(seen(SERVER, unlike), timeless, password, environmentHidden(SERVER)),
    'unknown',
    'unsure',
    unseen,
  ],
  [
    'nothing else was written down of that, and it hides its environment',
    on(seen(SERVER, unlike), timeless, environmentHidden(SERVER)),
    'unknown',
    'gone',
    [],
  ],
  ['that has not the password', on(seen(SERVER, unlike), timeless, password), 'unknown', 'gone', []],
  [
    'that started as late as it may have',
    on(seen(SERVER, unlike), startedAgo(HOUR + 5000)),
    'unknown',
    'unsure',
    unseen,
  ],
  ['a plugin’s pid is a later program', on(seen(SERVER, unlike), startedAgo(HOUR + 5001)), 'unknown', 'gone', []],
  ['a plugin’s pid is another user’s', on(seen(SERVER, { owner: '0' })), 'veto', 'spared', ['identity']],
  ['a plugin names a free pid', on(ended(SERVER)), 'unknown', 'gone', []],
  [
    'this run has seen it before, and now another one has its pid',
    on(
      recorded({
        spawned: { pid: pid(SERVER), startToken: 'earlier' },
        server: { pid: pid(SERVER), startToken: 'earlier' },
      }),
      seen(SERVER, { group: 1 }),
    ),
    'unknown',
    'gone',
    [],
  ],
  [
    'a plugin names only its port, and it listens there',
    on(recorded({ spawned: undefined }), shown({ listeners: new Map([[PORT, SERVER]]) })),
    'pass',
    'stale',
    [],
  ],
  [
    'it runs another program, and when it started is no number',
    on(seen(SERVER, { command: { kind: 'other' }, ageMs: Number.NaN })),
    'unknown',
    'unsure',
    unseen,
  ],
  [
    'what listens on the port runs a server below it, which is another one',
    on(
      recorded({ spawned: undefined }),
      shown({ listeners: new Map([[PORT, SERVER]]) }),
      seen(SERVER, { command: { kind: 'opencode' } }),
      running(serverProcess(6000, { parent: SERVER, group: SERVER, session: SERVER })),
      spawnedWith(6000, { tag: undefined }),
    ),
    'unknown',
    'gone',
    [],
  ],
  [
    'a plugin names only its port, and something else listens there',
    on(recorded({ spawned: undefined }), shown({ listeners: new Map([[PORT, CLAUDE]]) })),
    'unknown',
    'gone',
    [],
  ],
  [
    'a plugin names only its port, and nothing listens',
    on(recorded({ spawned: undefined }), shown({ listeners: new Map([[PORT, 'nobody']]) })),
    'unknown',
    'gone',
    [],
  ],
  [
    'a plugin names only its port, and who listens there cannot be seen',
    on(recorded({ spawned: undefined }), shown({ listeners: new Map() })),
    'unknown',
    'unsure',
    ['identity', 'idle', 'aged'],
  ],
];

/** A job that works on every server of this plugin. */
export const job: Use = {
  kind: 'job',
  file: '/data/state/state.json',
  name: 'task-1',
  session: undefined,
  covers: { kind: 'plugins', formats: ['a plugin'], ports: [] },
  holder: identity(CLAUDE),
  seenAt: NOW,
  modifiedAt: NOW,
  countsForMs: 30 * MINUTE,
  directories: [],
};
/** This machine is up for two hours. */
const sinceBoot = shown({ bootMs: 2 * HOUR });
const EARLIER = NOW - 3 * HOUR;
const using = (change: Partial<Use>): Change => written({ uses: [{ ...job, ...change }] });
const nobody = { holder: undefined };
const barePid = { holder: { pid: pid(CLAUDE), startToken: undefined } };

/** The same server, as a second plugin wrote it down. */
const second: ServerRecord = {
  ...record,
  ...plugins,
  source: { format: 'another plugin', file: '/other/server.json' },
};

export const jobs: readonly Case[] = [
  ['a job of its plugin runs', on(using({})), 'veto', 'spared', ['idle']],
  ['a job of its plugin waits for its turn', on(using(nobody)), 'veto', 'spared', ['idle']],
  ['such a job was last heard of 30 min ago', on(using({ ...nobody, seenAt: NOW - 30 * MINUTE })), 'pass', 'stale', []],
  ['its last sign of life is not known', on(using({ ...nobody, seenAt: undefined })), 'unknown', 'unsure', ['idle']],
  [
    'it will only be heard of in a while',
    on(using({ ...nobody, seenAt: NOW + MINUTE })),
    'unknown',
    'unsure',
    ['idle'],
  ],
  [
    'a job with a bare pid will only be heard of',
    on(using({ ...barePid, seenAt: NOW + HOUR })),
    'unknown',
    'unsure',
    ['idle'],
  ],
  ['the process of a job has ended', on(using({ holder: identity(FREE) })), 'pass', 'stale', []],
  ['its pid is another process', on(using({ holder: { pid: pid(CLAUDE), startToken: 'x' } })), 'pass', 'stale', []],
  ['a job has a bare pid', on(using(barePid)), 'veto', 'spared', ['idle']],
  [
    'that pid started as late as two clocks may differ',
    on(using({ ...barePid, seenAt: NOW - HOUR - 5_000 })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['that pid started a moment later', on(using({ ...barePid, seenAt: NOW - HOUR - 5_001 })), 'pass', 'stale', []],
  [
    'a job is heard of as far ahead as two clocks may differ',
    on(using({ ...nobody, seenAt: NOW + 5_000 })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['it is heard of later than that', on(using({ ...nobody, seenAt: NOW + 5_001 })), 'unknown', 'unsure', ['idle']],
  ['that pid is younger than the job', on(using({ ...barePid, seenAt: NOW - 2 * HOUR })), 'pass', 'stale', []],
  [
    'that pid only seems to be, since the clock was set forward by as much',
    on(shown({ setForwardMs: HOUR }), using({ ...barePid, seenAt: NOW - 2 * HOUR - 5_000 })),
    'unknown',
    'unsure',
    ['idle'],
  ],
  [
    'that pid is younger than that can explain',
    on(shown({ setForwardMs: HOUR }), using({ ...barePid, seenAt: NOW - 2 * HOUR - 5_001 })),
    'pass',
    'stale',
    [],
  ],
  ['the age of that job is not known', on(using({ ...barePid, seenAt: undefined })), 'unknown', 'unsure', ['idle']],
  [
    'the start token of its process cannot be read',
    on(using({}), seen(CLAUDE, { startToken: undefined })),
    'unknown',
    'unsure',
    ['idle'],
  ],
  [
    'a job names the port it listens on',
    on(using({ covers: { kind: 'port', port: PORT } })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['a job names another port', on(using({ covers: { kind: 'port', port: 5000 } })), 'pass', 'stale', []],
  [
    'a job of another plugin runs',
    on(using({ covers: { kind: 'plugins', formats: ['x'], ports: [5000] } })),
    'pass',
    'stale',
    [],
  ],
  [
    'a job of a plugin that uses its port runs',
    on(using({ covers: { kind: 'plugins', formats: ['x'], ports: [PORT] } })),
    'veto',
    'spared',
    ['idle'],
  ],
  [
    'a job of a plugin that uses its port among others runs',
    on(using({ covers: { kind: 'plugins', formats: ['x'], ports: [5000, PORT] } })),
    'veto',
    'spared',
    ['idle'],
  ],
  [
    'a job of the second plugin runs',
    on(recorded({ alsoIn: [second] }), using({ covers: { kind: 'plugins', formats: ['another plugin'], ports: [] } })),
    'veto',
    'spared',
    ['idle'],
  ],
  ['a list of jobs cannot be read', on(unread('use')), 'unknown', 'unsure', ['idle']],
  [
    'such a list was last written after this boot',
    on(sinceBoot, unread('use', NOW - HOUR)),
    'unknown',
    'unsure',
    ['idle'],
  ],
  ['such a list was last written before this boot', on(sinceBoot, unread('use', EARLIER)), 'pass', 'stale', []],
  [
    'nobody knows when it was heard of, in a list from before this boot',
    on(sinceBoot, using({ ...nobody, seenAt: undefined, modifiedAt: EARLIER })),
    'pass',
    'stale',
    [],
  ],
  [
    'the very process of a job lives, whatever the clock said when its list was written',
    on(sinceBoot, using({ modifiedAt: EARLIER })),
    'veto',
    'spared',
    ['idle'],
  ],
];

const held = { kind: 'lease', covers: { kind: 'record', file: '/data/state/server.json' } } as const;

const workspace = { kind: 'workspace', format: 'a plugin', hash: 'abc' } as const;
const hashed = recorded({ workspaceHash: 'abc' });

export const pluginLeases: readonly Case[] = [
  ['a plugin lists a live session', on(using(held)), 'veto', 'spared', ['unleased']],
  ['a plugin lists a session that ended', on(using({ ...held, holder: identity(FREE) })), 'pass', 'stale', []],
  ['a plugin lists one without a process', on(using({ ...held, ...nobody })), 'unknown', 'unsure', ['unleased']],
  ['that one has expired', on(using({ ...held, ...nobody, seenAt: NOW - HOUR })), 'pass', 'stale', []],
  [
    'a plugin lists one for another server',
    on(using({ ...held, covers: { kind: 'record', file: '/x' } })),
    'pass',
    'stale',
    [],
  ],
  [
    'the second plugin lists a live session',
    on(recorded({ alsoIn: [second] }), using({ ...held, covers: { kind: 'record', file: second.source.file } })),
    'veto',
    'spared',
    ['unleased'],
  ],
  [
    'the second plugin lists one in its workspace',
    on(
      recorded({ alsoIn: [{ ...second, workspaceHash: 'abc' }] }),
      using({ ...held, covers: { ...workspace, format: 'another plugin' } }),
    ),
    'veto',
    'spared',
    ['unleased'],
  ],
  [
    'a plugin lists one in its workspace',
    on(hashed, using({ ...held, covers: workspace })),
    'veto',
    'spared',
    ['unleased'],
  ],
  ['a plugin lists one in another workspace', on(using({ ...held, covers: workspace })), 'pass', 'stale', []],
  [
    'another plugin lists one in its workspace',
    on(hashed, using({ ...held, covers: { ...workspace, format: 'x' } })),
    'pass',
    'stale',
    [],
  ],
];

const mentioning = (kind: Unread['kind'], value: number): Change =>
  written({ unread: [{ file: '/x', error: 'x', kind, mentions: new Set([value]) }] });

export const pluginsOwned: readonly Case[] = [
  ['no plugin’s mark is on its record', on(recorded({ ownership: 'unmarked' })), 'veto', 'spared', ['owned']],
  [
    'a second plugin says that the user started it',
    on(recorded({ alsoIn: [{ ...second, ownership: 'user' }] })),
    'veto',
    'spared',
    ['owned'],
  ],
  ['a record that cannot be read has its pid in it', on(mentioning('server', SERVER)), 'unknown', 'unsure', ['owned']],
  ['a record that cannot be read is about another one', on(mentioning('server', FREE)), 'pass', 'stale', []],
  ['the text of a record cannot be had', on(unread('server')), 'unknown', 'unsure', ['owned']],
  ['the text of a record of ours cannot be had', on(unread('native')), 'unknown', 'unsure', ['owned']],
  [
    'a second plugin’s mark is not on its record',
    on(recorded({ alsoIn: [second, { ...second, ownership: 'unmarked' }] })),
    'veto',
    'spared',
    ['owned'],
  ],
  [
    'a person handed it over, which a second plugin had found with the user',
    but(native, recorded({ ownership: 'adopted', alsoIn: [{ ...second, ownership: 'user' }] })),
    'pass',
    'stale',
    [],
  ],
  [
    'a person handed it over, which a second plugin had not marked, and now has a job on',
    but(
      native,
      recorded({ ownership: 'adopted', alsoIn: [{ ...second, ownership: 'unmarked' }] }),
      using({ covers: { kind: 'plugins', formats: ['another plugin'], ports: [] } }),
    ),
    'pass',
    'spared',
    ['idle'],
  ],
  [
    'a record of ours that is not understood has its pid',
    on(mentioning('native', SERVER)),
    'unknown',
    'unsure',
    ['owned'],
  ],
  [
    'ours was read, and the text of another one of ours cannot be had',
    but(native, unread('native')),
    'pass',
    'stale',
    [],
  ],
  [
    'ours was read, and the text of a plugin’s cannot be had',
    but(native, unread('server')),
    'unknown',
    'unsure',
    ['owned'],
  ],
  ['a second plugin wrote it down too', on(recorded({ alsoIn: [second] })), 'pass', 'stale', []],
];
