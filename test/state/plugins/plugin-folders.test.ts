import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openWorld, readWritten } from '../../../src/run/world.js';

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
