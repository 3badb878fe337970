import { describe, expect, test } from 'vitest';
import { candidateOf } from '../../src/decide/candidate.js';
import { locate } from '../../src/decide/locate.js';
import { unrecordedIn } from '../../src/decide/unrecorded.js';
import type { Process } from '../../src/model/process.js';
import {
  but,
  type Change,
  ended,
  environmentHidden,
  every,
  listening,
  recorded,
  running,
  seen,
  shown,
  spawnedWith,
} from './changes.js';
import {
  environment,
  FREE,
  HOUR,
  LAUNCHER,
  launched,
  MINUTE,
  NOW,
  native,
  process,
  SERVER,
  type Situation,
  serve,
  serverProcess,
  starting,
} from './given.js';
import { weakLaunched } from './plugin-cases.js';

/** Of each server that nothing was written down about: what launched it, and itself. */
const unrecorded = ({ snapshot }: Situation): (number | undefined)[][] =>
  unrecordedIn([], snapshot).map((record) => {
    const located = locate(record, snapshot);
    return located.kind === 'present' ? [located.launcher?.pid, located.server.pid] : [];
  });

const inGroup = { group: LAUNCHER, session: LAUNCHER };
const shell: Partial<Process> = { name: 'sh', command: { ...serve, interpreted: true } };
const script: Partial<Process> = { name: 'sh', command: { kind: 'other' } };
const SHELL_ABOVE = 4800;
/** A shell that leads the group, above the launcher. */
const above = (kind: Partial<Process>): Change =>
  every(
    running(process(SHELL_ABOVE, { ...kind, group: SHELL_ABOVE, session: SHELL_ABOVE })),
    spawnedWith(SHELL_ABOVE, {}),
    seen(LAUNCHER, { parent: SHELL_ABOVE, group: SHELL_ABOVE, session: SHELL_ABOVE }),
    seen(SERVER, { group: SHELL_ABOVE, session: SHELL_ABOVE }),
  );
const beside = (parent: number): Change => running(process(5009, { parent, ...inGroup }));
const second = every(
  running(serverProcess(5010, { parent: LAUNCHER, ...inGroup, command: { ...serve, port: 5000 } })),
  spawnedWith(5010, {}),
);
const on = (...changes: readonly Change[]): Situation => but(launched, ...changes);

test('what is not recorded is listed with the port of its command line, and since when it runs', () => {
  const listed = (...changes: readonly Change[]) => unrecordedIn([], but(launched, ...changes).snapshot);
  const port = { port: serve.port, portIsStated: false };
  expect(listed()).toMatchObject([{ ...port, startedAt: NOW - HOUR }]);
  expect(listed(seen(SERVER, { ageMs: undefined }))).toMatchObject([{ ...port, startedAt: undefined }]);
});

test.each([
  ['was spawned', { server: undefined, tag: undefined }],
  ['serves', { spawned: undefined }],
])('what may be the process that %s by a record is not listed as unrecorded', (_what, change) => {
  const given = but(native, recorded(change), seen(SERVER, { startToken: undefined }));
  const candidate = candidateOf(given.record, given.snapshot);
  expect(candidate.located.kind).toBe('unknown');
  expect(unrecordedIn([candidate], given.snapshot)).toEqual([]);
});

describe('of servers that are not recorded', () => {
  test.each<[string, Situation, (number | undefined)[][]]>([
    ['one has a launcher', on(), [[LAUNCHER, SERVER]]],
    ['one has a shell above its launcher', on(above(shell)), [[SHELL_ABOVE, SERVER]]],
    ['one has a script above its launcher', on(above(script)), [[LAUNCHER, SERVER]]],
    ['one has a shell that runs more above its launcher', on(above(shell), beside(SHELL_ABOVE)), [[LAUNCHER, SERVER]]],
    ['one is run beside something else', on(beside(LAUNCHER)), [[undefined, SERVER]]],
    ['one is run by a script', on(seen(LAUNCHER, script)), [[undefined, SERVER]]],
    [
      'two are run by one script',
      on(second),
      [
        [undefined, SERVER],
        [undefined, 5010],
      ],
    ],
    [
      'one was started by what became another',
      on(listening(true, LAUNCHER)),
      [
        [undefined, SERVER],
        [undefined, LAUNCHER],
      ],
    ],
    [
      'one has a group of its own',
      on(seen(SERVER, { group: SERVER })),
      [
        [undefined, SERVER],
        [undefined, LAUNCHER],
      ],
    ],
    ['one is only starting', on(ended(SERVER)), [[undefined, LAUNCHER]]],
  ])('%s', (_sentence, given, expected) => {
    expect(unrecorded(given).sort(([, a = 0], [, b = 0]) => b - a)).toEqual(
      expected.sort(([, a = 0], [, b = 0]) => b - a),
    );
  });
});

type Found = readonly [number | undefined, number, string] | 'gone' | 'unknown';
const where = ({ record, snapshot }: Situation): Found => {
  const located = locate(record, snapshot);
  return located.kind === 'present' ? [located.launcher?.pid, located.server.pid, located.proof] : located.kind;
};

/** Nothing that is known of it proves that it may be signalled. */
const NO_LAUNCHERS: readonly (readonly [string, Change])[] = [
  ['is another user’s', seen(LAUNCHER, { owner: '0' })],
  ['has a user that cannot be read', seen(LAUNCHER, { owner: undefined })],
  ['carries another tag', spawnedWith(LAUNCHER, { tag: 'other' })],
  ['carries no tag', spawnedWith(LAUNCHER, { tag: undefined })],
  ['has an environment that cannot be read', environmentHidden(LAUNCHER)],
  ['has a command line that cannot be read', seen(LAUNCHER, { command: undefined })],
  ['is another command of OpenCode', seen(LAUNCHER, { command: { kind: 'opencode' } })],
];

test.each(NO_LAUNCHERS)('what %s is left alone when its server is stopped', (_sentence, change) => {
  expect(where(on())).toEqual([LAUNCHER, SERVER, 'start token']);
  expect(where(on(change))).toEqual([undefined, SERVER, 'start token']);
});

test('what runs a server without a tag, and has an environment that cannot be read, is left alone', () => {
  const tagless = on(
    recorded({ tag: undefined }),
    ...[LAUNCHER, SERVER].map((one) => spawnedWith(one, { tag: undefined })),
  );
  expect(where(tagless)).toEqual([LAUNCHER, SERVER, 'start token']);
  expect(where(but(tagless, environmentHidden(LAUNCHER)))).toEqual([undefined, SERVER, 'start token']);
});

const byToken: Found = [undefined, SERVER, 'start token'];
const byTime: Found = [undefined, SERVER, 'start time'];
const other = seen(LAUNCHER, script);
const deeper: Change = every(
  running(process(4950, { ...script, parent: LAUNCHER, ...inGroup })),
  seen(SERVER, { parent: 4950 }),
);
const itself: Found = [undefined, LAUNCHER, 'start token'];
const listens = listening(true, LAUNCHER);
const withJobs = seen(SERVER, { group: SERVER });

/** `sh …/opencode serve`, which has a secrets manager or `timeout` run the real one. */
const named = every(deeper, withJobs, listening(false, LAUNCHER), shown({ sockets: new Map() }));

describe('a record of what is no launcher leads to', () => {
  test.each<[string, Situation, Found]>([
    ['the server below it', but(starting, other), byToken],
    ['the server below it, by a bare pid', but(weakLaunched, other), byTime],
    ['the server at some depth', but(starting, other, deeper), byToken],
    ['the server at some depth, by a bare pid', but(weakLaunched, other, deeper), byTime],
    [
      'nothing for certain, where what it runs cannot be read',
      but(starting, other, seen(SERVER, { command: undefined }), shown({ sockets: new Map() })),
      'unknown',
    ],
    ['the server in a group of its own', but(starting, other, withJobs), byToken],
    ['the server in a group of its own, by a bare pid', but(weakLaunched, other, withJobs), byTime],
    ['the server below what a script of that name runs', but(starting, seen(LAUNCHER, shell), named), byToken],
    ['the server below that, by a bare pid', but(weakLaunched, seen(LAUNCHER, shell), named), byTime],
    ['what is a server itself, whatever runs deeper below it', but(starting, named), itself],
    ['what listens itself, whatever runs below it', but(starting, seen(LAUNCHER, shell), named, listens), itself],
    [
      'what may listen itself',
      but(starting, seen(LAUNCHER, shell), deeper, withJobs, shown({ sockets: new Map() })),
      itself,
    ],
    [
      'a server that listens on nothing, and not what its agent has started',
      but(starting, seen(LAUNCHER, shell), named, spawnedWith(SERVER, { inOpencode: true })),
      itself,
    ],
    ['the server with the recorded port', but(starting, seen(LAUNCHER, shell), second), byToken],
    [
      'the other server with the recorded port',
      but(starting, second, recorded({ port: 5000 })),
      [undefined, 5010, 'start token'],
    ],
    ['nothing for certain, where two may be meant', but(starting, second, recorded({ port: 6000 })), 'unknown'],
    [
      'nothing for certain, where no port was recorded',
      but(starting, second, recorded({ port: undefined })),
      'unknown',
    ],
    [
      'the server and not one that this one has started',
      but(
        starting,
        other,
        deeper,
        listening(true, SERVER),
        shown({ sockets: new Map() }),
        running(serverProcess(5011, { parent: SERVER, ...inGroup })),
        spawnedWith(5011, {}),
      ),
      byToken,
    ],
    ['a server of two, when that has ended', but(starting, second, ended(LAUNCHER)), [undefined, SERVER, 'tag']],
    [
      'none of two when that has ended and no port was recorded',
      but(starting, second, ended(LAUNCHER), recorded({ port: undefined })),
      'unknown',
    ],
    [
      'none when that is a later program',
      but(weakLaunched, other, withJobs, seen(LAUNCHER, { ageMs: MINUTE }), seen(SERVER, { parent: FREE })),
      'gone',
    ],
    [
      'none when a later program has started one',
      but(weakLaunched, other, withJobs, recorded({ startedAt: NOW - 2 * 60 * MINUTE })),
      'gone',
    ],
  ])('%s', (_sentence, given, expected) => {
    expect(environment.opencodePid).toBeUndefined();
    expect(where(given)).toEqual(expected);
  });
});
