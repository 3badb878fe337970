import { existsSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import type { Place } from '../src/model/snapshot.js';
import { reap } from '../src/reap.js';
import type { RunPolicy } from '../src/run/policy.js';
import {
  DEAD,
  HOST,
  ID,
  identityOf,
  OTHER,
  POLICY,
  processOf,
  recordOf,
  type Scripted,
  SERVE,
  SERVER,
  scripted,
} from './support/scripted.js';

/*
 * A whole run: what it does in which order, and what it reports, on a machine that stands in for a real one. run/ has each
 * of its steps.
 */

const ALL: RunPolicy['scope'] = { kind: 'all', port: undefined };
const RUN: RunPolicy = { ...POLICY, dryRun: false, scope: ALL, limit: 20 };
const DRY: RunPolicy = { ...RUN, dryRun: true };

const reaped = (stage: Scripted, policy: Partial<RunPolicy> = {}) => reap({ ...RUN, ...policy }, stage.world);

/** Each server with what was found of it and what became of it. */
const found = ({ servers }: Awaited<ReturnType<typeof reap>>) =>
  servers.map(({ record, verdict, outcome }) => [record.id, verdict.kind, outcome?.kind]);

const unrecorded = (stage: Scripted): void =>
  void stage.processes.set(OTHER, processOf(OTHER, { command: SERVE, group: OTHER, session: OTHER }));

const gone = (stage: Scripted): string =>
  stage.write('servers/gone.json', {
    ...recordOf(stage.root, stage.port, { id: 'gone', ...DEAD, serverPid: DEAD.pid }),
    serverStartToken: DEAD.startToken,
  });

const spared = (stage: Scripted): void =>
  void stage.write('leases/one.json', {
    schema: 'opencode-reap/1',
    holder: { ...identityOf(process.pid), machine: HOST },
    servers: [ID],
    at: new Date().toISOString(),
  });

const elsewhere: Place = { path: '/elsewhere', real: '/elsewhere', gitCommon: undefined, hashes: [] };
const IN_ANOTHER: RunPolicy['scope'] = { kind: 'workspace', workspace: elsewhere, port: undefined };

/** Every file of the state folder, with what it contains. */
function filesOf({ world }: Scripted): readonly unknown[] {
  const { root } = world.folder;
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((name) => [name, statSync(join(root, name)).isFile() && readFileSync(join(root, name), 'utf8')]);
}

/** Of this run, while it asks. */
const registrations = ({ world }: Scripted): readonly string[] =>
  existsSync(world.folder.runs) ? readdirSync(world.folder.runs) : [];

describe('a run', () => {
  test('stops what is stale, and says what it was asked to do and what became of it', async () => {
    const stage = await scripted();
    const began = Date.now();
    const report = await reaped(stage);
    expect(found(report)).toEqual([[ID, 'stale', 'stopped']]);
    expect(report).toMatchObject({ dryRun: false, scope: ALL, policy: RUN, unrecorded: [], staleElsewhere: 0 });
    expect(report.at).toBeGreaterThanOrEqual(began);
    expect(report.at).toBeLessThanOrEqual(Date.now());
    expect(stage.acts()).toEqual(['POST /global/dispose', 'SIGTERM server', 'SIGTERM mcp']);
  });

  test('leaves what is spared', async () => {
    const stage = await scripted();
    spared(stage);
    expect([found(await reaped(stage)), stage.acts()]).toEqual([[[ID, 'spared', undefined]], []]);
  });

  test('counts only what is seen from its beginning on', async () => {
    const seen: string[] = [];
    const stage = await scripted({ platform: () => ({ lookAnew: () => void seen.push('anew') }) });
    stage.before('look around', 1, () => seen.push('looks'));
    await reaped(stage);
    // The stop begins anew as well.
    expect(seen.slice(0, 2)).toEqual(['anew', 'looks']);
  });

  test('tells other runs that it is one before it asks anything, until it is over', async () => {
    const stage = await scripted();
    const seen: unknown[] = [];
    for (const step of ['GET /session/status', 'SIGTERM server'])
      stage.before(step, 1, () => seen.push([step, registrations(stage).length]));
    await reaped(stage);
    expect([...seen, registrations(stage)]).toEqual([['GET /session/status', 1], ['SIGTERM server', 1], []]);
  });

  test('is over for other runs when it fails, too', async () => {
    const stage = await scripted();
    stage.before('GET /session/status', 1, () =>
      stage.before('list', 1, () => {
        throw new Error('a test');
      }),
    );
    await expect(reaped(stage)).rejects.toThrow('a test');
    expect([registrations(stage), stage.acts(), existsSync(stage.record)]).toEqual([[], [], true]);
  });

  test('names what it could not read, and what it passed over', async () => {
    const stage = await scripted();
    const file = stage.write('leases/torn.json', '{');
    const report = await reaped(stage);
    expect(found(report)).toEqual([[ID, 'unsure', undefined]]);
    expect(report.unread).toMatchObject([{ file, kind: 'lease' }]);
    expect(report.skipped).toEqual([]);
  });
});

describe('a dry run', () => {
  test('finds the same and changes nothing', async () => {
    const stage = await scripted();
    gone(stage);
    const before = filesOf(stage);
    const report = await reap(DRY, stage.world);
    expect(found(report).sort()).toEqual([
      ['gone', 'gone', undefined],
      [ID, 'stale', undefined],
    ]);
    expect(report).toMatchObject({ dryRun: true, policy: DRY });
    expect([stage.acts(), filesOf(stage)]).toEqual([[], before]);
  });

  test('says nothing of a limit, which only holds back what would be done', async () => {
    const stage = await scripted();
    expect(found(await reap({ ...DRY, limit: 0 }, stage.world))).toEqual([[ID, 'stale', undefined]]);
  });
});

describe('more stale servers than the limit', () => {
  test('are all left, and say so', async () => {
    const stage = await scripted();
    expect(found(await reaped(stage, { limit: 0 }))).toEqual([[ID, 'stale', 'withheld']]);
    expect([stage.acts(), existsSync(stage.record)]).toEqual([[], true]);
  });

  test('are counted in scope alone', async () => {
    const stage = await scripted();
    const report = await reaped(stage, { limit: 0, scope: IN_ANOTHER });
    expect([found(report), report.staleElsewhere]).toEqual([[], 1]);
  });
});

describe('of servers out of scope', () => {
  test('those that are stale are counted, and left', async () => {
    const stage = await scripted();
    gone(stage);
    const report = await reaped(stage, { scope: IN_ANOTHER });
    expect([found(report), report.staleElsewhere, stage.acts()]).toEqual([[], 1, []]);
    expect([existsSync(stage.record), existsSync(join(stage.world.folder.servers, 'gone.json'))]).toEqual([true, true]);
  });

  test('none is counted that is not stale', async () => {
    const stage = await scripted();
    spared(stage);
    expect((await reaped(stage, { scope: IN_ANOTHER })).staleElsewhere).toBe(0);
  });
});

describe('a server that nobody recorded', () => {
  const lists = (stage: Scripted): number => stage.steps.filter((step) => step === 'list').length;
  const pids = async (stage: Scripted, policy: Partial<RunPolicy> = {}) =>
    (await reaped(stage, policy)).unrecorded.map(({ record, outcome }) => [record.server?.pid, outcome]);

  test('is reported, and left', async () => {
    const stage = await scripted();
    unrecorded(stage);
    expect(await pids(stage)).toEqual([[OTHER, undefined]]);
    expect(stage.processes.has(OTHER)).toBe(true);
  });

  test('is not reported where it has ended while another was stopped', async () => {
    for (const also of [false, true]) {
      const stage = await scripted();
      unrecorded(stage);
      if (also) gone(stage);
      stage.on('SIGTERM', SERVER, () => [SERVER, OTHER].map((pid) => stage.processes.delete(pid)));
      expect(await pids(stage)).toEqual([]);
    }
  });

  test('costs no look of its own where nothing was done', async () => {
    for (const policy of [DRY, RUN]) {
      const stage = await scripted();
      unrecorded(stage);
      spared(stage);
      expect(await pids(stage, policy)).toEqual([[OTHER, undefined]]);
      expect(lists(stage)).toBe(1);
    }
  });
});
