import {
  chmodSync,
  chownSync,
  lchownSync,
  mkdirSync,
  mkdtempSync,
  realpathSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import type { StartTokens } from '../../../src/model/identity.js';
import type { Use } from '../../../src/model/record.js';
import { readPlugins } from '../../../src/state/plugins/read-plugins.js';
import { type Files, PLUGIN_FORMATS } from '../../support/plugin-state.js';

const HASH = '0123456789abcdef';
const DATA = `home/.claude/plugins/data/x/state/s-${HASH}`;
const SHARED = 'home/.local/state/opencode-plugin-cc';
const AT = 1_776_100_000_000;

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'opencode-reap-files-')));
});
afterEach(() => rmSync(root, { recursive: true }));

const put = (files: Record<string, unknown>): void => {
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), typeof content === 'string' ? content : JSON.stringify(content));
  }
};

const read = (startTokens: StartTokens = 'ticks', answers = (_path: string): boolean => true) => {
  const env = { HOME: join(root, 'home'), TMPDIR: join(root, 'tmp'), OPENCODE_REAP_TMP: join(root, 'shared') };
  return readPlugins({
    env,
    configDirs: [],
    pluginsDirs: [],
    tmpDirs: [],
    dataDirs: [],
    stateDir: undefined,
    projects: [join(root, 'project')],
    answers,
    startTokens,
  });
};

const usesOf = async (path: string, content: unknown): Promise<readonly Use[]> => {
  put({ [path]: content });
  return (await read()).uses;
};

const running = { id: 'task-1', status: 'running' };
const nothingKnown = { holder: undefined, seenAt: undefined };

test('a project that does not answer may hold a job of opencode-delegate, and of no other plugin', async () => {
  const { uses, unread } = await read('ticks', (path) => !path.startsWith(join(root, 'project')));
  expect(unread).toEqual([]);
  const covers = { kind: 'plugins', formats: ['opencode-delegate'], ports: [4573] };
  expect(uses).toMatchObject([{ kind: 'job', covers, holder: undefined, seenAt: undefined, modifiedAt: undefined }]);
});

test('what looks alike in two plugins is one job: rivaldofwijaya’s has no `createdAt`, opencode-delegate’s has', async () => {
  const meta = { id: 'ocd-1', state: 'running', createdAt: new Date(AT).toISOString(), ownerPid: 99 };
  const uses = await usesOf('project/.opencode-delegate/jobs/ocd-1/meta.json', meta);
  expect(uses).toMatchObject([{ covers: { formats: ['opencode-delegate'] }, holder: { pid: 99 } }]);
});

describe('of a file that says too little, nothing is taken for over:', () => {
  test('a session of rivaldofwijaya’s whose Claude process was not found lasts until it expires', async () => {
    const session = { pid: 99, at: AT, scope: 'session', sessionPid: null, expiresAt: AT + 1000 };
    const uses = await usesOf(`${SHARED}/broker/refs.json`, { s: { 'session:s': session } });
    expect(uses).toMatchObject([{ kind: 'lease', holder: undefined, seenAt: AT, countsForMs: 1000 }]);
  });

  test('a job of rivaldofwijaya’s lived when its file was last written, not only when it was queued', async () => {
    const job = { id: 'job_1', state: 'running', pid: 99, startedAt: AT };
    const [use] = await usesOf(`${SHARED}/jobs/job_1/meta.json`, job);
    expect(use?.seenAt).toBeGreaterThan(Date.now() - 60_000);
  });

  test('a job of JoelFrancisco’s, whose `started` is never written again, lived when its file was written', async () => {
    const job = { id: 'review-1', workspace: '/x', pid: 99, started: new Date(AT).toISOString(), status: 'running' };
    const [use] = await usesOf(`${SHARED}/jobs/review-1.json`, job);
    expect(use?.seenAt).toBeGreaterThan(Date.now() - 60_000);
  });

  test('a job of TheViniAlmeida’s of no session', async () => {
    put({ [`${DATA}/state.json`]: { claudeSessions: [], jobs: [{ ...running, updatedAt: AT }] } });
    const uses = await usesOf(`${DATA}/jobs/task-1.json`, { ...running, pid: 99, pidStartTime: '1', updatedAt: AT });
    expect(uses).toMatchObject([{ holder: { pid: 99 } }]);
  });

  test('a job of ZaraLcy’s of no session', async () => {
    const job = { prompt: 'x', status: 'running', sessionId: 'ses_1', startedAt: AT };
    expect(await usesOf('home/.opencode-plugin/sessions/ses_1.json', job)).toMatchObject([{ seenAt: AT }]);
  });

  test('a job of brahmsyaifullah’s that has no pid yet, once', async () => {
    const folder = 'home/.claude/opencode-jobs/oc-1';
    expect(await usesOf(`${folder}/started`, 'now')).toMatchObject([{ name: 'oc-1', holder: undefined }]);
    expect(await usesOf(`${folder}/pid`, '99\n')).toMatchObject([{ name: 'oc-1', holder: { pid: 99 } }]);
    expect(await usesOf(`${folder}/cancelled`, '')).toEqual([]);
  });

  test.each<[string, unknown]>([
    ['jobs that are not a list', { version: 1, jobs: { 'task-1': running } }],
    ['jobs that are not a list, in the older line', { jobs: { 'task-1': running } }],
    ['sessions that are not a list', { version: 1, claudeSessions: { s: { pid: 99 } }, jobs: [] }],
    ['a job with a nonsensical id', { version: 1, claudeSessions: [], jobs: [{ ...running, id: { toString: 1 } }] }],
    [
      'a job whose own file would be another',
      { version: 1, claudeSessions: [], jobs: [{ ...running, id: '../state' }] },
    ],
  ])('%s', async (_, content) => {
    expect(await usesOf(`${DATA}/state.json`, content)).toMatchObject([nothingKnown]);
  });

  test('leases of TheRealDinghyDog’s that are not a list', async () => {
    const record = { url: 'http://127.0.0.1:4999', pid: 99, external: false, leases: { a: 1 } };
    expect(await usesOf(`${DATA}/server.json`, record)).toMatchObject([nothingKnown]);
  });
});

test('the result of a job is not a job', async () => {
  expect(await usesOf(`${DATA}/jobs/task-1.json`, { type: 'review', rendered: 'all is well' })).toEqual([]);
});

test('a job of TheViniAlmeida’s counts for its plugin’s servers, whatever else is in its file', async () => {
  const job = { ...running, claudeSessionId: 's', prompt: 'do it', workspaceRoot: '/x' };
  const covers = { kind: 'plugins', formats: ['thevinialmeida'] };
  expect(await usesOf(`${DATA}/jobs/task-1.json`, job)).toMatchObject([{ covers }]);
});

const NOBODY = 65_534;
const ANOTHERS = 'it belongs to another user';

/** Reads as a user whom modes restrict, and who owns nothing here except what was given away. */
const readAsNobody = async () => {
  chmodSync(root, 0o755);
  process.seteuid?.(NOBODY);
  const getuid = process.getuid;
  process.getuid = () => NOBODY;
  try {
    return await read();
  } finally {
    process.getuid = getuid as () => number;
    process.seteuid?.(0);
  }
};

test('what was heard of in the future was heard of when its file was written', async () => {
  const later = new Date(Date.now() + 365 * 86_400_000).toISOString();
  const holder = { at: Date.parse(later), expiresAt: Date.parse(later) + 1000 };
  const written = {
    'home/.opencode-plugin/sessions/ses_1.json': { prompt: 'x', claudeSessionId: 's', startedAt: later },
    [`home/.kusabi/${HASH}/jobs/job-1/job.json`]: { status: 'running', stats: { lastActivity: later } },
    [`${SHARED}/broker/refs.json`]: { s: { 'session:s': holder } },
    [`${DATA}/server.json`]: { external: false, url: '', leases: [{ createdAt: later }] },
    [`${DATA}/state.json`]: { claudeSessions: [{ startedAt: later }], jobs: [{ updatedAt: later }] },
  };
  put(written);
  const at = new Date(AT);
  for (const path of Object.keys(written)) utimesSync(join(root, path), at, at);
  const { uses } = await read();
  expect(uses.map(({ seenAt }) => seenAt)).toEqual([AT, AT, AT, AT, AT, AT]);
  expect(uses.map(({ countsForMs }) => countsForMs)).toContain(1000);
});

describe('through a link of one’s own', () => {
  const link = (from: string, to: string): void => {
    mkdirSync(dirname(join(root, from)), { recursive: true });
    symlinkSync(join(root, to), join(root, from));
  };

  test('to a workspace’s folder jobs are read, and records are not', async () => {
    put({
      'there/state.json': { jobs: [running] },
      'there/server.json': { lastServerPid: 99, lastServerStartedAt: AT },
    });
    link(`home/.kusabi/${HASH}`, 'there');
    expect(await read()).toMatchObject({
      records: [],
      uses: [{ name: 'task-1' }],
      skipped: [{ because: 'a symbolic link' }],
    });
  });

  test('to a job’s folder it is read, and to a job’s file it is unread', async () => {
    put({ 'there/job.json': running, [`home/.kusabi/${HASH}/server.json`]: {} });
    link(`home/.kusabi/${HASH}/jobs/task-1`, 'there');
    expect(await read()).toMatchObject({ uses: [{ name: 'task-1' }], unread: [], skipped: [] });
    link(`home/.kusabi/${HASH}/jobs/task-2.json`, 'there/job.json');
    expect((await read()).unread).toMatchObject([{ kind: 'use', error: 'a symbolic link' }]);
  });

  test('that leads nowhere there is nothing', async () => {
    link(`home/.kusabi/${HASH}`, 'nowhere');
    expect(await read()).toMatchObject({ records: [], uses: [], unread: [] });
  });
});

// Only root can give a folder away, and then look at it like any other user.
test('a folder that another user keeps closed is passed over, all of it', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can give a folder away');
  const companion = join(root, 'shared/opencode-companion');
  mkdirSync(companion, { recursive: true });
  chmodSync(companion, 0o700);
  chownSync(companion, 1, 1);
  expect(await readAsNobody()).toMatchObject({
    unread: [],
    skipped: [{ file: companion }, { file: join(companion, 'state') }],
  });
});

test('a file in a folder that another user keeps closed is passed over', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can give a folder away');
  put({ [`${SHARED}/broker/refs.json`]: {} });
  chmodSync(join(root, SHARED, 'broker'), 0o700);
  expect(await readAsNobody()).toMatchObject({
    unread: [],
    skipped: expect.arrayContaining([{ file: join(root, SHARED, 'broker/refs.json'), because: ANOTHERS }]),
  });
});

test('a loop that another user made is passed over', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can give a link away');
  put({ 'shared/x': '' });
  symlinkSync('claude', join(root, 'shared/claude'));
  lchownSync(join(root, 'shared/claude'), NOBODY, NOBODY);
  expect(await read()).toMatchObject({
    unread: [],
    skipped: expect.arrayContaining([
      { because: ANOTHERS, file: join(root, 'shared/claude/opencode-companion/state') },
    ]),
  });
});

test('a job in a folder that cannot be entered is a job that could not be read', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('modes do not bind root, who can become somebody else');
  put({ 'home/.kusabi/0123456789ab/jobs/job-1/job.json': { id: 'job-1', status: 'running' } });
  const folder = join(root, 'home/.kusabi/0123456789ab/jobs/job-1');
  const file = join(folder, 'job.json');
  chmodSync(folder, 0o600);
  for (const path of [file, folder, join(folder, '..'), join(folder, '../..')]) chownSync(path, NOBODY, NOBODY);
  expect((await readAsNobody()).unread).toContainEqual({
    file,
    error: 'EACCES',
    kind: 'use',
    modifiedAt: Number.POSITIVE_INFINITY,
  });
});

test('a file of another user’s is passed over, and makes nothing unsure', async ({ skip }) => {
  if (process.getuid?.() !== 0) skip('only root can give a file away');
  put({ [`${DATA}/state.json`]: 'torn' });
  const file = join(root, DATA, 'state.json');
  chownSync(file, 65_534, 65_534);
  expect(await read()).toMatchObject({ unread: [], skipped: [{ file, because: ANOTHERS }] });
});

const broker = { port: 4999, pid: 99, password: 'x', startedAt: AT };

test('an owner that cannot be read is named, and speaks of what it owns', async () => {
  put({ [`${SHARED}/broker/port.json`]: broker, [`${SHARED}/broker/owner.json`]: '{"pid":' });
  const file = join(root, SHARED, 'broker/owner.json');
  expect(await read()).toMatchObject({
    records: [],
    unread: [{ file, error: 'not valid JSON', kind: 'server', mentions: new Set([4999, 99, AT]) }],
  });
});

test('an owner that is only half written is read once more', async () => {
  put({ [`${SHARED}/broker/port.json`]: broker, [`${SHARED}/broker/owner.json`]: '{"pid":' });
  setTimeout(() => put({ [`${SHARED}/broker/owner.json`]: broker }), 20);
  expect(await read()).toMatchObject({ records: [{ port: 4999 }], unread: [] });
});

test('an owner that anyone could have written is reported', async () => {
  put({ [`${SHARED}/broker/port.json`]: broker, [`${SHARED}/broker/owner.json`]: broker });
  const file = join(root, SHARED, 'broker/owner.json');
  chmodSync(file, 0o666);
  expect(await read()).toMatchObject({ records: [], unread: [{ file, error: 'anyone can write to the file' }] });
});

type Row = [sentence: string, path: string, content: unknown, expected: object];

test.each<Row>([
  [
    'a server that the user runs elsewhere is ignored',
    `${DATA}/server.json`,
    { url: 'https://box.example', pid: null, external: true },
    { records: [], unread: [] },
  ],
  [
    'a server of the user’s is known by its port, whatever pid is there',
    `${DATA}/server.json`,
    { url: 'http://box.example:4999', external: true },
    { records: [{ ownership: 'user', port: 4999, spawned: undefined }], unread: [] },
  ],
  [
    'a server without a pid is the user’s, whatever else is there',
    `${DATA}/server.json`,
    { url: 'http://127.0.0.1:4999', pid: null, external: false },
    { records: [{ ownership: 'user', port: 4999, spawned: undefined }], unread: [] },
  ],
  [
    'a plugin’s own server listens here',
    'shared/oc-bridge-state.json',
    { url: 'http://127.0.0.1.example:4999', sessionID: 's', cwd: '/', startedAt: AT },
    { records: [], unread: [{ error: 'its URL does not name a port on this machine' }] },
  ],
  [
    'a broker without a port is not understood',
    `${SHARED}/broker/port.json`,
    { port: '4999', pid: 99, password: { toString: 1 }, startedAt: AT },
    { records: [], unread: [{ error: 'it does not name a port' }] },
  ],
  [
    'a broker whose password is none is not proven to be the plugin’s',
    `${SHARED}/broker/port.json`,
    { port: 4999, pid: 99, password: { toString: 1 }, startedAt: AT },
    { records: [{ ownership: 'unmarked' }], unread: [] },
  ],
])('%s', async (_, path, content, expected) => {
  put({ [path]: content, [`${SHARED}/broker/owner.json`]: { port: 4999, pid: 99, startedAt: AT } });
  expect(await read()).toMatchObject(expected);
});

test.each([
  ['is all there speaks of what is in it', '{"pid":7,"port":4999', new Set([7, 4999])],
  ['is far larger than a record may speak of anything', `{"pid":7${' '.repeat(70_000)}`, undefined],
  ['is too large to be read may speak of anything', ' '.repeat(17 * 1024 * 1024), undefined],
])('a broken record that %s', async (_, content, mentions) => {
  put({ [`${DATA}/server.json`]: content });
  expect((await read()).unread).toMatchObject([{ kind: 'server', mentions }]);
});

/** What every known plugin writes, all at once. */
const WRITTEN: Files = Object.assign(
  {},
  ...PLUGIN_FORMATS.flatMap(({ record, job, session }) => {
    const server = { pid: 999_999, startToken: '1', port: 4999, project: '/x', startedAt: AT };
    const user = { pid: 999_998, at: AT };
    return [record(server), job?.(server, user, 'running') ?? {}, session?.(server, user) ?? {}];
  }),
);

const ODD = fc.constantFrom<unknown>(
  ...[-1, 0, 1, 1.5, 5, 65_536, 1e300, '', '5', '\0', '\ud800', 'running', true, null],
  ...[[], {}, [null, 1, []], { a: null }, { toString: 1 }, { __proto__: null, pid: 5 }],
);

/** The text with one of its values, or all of it, replaced. */
const spoiled = (content: unknown, at: number, odd: unknown): string => {
  let seen = 0;
  const visit = (_: string, value: unknown) => (seen++ === at ? odd : value);
  return JSON.stringify(JSON.parse(JSON.stringify(content), visit));
};

test('whatever a file says, reading it never fails and never names a process or a port that cannot be', async () => {
  const damage = fc.tuple(...Object.keys(WRITTEN).map(() => fc.tuple(fc.nat(20), ODD)));
  await fc.assert(
    fc.asyncProperty(damage, async (pieces) => {
      put(
        Object.fromEntries(
          Object.entries(WRITTEN).map(([path, content], at) => [path, spoiled(content, ...(pieces[at] ?? [-1, null]))]),
        ),
      );
      const { records } = await read();
      for (const { spawned, port, startedAt } of records) {
        expect(spawned?.pid ?? 2).toBeGreaterThan(1);
        expect(port ?? 1).toSatisfy((value: number) => Number.isInteger(value) && value > 0 && value < 65_536);
        expect(() => new Date(startedAt ?? 0).toISOString()).not.toThrow();
      }
    }),
    { numRuns: 100 },
  );
});

describe('a start that a plugin noted on macOS, as ps prints it in some time zone', () => {
  const BEGAN = Date.UTC(2026, 10, 24, 9, 10, 11);
  const DATE = 'Tue Nov 24 09:10:11 2026';
  const server = (changes: object) => ({
    schemaVersion: 1,
    spawnedBy: 'opc',
    pid: 99,
    port: 41_237,
    startTime: DATE,
    startedAt: new Date(BEGAN + 2_000).toISOString(),
    ...changes,
  });
  /** What is read where our own time zone is this one. */
  const inZone = async <T>(zone: string, act: () => Promise<T>): Promise<T> => {
    vi.stubEnv('TZ', zone);
    try {
      return await act();
    } finally {
      vi.unstubAllEnvs();
    }
  };
  const recordIn = async (zone: string, changes: object, form: StartTokens = 'seconds') => {
    put({ [`${DATA}/server.json`]: server(changes) });
    const { records } = await inZone(zone, () => read(form));
    expect(records).toHaveLength(1);
    return [records[0]?.spawned?.startToken, records[0]?.provenBy];
  };
  const PROVEN = [String(BEGAN / 1000), 'start token'];
  const BY_TIME = [undefined, 'start time'];

  test.each<[string, string, object, unknown]>([
    ['identifies the server where the record’s own time confirms it', 'UTC', {}, PROVEN],
    ['does so in any zone', 'Asia/Kolkata', { startTime: 'Tue Nov 24 14:40:11 2026' }, PROVEN],
    ['says nothing in another zone than the plugin’s', 'Asia/Kolkata', {}, BY_TIME],
    [
      'says nothing in a zone a quarter of an hour away',
      'Asia/Kathmandu',
      { startTime: 'Tue Nov 24 14:40:11 2026' },
      BY_TIME,
    ],
    ['says nothing without a time to confirm it', 'UTC', { startedAt: null }, BY_TIME],
    ['says nothing after it', 'UTC', { startedAt: new Date(BEGAN - 6_000).toISOString() }, BY_TIME],
    ['says nothing long before it', 'UTC', { startedAt: new Date(BEGAN + 121_000).toISOString() }, BY_TIME],
    ['says nothing in another language', 'UTC', { startTime: 'Di. 24 Nov. 09:10:11 2026' }, BY_TIME],
    ['is no tick', 'UTC', { startTime: '8812345' }, BY_TIME],
    ['is no number', 'UTC', { startTime: BEGAN }, BY_TIME],
  ])('%s', async (_what, zone, changes, expected) => {
    expect(await recordIn(zone, changes)).toEqual(expected);
  });

  test('is nothing elsewhere', async () => {
    expect(await recordIn('UTC', {}, 'ticks')).toEqual(BY_TIME);
    expect(await recordIn('UTC', {}, 'own')).toEqual(BY_TIME);
  });

  test.each<[string, string, object]>([
    [
      'of a job of JohnnyVicious',
      `${DATA}/state.json`,
      { jobs: [{ ...running, pid: 99, pidStartToken: `darwin:${DATE}` }] },
    ],
    ['of a job of TheViniAlmeida', `${DATA}/jobs/task-1.json`, { ...running, pid: 99, pidStartTime: DATE }],
    [
      'of a session of TheViniAlmeida',
      `${DATA}/state.json`,
      { claudeSessions: [{ sessionId: 's', pid: 99, pidStartTime: DATE }], jobs: [] },
    ],
  ])('shows that its process lived then, and can only spare: %s', async (_what, path, content) => {
    put({ [path]: content });
    const { uses } = await inZone('UTC', () => read('seconds'));
    expect(uses).toMatchObject([{ holder: { pid: 99, startToken: undefined }, seenAt: BEGAN }]);
    const { uses: onLinux } = await read('ticks');
    expect(onLinux).toMatchObject([{ holder: { pid: 99, startToken: undefined }, seenAt: undefined }]);
  });
});
