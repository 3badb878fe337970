import { describe, expect, test } from 'vitest';
import { birthOf, mayBeBorn } from '../../src/decide/born.js';
import { companionIn, pluginRootOf, shownBirth } from '../../src/decide/born-proofs.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import type { Birth, Origin, Plugin, Traces } from '../../src/model/birth.js';
import type { Environment, Process } from '../../src/model/process.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import { but, ended } from './changes.js';
import {
  environment,
  HOUR,
  here,
  LAUNCHER,
  launched,
  ME,
  NOW,
  process,
  SELF,
  SERVER,
  serve,
  serverProcess,
} from './given.js';

/* Whether a server that no record leads to was started by a plugin: each condition of the rule is spoiled alone. */

const COMPANION = 4242;
const HOME = '/home/me';
const SESSION = '7ab48386-34d2-4ab0-b1da-da040a522746';
const OTHER_SESSION = '23518e83-0000-4ab0-b1da-da040a522746';
const SCRIPT = '/home/me/.claude/plugins/cache/m/opencode/1.0.0/scripts/opencode-companion.mjs';
const ENV_FILE = `/home/me/.claude/session-env/${SESSION}/sessionstart-hook-2.sh`;
const PLUGIN: Plugin = { name: 'opencode', version: '1.0.0' };
const ARGV = ['opencode', 'serve', '--port', '4096'];

/** Everything that is looked at about one server, and may be spoiled. */
interface Case {
  readonly server: Partial<Process>;
  /** The launcher above it, if it has one. */
  readonly launcher?: Partial<Process>;
  readonly environment: Partial<Environment> | undefined;
  readonly origin: Partial<Origin> | undefined;
  readonly traces: Partial<Traces>;
  readonly parent: Partial<Process> | undefined;
  readonly snapshot?: Partial<Snapshot>;
}

const origin: Origin = {
  home: HOME,
  inAgent: false,
  aiAgent: 'claude-code_2-1-330_agent',
  claudeCode: '1',
  gitEditor: 'true',
  envFile: undefined,
  pluginRoot: undefined,
  pluginData: undefined,
  clientPid: 800,
  session: SESSION,
};

const traces: Traces = {
  commandLines: [ARGV],
  pidNamespace: 'same',
  home: 'same',
  streams: ['null, to read', 'socket', 'socket'],
  parent: ['/usr/bin/node', SCRIPT, 'task-worker', '--job', 'x'],
  parentPlugin: PLUGIN,
  hookPlugin: 'none',
  job: 'none',
};

const ORPHANED = { parent: ['/sbin/init'], parentPlugin: 'none' } as const;

const PROVEN = {
  parent: {
    server: { parent: COMPANION },
    environment: {},
    origin: {},
    traces: {},
    parent: { name: 'node', ageMs: HOUR + 500 },
  },
  hook: {
    server: { parent: 1 },
    environment: {},
    origin: {
      aiAgent: 'claude-code_2-1-330_harness',
      gitEditor: undefined,
      envFile: ENV_FILE,
      pluginRoot: '/p',
      pluginData: '/home/me/.claude/plugins/data/DevMinions-market',
    },
    traces: {
      ...ORPHANED,
      streams: ['null, to read', 'null, for both', 'null, for both'],
      hookPlugin: { name: 'DevMinions', version: '1.2.0' },
    },
    parent: undefined,
  },
  log: {
    server: { parent: 1 },
    environment: {},
    origin: {},
    traces: { ...ORPHANED, job: { name: 'task-1', afterMs: 20 } },
    parent: undefined,
  },
} as const satisfies Record<string, Case>;

function bornIn(given: Case, mayBe = (_is: boolean): void => undefined): Birth | undefined {
  const server = serverProcess(SERVER, given.server);
  const top = given.launcher ? serverProcess(SERVER - 1, { ...given.launcher }) : server;
  const parent = given.parent && process(COMPANION, given.parent);
  const all = [process(SELF), server, top, ...(parent ? [parent] : [])];
  const its: Environment = {
    ...environment,
    tag: undefined,
    ...given.environment,
    ...(given.origin && { origin: { ...origin, ...given.origin } }),
  };
  const shown = given.environment ? [...new Set([server.pid, top.pid])].map((pid) => [pid, its] as const) : [];
  const snapshot: Snapshot = {
    at: NOW,
    machine: here,
    owner: String(ME),
    self: SELF,
    lineage: new Set([SELF]),
    processes: new Map(all.map((one) => [Number(one.pid), one])),
    showsEnvironments: true,
    environments: new Map(shown),
    claudes: [],
    listeners: new Map(),
    questions: new Set(),
    named: [],
    listens: new Map(given.launcher ? [[Number(top.pid), false]] : []),
    sockets: new Map(),
    places: new Map(),
    ...given.snapshot,
  };
  // As it was found when it was still ours.
  const [record] = unrecordedIn([], { ...snapshot, owner: server.owner });
  const isWorthIt = record !== undefined && mayBeBorn(record, snapshot);
  mayBe(isWorthIt);
  if (record === undefined || !isWorthIt) return undefined;
  return birthOf(record, { ...traces, ...given.traces }, snapshot);
}

const spoilt = (given: Case, by: Partial<Case>): Case => ({
  ...given,
  ...by,
  server: { ...given.server, ...by.server },
  environment: 'environment' in by ? by.environment : given.environment,
  origin: 'origin' in by ? by.origin && { ...given.origin, ...by.origin } : given.origin,
  traces: { ...given.traces, ...by.traces },
  parent: 'parent' in by ? by.parent && { ...given.parent, ...by.parent } : given.parent,
});

const kindOf = (birth: Birth | undefined): string => birth?.proof.kind ?? 'unrecorded';

describe('a server is a plugin’s', () => {
  test.each([
    ['its parent', PROVEN.parent, `its parent, pid ${COMPANION}, is ${SCRIPT} of opencode 1.0.0`],
    ['the hook', PROVEN.hook, `started by the SessionStart hook of DevMinions 1.2.0 in session ${SESSION}`],
    ['the log', PROVEN.log, 'job task-1 asked for a server 0.02 s before it started'],
    [
      'the log, where it seems later by the kernel’s hundredths',
      spoilt(PROVEN.log, { traces: { job: { name: 'task-1', afterMs: -7 } } }),
      'job task-1 asked for a server 0.00 s before it started',
    ],
  ] as const)('by %s', (_by, given, words) => {
    const birth = bornIn(given);
    expect(birth).toMatchObject({ sessions: [SESSION], clientPid: 800 });
    expect(shownBirth({ birth })).toBe(words);
  });

  const launched = {
    server: { parent: SERVER - 1, group: SERVER - 1, session: SERVER - 1 },
    traces: {
      commandLines: [
        ['node', '/usr/bin/opencode', ...ARGV.slice(1)],
        ['/usr/lib/node_modules/opencode-ai/bin/.opencode', ...ARGV.slice(1)],
      ],
    },
  };
  test.each(Object.entries(PROVEN))('through npm’s launcher too: %s', (kind, given) => {
    const launcher = { ...given.server, command: { ...serve1(), interpreted: true } };
    const { server, ...rest } = spoilt(given, { traces: { ...given.traces, ...launched.traces } });
    expect(kindOf(bornIn({ ...rest, server: { ...server, ...launched.server }, launcher }))).toBe(kind);
    // The launcher has ended, and what is left leads no session.
    expect(kindOf(bornIn({ ...rest, server: { ...launched.server, parent: 1 } }))).toBe('unrecorded');
  });

  test('of a client that told its hooks neither its name nor its pid', () => {
    const old = spoilt(PROVEN.hook, {
      origin: { aiAgent: undefined, claudeCode: undefined, clientPid: undefined, session: undefined },
    });
    expect(bornIn(old)).toMatchObject({ proof: { kind: 'hook' }, sessions: [SESSION], clientPid: undefined });
  });

  test.each([
    ['tried from a folder', 'DevMinions', '/cache/data/DevMinions-inline'],
    ['with a name that no folder can have', 'dev minions@2', '/home/me/.claude/plugins/data/dev-minions-2-my-market/'],
  ])('of a plugin %s', (_what, name, pluginData) => {
    const named = spoilt(PROVEN.hook, { origin: { pluginData }, traces: { hookPlugin: { name, version: '1' } } });
    expect(kindOf(bornIn(named))).toBe('hook');
  });

  test('below systemd, where that looks after orphans', () => {
    for (const given of [PROVEN.hook, PROVEN.log]) {
      const below = { ...given, server: { parent: COMPANION }, parent: { name: 'systemd' } };
      expect(kindOf(bornIn(below))).toBe(kindOf(bornIn(given)));
    }
  });

  test('by a parent that, as far as the clock tells, has started in the same moment', () => {
    expect(kindOf(bornIn(spoilt(PROVEN.parent, { parent: { ageMs: HOUR } })))).toBe('parent');
  });

  test.each([-20, 0, 1_500, 2_900, 4_500])('%i ms after its job asked for it', (afterMs) => {
    expect(kindOf(bornIn(spoilt(PROVEN.log, { traces: { job: { name: 'x', afterMs } } })))).toBe('log');
  });

  test('when its job had to wait for a port that did not answer', () => {
    expect(kindOf(bornIn(spoilt(PROVEN.log, { traces: { job: { name: 'x', afterMs: 3_020 } } })))).toBe('log');
  });

  test.each([PROVEN.hook, PROVEN.log])(
    'whatever else cannot be read of what looks after orphans: $traces.job',
    (given) => {
      const hidden = spoilt(given, {
        server: { parent: COMPANION },
        parent: { name: 'systemd' },
        traces: { parent: undefined, parentPlugin: undefined },
      });
      expect(kindOf(bornIn(hidden))).toBe(kindOf(bornIn(given)));
    },
  );

  test('started in two sessions, where a resumed one was handed the file of the last one', () => {
    const both = spoilt(PROVEN.hook, { origin: { session: OTHER_SESSION } });
    expect(bornIn(both)?.sessions).toEqual([OTHER_SESSION, SESSION]);
  });
});

const serve1 = () => serve;

type Spoil = readonly [what: string, by: Partial<Case>, then: 'unrecorded' | 'unknown'];

/** Every one of them is part of the rule, whatever proves the rest. */
const CONDITIONS: readonly Spoil[] = [
  ['another port', { server: { command: { ...serve1(), port: 4097 } } }, 'unrecorded'],
  [
    'a port that is in its arguments another way',
    { traces: { commandLines: [['opencode', 'serve', '--port=4096']] } },
    'unrecorded',
  ],
  [
    'another option, and its port another way',
    { traces: { commandLines: [['opencode', 'serve', '--pure', '--port=4096']] } },
    'unrecorded',
  ],
  ['more arguments', { traces: { commandLines: [[...ARGV, '--print-logs']] } }, 'unrecorded'],
  ['arguments before', { traces: { commandLines: [['opencode', '--pure', 'serve', '--port', '4096']] } }, 'unrecorded'],
  [
    'a host',
    { traces: { commandLines: [['opencode', 'serve', '--hostname', '127.0.0.1', '--port', '4096']] } },
    'unrecorded',
  ],
  ['a runner', { traces: { commandLines: [['npx', 'opencode-ai', 'serve', '--port', '4096']] } }, 'unrecorded'],
  [
    'options for what runs it',
    { traces: { commandLines: [['node', '--inspect', '/usr/bin/opencode', 'serve', '--port', '4096']] } },
    'unrecorded',
  ],
  [
    'a program that only has the words',
    { traces: { commandLines: [['tail', '/usr/bin/opencode', 'serve', '--port', '4096']] } },
    'unrecorded',
  ],
  ['a command line that cannot be read', { traces: { commandLines: [undefined] } }, 'unknown'],
  ['the session of another process', { server: { session: 77 } }, 'unrecorded'],
  ['a session that cannot be read', { server: { session: undefined } }, 'unknown'],
  ['the group of another process', { server: { group: 77 } }, 'unrecorded'],
  ['a group that cannot be read', { server: { group: undefined } }, 'unknown'],
  ['a terminal', { server: { terminal: true } }, 'unrecorded'],
  ['a terminal that cannot be read', { server: { terminal: undefined } }, 'unknown'],
  ['another user', { server: { owner: '1001' } }, 'unrecorded'],
  ['another pid namespace', { traces: { pidNamespace: 'different' } }, 'unrecorded'],
  ['a pid namespace that cannot be read', { traces: { pidNamespace: 'unknown' } }, 'unknown'],
  ['another home', { traces: { home: 'different' } }, 'unrecorded'],
  ['a home that cannot be read', { traces: { home: 'unknown' } }, 'unknown'],
  ['an agent that started it', { origin: { inAgent: true } }, 'unrecorded'],
  ['an environment that cannot be read', { environment: undefined, traces: { home: 'unknown' } }, 'unknown'],
  ['a tag of ours', { environment: { tag: 'tag' } }, 'unrecorded'],
];

/** Each proof alone. */
const PROOFS: Readonly<Record<keyof typeof PROVEN, readonly Spoil[]>> = {
  parent: [
    ['no parent', { parent: undefined }, 'unrecorded'],
    ['a younger parent', { parent: { ageMs: HOUR - 1 } }, 'unrecorded'],
    ['a parent whose age cannot be read', { parent: { ageMs: undefined } }, 'unknown'],
    ['an age of its own that cannot be read', { server: { ageMs: undefined } }, 'unknown'],
    ['another user’s parent', { parent: { owner: '1001' } }, 'unrecorded'],
    ['a parent whose user cannot be read', { parent: { owner: undefined } }, 'unknown'],
    [
      'a parent that runs another script',
      { traces: { parent: ['node', '/home/me/serve.mjs'], parentPlugin: 'none' } },
      'unrecorded',
    ],
    ['a parent that only names the script', { traces: { parent: ['tail', '-f', SCRIPT] } }, 'unrecorded'],
    [
      'a shell that runs it',
      { traces: { parent: ['bash', '-c', `node ${SCRIPT} task; opencode serve`] } },
      'unrecorded',
    ],
    [
      'a parent that runs another script with it',
      { traces: { parent: ['node', '/home/me/run.mjs', SCRIPT] } },
      'unrecorded',
    ],
    [
      'a path below the folder that it works in',
      { traces: { parent: ['node', './p/scripts/opencode-companion.mjs'] } },
      'unrecorded',
    ],
    [
      'a parent that runs another script, whose user cannot be read',
      { traces: { parent: ['node', '/home/me/serve.mjs'] }, parent: { owner: undefined } },
      'unrecorded',
    ],
    ['a path that is not absolute', { traces: { parent: ['node', 'scripts/opencode-companion.mjs'] } }, 'unrecorded'],
    [
      'a parent whose command line cannot be read',
      { traces: { parent: undefined, parentPlugin: undefined } },
      'unknown',
    ],
    ['no plugin around the script', { traces: { parentPlugin: 'none' } }, 'unrecorded'],
    ['a plugin that cannot be read', { traces: { parentPlugin: undefined } }, 'unknown'],
  ],
  hook: [
    ['no file for its variables', { origin: { envFile: undefined } }, 'unrecorded'],
    [
      'a file for something else',
      { origin: { envFile: `/home/me/.claude/session-env/${SESSION}/cwd-changed-1.sh` } },
      'unrecorded',
    ],
    ['a file at a relative path', { origin: { envFile: ENV_FILE.slice(1) } }, 'unrecorded'],
    ['a file by a longer name', { origin: { envFile: `${ENV_FILE}.bak` } }, 'unrecorded'],
    ['no folder for its data', { origin: { pluginData: undefined } }, 'unrecorded'],
    ['the data of another plugin', { origin: { pluginData: '/home/me/.claude/plugins/data/x-market' } }, 'unrecorded'],
    [
      'the data of a plugin whose name only begins so',
      { origin: { pluginData: '/home/me/.claude/plugins/data/DevMinions2-market' } },
      'unrecorded',
    ],
    ['data that is elsewhere', { origin: { pluginData: '/home/me/DevMinions-market' } }, 'unrecorded'],
    ['data at a relative path', { origin: { pluginData: 'plugins/data/DevMinions-market' } }, 'unrecorded'],
    ['the name of the shell tool', { origin: { aiAgent: 'claude-code_2-1-330_agent' } }, 'unrecorded'],
    ['no name, from a client that has one', { origin: { aiAgent: undefined } }, 'unrecorded'],
    ['the editor of the shell tool', { origin: { gitEditor: 'true' } }, 'unrecorded'],
    [
      'no file for its variables, and a plugin that cannot be read',
      { origin: { envFile: undefined }, traces: { hookPlugin: undefined } },
      'unrecorded',
    ],
    ['no plugin’s folder', { origin: { pluginRoot: undefined }, traces: { hookPlugin: 'none' } }, 'unrecorded'],
    ['a plugin that starts no server', { traces: { hookPlugin: 'none' } }, 'unrecorded'],
    ['a plugin that cannot be read', { traces: { hookPlugin: undefined } }, 'unknown'],
    [
      'output that a shell threw away',
      { traces: { streams: ['null, to read', 'null, to write', 'null, to write'] } },
      'unrecorded',
    ],
    [
      'output that a shell threw away, and errors that node did',
      { traces: { streams: ['null, to read', 'null, to write', 'null, for both'] } },
      'unrecorded',
    ],
    [
      'errors that a shell threw away',
      { traces: { streams: ['null, to read', 'null, for both', 'null, to write'] } },
      'unrecorded',
    ],
    [
      'output that cannot be written to',
      { traces: { streams: ['null, to read', 'null, to read', 'null, for both'] } },
      'unrecorded',
    ],
    ['input that is open', { traces: { streams: ['pipe', 'null, for both', 'null, for both'] } }, 'unrecorded'],
    ['output in a file', { traces: { streams: ['null, to read', 'other', 'other'] } }, 'unrecorded'],
    ['output that cannot be seen', { traces: { streams: [undefined, undefined, undefined] } }, 'unknown'],
    ['a parent that lives', { server: { parent: COMPANION }, parent: { name: 'node' } }, 'unrecorded'],
    ['a parent that is not shown', { server: { parent: COMPANION } }, 'unknown'],
  ],
  log: [
    ['no job', { traces: { job: 'none' } }, 'unrecorded'],
    ['a job just after', { traces: { job: { name: 'x', afterMs: -21 } } }, 'unrecorded'],
    ['a job long before', { traces: { job: { name: 'x', afterMs: 1_501 } } }, 'unrecorded'],
    ['a job 2 s before', { traces: { job: { name: 'x', afterMs: 2_899 } } }, 'unrecorded'],
    ['a job 5 s before', { traces: { job: { name: 'x', afterMs: 4_501 } } }, 'unrecorded'],
    ['a log that cannot be read', { traces: { job: undefined } }, 'unknown'],
    ['no name of the shell tool', { origin: { aiAgent: undefined } }, 'unrecorded'],
    ['the name of a hook', { origin: { aiAgent: 'claude-code_2-1-330_harness' } }, 'unrecorded'],
    ['a name that somebody made up', { origin: { aiAgent: 'my_agent' } }, 'unrecorded'],
    ['input that is open', { traces: { streams: ['other', 'socket', 'socket'] } }, 'unrecorded'],
    [
      'output that is thrown away',
      { traces: { streams: ['null, to read', 'null, for both', 'null, for both'] } },
      'unrecorded',
    ],
    ['output in a file', { traces: { streams: ['null, to read', 'other', 'socket'] } }, 'unrecorded'],
    [
      'errors that are thrown away',
      { traces: { streams: ['null, to read', 'socket', 'null, for both'] } },
      'unrecorded',
    ],
    ['output that cannot be seen', { traces: { streams: ['null, to read', undefined, 'socket'] } }, 'unknown'],
    [
      'a script that lives',
      { server: { parent: COMPANION }, parent: { name: 'node' }, traces: { parent: ['node', '/home/me/serve.mjs'] } },
      'unrecorded',
    ],
    ['a script that is the first process of a container', { traces: { parent: ['node', 'app.js'] } }, 'unrecorded'],
    ['a parent that is not shown', { server: { parent: COMPANION } }, 'unknown'],
  ],
};

describe.each(Object.entries(PROVEN))('proven by %s, but for', (kind, given) => {
  test('nothing', () => expect(kindOf(bornIn(given))).toBe(kind));

  test.each(CONDITIONS)('%s', (_what, by, then) => expect(kindOf(bornIn(spoilt(given, by)))).toBe(then));

  test.each(PROOFS[kind as keyof typeof PROVEN])('its own: %s', (_what, by, then) =>
    expect(kindOf(bornIn(spoilt(given, by)))).toBe(then),
  );
});

test('what could not be read is named, so that a person can look', () => {
  const because = (by: Partial<Case>) => bornIn(spoilt(PROVEN.parent, by))?.proof;
  expect(because({ parent: { owner: undefined } })).toEqual({
    kind: 'unknown',
    because: 'cannot tell whether a plugin started it: whose process its parent is cannot be read',
  });
  expect(because({ parent: { owner: undefined }, server: { terminal: undefined } })).toEqual({
    kind: 'unknown',
    because: 'cannot tell whether a plugin started it: its terminal cannot be read',
  });
});

test('what has ended since it was found was born of no one', () => {
  const [record] = unrecordedIn([], launched.snapshot);
  expect([record?.spawned?.pid, record?.server?.pid]).toEqual([LAUNCHER, SERVER]);
  for (const gone of [[LAUNCHER], [SERVER], [LAUNCHER, SERVER]])
    expect(record && birthOf(record, traces, but(launched, ended(...gone)).snapshot)).toBeUndefined();
});

test.each<[string, Partial<Process>]>([
  ['another port', { command: { ...serve1(), port: 4097 } }],
  ['the session of another process', { session: 77 }],
  ['a terminal', { terminal: true }],
])('nothing more is looked at of a server with %s', (_what, server) => {
  const looks = (its: Partial<Process>): boolean | undefined => {
    let looked: boolean | undefined;
    bornIn({ ...PROVEN.log, server: { ...PROVEN.log.server, ...its } }, (is) => {
      looked = is;
    });
    return looked;
  };
  expect([looks({}), looks(server)]).toEqual([true, false]);
});

describe('without any proof', () => {
  const bare = spoilt(PROVEN.log, { traces: { job: 'none' } });

  test('neither what it looks like nor what its environment says is one', () => {
    const everything = { pluginRoot: '/p', envFile: ENV_FILE };
    expect(kindOf(bornIn(spoilt(bare, { origin: everything, traces: { hookPlugin: PLUGIN } })))).toBe('unrecorded');
  });

  test('what cannot be read of it does not matter', () => {
    expect(kindOf(bornIn(spoilt(bare, { traces: { pidNamespace: 'unknown', home: 'unknown' } })))).toBe('unrecorded');
  });

  test('it is nobody’s where environments are never shown, and the companion’s where that is its parent', () => {
    const hidden = {
      environment: undefined,
      traces: { home: 'unknown' },
      snapshot: { showsEnvironments: false },
    } as const;
    expect(kindOf(bornIn(spoilt(bare, hidden)))).toBe('unrecorded');
    expect(kindOf(bornIn(spoilt(PROVEN.log, hidden)))).toBe('unrecorded');
    expect(bornIn(spoilt(PROVEN.parent, hidden))?.proof).toEqual({
      kind: 'unknown',
      because: 'cannot tell whether a plugin started it: its environment cannot be read',
    });
  });
});

test('the folder of a plugin is around the folder of its script', () => {
  expect(pluginRootOf(SCRIPT)).toBe('/home/me/.claude/plugins/cache/m/opencode/1.0.0');
});

test.each([
  ['node', ['node', SCRIPT, 'review'], true],
  ['node by its path', ['/opt/node/bin/node', SCRIPT], true],
  ['bun', ['bun', SCRIPT], true],
  ['a shell', ['sh', SCRIPT], false],
  ['node with an option', ['node', '--inspect', SCRIPT], false],
  ['a copy of the script', ['node', `${SCRIPT}.bak`], false],
  ['a script of another name', ['node', SCRIPT.replace('opencode-companion', 'my-opencode-companion')], false],
  ['nothing', undefined, false],
])('a companion is recognized where it is run by %s: %s', (_by, argv, is) => {
  expect(companionIn(argv) !== undefined).toBe(is);
});
