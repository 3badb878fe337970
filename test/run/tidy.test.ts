import { existsSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { Platform } from '../../src/observe/platform.js';
import { judgeAll } from '../../src/run/judge.js';
import { survey } from '../../src/run/survey.js';
import { tidy } from '../../src/run/tidy.js';
import {
  DEAD,
  HOST,
  HOUR,
  ID,
  identityOf,
  OTHER,
  POLICY,
  processOf,
  type Scripted,
  SERVER,
  scripted,
  textIn,
} from '../support/scripted.js';

/*
 * What a run removes at its end, and what it leaves because somebody may still need it, on a machine that stands in for a
 * real one.
 */

/** The process that a claim or a run is of, and where it is. */
type Of = { readonly pid: number; readonly startToken: string; readonly machine?: object };

const NOW = new Date().toISOString();
const ours = (of: Of, but: object = {}) => ({
  schema: 'opencode-reap/1',
  holder: { pid: of.pid, startToken: of.startToken },
  machine: of.machine ?? HOST,
  at: NOW,
  ...but,
});

/** The files that say that a process is there, each with whether it is taken away once that process is known to be dead. */
const SAYING: readonly [what: string, write: (stage: Scripted, of: Of) => string][] = [
  [
    'the right to start a server on a port',
    (stage, of) => stage.write('starts/4096.json', ours(of, { holdsMs: HOUR })),
  ],
  ['the right to be the background run', (stage, of) => stage.write('sweep.json', ours(of, { holdsMs: HOUR }))],
  ['the registration of a run', (stage, of) => stage.write('runs/one.json', ours(of))],
];

/** Looks at everything, and tidies up after what the test has changed since. */
async function tidied(stage: Scripted, since = (): unknown => undefined): Promise<void> {
  const around = await survey(stage.world);
  const servers = await judgeAll(around, POLICY, stage.world, 'none');
  since();
  await tidy(servers, around, stage.world);
}

describe.each(SAYING)('%s', (_what, write) => {
  test('goes with the process that had it', async () => {
    const stage = await scripted();
    const file = write(stage, DEAD);
    await tidied(stage);
    expect(existsSync(file)).toBe(false);
  });

  test('stays with a process that lives', async () => {
    const stage = await scripted();
    stage.processes.set(OTHER, processOf(OTHER));
    const file = write(stage, identityOf(OTHER));
    await tidied(stage);
    expect(existsSync(file)).toBe(true);
  });

  test('goes where its pid is another process’s by now', async () => {
    const stage = await scripted();
    stage.processes.set(OTHER, processOf(OTHER, { startToken: 'another' }));
    const file = write(stage, identityOf(OTHER));
    await tidied(stage);
    expect(existsSync(file)).toBe(false);
  });

  test('stays with a process that has started since the processes were listed', async () => {
    const stage = await scripted();
    const file = write(stage, identityOf(OTHER));
    await tidied(stage, () => stage.processes.set(OTHER, processOf(OTHER)));
    expect(existsSync(file)).toBe(true);
  });

  test.each<[string, Partial<Of>]>([
    ['another machine', { machine: { ...HOST, id: 'another', boot: 'another' } }],
    ['a container with pids of its own', { machine: { ...HOST, pidNamespace: 'others' } }],
  ])('stays where nobody here can look at its process, which is on %s', async (_where, but) => {
    const stage = await scripted();
    const file = write(stage, { ...DEAD, ...but });
    await tidied(stage);
    expect(existsSync(file)).toBe(true);
  });

  test.each<[string, Partial<Platform>]>([
    ['no process could be listed', { processes: async () => undefined }],
    ['that one cannot be looked at', { look: () => 'unknown' }],
  ])('stays where %s', async (_what, but) => {
    const stage = await scripted({ platform: () => but });
    const file = write(stage, DEAD);
    await tidied(stage);
    expect(existsSync(file)).toBe(true);
  });
});

describe('a lease', () => {
  const lease = (stage: Scripted, of: Of): string => {
    const { machine, holder, ...rest } = ours(of, { port: stage.port, servers: [] });
    return stage.write(`leases/${of.pid}.json`, { ...rest, holder: { ...holder, machine } });
  };

  test('goes with its holder, and stays with one that lives or that nobody here can look at', async () => {
    const stage = await scripted();
    const [dead, living, elsewhere] = [DEAD, identityOf(SERVER), { ...DEAD, pid: 5_000_098, machine: { name: 'x' } }];
    const files = [dead, living, elsewhere].map((one) => lease(stage, one));
    await tidied(stage);
    expect(files.map((file) => existsSync(file))).toEqual([false, true, true]);
  });
});

describe('the record of a server', () => {
  test('goes with it', async () => {
    const stage = await scripted();
    stage.processes.delete(SERVER);
    await tidied(stage);
    expect(existsSync(stage.record)).toBe(false);
  });

  test('stays with one that lives, whatever was found of it', async () => {
    const stage = await scripted();
    await tidied(stage);
    expect(existsSync(stage.record)).toBe(true);
  });

  test('stays where it speaks of a server that was started since', async () => {
    const stage = await scripted();
    stage.processes.delete(SERVER);
    const next = JSON.stringify({ ...JSON.parse(stage.text()), ...identityOf(OTHER) });
    await tidied(stage, () => stage.write(`servers/${ID}.json`, next));
    expect(textIn(stage.record)).toBe(next);
  });
});
