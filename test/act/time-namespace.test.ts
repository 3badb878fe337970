import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { installEither, standInAnd } from '../support/either.js';
import {
  deadPid,
  type Fake,
  type Fields,
  filesIn,
  identityOf,
  machine,
  recordsIn,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { callHook, HOOK } from '../support/hooks.js';
import { alive, portHolder, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// A process's start is shown relative to the time namespace of the looking process, so one process has several tokens.

const ENTER = ['unshare', '-T', '--boottime', '1000', '--'] as const;
const tried = spawnSync(ENTER[0], [...ENTER.slice(1), 'true'], { encoding: 'utf8' });
const reason = tried.error?.message ?? tried.stderr.trim();
const missing = tried.status === 0 ? '' : ` (skipped: no time namespace can be made here: ${reason})`;

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));
const ALL = ['--all-stale', '--older-than', '0s', '--json'];

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('time');
  server = await startFake(sandbox);
});
afterEach(() => sandbox.dispose());

/** Runs node in another time namespace. */
const inside = (words: readonly string[], input = '', enter: readonly string[] = ENTER) => {
  const [command = '', ...args] = [...enter, process.execPath, ...words];
  const options = { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8', input, timeout: 30_000 } as const;
  const { status, stdout, stderr } = spawnSync(command, args, options);
  expect(stderr).toBe('');
  return { status, stdout };
};
const reapInside = (enter?: readonly string[]) => JSON.parse(inside([PROGRAM, ...ALL], '', enter).stdout).servers;
const reap = async () => JSON.parse((await runCli(sandbox, ALL)).stdout).servers;
const state = (name: string): string => join(sandbox.stateDir, name);

/** A plugin's record, which has no start token. */
const writePlugins = (): Promise<string> =>
  writeState(join(sandbox.home, '.claude/plugins/data/opencode-x/state/0123456789abcdef'), 'server.json', {
    lastServerPid: server.pid,
    lastServerStartedAt: Date.now(),
  });

const UNSURE = { verdict: 'unsure', reasons: expect.arrayContaining(['identity']), outcome: null };
const STOPPED = { verdict: 'stale', outcome: { kind: 'stopped' } };

describe.skipIf(missing)(`what was noted in another time namespace${missing}`, () => {
  test.each(standInAnd('native'))(
    'leads to a server that is neither gone nor stopped, and a run at home stops it: %s',
    async (which) => {
      await installEither(sandbox, which);
      const port = await sandbox.reserve();
      inside([PROGRAM, 'start', '--port', String(port)]);
      const pid = portHolder(port) ?? 0;
      const [record] = recordsIn(sandbox.stateDir);
      expect(record?.fields).toMatchObject({
        serverPid: pid,
        machine: { timeNamespace: expect.stringMatching(/ 1000 0$/) },
      });
      expect(record?.fields.serverStartToken).not.toBe(startToken(pid));
      expect(await reap()).toMatchObject([UNSURE]);
      expect([alive(pid), existsSync(record?.file ?? '')]).toEqual([true, true]);
      const why = await runCli(sandbox, ['why', `:${port}`, '--older-than', '0s']);
      expect(why.stdout).toContain('its start token was recorded in another time namespace');
      expect(reapInside(['nsenter', '-T', '-t', String(pid), '--'])).toMatchObject([STOPPED]);
      expect([alive(pid), recordsIn(sandbox.stateDir)]).toEqual([false, []]);
    },
  );

  test.each<[string, object]>([
    ['by an earlier version', {}],
    ['by this one', { timeNamespace: 'time:[4026531834]' }],
  ])('%s, of a stand-in: it stays, and a run at home stops it', async (_sentence, more) => {
    const file = await writeRecord(sandbox, 'srv', server, { machine: { ...machine(), ...more } });
    expect(reapInside()).toMatchObject([UNSURE]);
    expect([alive(server.pid), existsSync(file)]).toEqual([true, true]);
    expect(await reap()).toMatchObject([STOPPED]);
  });

  test('of a process that has ended is gone all the same', async () => {
    const pid = await deadPid(sandbox);
    const file = await writeRecord(sandbox, 'srv', { ...server, pid }, { startToken: '1', serverStartToken: '1' });
    expect(reapInside()).toMatchObject([{ verdict: 'gone' }]);
    expect(existsSync(file)).toBe(false);
  });

  test('is not a reason to spare what needs no token: a plugin’s record, of a stand-in', async () => {
    await writePlugins();
    expect(reapInside()).toMatchObject([STOPPED]);
    expect(alive(server.pid)).toBe(false);
  });

  describe('is not a dead holder', () => {
    let live: Fields;
    beforeEach(() => {
      live = { ...identityOf(startBystander(sandbox)), machine: machine() };
    });

    test('of a lease', async () => {
      await writeRecord(sandbox, 'srv', server);
      const lease = { schema: SCHEMA, session: 'one', cwd: sandbox.project, holder: live };
      const file = await writeState(sandbox.stateDir, 'leases/a.json', lease);
      expect(reapInside()).toMatchObject([{ verdict: 'unsure', reasons: expect.arrayContaining(['unleased']) }]);
      expect(existsSync(file)).toBe(true);
    });

    test('of a run, a start or a fence, whose tree is left alone', async () => {
      const tree = [identityOf(startBystander(sandbox))];
      const run = { schema: SCHEMA, holder: live, machine: machine() };
      const fence = { schema: SCHEMA, id: 'x', run: live, machine: machine(), tree, record: null };
      const files = [
        await writeState(sandbox.stateDir, 'runs/a.json', run),
        await writeState(sandbox.stateDir, 'closing/x.json', fence),
        await writeState(sandbox.stateDir, 'starts/4096.json', { ...run, holdsMs: 1 }),
      ];
      reapInside();
      expect(files.filter((file) => !existsSync(file))).toEqual([]);
      const dead = { pid: await deadPid(sandbox), startToken: '1' };
      await writeState(sandbox.stateDir, 'closing/x.json', { ...fence, run: dead });
      const began = performance.now();
      reapInside();
      expect(tree.map(({ pid }) => alive(pid))).toEqual([true]);
      // What may not be signaled is not waited for either: five seconds for each signal.
      expect(performance.now() - began).toBeLessThan(5_000);
    });

    test('of a claim', async () => {
      const claim = { schema: SCHEMA, holder: live, machine: machine(), holdsMs: 300_000 };
      await writeState(sandbox.stateDir, 'sweep.json', claim);
      const request = { schema: SCHEMA, at: new Date().toISOString(), lingerMs: 0 };
      const file = await writeState(sandbox.stateDir, 'requests/a.json', request);
      inside([PROGRAM, 'sweep']);
      expect([existsSync(file), existsSync(state('sweep.json'))]).toEqual([true, true]);
    });

    test('of a keep mark', async () => {
      await writePlugins();
      const mark = { schema: SCHEMA, id: 'y', processes: [identityOf(server.pid)], machine: machine() };
      await writeState(sandbox.stateDir, 'keep/y.json', mark);
      expect(reapInside()).toMatchObject([{ verdict: 'unsure', reasons: ['unkept'], outcome: null }]);
    });
  });

  test('by a spare that was claimed there may be its own entry: a stand-in', async () => {
    await writeRecord(sandbox, 'srv', server);
    const claude = join(sandbox.binDir, 'claude');
    symlinkSync(process.execPath, claude);
    writeFileSync(join(sandbox.project, 'bg-spare'), 'setInterval(() => {}, 1e6)');
    sandbox.spawn(claude, ['bg-spare'], { stdio: 'ignore' });
    const [command, ...args] = ENTER;
    const { pid = 0 } = sandbox.spawn(command, [...args, claude, 'bg-spare'], { stdio: 'ignore' });
    const list = () => runCli(sandbox, ['list', '--older-than', '0s', '--json']);
    await waitFor('it is seen', async () => JSON.parse((await list()).stdout).servers[0].verdict === 'spared');
    process.kill(pid, 'SIGKILL');
    await waitFor(
      'the other one, which is here, holds nothing',
      async () => JSON.parse((await list()).stdout).servers[0].verdict === 'stale',
    );
  });

  test('of a session that ends is waited for while its pid is there, and no longer', async () => {
    const ending = { ...identityOf(startBystander(sandbox)), startToken: '1', timeNamespace: 'time:[2] 5 0' };
    const request = { schema: SCHEMA, at: new Date().toISOString(), lingerMs: 0, ending };
    const file = await writeState(sandbox.stateDir, 'requests/a.json', request);
    const swept = runCli(sandbox, ['sweep'], { timeoutMs: 60_000 });
    await sleep(3_000);
    expect(existsSync(file)).toBe(true);
    process.kill(ending.pid, 'SIGKILL');
    await swept;
    expect(existsSync(file)).toBe(false);
  });

  test('of a background run is not a reason for a hook to leave everything to it', async () => {
    const holder = identityOf(startBystander(sandbox));
    const elsewhere = { ...machine(), timeNamespace: 'time:[2] 5 0' };
    const claim = { schema: SCHEMA, holder, machine: elsewhere, holdsMs: 1_000 };
    const file = await writeState(sandbox.stateDir, 'sweep.json', claim);
    utimesSync(file, 1, 1);
    const { called } = callHook(sandbox, ['session-end'], JSON.stringify({ session_id: 's', reason: 'other' }), {
      OPENCODE_REAP_LINGER: '0s',
      OPENCODE_REAP_OLDER_THAN: '1h',
    });
    await called;
    await waitFor('it is served', () => existsSync(file) && readFileSync(file, 'utf8') !== JSON.stringify(claim));
  });

  test('says so in what a hook writes', async () => {
    const shifted = expect.stringMatching(/^time:\[\d+\] 1000 0$/);
    inside([HOOK, 'hook', 'session-start'], JSON.stringify({ session_id: 's', cwd: '/', source: 'clear' }));
    inside([HOOK, 'hook', 'session-end'], JSON.stringify({ session_id: 's', cwd: '/', reason: 'other' }));
    const written = ['leases', 'requests'].flatMap((folder) =>
      filesIn(state(folder)).map((file) => JSON.parse(readFileSync(file, 'utf8'))),
    );
    expect(written).toMatchObject([
      { holder: { machine: { timeNamespace: shifted } } },
      { ending: { timeNamespace: shifted } },
    ]);
  });
});
