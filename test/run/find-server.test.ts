import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { begunBy } from '../../src/decide/find.js';
import { type FindPolicy, findServer, forbidding } from '../../src/run/find-server.js';
import {
  DEAD,
  environmentOf,
  HOST,
  HOUR,
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
  tokenOf,
} from '../support/scripted.js';

/*
 * Which server a person means by a name, and what it is asked, on a machine that stands in for a real one.
 * decide/find.test.ts has the names.
 */

const OTHER_ID = 'srv-2';

/** A second server, in the same folder. */
function second(stage: Scripted, but: { readonly id?: string; readonly workspace?: string } = {}): void {
  const of = { ...identityOf(OTHER), serverPid: OTHER, serverStartToken: tokenOf(OTHER), tag: 'another' };
  stage.processes.set(OTHER, processOf(OTHER, { command: SERVE, group: OTHER, session: OTHER }));
  stage.environments.set(OTHER, environmentOf({ tag: 'another' }));
  const { id = OTHER_ID } = but;
  stage.write(`servers/${id}.json`, recordOf(stage.root, 4_711, { id, ...of, ...but }));
}

/** What a name leads to: the id of one, the ids of several, or why there is none. */
async function found(stage: Scripted, name: string, policy: Partial<FindPolicy> = {}) {
  stage.steps.length = 0;
  const one = await findServer(name, { ...POLICY, ...policy }, stage.world);
  if (one.kind === 'named') return one.server.record.id;
  return one.kind === 'ambiguous' ? one.servers.map(({ record }) => record.id).sort() : one.unread.length;
}

describe('a name', () => {
  test.each<[string, (stage: Scripted) => string]>([
    ['an id', () => ID],
    ['a pid', () => `${SERVER}`],
    ['a port', ({ port }) => `:${port}`],
    ['a folder', ({ root }) => root],
    ['what lies in a folder of one repository', ({ root }) => join(root, 'sub')],
  ])('that is %s leads to the one server that has it', async (_what, name) => {
    const stage = await scripted();
    mkdirSync(join(stage.root, '.git'));
    mkdirSync(join(stage.root, 'sub'));
    second(stage, { workspace: '/elsewhere' });
    expect(await found(stage, name(stage))).toBe(ID);
  });

  test('that two servers have leads to both, and to no other', async () => {
    const stage = await scripted();
    second(stage);
    stage.write('servers/three.json', recordOf('/elsewhere', 1, { id: 'three', ...DEAD, tag: 'three' }));
    expect(await found(stage, stage.root)).toEqual([ID, OTHER_ID]);
  });

  test('that none has leads nowhere, and to what could not be read', async () => {
    const stage = await scripted();
    expect([await found(stage, 'srv-3'), await found(stage, '/nowhere')]).toEqual([0, 0]);
    stage.write('servers/torn.json', '{');
    expect(await found(stage, 'srv-3')).toBe(1);
  });

  test('that is only like one leads there only where the caller says so', async () => {
    const stage = await scripted();
    second(stage, { id: `${ID}-2` });
    expect(await found(stage, 'srv')).toBe(0);
    expect(await found(stage, 'srv', { orElse: begunBy })).toEqual([ID, `${ID}-2`]);
    // What has that very name is meant, whatever else begins so.
    expect(await found(stage, ID, { orElse: begunBy })).toBe(ID);
  });

  test('that is a pid leads to a server that nobody recorded', async () => {
    const stage = await scripted();
    rmSync(stage.record);
    expect(await found(stage, `${SERVER}`)).toBe(`pid-${SERVER}`);
  });
});

describe('the server that is meant is asked', () => {
  const STATUS = 'GET /session/status';
  test.each<[string, boolean, Partial<FindPolicy>, boolean]>([
    ['where it is recorded, although something spares it', true, {}, true],
    ['where it is about to be stopped', true, { named: true }, true],
    ['not where a person has answered for it', true, { unasked: true }, false],
    ['not where a person has answered for what is stopped', true, { named: true, unasked: true }, false],
    ['not where nobody recorded it: that costs it something', false, {}, false],
    ['where nobody recorded it, and it is about to be stopped', false, { named: true }, true],
    ['not where nobody recorded it and a person has answered for it', false, { named: true, unasked: true }, false],
  ])('%s', async (_what, isRecorded, policy, isAsked) => {
    const stage = await scripted();
    if (!isRecorded) rmSync(stage.record);
    stage.write('leases/one.json', {
      schema: 'opencode-reap/1',
      holder: { ...identityOf(process.pid), machine: HOST },
      servers: [ID, `pid-${SERVER}`],
      port: stage.port,
      at: new Date().toISOString(),
    });
    await found(stage, `${SERVER}`, policy);
    expect(stage.steps.includes(STATUS)).toBe(isAsked);
  });
});

describe('a plugin’s record that has only the time of a start', () => {
  const FOLDER = '../home/.claude/plugins/data/opc/state/project-0123456789abcdef';
  /** The only record, of a server that started so long before or after it was written. */
  const recorded = async (offMs = 0): Promise<Scripted> => {
    const stage = await scripted();
    rmSync(stage.record);
    const lastServerStartedAt = Date.now() - HOUR + offMs;
    stage.write(`${FOLDER}/server.json`, { lastServerPid: SERVER, lastServerStartedAt });
    return stage;
  };
  const PID = `${SERVER}`;
  const PROCESS = `pid-${SERVER}`;

  test('is meant by its pid where that time fits', async () => {
    const stage = await recorded();
    expect(await found(stage, PID, { meansProcess: true })).not.toBe(PROCESS);
  });

  test('is not meant where it does not fit, but the process is, if a process is meant', async () => {
    const stage = await recorded(-24 * HOUR);
    expect(await found(stage, PID, { meansProcess: true, named: true })).toBe(PROCESS);
    expect(stage.steps).toContain('GET /session/status');
    expect(await found(stage, PID, { meansProcess: true, named: true, unasked: true })).toBe(PROCESS);
    expect(stage.steps).not.toContain('GET /session/status');
    expect(await found(stage, PID, { named: true })).not.toBe(PROCESS);
  });

  test('is what is known of a server that has ended', async () => {
    const stage = await recorded(-24 * HOUR);
    stage.processes.delete(SERVER);
    const { kind, ...rest } = await findServer(PID, { ...POLICY, meansProcess: true }, stage.world);
    expect([kind, 'server' in rest && rest.server.verdict.kind]).toEqual(['named', 'gone']);
  });

  test('gives way to that process alone', async () => {
    const stage = await recorded(-24 * HOUR);
    second(stage);
    rmSync(join(stage.world.folder.servers, `${OTHER_ID}.json`));
    expect(await found(stage, PID, { meansProcess: true })).toBe(PROCESS);
  });
});

test('a record of ours is meant by its pid, although its process is not proven to be the one', async () => {
  const stage = await scripted();
  stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, owner: 'another user' }));
  expect(await found(stage, `${SERVER}`, { meansProcess: true })).toBe(ID);
});

describe('what a person names', () => {
  const forbids = async (stage: Scripted) => {
    const one = await findServer(ID, { ...POLICY, named: true }, stage.world);
    if (one.kind !== 'named') expect.fail('it is not found');
    return forbidding(one);
  };

  test('may be stopped, whatever uses it', async () => {
    const stage = await scripted();
    stage.write(`keep/${ID}.json`, { schema: 'opencode-reap/1', id: ID });
    expect(await forbids(stage)).toBeUndefined();
  });

  test.each<[string, (stage: Scripted) => unknown, string]>([
    [
      'is another user’s',
      (stage) => stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, owner: 'another' })),
      'identity',
    ],
    [
      'is on another machine',
      (stage) =>
        stage.write(`servers/${ID}.json`, { ...JSON.parse(stage.text()), machine: { ...HOST, pidNamespace: 'x' } }),
      'local',
    ],
  ])('may not where it %s', async (_what, change, guard) => {
    const stage = await scripted();
    change(stage);
    expect(await forbids(stage)).toMatchObject({ name: guard });
  });
});
