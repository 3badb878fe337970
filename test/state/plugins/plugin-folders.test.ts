import { execFileSync } from 'node:child_process';
import { chownSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, relative } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { NamedFolders } from '../../../src/model/folder-variables.js';
import { environmentFrom } from '../../../src/observe/environment.js';
import { openWorld, readWhere, readWritten } from '../../../src/run/world.js';

const HASH = '0123456789abcdef';
const SHARED = { pid: 999_999, port: 4999, startedAt: '2026-01-01T00:00:00.000Z' };
const JV = { lastServerPid: 999_999, lastServerStartedAt: 1_767_225_600_000 };

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'opencode-reap-places-')));
});
afterEach(() => rmSync(root, { recursive: true }));

const put = (path: string, content: unknown): string => {
  const file = join(root, path);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, typeof content === 'string' ? content : JSON.stringify(content));
  return file;
};

/** What is found on a machine where these variables are set. */
const written = async (env: Record<string, string> = {}, stateDir?: string) => {
  const own = { HOME: join(root, 'home'), TMPDIR: join(root, 'tmp'), OPENCODE_REAP_TMP: join(root, 'shared') };
  const set = Object.fromEntries(Object.entries(env).map(([name, path]) => [name, join(root, path)]));
  return readWritten(await openWorld(stateDir && join(root, stateDir), { ...own, ...set }));
};

type Row = [where: string, path: string, content: unknown, env?: Record<string, string>];

const ROWS: Row[] = [
  ['a plugin’s data folder', `home/.claude/plugins/data/any-plugin/state/${HASH}/server.json`, JV],
  ['another Claude’s', `claude/plugins/data/x/state/${HASH}/server.json`, JV, { CLAUDE_CONFIG_DIR: 'claude' }],
  [
    'the usual Claude’s, too',
    `home/.claude/plugins/data/x/state/${HASH}/server.json`,
    JV,
    { CLAUDE_CONFIG_DIR: 'claude' },
  ],
  ['a plugin cache of one’s own', `p/data/x/state/${HASH}/server.json`, JV, { CLAUDE_CODE_PLUGIN_CACHE_DIR: 'p' }],
  ['the folder of the hook’s plugin', `data/state/s-${HASH}/server.json`, JV, { CLAUDE_PLUGIN_DATA: 'data' }],
  ['opencode-state', `data/opencode-state/s-${HASH}/server.json`, JV, { OPENCODE_COMPANION_DATA_DIR: 'data' }],
  ['a companion’s data', `data/state/s-${HASH}/server.json`, JV, { OPENCODE_COMPANION_PLUGIN_DATA: 'data' }],
  ['opc’s data', `data/state/s-${HASH}/server.json`, JV, { OPC_DATA_DIR: 'data' }],
  ['the temporary folder', `tmp/opencode-companion/state/${HASH}/server.json`, JV],
  ['the temporary folder, without a step between', `tmp/opencode-companion/${HASH}/server.json`, JV],
  ['what plugins call /tmp', `shared/opencode-companion/${HASH}/server.json`, JV],
  ['what a sandbox takes for /tmp', `shared/claude/opencode-companion/state/${HASH}/server.json`, JV],
  ['a sandbox of one’s own', `shared/claude-${process.getuid?.()}/opencode-companion/${HASH}/server.json`, JV],
  ['a chosen sandbox', `t/opencode-companion/${HASH}/server.json`, JV, { CLAUDE_CODE_TMPDIR: 't' }],
  ['a sandbox, for all', 'tmp/claude/oc-bridge-state.json', { url: 'http://localhost:4999', sessionID: 's' }],
  ['kusabi', `home/.kusabi/${HASH.slice(0, 12)}/server.json`, JV],
  ['kusabi’s old place', `home/.opencode-plugin-cc/${HASH.slice(0, 12)}/server.json`, JV],
  ['kusabi’s chosen place', `k/${HASH.slice(0, 12)}/server.json`, JV, { KUSABI_STATE_DIR: 'k' }],
  ['kusabi’s other chosen place', `k/${HASH.slice(0, 12)}/server.json`, JV, { OPENCODE_COMPANION_STATE_DIR: 'k' }],
  ['the state folder', `home/.local/state/opencode-plugin-cc/server/${HASH}.json`, JV],
  ['an XDG state folder', `xdg/opencode-plugin-cc/server/${HASH}.json`, JV, { XDG_STATE_HOME: 'xdg' }],
  ['a chosen state folder', `s/server/${HASH}.json`, JV, { OPENCODE_PLUGIN_STATE_DIR: 's' }],
  ['one server for all', 'home/.opencode-plugin/server.json', SHARED],
  ['one server for all, in a chosen folder', 'p/server.json', SHARED, { OPENCODE_PLUGIN_DIR: 'p' }],
  ['a pid file', 'home/.claude/opencode-server/pid', '999999\n'],
  ['a pid file in a chosen folder', 'p/pid', '999999\n', { OPENCODE_SERVER_STATE_DIR: 'p' }],
];

describe('a record is found in', () => {
  test.each<Row>(ROWS)('%s: %s', async (_, path, content, env) => {
    const file = put(path, content);
    expect(await written(env)).toMatchObject({ records: [{ source: { file } }], unread: [], skipped: [] });
  });

  test.each([`${HASH}/server.json`, `state/${HASH}/server.json`, `server/${HASH}.json`, 'server.json', 'pid'])(
    'whatever --state-dir names: %s',
    async (path) => {
      const file = put(`named/${path}`, path === 'pid' ? '999999\n' : path === 'server.json' ? SHARED : JV);
      expect((await written({}, 'named')).records).toMatchObject([{ source: { file } }]);
    },
  );
});

/** What is found by a run without these variables, where the environments of processes have them. */
const writtenWhere = async (...all: Record<string, string>[]) => {
  const own = { HOME: join(root, 'home'), TMPDIR: join(root, 'tmp'), OPENCODE_REAP_TMP: join(root, 'shared') };
  const named = all.map((env, at): NamedFolders => {
    const set = Object.entries(env).map(([name, path]) => `${name}=${/^[./]/.test(path) ? path : join(root, path)}`);
    return { pid: at + 1, folders: environmentFrom(set).folders ?? {}, of: 'server' };
  });
  const found = await readWhere(named, await openWorld(undefined, own));
  return { ...found, namers: found.records.map((record) => found.namersOf(record).map(({ pid }) => pid)) };
};

const CACHE = 'work/plugins/cache/some-market/opencode/1.0.12';

describe('where only the environment of a process says so, a record is found in', () => {
  test.each<Row>([
    ...ROWS.filter(([, , , env]) => env !== undefined && !('CLAUDE_CONFIG_DIR' in env)),
    ['another Claude’s', `work/plugins/data/x/state/${HASH}/server.json`, JV, { CLAUDE_CONFIG_DIR: 'work' }],
    ['another temporary folder', `t/opencode-companion/state/${HASH}/server.json`, JV, { TMPDIR: 't' }],
    ['the data beside its plugin', `work/plugins/data/x/state/${HASH}/server.json`, JV, { CLAUDE_PLUGIN_ROOT: CACHE }],
    [
      'the data beside its plugin’s configuration',
      `work/plugins/data/x/state/${HASH}/server.json`,
      JV,
      { OPENCODE_CONFIG_DIR: `${CACHE}/opencode-config` },
    ],
  ])('%s: %s', async (_, path, content, env = {}) => {
    const file = put(path, content);
    const whole = { records: [{ source: { file } }], unread: [], skipped: [], namers: [[1]] };
    expect(await writtenWhere(env)).toMatchObject(whole);
    expect(await written()).toMatchObject({ records: [] });
  });

  test('one that several name, and is of all of them', async () => {
    put(`data/state/${HASH}/server.json`, JV);
    symlinkSync(join(root, 'data'), join(root, 'link'));
    const three = [{ CLAUDE_PLUGIN_DATA: 'data' }, { OPC_DATA_DIR: 'link' }, { HOME: 'home' }];
    expect(await writtenWhere(...three)).toMatchObject({ namers: [[1, 2]] });
  });
});

describe('an environment that names', () => {
  test.each<[string, Record<string, string>]>([
    ['what is known without it', { HOME: 'home', CLAUDE_CONFIG_DIR: 'home/.claude', CLAUDE_PLUGIN_DATA: 'home/link' }],
    ['nothing', { CLAUDE_PLUGIN_DATA: 'nowhere' }],
    ['a file', { CLAUDE_PLUGIN_DATA: 'file', OPENCODE_PLUGIN_DIR: 'file' }],
    ['a pipe', { CLAUDE_PLUGIN_DATA: 'pipe', OPENCODE_PLUGIN_DIR: 'pipe' }],
    ['a link to itself', { CLAUDE_CONFIG_DIR: 'loop', OPENCODE_PLUGIN_DIR: 'loop' }],
    ['more than a path may have', { CLAUDE_PLUGIN_DATA: 'x'.repeat(300), TMPDIR: 'x/'.repeat(3_000) }],
    ['a device', { OPENCODE_PLUGIN_DIR: '/dev/zero', CLAUDE_PLUGIN_DATA: '/dev/zero' }],
  ])('%s adds nothing, and is no reason to spare', async (_, env) => {
    put(`home/.claude/plugins/data/x/state/${HASH}/server.json`, JV);
    symlinkSync(join(root, 'home/.claude/plugins/data/x'), join(root, 'home/link'));
    put('file', '');
    execFileSync('mkfifo', [join(root, 'pipe')]);
    symlinkSync('loop', join(root, 'loop'));
    expect(await writtenWhere(env)).toMatchObject({ records: [], uses: [], unread: [], skipped: [] });
  });

  test('a path from where its process works: it is not looked for from here', async () => {
    put(`k/${HASH}/server.json`, JV);
    const path = relative(process.cwd(), join(root, 'k'));
    expect(await writtenWhere({ KUSABI_STATE_DIR: `./${path}` })).toMatchObject({ records: [], unread: [] });
  });

  test.each<[string, Record<string, string>, number]>([
    ['from another home is somebody else’s', { HOME: 'other' }, 0],
    ['from the same home by another name is ours', { HOME: 'home-link' }, 1],
    ['from the same home is ours', { HOME: 'home' }, 1],
  ])('a folder %s', async (_, env, found) => {
    put(`work/plugins/data/x/state/${HASH}/server.json`, JV);
    put(`other/.claude/plugins/data/x/state/${HASH}/server.json`, JV);
    mkdirSync(join(root, 'home'));
    symlinkSync('home', join(root, 'home-link'));
    expect((await writtenWhere({ CLAUDE_CONFIG_DIR: 'work', ...env })).records).toHaveLength(found);
  });

  test('a folder whose list cannot be read leaves it unread', async () => {
    put(`k/${HASH}/state.json`, '{"config":{},"jobs":[');
    const file = join(root, `k/${HASH}/state.json`);
    expect((await writtenWhere({ KUSABI_STATE_DIR: 'k' })).unread).toMatchObject([{ file, kind: 'use' }]);
  });

  test('more folders than anybody has: the first ones are read, and that is said', async () => {
    const names = Array.from({ length: 70 }, (_, at) => `k${at}`);
    for (const name of names) put(`${name}/${HASH}/server.json`, JV);
    const { records, unread } = await writtenWhere(...names.map((name) => ({ KUSABI_STATE_DIR: name })));
    expect(records).toHaveLength(64);
    expect(unread[0]).toMatchObject({ kind: 'use', error: 'only 64 of the folders that environments name were read' });
  });

  const skipped = process.getuid?.() === 0 ? '' : ' (skipped: only root can give folders away)';

  test.skipIf(skipped)(`another user’s folder: it is not looked in${skipped}`, async () => {
    put(`k/${HASH}/server.json`, JV);
    chownSync(join(root, 'k'), 65_534, 65_534);
    expect(await writtenWhere({ KUSABI_STATE_DIR: 'k' })).toMatchObject({ records: [], unread: [], skipped: [] });
  });
});

test('a folder with two names is read once', async () => {
  put(`data/state/${HASH}/server.json`, JV);
  symlinkSync(join(root, 'data'), join(root, 'link'));
  const { records } = await written({ CLAUDE_PLUGIN_DATA: 'data', OPC_DATA_DIR: 'link' });
  expect(records).toHaveLength(1);
});

test('a file of unknown format, or a link, is skipped and reported', async () => {
  const strange = put(`home/.kusabi/${HASH}/server.json`, { pid: 5, colour: 'red' });
  symlinkSync(root, join(root, 'home/.kusabi/abcdefabcdef'));
  expect(await written()).toMatchObject({
    records: [],
    unread: [],
    skipped: [{ because: 'a symbolic link' }, { file: strange, because: 'unknown format' }],
  });
});

test('a folder with more entries than anyone has is not taken for read', async () => {
  for (let at = 0; at < 5_001; at += 1) mkdirSync(join(root, `home/.kusabi/${at}`), { recursive: true });
  expect((await written()).unread).toMatchObject([{ kind: 'use', error: 'only 5000 of its 5001 entries were read' }]);
});

test('a file that is only half written is read once more', async () => {
  const file = put(`home/.kusabi/${HASH}/server.json`, JSON.stringify(JV).slice(0, 20));
  const reading = written();
  setTimeout(() => writeFileSync(file, JSON.stringify(JV)), 20);
  expect(await reading).toMatchObject({ records: [{ source: { file } }], unread: [] });
});
