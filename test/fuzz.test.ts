import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import type { Activity } from '../src/decide/activity.js';
import { isBlank, parseDocument } from '../src/install/json-edit.js';
import { claudeRole } from '../src/model/claude-process.js';
import { classify } from '../src/model/command-line.js';
import type { Identity } from '../src/model/identity.js';
import type { Trust } from '../src/model/record.js';
import { environmentFrom } from '../src/observe/environment.js';
import { acceptingIn } from '../src/observe/linux/listens.js';
import { parseStat, parseStatus } from '../src/observe/linux/processes.js';
import { parseTcp } from '../src/observe/linux/tcp-table.js';
import { parseEnvironments, shownIn } from '../src/observe/macos/environments.js';
import { bootIn, machineIn } from '../src/observe/macos/host.js';
import { parseLsof, tcpSockets } from '../src/observe/macos/lsof.js';
import { parseNetstat } from '../src/observe/macos/netstat.js';
import { parseRows } from '../src/observe/macos/ps-rows.js';
import { askActivity, askWorkplace } from '../src/observe/server/activity.js';
import { askInfo } from '../src/observe/server/info.js';
import { whoAnswers } from '../src/observe/server/who-answers.js';
import { argvOf } from '../src/observe/windows/argv.js';
import { parseLook } from '../src/observe/windows/processes.js';
import { listenersOn, parseNetstat as parseWindowsNetstat, windowsSockets } from '../src/observe/windows/sockets.js';
import { parseMachineGuid } from '../src/observe/windows/tools.js';
import { parseInput } from '../src/session/hook-input.js';
import { numbersIn, parseObject } from '../src/state/files/parse.js';
import { stateFolder } from '../src/state/folders.js';
import { parseClaimant } from '../src/state/ours/claims.js';
import { parseFence } from '../src/state/ours/fences.js';
import { parseLease } from '../src/state/ours/lease-file.js';
import { parseRecord } from '../src/state/ours/record-file.js';
import { parseRequest } from '../src/state/ours/requests.js';
import { recordFrom, type Source } from '../src/state/plugins/format.js';
import { FORMATS } from '../src/state/plugins/formats/index.js';
import { MORE_TARGETS, removeFuzzed } from './support/fuzz-targets.js';
import { first, type Handler, handMade, json, says, second } from './support/hand-made.js';
import { altered, dice, mutated } from './support/mutated.js';
import { isThorough } from './support/patience.js';
import { PLUGIN_FORMATS } from './support/plugin-state.js';

/*
 * Every parser at a border, with bytes that were good once. Whatever it is given, it returns what its type says, or a
 * sentence, and soon; it never throws. `FUZZ_MS=60000 FUZZ_SEED=7` looks longer and elsewhere.
 */

const MS = Number(process.env.FUZZ_MS ?? (isThorough ? 100 : 40));
const SEED = Number(process.env.FUZZ_SEED ?? 1);
/** No input here is longer than a megabyte; a parser whose time explodes takes seconds for one. */
const MOST_MS_EACH = 1_000;

const TRUSTED: Trust = { kind: 'trusted' };
const machine = { id: 'id', boot: 'boot', pidNamespace: 'pid:[1]', name: 'box' };
const ours = (more: object): string => JSON.stringify({ schema: 'opencode-reap/1', id: 'srv', machine, ...more });
const record = ours({
  startedByPlugin: true,
  plugin: 'x',
  tag: 't',
  pid: 42,
  startToken: '7',
  serverPid: 43,
  port: 4096,
  workspace: '/w',
  startedAt: '2026-01-01T00:00:00.000Z',
  state: 'ready',
  command: ['opencode'],
});

const isPid = (value: unknown): boolean => value === undefined || (Number.isSafeInteger(value) && Number(value) > 1);
const isPort = (value: unknown): boolean =>
  value === undefined || (Number.isInteger(value) && Number(value) > 0 && Number(value) < 65_536);
const isText = (value: unknown): boolean => value === undefined || typeof value === 'string';
const isTime = (value: unknown): boolean => value === undefined || (Number.isFinite(value) && Number(value) <= 8.64e15);
const isCount = (value: unknown): boolean => value === undefined || (Number.isSafeInteger(value) && Number(value) >= 0);
const isWho = (who: Identity | undefined): boolean => who === undefined || (isPid(who.pid) && isText(who.startToken));
const isRecord = (one: ReturnType<typeof parseRecord>): boolean =>
  typeof one === 'string' ||
  ([one.spawned, one.server, one.starter].every(isWho) &&
    isPort(one.port) &&
    isTime(one.startedAt) &&
    isText(one.workspace) &&
    isText(one.tag) &&
    isText(one.id) &&
    one.id !== '' &&
    ['user', 'plugin', 'adopted', 'unmarked'].includes(one.ownership));

type Target = readonly [name: string, seeds: readonly string[], isRight: (text: string) => boolean];

const folder = stateFolder('/state');

const OURS: readonly Target[] = [
  [
    'a record of ours',
    [record, ours({ adopted: true, pid: 2, state: 'spawning' })],
    (text) => isRecord(parseRecord('/state/servers/srv.json', text, TRUSTED)),
  ],
  [
    'a fence',
    [ours({ run: { pid: 9, startToken: '1' }, tree: [{ pid: 42, startToken: '7' }], record, port: 4096, at: 1 })],
    (text) => {
      const fence = parseFence(folder, '/state/closing/srv.json', text, TRUSTED, 0);
      return (
        typeof fence === 'string' ||
        (isWho(fence.run) &&
          fence.tree.every(isWho) &&
          isPort(fence.port) &&
          (fence.record === undefined || isRecord(fence.record)))
      );
    },
  ],
  [
    'a lease',
    [
      ours({
        holder: { pid: 9, startToken: '1' },
        session: 's',
        cwd: '/w',
        port: 4096,
        servers: ['a'],
        at: '2026-01-01T00:00:00Z',
        expiresAt: 5,
      }),
    ],
    (text) => {
      const lease = parseLease('/state/leases/l.json', text, TRUSTED, 0);
      return (
        typeof lease === 'string' ||
        (isWho(lease.holder) &&
          isPort(lease.port) &&
          isText(lease.path) &&
          isTime(lease.expiresAt) &&
          Number.isFinite(lease.seenAt) &&
          lease.servers.every((id) => typeof id === 'string'))
      );
    },
  ],
  [
    'a claim',
    [ours({ holder: { pid: 9, startToken: '1' }, holdsMs: 5, token: 'x', at: 5, bootMs: 6 })],
    (text) => {
      const claim = parseClaimant(text);
      return typeof claim === 'string' || (isWho(claim.holder) && isCount(claim.holdsMs) && isText(claim.token));
    },
  ],
  [
    'a request',
    [
      ours({
        at: 5,
        bootMs: 6,
        event: 'x',
        session: 's',
        ending: { pid: 9, startToken: '1' },
        lingerMs: 3,
        configDir: '/c',
      }),
    ],
    (text) => {
      const request = parseRequest('/state/requests/r.json', text);
      return (
        typeof request === 'string' ||
        (isTime(request.at) && isWho(request.ending) && isCount(request.lingerMs) && isText(request.configDir))
      );
    },
  ],
  [
    'what a hook is told',
    ['{"session_id":"s","cwd":"/w","source":"startup","hook_event_name":"SessionStart"}'],
    (text) => {
      const input = parseInput(text);
      return input === undefined || Object.values(input).every(isText);
    },
  ],
  [
    'the settings',
    ['{\n  "hooks": {"SessionEnd": [{"hooks": [{"type": "command", "command": "x"}]}]},\n  "a": [1, null]\n}\n'],
    (text) => {
      const document = parseDocument(text);
      return isBlank(text) || document === undefined || (document.offset >= 0 && document.end <= text.length);
    },
  ],
  [
    'numbers of a torn record',
    [record],
    (text) => {
      const numbers = numbersIn({ kind: 'text', text, trust: TRUSTED, modifiedAt: 0 });
      return numbers === undefined || [...numbers].every((one) => one >= 0);
    },
  ],
];

const STAT = `42 (a) b (c) S 1 42 42 34817 42 4194304 0 0 0 0 0 0 0 0 20 0 1 0 12345 0 0 ${'0 '.repeat(30)}`;
const TCP = `  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode
   0: 0100007F:1000 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1
   1: 0000000000000000FFFF00000100007F:1000 0000000000000000FFFF00000100007F:C350 06 00000000:00000000 03:000005dc 00000000  1000        0 54321 1\n`;

const PROC: readonly Target[] = [
  [
    '/proc/PID/stat',
    [STAT],
    (text) => {
      const seen = parseStat(text, ['opencode', 'serve'], 5_000);
      if (seen === 'gone' || seen === 'unknown') return true;
      const { pid, startToken, parent, group, session, ageMs, name } = seen;
      return (
        isPid(pid) &&
        /^\d+$/.test(startToken ?? '') &&
        [parent, group, session].every(Number.isSafeInteger) &&
        Number.isFinite(ageMs) &&
        isText(name)
      );
    },
  ],
  [
    '/proc/PID/status',
    ['Name:\tx\nUid:\t1000\t1000\t1000\t1000\nVmRSS:\t  1234 kB\n'],
    (text) => {
      const { owner, memoryBytes } = parseStatus(text);
      return /^\d+$/.test(owner ?? '0') && (memoryBytes === undefined || memoryBytes >= 0);
    },
  ],
  [
    '/proc/net/tcp',
    [TCP],
    (text) =>
      parseTcp(text).every(
        ({ local, remote, inode, state }) =>
          [local, remote, inode].every(isText) && ['listen', 'established', 'other'].includes(state),
      ),
  ],
  [
    '/proc/net/unix',
    ['Num RefCount Protocol Flags Type St Inode Path\n0000: 00000002 00000000 00010000 0001 01 123 /x y\n'],
    (text) => acceptingIn(text).every((inode) => typeof inode === 'string'),
  ],
  [
    'an environment',
    [
      'OPENCODE_REAP_TAG=t\0OPENCODE_PID=5\0OPENCODE_REAP=keep\0OPENCODE_SERVER_PASSWORD=p\0CLAUDE_CONFIG_DIR=/c\0SYSTEMD_EXEC_PID=7\0ADE_OPENCODE_OWNER_PID=8\0OPENCODE_CONFIG_DIR=/x/plugins/cache/a/b/opencode-config',
    ],
    (text) => {
      const { tag, opencodePid, keep, marks } = environmentFrom(text.split('\0'));
      return (
        isText(tag) &&
        isText(opencodePid) &&
        typeof keep === 'boolean' &&
        [marks?.servicePid, marks?.adePid, marks?.claudePid].every(isPid)
      );
    },
  ],
  [
    'a command line',
    [
      'node\0--require\0x\0/usr/bin/opencode\0serve\0--port\x004096',
      'sh\0-c\0opencode serve --port=4096 & wait',
      '/usr/bin/claude\0mcp\0serve',
    ],
    (text) => {
      const argv = text.split('\0');
      const { kind, ...more } = classify(argv, argv[0]);
      const role = claudeRole(argv[0] ?? '', argv, argv[1]);
      return (
        ['serve', 'opencode', 'other'].includes(kind) &&
        isPort('port' in more ? more.port : undefined) &&
        [undefined, 'session', 'spare', 'helper'].includes(role)
      );
    },
  ],
];

const PS = `    1   501   501 Ss   ??        1234 Mon Jan  5 10:00:00 2026      501 launchd          501 /sbin/launchd
  501   777   501 S    ttys001  45678 Mon Jan  5 10:00:01 2026      777 opencode         777 opencode serve --port 4096
`;
const LSOF =
  'p777\nf5\ntIPv4\nn127.0.0.1:4096\nTST=LISTEN\nf6\ntIPv4\nn127.0.0.1:4096->127.0.0.1:50000\nTST=ESTABLISHED\nfcwd\ntDIR\nn/w\n';
const NETSTAT = `Active Internet connections (including servers)
Proto Recv-Q Send-Q  Local Address          Foreign Address        (state)
tcp4       0      0  127.0.0.1.4096         127.0.0.1.57064        ESTABLISHED
tcp4       0      0  127.0.0.1.4096         *.*                    LISTEN
`;

const isEnd = (end: { readonly host: string; readonly port: number } | undefined): boolean =>
  end === undefined || (isText(end.host) && Number.isInteger(end.port) && end.port >= 0 && end.port < 65_536);

/** What the tools of macOS print. */
const TOOLS: readonly Target[] = [
  [
    'what ps prints',
    [PS],
    (text) =>
      [...(parseRows(text)?.values() ?? [])].every(
        ({ pid, parent, group, owner }) => [pid, parent, group].every(Number.isSafeInteger) && /^-?\d+$/.test(owner),
      ),
  ],
  [
    'what lsof prints',
    [LSOF],
    (text) => {
      const files = parseLsof(text);
      const sockets = files && tcpSockets(files);
      const isFile = files?.every(({ pid, name }) => Number.isSafeInteger(pid) && isText(name)) ?? true;
      return isFile && (sockets?.every(({ local, peer }) => isEnd(local) && isEnd(peer)) ?? true);
    },
  ],
  [
    'what netstat prints',
    [NETSTAT],
    (text) => parseNetstat(text)?.every(({ local, peer }) => isEnd(local) && isEnd(peer)) ?? true,
  ],
];

const ENVIRONMENTS = `  777 opencode serve --port 4096 HOME=/Users/me OPENCODE_REAP_TAG=t OPENCODE_SERVER_PASSWORD=p AI_AGENT=x
  778 sleep 5
`;
const UUID = '5A1B2C3D-0000-1111-2222-333344445555';

/** More of what they print. */
const MORE_OF_MACOS: readonly Target[] = [
  [
    'what ps prints of environments',
    [ENVIRONMENTS],
    (text) => {
      const lines = parseEnvironments(text);
      return [...(lines ?? [])].every(([pid, line]) => {
        const shown = shownIn(line, 'opencode serve --port 4096');
        const isRead = typeof shown !== 'object' || (isText(shown.tag) && typeof shown.keep === 'boolean');
        return Number.isInteger(pid) && pid >= 0 && isRead;
      });
    },
  ],
  [
    'what sysctl and ioreg print',
    [`kern.bootsessionuuid: ${UUID}\n`, `  |   "IOPlatformUUID" = "${UUID}"\n`],
    (text) => [bootIn(text), machineIn(text)].every((one) => one === undefined || /^[0-9A-F-]{36}$/.test(one)),
  ],
];

const capture = (name: string, encoding: BufferEncoding = 'utf8'): string =>
  readFileSync(new URL(`observe/windows/captures/${name}`, import.meta.url), encoding);

/** When 1 January 2026 is, in 100 ns since 1601. */
const FILE_TIME = '134116992000000000';
const LOOKED = JSON.stringify({
  self: 4000,
  now: FILE_TIME,
  processes: [
    { pid: 4, ppid: 0, name: 'System', cmd: null, exe: null, rss: 1, at: '134116991000000000', sid: null },
    {
      pid: 700,
      ppid: 4,
      name: 'node.exe',
      cmd: 'node x',
      exe: 'C:\\n.exe',
      rss: 1,
      at: '134116991000000000',
      sid: null,
    },
    {
      pid: 4000,
      ppid: 700,
      name: 'powershell.exe',
      cmd: 'p',
      exe: 'C:\\p.exe',
      rss: 1,
      at: FILE_TIME,
      sid: 'S-1-5-21-1',
    },
    {
      pid: 777,
      ppid: 700,
      name: 'opencode.exe',
      cmd: '"C:\\o\\opencode.exe" serve --port 4096',
      exe: 'C:\\o\\opencode.exe',
      rss: 300_000_000,
      at: '134116990000000000',
      sid: 'S-1-5-21-1',
    },
    {
      pid: 778,
      ppid: 777,
      name: 'conhost.exe',
      cmd: 'conhost.exe --signal 5',
      exe: null,
      rss: 1,
      at: FILE_TIME,
      sid: null,
    },
  ],
});

/** What the tools of Windows print, in any language. */
const OF_WINDOWS: readonly Target[] = [
  [
    'what PowerShell prints',
    [LOOKED],
    (text) =>
      [...(parseLook(text, 700, 3_600_000)?.processes ?? [])].every(
        ([pid, one]) =>
          isPid(pid) &&
          pid === one.pid &&
          /^\d{16,18}$/.test(one.startToken ?? '0000000000000000') &&
          Number.isSafeInteger(one.parent) &&
          (one.ageMs === undefined || one.ageMs >= 0) &&
          (one.owner === undefined || /^S-1(-\d+)+$/.test(one.owner)) &&
          isText(one.name),
      ),
  ],
  [
    'what netstat.exe prints',
    [
      ...['netstat-en', 'netstat-ko', 'netstat-dead-owner', 'netstat-de-dead-owner', 'netstat-wslrelay'].map((name) =>
        capture(`${name}.txt`),
      ),
      capture('netstat-de.wine.bin', 'latin1'),
    ],
    (text) => {
      const rows = parseWindowsNetstat(text);
      const isRow = rows?.every(
        ({ localPort, remotePort, pid, state }) =>
          [localPort, remotePort].every((one) => Number.isInteger(one) && one >= 0 && one <= 99_999) &&
          (pid === undefined || (Number.isSafeInteger(pid) && pid > 0)) &&
          ['listen', 'connected', 'passing'].includes(state),
      );
      const [sockets] = windowsSockets(rows ?? [], [{ server: 777, pids: [777, 4] }]);
      const owned = sockets?.listening.every(({ pid }) => pid === 777 || pid === 4);
      const listeners = listenersOn(rows ?? [], 4096, '127.0.0.1');
      return isRow !== false && owned === true && listeners.every(({ localPort }) => localPort === 4096);
    },
  ],
  [
    'what reg.exe prints',
    [capture('reg-machineguid.wine.txt', 'latin1')],
    (text) => /^[0-9a-f-]{36}$/.test(parseMachineGuid(text) ?? '00000000-0000-0000-0000-000000000000'),
  ],
  [
    'a command line of Windows',
    ['"C:\\Program Files\\o\\opencode.exe" serve "--port" 4096', 'cmd.exe /d /s /c ""C:\\x\\opencode.cmd" serve"'],
    (text) => argvOf(text).every(isText) && ['serve', 'opencode', 'other'].includes(classify(argvOf(text)).kind),
  ],
];

const subject = { pid: 4242, startToken: '777', port: 4096, project: '/project', startedAt: 1_700_000_000_000 };
const user = { pid: 4343, at: 1_700_000_000_000 };
const THEIRS: readonly Target[] = PLUGIN_FORMATS.map((plugin): Target => {
  const files = {
    ...plugin.record(subject),
    ...plugin.job?.(subject, user, 'running'),
    ...plugin.session?.(subject, user),
    ...plugin.foreign?.(subject),
  };
  const texts = Object.values(files).map((content) =>
    typeof content === 'string' ? content : JSON.stringify(content),
  );
  const names = Object.keys(files);
  return [`what ${plugin.format} writes`, texts, (text) => names.every((name) => isReadRight(name, text, texts))];
});

/** As any format may take it, next to files as they were. */
function isReadRight(name: string, text: string, others: readonly string[]): boolean {
  const source = sourceOf(join('/', name), text, others);
  return FORMATS.every((format) => {
    const said = format.serverIn?.(source);
    const uses = format.usesIn?.(source) ?? [];
    const isUse = uses.every(
      (use) => isWho(use.holder) && isTime(use.seenAt) && isText(use.name) && use.directories.every(isText),
    );
    if (said === undefined || typeof said === 'string' || 'error' in said) return isUse;
    return isUse && isRecord(recordFrom(format, source, said));
  });
}

function sourceOf(file: string, text: string, others: readonly string[]): Source {
  const parsed = parseObject(text);
  const parts = file.split('/');
  return {
    file,
    text,
    name: parts.at(-1) ?? '',
    folder: parts.at(-2) ?? '',
    trust: TRUSTED,
    startTokens: 'ticks',

    json: typeof parsed === 'string' ? undefined : parsed,
    pathOf: (path) => join(file, '..', path),
    near: (path) => (path === file ? undefined : sourceOf(join(file, '..', path), others[0] ?? '', [])),
    touchedAt: () => 5,
  };
}

afterAll(removeFuzzed);

test('what more is spoilt is understood as it was', () => {
  const unheard = MORE_TARGETS.filter(([, seeds, , said]) => !seeds.every((seed) => said(seed) > 0));
  expect(unheard.map(([name]) => name)).toEqual([]);
});

test.each<Target>([
  ...[...OURS, ...PROC, ...TOOLS, ...MORE_OF_MACOS, ...OF_WINDOWS, ...THEIRS],
  ...MORE_TARGETS.map(([name, seeds, isRight]): Target => [name, seeds, isRight]),
])(`%s, spoilt (FUZZ_SEED=${SEED})`, (name, seeds, isRight) => {
  const roll = dice(SEED);
  // As it was, it is understood: otherwise everything below would be refused at once.
  for (const seed of seeds) expect([seed, isRight(seed)]).toEqual([seed, true]);
  const forms = seeds.flatMap((seed) => (/^[{[]/.test(seed) ? (jsonIn(seed) ?? []) : []));
  const until = performance.now() + MS;
  for (let tried = 0; tried < 40 || performance.now() < until; tried += 1) {
    const keepsForm = forms.length > 0 && roll(2) === 0;
    const text = keepsForm ? JSON.stringify(altered(forms[roll(forms.length)], roll)) : mutated(seeds, roll);
    const began = performance.now();
    let right: boolean | unknown;
    try {
      right = isRight(text);
    } catch (error) {
      right = error;
    }
    if (right !== true)
      throw new Error(`${name}, attempt ${tried}: ${JSON.stringify(text.slice(0, 2_000))}`, { cause: right });
    expect(performance.now() - began).toBeLessThan(MOST_MS_EACH);
  }
});

test('brackets without end are refused, and not by a full stack', () => {
  // A stack of node's has room for some ten thousand calls.
  const many = 30_000;
  const closed = `${'['.repeat(many)}${']'.repeat(many)}`;
  for (const text of ['['.repeat(many), '{"a":'.repeat(many), closed]) {
    expect([...OURS, ...THEIRS].filter(([, , isRight]) => !isRight(text)).map(([name]) => name)).toEqual([]);
  }
});

/** By its path, an answer as it was understood once, and whether the server may be idle if it answers this instead. */
type Answers = Readonly<Record<string, readonly [seed: unknown, mayBeIdle: (json: unknown) => boolean]>>;

const isObjectOf = (json: unknown, is: (values: readonly unknown[]) => boolean): boolean =>
  typeof json === 'object' && json !== null && !Array.isArray(json) && is(Object.values(json));
const field = (json: unknown, name: string): unknown =>
  isObjectOf(json, () => true) && Object.hasOwn(json as object, name)
    ? (json as Record<string, unknown>)[name]
    : undefined;
const anything = (): boolean => true;
const hasEnded = (json: unknown): boolean =>
  Array.isArray(field(json, 'data')) &&
  (field(json, 'data') as unknown[]).every((one) =>
    ['exited', 'timeout', 'killed'].includes(String(field(one, 'status'))),
  );

const OF_FIRST: Answers = {
  '/global/health': [{ healthy: true, version: '1.18.33' }, (json) => field(json, 'healthy') === true],
  '/experimental/session': [[{ id: 'ses_1', directory: '/w', time: { created: 5, updated: 6 } }], Array.isArray],
  '/session/status': [
    { ses_1: { type: 'idle' }, ses_2: { type: 'idle' } },
    (json) => isObjectOf(json, (all) => all.every((one) => field(one, 'type') === 'idle')),
  ],
  '/session/ses_1/message': [[{ info: { path: { cwd: '/w' } }, parts: [] }], Array.isArray],
};
const OF_SECOND: Answers = {
  '/api/info': [{ pid: 4242, version: '2.0.21' }, (json) => field(json, 'pid') === 4242],
  '/api/session/active': [{ data: {} }, (json) => isObjectOf(field(json, 'data'), (all) => all.length === 0)],
  '/api/debug/location': [[{ directory: '/w' }], Array.isArray],
  '/api/shell': [{ location: { directory: '/w' }, data: [{ id: 's', status: 'exited' }] }, hasEnded],
  '/api/pty': [{ location: { directory: '/w' }, data: [{ id: 't', status: 'killed' }] }, hasEnded],
  '/api/session': [{ data: [{ location: { directory: '/w' }, time: { updated: 6 } }], cursor: {} }, anything],
};

const KINDS: readonly Activity['kind'][] = ['idle', 'busy', 'unknown', 'silent'];

/** Undefined where it is not JSON, which no answer can be. */
const jsonIn = (text: string): unknown => {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
};

test.each([
  ['OpenCode 1', OF_FIRST, first],
  ['OpenCode 2', OF_SECOND, second],
] as const)(`what %s answers, made by hand and spoilt (FUZZ_SEED=${SEED})`, async (_name, answers, made) => {
  const now = { path: '', text: '' };
  const routes = Object.entries(answers).map(([path, [seed]]): [string, Handler] => [
    path,
    (request, response) => (path === now.path ? says('application/json', now.text) : json(seed))(request, response),
  ]);
  const address = { ...(await handMade(made(Object.fromEntries(routes)))), username: undefined, password: undefined };
  const activityNow = () =>
    askActivity(address, { startedAt: 0, directories: ['/w'], pid: 4242, passwordOfSecond: undefined });
  expect(await activityNow()).toMatchObject({ kind: 'idle', directories: expect.any(Number) });
  const roll = dice(SEED);
  const paths = Object.keys(answers);
  const seeds = Object.values(answers).map(([seed]) => JSON.stringify(seed));
  const until = performance.now() + 4 * MS;
  for (let tried = 0; tried < 6 * paths.length || performance.now() < until; tried += 1) {
    now.path = paths[tried % paths.length] ?? '';
    const [seed, mayBeIdle] = answers[now.path] ?? [undefined, anything];
    const isForm = roll(2) === 0;
    now.text = isForm ? mutated([JSON.stringify(seed), ...seeds], roll) : JSON.stringify(altered(seed, roll));
    const { kind } = await activityNow();
    const said = [
      kind,
      await whoAnswers('127.0.0.1', address.port),
      (await askInfo(address, { deadlineMs: 2_000 })).kind,
    ];
    const where = await askWorkplace(address);
    const isRight = KINDS.includes(kind) && (kind !== 'idle' || mayBeIdle(jsonIn(now.text))) && isText(where);
    if (!isRight)
      throw new Error(`${now.path}, attempt ${tried}: ${said}: ${JSON.stringify(now.text.slice(0, 2_000))}`);
  }
});
