import { describe, expect, test } from 'vitest';
import { isAliveSince } from '../../src/decide/alive.js';
import {
  type CoveringLease,
  isLive,
  leaseHasEnded,
  leasesOn,
  related,
  type ServerKeys,
  within,
  witnessed,
} from '../../src/decide/leases.js';
import type { Host } from '../../src/model/identity.js';
import type { Lease, ServerRecord, Use, Witness } from '../../src/model/record.js';
import {
  witnessed as alsoWitnessed,
  but,
  type Change,
  leased,
  running,
  seen,
  shown,
  shownOn,
  written,
} from './changes.js';
import {
  CLAUDE,
  evidence,
  FREE,
  HOUR,
  here,
  identity,
  LAUNCHER,
  launched,
  lease,
  MCP,
  NOW,
  native,
  PORT,
  pid,
  place,
  process,
  SERVER,
  SHELL,
  witness,
} from './given.js';

const use: Use = {
  kind: 'lease',
  file: '/plugin/sessions.json',
  name: 'x',
  session: 'session-3',
  covers: { kind: 'port', port: PORT },
  holder: undefined,
  seenAt: NOW,
  modifiedAt: NOW,
  countsForMs: 1000,
  directories: [],
};
const unchanged: Change = (given) => given;
const plugins: ServerRecord = {
  ...native.record,
  id: '4901-123',
  source: { format: 'a plugin', file: '/plugin/server.json' },
  spawned: identity(4900),
  workspace: undefined,
};
const server: ServerKeys = { records: [native.record, plugins], ports: [PORT, 5000] };

/** The same where its records say this of where it works, each its own. */
const working = (workspaces: readonly string[], workspaceHash?: string): ServerKeys => ({
  ...server,
  records: server.records.map((record, at) => ({ ...record, workspace: workspaces[at], workspaceHash })),
});

const COVERAGE: readonly [string, Partial<Lease>, CoveringLease['covers'] | 'no'][] = [
  ['a server that it names', { servers: ['server-0', 'server-1'] }, 'yes'],
  ['no server with a similar name', { servers: ['server-10', 'server'] }, 'no'],
  ['a server that it named by its launcher, which is dead', { servers: ['4900-123'] }, 'yes'],
  ['no server by the launcher of our own record', { servers: [`${SERVER}-123`] }, 'no'],
  ['no server of another launcher', { servers: ['49001-123', '4900'] }, 'no'],
  ['a server on its port', { port: PORT }, 'yes'],
  ['a server that listens on its port as well', { port: 5000 }, 'yes'],
  ['no server on another port', { port: 4097 }, 'no'],
  ['a server of the same workspace', { path: '/repo' }, 'yes'],
  ['a server of a folder that leads there', { path: '/link' }, 'yes'],
  ['a server of a workspace that it works in', { path: '/repo/src' }, 'yes'],
  ['a server of a workspace in its folder', { path: '/' }, 'yes'],
  ['a server of a worktree of the same repository', { path: '/worktree' }, 'yes'],
  ['no server of a sibling', { path: '/elsewhere' }, 'no'],
  ['no server of a sibling with the same beginning', { path: '/repo-2' }, 'no'],
  ['no server of a sibling whose name is its beginning', { path: '/rep' }, 'no'],
  ['a server of its workspace on another port', { path: '/repo', port: 4097 }, 'yes'],
  ['a server of another workspace on its port', { path: '/elsewhere', port: PORT }, 'yes'],
  ['perhaps a server, when its directory cannot be resolved', { path: '/nowhere' }, 'unknown'],
  ['a server that it names in another workspace', { path: '/elsewhere', servers: ['server-1'] }, 'yes'],
];

describe('a lease covers', () => {
  const covers = (change: Partial<Lease>, on = server): CoveringLease['covers'] | 'no' =>
    leasesOn(on, [{ ...lease, ...change }], native.snapshot)[0]?.covers ?? 'no';

  test.each(COVERAGE)('%s', (_sentence, change, expected) => {
    expect(covers(change)).toBe(expected);
  });

  test('perhaps a server whose workspace is not known', () => {
    expect(covers({ path: '/elsewhere' }, working([]))).toBe('unknown');
    expect(covers({ port: 4097 }, working([]))).toBe('no');
    // Of one of its records alone.
    expect(covers({ path: '/elsewhere' }, working(['/repo-2', '/nowhere']))).toBe('unknown');
  });

  test.each<[string, string[], string[], CoveringLease['covers'] | 'no']>([
    ['a mount that does not answer, and the server works elsewhere', ['/far'], [], 'no'],
    ['a mount that does not answer, and the server works there, too', ['/far'], ['/far'], 'unknown'],
    ['a mount in another one that does not answer', ['/far/sub'], ['/far'], 'unknown'],
    ['a mount around another one that does not answer', ['/far'], ['/far/sub'], 'unknown'],
    ['one mount that does not answer, and the server on another', ['/far'], ['/far-off'], 'no'],
    ['a place that answers, and the server may have its repository on one that does not', [], ['/far'], 'no'],
  ])('perhaps a server, or surely none, when its directory is on %s', (_, silent, others, expected) => {
    const places = new Map([
      ['/far/shop', place('/far/shop', { silent })],
      ['/repo', place('/repo', { silent: others })],
    ]);
    const [hold] = leasesOn(server, [{ ...lease, path: '/far/shop' }], { ...native.snapshot, places });
    expect(hold?.covers ?? 'no').toBe(expected);
  });

  test('a server of which only the hash of its workspace is known', () => {
    const hash = 'hash of /repo'.slice(0, 12);
    expect(covers({ path: '/repo' }, working([], hash))).toBe('yes');
    const link = new Map([['/link', place('/link', { hashes: ['hash of /link', 'hash of /repo'] })]]);
    const [hold] = leasesOn(working([], hash), [{ ...lease, path: '/link' }], { ...native.snapshot, places: link });
    expect(hold?.covers).toBe('yes');
    const [one, other] = working([], hash).records;
    const apart = [one, { ...other, workspaceHash: 'hash of elsewhere' }] as ServerKeys['records'];
    expect(covers({ path: '/repo' }, { ...server, records: apart })).toBe('yes');
    expect(covers({ path: '/elsewhere' }, working([], hash))).toBe('unknown');
    expect(covers({ path: '/elsewhere' }, working(['/repo-2'], hash))).toBe('no');
    expect(covers({ path: '/elsewhere' }, working(['/elsewhere/src', '/elsewhere'], hash))).toBe('yes');
  });
});

test('every lease that covers a server is named with its session and its holder', () => {
  const leases = [
    { ...lease, path: '/repo' },
    { ...lease, path: '/elsewhere' },
    { ...lease, session: undefined, holder: undefined, port: PORT },
  ];
  const { file } = lease;
  expect(leasesOn(server, leases, native.snapshot)).toEqual([
    { file, session: 'session-1', holderPid: CLAUDE, live: 'yes', covers: 'yes' },
    { file, session: undefined, holderPid: undefined, live: 'unknown', covers: 'yes' },
  ]);
});

describe('a session that left no lease', () => {
  const sees = (change: Partial<Witness>, around: Change = unchanged, workspace = '/repo') =>
    witnessed(working([workspace]), [{ ...witness, ...change }], but(native, around).snapshot).length > 0;

  test.each<[string, boolean, boolean]>([
    ['holds a server of its workspace', true, sees({})],
    ['holds a server of a worktree of its repository', true, sees({ path: '/worktree' })],
    ['holds no server of another workspace', false, sees({ path: '/elsewhere' })],
    ['holds nothing when it has ended', false, sees({ holder: identity(FREE) })],
    ['holds nothing when its pid is another program', false, sees({}, seen(CLAUDE, { startToken: 'x', name: 'vim' }))],
    ['holds it under whatever name it runs', true, sees({}, seen(CLAUDE, { name: 'node' }))],
    ['holds it as a claude whose start token cannot be read', true, sees({}, seen(CLAUDE, { startToken: undefined }))],
    [
      'holds nothing as another claude, with the pid of one that has ended',
      false,
      sees({}, seen(CLAUDE, { startToken: 'x' })),
    ],
    [
      'holds it as a spare that was claimed, though its start token cannot be read',
      true,
      sees({}, seen(CLAUDE, { startToken: undefined, claude: 'spare' })),
    ],
    [
      'holds nothing as a helper whose start token cannot be read',
      false,
      sees({}, seen(CLAUDE, { startToken: undefined, claude: 'helper' })),
    ],
    ['holds it as a helper that is listed', true, sees({}, seen(CLAUDE, { claude: 'helper' }))],
    ['may hold any server when nothing says where it works', true, sees({ path: undefined }, unchanged, '/elsewhere')],
    [
      'holds nothing when it has ended and nothing said where it worked',
      false,
      sees({ path: undefined, holder: identity(FREE) }),
    ],
  ])('%s', (_sentence, expected, holds) => {
    expect(holds).toBe(expected);
  });

  test('works where it is said to, though its process keeps that from us', () => {
    const hidden = { ...witness, path: undefined };
    const on = (workspace: string, ...witnesses: readonly Witness[]) =>
      witnessed(working([workspace]), witnesses, native.snapshot).map(({ covers }) => covers);
    expect(on('/elsewhere', hidden)).toEqual(['unknown']);
    expect(on('/elsewhere', hidden, witness)).toEqual([]);
    expect(on('/repo', hidden, witness)).toEqual(['yes']);
  });

  test('is one session, even if it is listed, seen running and has a lease', () => {
    const thrice = but(native, leased({ path: '/repo' }), alsoWitnessed({}), shown({ claudes: [witness] }));
    expect(evidence(thrice).coveringLeases.filter(({ live }) => live === 'yes')).toHaveLength(1);
  });
});

describe('a Claude that a tool of the server itself runs', () => {
  const NESTED = 7000;
  const below = (parent: number): Change => running(process(NESTED, { claude: 'session', parent }));
  const held = (parent: number, ...changes: readonly Change[]): boolean =>
    evidence(but(launched, below(parent), ...changes)).coveringLeases.some(
      ({ holderPid, live }) => holderPid === NESTED && live !== 'no',
    );
  const mine = { holder: identity(NESTED), path: '/repo' };
  const listed = { ...use, holder: identity(NESTED) };

  test.each<[string, Change]>([
    ['by its lease', leased(mine)],
    ['by a lease that names it', leased({ ...mine, servers: ['server-1'] })],
    ['as listed by Claude Code', alsoWitnessed(mine)],
    ['as seen running', shown({ claudes: [{ ...witness, ...mine }] })],
    ['as one that hides where it works', shown({ claudes: [{ ...witness, ...mine, path: undefined }] })],
    ['by a plugin’s list of sessions', written({ uses: [listed] })],
  ])('does not hold it: %s', (_sentence, change) => {
    expect(held(SERVER, change)).toBe(false);
    expect(held(MCP, change)).toBe(false);
    // A script may start both a server and a Claude, and so may anything unrelated.
    expect(held(LAUNCHER, change)).toBe(true);
    expect(held(SHELL, change)).toBe(true);
  });

  test('may hold it when its pid may be meant for another container', () => {
    expect(held(SERVER, leased({ ...mine, machine: { ...here, pidNamespace: 'pid:[2]' } }))).toBe(true);
  });
});

const nobody = { holder: undefined };
const on = (machine: Partial<Host>): Partial<Lease> => ({ machine: { ...here, ...machine } });
const past = { expiresAt: NOW - 1 };
const future = { expiresAt: NOW + 1 };
const unlisted = shown({ processes: undefined });

const LIVENESS: readonly [string, Partial<Lease>, Change, ReturnType<typeof isLive>][] = [
  ['that runs lives', {}, unchanged, 'yes'],
  ['that runs lives beyond its expiry', past, unchanged, 'yes'],
  ['that runs lives, wherever it was written', { machine: undefined }, unchanged, 'yes'],
  ['that ended is over', { holder: identity(FREE) }, unchanged, 'no'],
  ['that ended is over before its expiry', { holder: identity(FREE), ...future }, unchanged, 'no'],
  ['whose pid was recycled is over', {}, seen(CLAUDE, { startToken: 'later' }), 'no'],
  ['whose start token cannot be read may live', {}, seen(CLAUDE, { startToken: undefined }), 'unknown'],
  ['without a start token may live', { holder: { pid: pid(CLAUDE), startToken: undefined } }, unchanged, 'unknown'],
  ['may live where processes cannot be listed', {}, unlisted, 'unknown'],
  ['from before this machine booted is over', on({ boot: 'earlier' }), unchanged, 'no'],
  ['of another machine may live', on({ id: 'other', boot: 'other' }), unchanged, 'unknown'],
  ['of another container may live', on({ pidNamespace: 'pid:[2]' }), unchanged, 'unknown'],
  [
    'of another container may live, even if its pid is free here',
    { ...on({ pidNamespace: 'pid:[2]' }), holder: identity(FREE) },
    unchanged,
    'unknown',
  ],
  ['of who knows which container may live', on({ pidNamespace: undefined }), unchanged, 'unknown'],
  ['of who knows which boot may live', on({ boot: undefined }), unchanged, 'unknown'],
  ['may live where the boot is not known', {}, shownOn({ boot: undefined }), 'unknown'],
  ['may live where the container is not known', {}, shownOn({ pidNamespace: undefined }), 'unknown'],
  [
    'that ended may live where it does not say which machine',
    { holder: identity(FREE), machine: undefined },
    unchanged,
    'unknown',
  ],
  ['that runs lives where machines have no id', on({ id: undefined }), unchanged, 'yes'],
  ['without identity may live', nobody, unchanged, 'unknown'],
  ['without identity may live until it expires', { ...nobody, ...future }, unchanged, 'unknown'],
  ['without identity may live at the very moment it expires', { ...nobody, expiresAt: NOW }, unchanged, 'unknown'],
  ['without identity is over when it has expired', { ...nobody, ...past }, unchanged, 'no'],
];

describe('a lease of a session', () => {
  test.each(LIVENESS)('%s', (_sentence, change, around, expected) => {
    expect(isLive({ ...lease, ...change }, but(native, around).snapshot)).toBe(expected);
  });
});

const DAY = 24 * HOUR;
const longAgo = { seenAt: NOW - 2 * DAY };
const otherContainer = on({ pidNamespace: 'pid:[2]' });
const bootless = on({ boot: undefined });

test.each<[string, Partial<Lease>, Change, ReturnType<typeof isLive>]>([
  ['that runs', longAgo, unchanged, 'yes'],
  ['that has ended', { ...longAgo, holder: identity(FREE) }, unchanged, 'no'],
  ['of another container, a day ago', { ...otherContainer, seenAt: NOW - DAY }, unchanged, 'unknown'],
  ['of another container, more than a day ago', { ...otherContainer, seenAt: NOW - DAY - 1 }, unchanged, 'no'],
  ['of another machine', { ...longAgo, ...on({ id: 'other', boot: 'other' }) }, unchanged, 'no'],
  [
    'of another boot of who knows which machine',
    { ...longAgo, ...on({ id: undefined, boot: 'other' }) },
    unchanged,
    'no',
  ],
  ['of who knows which boot, whose process may be this one', { ...longAgo, ...bootless }, unchanged, 'unknown'],
  ['of who knows which boot, whose pid is free', { ...longAgo, ...bootless, holder: identity(FREE) }, unchanged, 'no'],
  [
    'of who knows which boot, whose pid is another process',
    { ...longAgo, ...bootless },
    seen(CLAUDE, { startToken: 'later' }),
    'no',
  ],
  ['whose start token cannot be read', longAgo, seen(CLAUDE, { startToken: undefined }), 'unknown'],
  [
    'whose start token was recorded in another time namespace',
    { ...longAgo, ...on({ timeNamespace: 'time:[2]' }) },
    seen(CLAUDE, { startToken: 'later' }),
    'unknown',
  ],
  ['where processes cannot be listed', longAgo, unlisted, 'unknown'],
  ['of another container, where processes cannot be listed', { ...longAgo, ...otherContainer }, unlisted, 'no'],
])('a lease of a process %s, last heard of days ago', (_sentence, change, around, expected) => {
  expect(isLive({ ...lease, ...change }, but(native, around).snapshot)).toBe(expected);
});

test('what names no process may live, however long ago that was', () => {
  expect(isAliveSince(undefined, here, NOW - 2 * DAY, native.snapshot)).toBe('unknown');
});

test.each<[string, Partial<Lease>, boolean]>([
  ['whose holder lives', {}, false],
  ['whose holder has ended', { holder: identity(FREE) }, true],
  ['without identity, until it expires', { ...nobody, ...future }, false],
  ['without identity that has expired', { ...nobody, ...past }, true],
  ['without identity or expiry, for a day after its last sign of life', { ...nobody, seenAt: NOW - DAY }, false],
  ['without identity or expiry, a day after its last sign of life', { ...nobody, seenAt: NOW - DAY - 1 }, true],
  // It no longer counts here, and may still be needed there.
  ['of another machine, however old', { ...on({ id: 'other', boot: 'other' }), seenAt: NOW - 2 * DAY }, false],
])('a lease file may be removed: %s', (_sentence, change, expected) => {
  expect(leaseHasEnded({ ...lease, ...change }, native.snapshot)).toBe(expected);
});

const RELATED: readonly [string, boolean, string, string][] = [
  ['when they are one', true, '/repo', '/repo'],
  ['when the first lies in the second', true, '/repo/a/b', '/repo'],
  ['when the second lies in the first', true, '/repo', '/repo/a/b'],
  ['when one is the root', true, '/', '/repo'],
  ['but not as siblings', false, '/repo/a', '/repo/b'],
  ['but not for a common beginning of their names', false, '/repo', '/repository'],
  ['but not for another case', false, '/repo', '/Repo/a'],
];

describe('two places are related', () => {
  test.each(RELATED)('%s', (_sentence, expected, a, b) => {
    expect(related(place(a), place(b))).toBe(expected);
  });

  test('by where they lead, not by how they were typed', () => {
    expect(related(place('/a', { real: '/repo' }), place('/b', { real: '/repo/src' }))).toBe(true);
    expect(related(place('/repo', { real: '/a' }), place('/repo', { real: '/b' }))).toBe(false);
  });

  test('as worktrees of one repository, but not for being in none', () => {
    expect(related(place('/a', { gitCommon: '/r/.git' }), place('/b', { gitCommon: '/r/.git' }))).toBe(true);
    expect(related(place('/a', { gitCommon: '/r/.git' }), place('/b', { gitCommon: '/s/.git' }))).toBe(false);
    expect(related(place('/a'), place('/b'))).toBe(false);
  });

  test('whichever comes first, since one lies in the other', () => {
    expect([within('/repo/a', '/repo'), within('/repo', '/repo/a'), within('/repo', '/repo/')]).toEqual([
      true,
      false,
      false,
    ]);
  });
});
