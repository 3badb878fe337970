import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { parseEnded } from '../../src/act/end-at-once.js';
import { timeNamespaceFrom } from '../../src/decide/start-tokens.js';
import { remembered } from '../../src/install/remembered.js';
import { type Identity, parsePid } from '../../src/model/identity.js';
import { lstartSeconds } from '../../src/model/lstart.js';
import { mountsIn } from '../../src/observe/linux/mounts.js';
import { parseTcp } from '../../src/observe/linux/tcp-table.js';
import { unitFrom } from '../../src/observe/linux/units.js';
import { listedSessions } from '../../src/state/claude-sessions.js';
import { stateFolder } from '../../src/state/folders.js';
import { neovims } from '../../src/state/others/neovim.js';
import { openChambers } from '../../src/state/others/openchamber.js';
import { readLastUses } from '../../src/state/ours/last-uses.js';
import { readLog } from '../../src/state/ours/log.js';
import { takeNotice } from '../../src/state/ours/notice.js';
import { readRegistry, readRuns } from '../../src/state/ours/registry.js';
import { notedFolders } from '../../src/state/ours/session-folders.js';
import { readSilences } from '../../src/state/ours/silences.js';
import { readPlugin } from '../../src/state/plugins/installed.js';
import { jobThatAsked } from '../../src/state/plugins/job-logs.js';
import { givesToAll } from '../../src/state/plugins/session-settings.js';

/** `said` counts what was understood: something in each seed, or spoiling it would show nothing. */
export type MoreTarget = readonly [
  name: string,
  seeds: readonly string[],
  isRight: (text: string) => boolean,
  said: (text: string) => number,
];

const isPid = (value: unknown): boolean => value === undefined || (Number.isSafeInteger(value) && Number(value) > 1);
const isText = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isCount = (value: unknown): boolean => Number.isSafeInteger(value) && Number(value) >= 0;
const isPort = (value: unknown): boolean =>
  value === undefined || (Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536);

/** Made when it is first written to, and again after it was removed: where tests run one by one, it is after each. */
let made: string | undefined;
const folder = (): string => {
  made ??= mkdtempSync(join(tmpdir(), 'opencode-reap-fuzz-'));
  return made;
};
export function removeFuzzed(): void {
  if (made !== undefined) rmSync(made, { recursive: true, force: true });
  made = undefined;
}

let targets = 0;

/** What is read where it lies: the text is written to a file, and its real reader is asked. */
function inFile<T>(
  name: string,
  file: string,
  seeds: readonly string[],
  read: (root: string) => readonly T[],
  isOne: (one: T) => boolean,
): MoreTarget {
  targets += 1;
  const own = `${targets}`;
  const readNow = (text: string): readonly T[] => {
    const root = join(folder(), own);
    mkdirSync(join(root, dirname(file)), { recursive: true, mode: 0o700 });
    writeFileSync(join(root, file), text, { mode: 0o600 });
    return read(root);
  };
  return [name, seeds, (text) => readNow(text).every(isOne), (text) => readNow(text).length];
}

const ours = (more: object): string => JSON.stringify({ schema: 'opencode-reap/1', ...more });
const host = { id: 'id', boot: 'boot', pidNamespace: 'pid:[1]', name: 'box' };
const here = { host, startTokens: 'ticks' } as const;
const answers = (): boolean => true;

const OF_OURS: readonly MoreTarget[] = [
  inFile(
    'since when a server is silent',
    'silent/1.json',
    [ours({ boot: 'boot', pidNamespace: 'pid:[1]', key: '42-7', sinceMs: 5, lastMs: 6, looks: 3 })],
    (root) => [...readSilences(stateFolder(root), host)],
    ([key, { sinceMs, lastMs, looks }]) => typeof key === 'string' && [sinceMs, lastMs, looks].every(isCount),
  ),
  inFile(
    'when servers were last used',
    'last-uses.json',
    [ours({ boot: 'boot', servers: { '42-7': { ms: 5, aheadMs: 6.5, activeAt: 7, busy: true } } })],
    (root) => [...readLastUses(stateFolder(root), 'boot')],
    ([key, { ms, aheadMs, activeAt }]) =>
      typeof key === 'string' && isCount(ms) && Number.isFinite(aheadMs) && Number.isFinite(activeAt ?? 0),
  ),
  inFile(
    'a notice',
    'notice.json',
    [ours({ stopped: 2, bytes: 5, ports: [4096], left: [42] })],
    (root) => [takeNotice(stateFolder(root)) ?? []].flat(),
    ({ stopped, bytes, ports, left }) => [stopped, bytes, ...ports, ...left].every(isCount),
  ),
  inFile(
    'folders that a session noted',
    'places/a.json',
    [ours({ configDirs: ['/c'], dataDirs: ['/d'], pluginsDirs: [], tmpDirs: ['/t'] })],
    (root) => Object.values(notedFolders(stateFolder(root), [])).flat(),
    isText,
  ),
  inFile(
    'a keep mark',
    'keep/a.json',
    [ours({ id: 'a', processes: [{ pid: 42, startToken: '7' }], machine: host })],
    // It counts by its name, whatever it contains.
    (root) => readRegistry(stateFolder(root), [stateFolder(root)], [], here).kept.flatMap(({ processes }) => processes),
    ({ pid, startToken }) => isPid(pid) && typeof startToken === 'string',
  ),
  inFile(
    'a run',
    'runs/a.json',
    [ours({ holder: { pid: 42, startToken: '7' }, machine: host })],
    (root) => readRuns([stateFolder(root)]),
    ({ holder }) => isPid(holder.pid) && isText(holder.startToken),
  ),
  inFile(
    'lines of the log',
    'log.ndjson',
    [
      '{"at":"2026-01-01T00:00:00Z","by":"person","event":"stopped","id":"a","pid":42,"port":4096,"workspace":"/w","detail":"d","guards":{"owned":"x"}}\n{"at":"a","event":"b","detail":"c"}\n',
      '{"at":"a","by":"watch","event":"b","id":"c","pid":5,"detail":"d","guards":{"owned":"x"}}',
    ],
    (root) => readLog(stateFolder(root)),
    ({ at, by, event, id, pid, port, workspace, plugin, session, detail, guards }) =>
      [at, event, id, detail].every((one) => typeof one === 'string') &&
      [by, workspace, plugin, session, ...Object.values(guards ?? {})].every(isText) &&
      [pid ?? 0, port ?? 0].every(isCount),
  ),
  inFile(
    'what is remembered of settings',
    'settings/a.json',
    [ours({ path: '/home/me/.claude/settings.json' })],
    (root) => remembered([root]).paths,
    isText,
  ),
];

const registered = ({ pid, port, holders, seenAt, doubt }: ReturnType<typeof neovims>[number]): boolean =>
  isPid(pid) && isPort(port || undefined) && holders.every(isPid) && !Number.isNaN(seenAt ?? 0) && isText(doubt);

/** When the job of the log asked for its server. */
const ASKED = Date.parse('2026-01-01T00:00:00.000Z');

const OF_OTHERS: readonly MoreTarget[] = [
  inFile(
    'Claude Code’s list of sessions',
    'sessions/42.json',
    ['{"pid":42,"sessionId":"s","cwd":"/w","procStart":"7","kind":"interactive","pidDomain":"linux:id:1"}'],
    (root) => listedSessions(root, here) ?? [],
    ({ holder, session, path }) => isPid(holder?.pid) && [holder?.startToken, session, path].every(isText),
  ),
  inFile(
    'OpenChamber’s list',
    '42.json',
    ['{"pid":42,"ownerPid":43,"port":4096,"binary":"opencode","runtime":"desktop","startedAt":"2026-01-01T00:00:00Z"}'],
    openChambers,
    registered,
  ),
  inFile(
    'Neovim’s list',
    'ports.json',
    ['{"4096":{"nvim_pids":[42,{"pid":43}],"server_pid":44},"4097":{"nvim_pids":{}}}'],
    (root) => neovims(join(root, 'ports.json')),
    registered,
  ),
  inFile(
    'a plugin’s name',
    '.claude-plugin/plugin.json',
    ['{"name":"x","version":"1.0.0"}'],
    (root) => [readPlugin(root, { answers }) ?? []].flat(),
    (plugin) => plugin === 'none' || (isText(plugin.name) && plugin.name.length <= 80 && isText(plugin.version)),
  ),
  inFile(
    'a session’s settings',
    'settings.json',
    ['{"env":{"CLAUDE_PLUGIN_ROOT":"/p","X":"y"}}'],
    (root) => [givesToAll(root, join(root, 'none'), { answers }) ?? []].flat().filter((gives) => gives),
    (gives) => typeof gives === 'boolean',
  ),
  inFile(
    'a job’s log',
    // The folder's name is the hash of `/w`.
    'state/d1bb8ca354673cd5/jobs/task-1.log',
    ['[2026-01-01T00:00:00.000Z] [starting] Connecting to OpenCode server...\nmore\n'],
    (root) => {
      const named = { env: { HOME: root, TMPDIR: root, OPENCODE_REAP_TMP: root }, configDirs: [], pluginsDirs: [] };
      const known = { ...named, ...here, tmpDirs: [], dataDirs: [root], stateDir: undefined, projects: [], answers };
      const job = jobThatAsked('/w', ASKED + 500, known);
      return typeof job === 'object' ? [job] : [];
    },
    ({ name, afterMs }) => isText(name) && Number.isFinite(afterMs),
  ),
];

const TCP6 = `  sl  local_address                         remote_address                        st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 00000000000000000000000001000000:1000 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 777 1 0000000000000000 100 0 0 10 0
   1: 0000000000000000FFFF00000100007F:1000 0000000000000000FFFF00000100007F:C350 01 00000000:00000000 00:00000000 00000000  1000        0 778 1 0000000000000000 20 4 30 10 -1
`;
const MOUNTS = `22 1 8:1 / / rw,relatime shared:1 - ext4 /dev/sda1 rw
40 22 0:35 / /mnt/far\\040away rw,relatime shared:2 - nfs4 nas:/x rw,vers=4.2
41 22 0:36 / /run rw - tmpfs tmpfs rw
`;
const LINK = 'time:[4026532000]';
const TARGETS: readonly Identity[] = [42, 43].flatMap((one) => {
  const pid = parsePid(one);
  return pid === undefined ? [] : [{ pid, startToken: '7' }];
});

const OF_THE_SYSTEM: readonly MoreTarget[] = [
  [
    '/proc/net/tcp6',
    [TCP6],
    (text) =>
      parseTcp(text).every(
        ({ local, remote, inode, state }) =>
          [local, remote, inode].every((one) => typeof one === 'string') &&
          ['listen', 'established', 'other'].includes(state),
      ),
    (text) => parseTcp(text).length,
  ],
  [
    '/proc/self/mountinfo',
    [MOUNTS],
    (text) => [...mountsIn(text)].every((mount) => typeof mount === 'string' && mount !== '/' && mount !== ''),
    (text) => mountsIn(text).size,
  ],
  [
    '/proc/PID/cgroup',
    ['12:cpu:/x\n1:name=systemd:/user.slice/user-1000.slice/x.service/deeper\n', '0::/system.slice/cron.service\n'],
    (text) => unitFrom(text).length <= 255 && !unitFrom(text).includes('/'),
    (text) => unitFrom(text).length,
  ],
  [
    'offsets of a time namespace',
    ['monotonic           0         0\nboottime          5         0\n'],
    (text) => timeNamespaceFrom(LINK, () => text)?.startsWith('time:[') === true,
    (text) => (timeNamespaceFrom(LINK, () => text) === LINK ? 0 : 1),
  ],
  [
    'when ps says that a process started',
    ['Mon Jan  5 10:00:00 2026'],
    (text) => Number.isSafeInteger(lstartSeconds(text) ?? 0),
    (text) => (lstartSeconds(text) === undefined ? 0 : 1),
  ],
  [
    'what PowerShell says that it ended',
    ['{"ended":[{"pid":42,"what":"ended"},{"pid":43,"what":"replaced"}]}'],
    (text) => {
      const fates = [...parseEnded(text, TARGETS)];
      const known = ['ended', 'gone', 'replaced', 'denied', 'survived', 'unknown'];
      return fates.length === TARGETS.length && fates.every(([, fate]) => known.includes(fate));
    },
    (text) => [...parseEnded(text, TARGETS).values()].filter((fate) => fate !== 'unknown').length,
  ],
];

export const MORE_TARGETS: readonly MoreTarget[] = [...OF_OURS, ...OF_OTHERS, ...OF_THE_SYSTEM];
