import { chmodSync, existsSync, linkSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { Judged } from '../../../src/decide/plan.js';
import { reap } from '../../../src/reap.js';
import { inProject, openWorld } from '../../../src/run/world.js';
import { deadPid, installFake, startBystander, startFake } from '../../support/fake.js';
import { sampled } from '../../support/patience.js';
import { type Files, PLUGIN_FORMATS, type PluginFormat, type Subject } from '../../support/plugin-state.js';
import { alive, portsOf, startToken } from '../../support/proc.js';
import { THROUGH_MACOS } from '../../support/program.js';
import { createSandbox, type Sandbox } from '../../support/sandbox.js';
import { waitFor } from '../../support/wait.js';

const EVERYTHING = { scope: { kind: 'all', port: undefined }, olderThanMs: 0, graceMs: 1000, limit: 9 } as const;
const HOUR = 3_600_000;

let sandbox: Sandbox;
let bystander: number;
let dead: number;
let machines = 0;

beforeAll(async () => {
  sandbox = await createSandbox('formats');
  await installFake(sandbox);
  bystander = startBystander(sandbox);
  dead = await deadPid(sandbox);
});
afterAll(() => sandbox.dispose());

/** A server as this plugin starts it. */
const startFor = async ({ password, anyPort }: PluginFormat): Promise<Subject> => {
  const wanted = anyPort ? 0 : await sandbox.reserve();
  const given = { OPENCODE_SERVER_USERNAME: 'opencode', OPENCODE_SERVER_PASSWORD: password };
  const env = sandbox.env(password ? given : {});
  const child = sandbox.spawn('opencode', ['serve', '--port', `${wanted}`], { env, detached: true, stdio: 'ignore' });
  const pid = child.pid ?? 0;
  const [port] = await waitFor('the server listens', () => portsOf(pid).length > 0 && portsOf(pid));
  const token = startToken(pid) ?? '';
  return { pid, startToken: token, port: port ?? 0, project: sandbox.project, startedAt: Date.now() };
};

/** A machine on which nothing but these files was ever written, and what a run says of it. */
const machineWith = (...all: readonly Files[]) => {
  machines += 1;
  const root = join(sandbox.root, `machine-${machines}`);
  const at = (path: string): string => join(root, path);
  for (const folder of ['home', 'tmp', 'shared', 'project']) mkdirSync(at(folder), { recursive: true, mode: 0o700 });
  for (const [path, content] of all.flatMap((files) => Object.entries(files))) {
    mkdirSync(dirname(at(path)), { recursive: true, mode: 0o700 });
    writeFileSync(at(path), typeof content === 'string' ? content : JSON.stringify(content));
    // That a job without a process was only just written down would be a sign of its life.
    if (path.endsWith('/job.json')) utimesSync(at(path), new Date(0), new Date(0));
  }
  const env = { HOME: at('home'), TMPDIR: at('tmp'), OPENCODE_REAP_TMP: at('shared') };
  const run = async (dryRun = false) =>
    reap(
      { ...EVERYTHING, dryRun, endStrays: false },
      inProject(await openWorld(at('state'), env), { path: at('project'), real: at('project') }),
    );
  return { at, run };
};

const verdictOn = async (...all: readonly Files[]): Promise<string[]> => {
  const { servers } = await machineWith(...all).run(true);
  return servers.flatMap(({ verdict }) => [verdict.kind, ...('reasons' in verdict ? verdict.reasons : [])]);
};

// plugin-cases.ts and plugin-files.test.ts have all of them in any case, without servers.
describe.each(sampled(PLUGIN_FORMATS, 9))('$format', (plugin) => {
  let server: Subject;
  const unsure = ['unsure', 'identity', 'idle'];
  const proven = plugin.unprovable ? unsure : ['stale'];
  beforeAll(async () => {
    server = await startFor(plugin);
  });

  test('an unused server is stale', async () => {
    expect(await verdictOn(plugin.record(server))).toEqual(proven);
  });

  test('a job in flight spares it, one that is over or whose process ended does not', async () => {
    const now = Date.now();
    const with_ = (pid: number, at: number, status: string) =>
      verdictOn(plugin.record(server), plugin.job?.(server, { pid, at }, status) ?? {});
    expect(await with_(bystander, now, 'running')).toEqual(['spared', 'idle']);
    expect(await with_(bystander, now, 'completed')).toEqual(proven);
    // Without a process it is believed for half an hour.
    const ended = plugin.jobWithoutPid ? with_(0, now - HOUR, 'running') : with_(dead, now, 'running');
    expect(await ended).toEqual(proven);
  });

  test('a live session of its own list spares it, one that ended does not', async ({ skip }) => {
    if (!plugin.session) skip('this format lists no sessions');
    const with_ = (pid: number) =>
      verdictOn(plugin.record(server), plugin.session?.(server, { pid, at: Date.now() }) ?? {});
    expect(await with_(bystander)).toEqual(['spared', 'unleased']);
    expect(await with_(dead)).toEqual(proven);
  });

  test('a server that the plugin did not start is spared', async ({ skip }) => {
    if (!plugin.foreign) skip('this format knows only servers that the plugin started');
    expect(await verdictOn(plugin.foreign?.(server) ?? {})).toEqual(['spared', 'owned']);
  });

  test('a pid that is another program by now is gone, and so is a free one', async ({ skip }) => {
    if (plugin.withoutPid) skip('this format names no process');
    const later = { ...server, pid: bystander, startedAt: server.startedAt - HOUR };
    expect(await verdictOn(plugin.record(later))).toEqual(['gone']);
    expect(await verdictOn(plugin.record({ ...server, pid: dead }))).toEqual(['gone']);
  });

  test('what runs since another time than the record says, as after a boot, is another server', async () => {
    const early = plugin.record({ ...server, startedAt: server.startedAt - HOUR });
    const late = plugin.record({ ...server, startedAt: server.startedAt + HOUR });
    // Those with a start token or a password need no time, except where the time has to confirm what the token counts in.
    const expected = hasNoTime(plugin) ? proven : unsure;
    expect([await verdictOn(early), await verdictOn(late)]).toEqual([expected, expected]);
  });

  test('what cannot be read is named, and nothing is stopped for it', async () => {
    const [path, content] = Object.entries(plugin.record(server))[0] ?? [''];
    const whole = typeof content === 'string' ? content : JSON.stringify(content);
    for (const text of [whole.slice(0, whole.length / 2).replace(/\d/g, 'x'), '', '\0\0', '[]']) {
      const { run, at } = machineWith({ ...plugin.record(server), [path]: text });
      expect(await run()).toMatchObject({ servers: [], unread: [{ file: at(path) }] });
      expect(readFileSync(at(path), 'utf8')).toBe(text);
    }
  });

  test('it is stopped, and what the plugin wrote stays as it is', async () => {
    const { run, at } = machineWith(plugin.record(server));
    const [path] = Object.keys(plugin.record(server));
    const before = readFileSync(at(path ?? ''), 'utf8');
    const { servers } = await run();
    expect(servers.map(kindOf), JSON.stringify(servers)).toEqual([plugin.unprovable ? 'unsure' : 'stopped']);
    expect(alive(server.pid)).toBe(plugin.unprovable === true);
    expect(readFileSync(at(path ?? ''), 'utf8')).toBe(before);
    if (plugin.unprovable) return;
    expect((await run()).servers.map(kindOf)).toEqual(['gone']);
    expect(existsSync(at('state/servers'))).toBe(false);
  });
});

test.each([
  ['inside its plugin', '/h/.claude/plugins/cache/m/p/1.0.12/opencode-config', ['stale']],
  ['elsewhere', '/h/plugins/opencode-config', ['unsure', 'identity', 'idle']],
])('JohnnyVicious’ record without a time, of a server whose configuration lies %s', async (_, folder, expected) => {
  const { pid, port } = await startFake(sandbox, { OPENCODE_CONFIG_DIR: folder });
  const server = { pid, port, startToken: '', project: sandbox.project, startedAt: 0 };
  const [path = ''] = Object.keys(PLUGIN_FORMATS[0]?.record(server) ?? {});
  expect(await verdictOn({ [path]: { lastServerPid: pid } })).toEqual(expected);
});

test('in a folder where others may add files, but not replace ours, the file alone decides', async () => {
  const apoapps = PLUGIN_FORMATS.find(({ format }) => format === 'apoapps') as PluginFormat;
  const { run, at } = machineWith(apoapps.record(await startFor(apoapps)));
  const verdict = async () => (await run(true)).servers.map((server) => server.verdict.kind);
  const [file, folder] = [at('shared/oc-bridge-state.json'), at('shared')];
  chmodSync(folder, 0o1777);
  expect(await verdict()).toEqual(['stale']);
  chmodSync(folder, 0o777);
  expect(await verdict()).toEqual(['spared']);
  chmodSync(folder, 0o1777);
  // Another user may have put a file of ours there that meant something else elsewhere.
  linkSync(file, at('second-name'));
  expect(await verdict()).toEqual(['spared']);
});

const kindOf = ({ verdict, outcome }: Judged): string => outcome?.kind ?? verdict.kind;
const hasNoTime = ({ format, unprovable }: PluginFormat): boolean =>
  unprovable === true ||
  ['therealdinghydog', 'brian250713'].includes(format) ||
  (format === 'thevinialmeida' && !THROUGH_MACOS);
