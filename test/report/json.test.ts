import { readFileSync } from 'node:fs';
import { chmod, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import {
  deadPid,
  type Fake,
  type Fields,
  identityOf,
  machine,
  recordOf,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const schema = JSON.parse(readFileSync(new URL('../../docs/report.schema.json', import.meta.url), 'utf8'));
const ajv = new Ajv2020({ allErrors: true, allowUnionTypes: true, strictTypes: false });
ajv.addSchema(schema, 'report');

const errorsIn = (value: unknown, part = ''): string[] => {
  const validate = ajv.getSchema(`report${part}`);
  if (validate === undefined) throw new Error(`no schema for ${part}`);
  validate(value);
  return (validate.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`);
};

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('json');
  server = await startFake(sandbox);
});

afterEach(() => sandbox.dispose());

const record = (changes: Fields = {}): Promise<string> => writeRecord(sandbox, 'one', server, changes);

const lease = (content: Fields): Promise<string> =>
  writeState(sandbox.stateDir, 'leases/a.json', { schema: SCHEMA, session: 'a', cwd: sandbox.project, ...content });

const run = async (...args: string[]) => JSON.parse((await runCli(sandbox, [...args, '--json'])).stdout);

/** A report, which must be what the schema says. */
const report = async (...args: string[]) => {
  const printed = await run(...args, '--older-than', '0s');
  expect(errorsIn(printed)).toEqual([]);
  return printed;
};

const GUARDS = ['owned', 'local', 'identity', 'unleased', 'idle', 'aged', 'unkept'];

describe('the schema of the report describes', () => {
  test('a dry run, and the run that follows it', async () => {
    await record();
    const dry = await report('--dry-run');
    expect(dry).toMatchObject({ dryRun: true, scope: { kind: 'workspace', workspace: sandbox.project } });
    expect(dry.servers).toMatchObject([{ id: 'one', verdict: 'stale', reasons: [], outcome: null }]);
    expect(dry.servers[0].guards.map(({ name }: Fields) => name)).toEqual(GUARDS);
    const real = await report('--all-stale');
    expect(real).toMatchObject({ dryRun: false, scope: { kind: 'all' }, summary: { stale: 1, stopped: 1, failed: 0 } });
    const outcome = { kind: 'stopped', signal: 'SIGTERM', processes: [server.pid], leftBehind: [], successor: null };
    expect(real.servers).toMatchObject([{ pid: server.pid, serverPid: server.pid, port: server.port, outcome }]);
  });

  test('a server that is spared, with its leases', async () => {
    await record();
    await lease({ holder: { ...identityOf(startBystander(sandbox)), machine: machine() } });
    expect((await report()).servers).toMatchObject([
      { verdict: 'spared', reasons: ['unleased'], leases: [{ live: true }] },
    ]);
  });

  test('a server that it is unsure about, with a lease without a holder', async () => {
    await record();
    await lease({});
    const leases = [{ session: 'a', holderPid: null, live: null }];
    expect((await report()).servers).toMatchObject([{ verdict: 'unsure', reasons: ['unleased'], leases }]);
  });

  test('a server that is gone', async () => {
    const pid = await deadPid(sandbox);
    await record({ pid, serverPid: pid, startToken: '1', serverStartToken: '1' });
    expect(await report()).toMatchObject({
      servers: [{ verdict: 'gone', reasons: [], ageMs: null }],
      summary: { gone: 1 },
    });
  });

  test('a server that the limit withheld', async () => {
    await record();
    const { servers, summary } = await report('--limit', '0');
    expect([servers[0].outcome, summary.failed]).toMatchObject([{ kind: 'withheld', overLimit: true }, 1]);
  });

  test('a record that says little', async () => {
    const { pid, startToken, machine: where } = recordOf(sandbox, 'one', server);
    const bare = { schema: SCHEMA, id: 'bare', adopted: true, state: 'ready', pid, startToken, machine: where };
    await writeState(sandbox.stateDir, 'servers/bare.json', bare);
    const [one] = (await report('--all-stale', '-n')).servers;
    expect(one).toMatchObject({ id: 'bare', plugin: null, url: null, workspace: null, startedAt: null });
  });

  test('what was not read, what was not recorded, and what is stale elsewhere', async () => {
    const workspace = join(sandbox.root, 'other');
    await mkdir(workspace);
    await record({ workspace });
    const stranger = await startFake(sandbox);
    const file = await writeState(sandbox.stateDir, 'servers/broken.json', '{');
    const { unread, unrecorded, staleElsewhere } = await report('-n');
    expect({ unread, staleElsewhere }).toEqual({ unread: [{ file, error: 'not valid JSON' }], staleElsewhere: 1 });
    expect(unrecorded).toContainEqual({
      memoryBytes: expect.any(Number),
      cpu: expect.any(Number),
      workspace: sandbox.project,
      pid: stranger.pid,
      port: stranger.port,
      ageMs: expect.any(Number),
      owner: { kind: 'parent', says: expect.stringMatching(`^below .+, pid ${process.pid}$`) },
    });
  });

  test('one server, as `why` and `stop` print it, recorded or not', async () => {
    const unrecorded = await run('why', `${server.pid}`);
    expect(errorsIn(unrecorded, '#/$defs/server')).toEqual([]);
    expect(unrecorded).toMatchObject({ source: { format: 'unrecorded', file: '' }, verdict: 'spared' });
    await chmod(await record(), 0o666);
    const why = await run('why', 'one');
    expect(errorsIn(why, '#/$defs/server')).toEqual([]);
    expect(why).toMatchObject({ source: { format: 'native' }, reasons: ['owned', 'aged'], outcome: null });
    const stopped = await run('stop', 'one');
    expect(errorsIn(stopped, '#/$defs/server')).toEqual([]);
    expect(stopped.outcome).toMatchObject({ kind: 'stopped' });
  });
});

test('the schema of the report refuses anything else', async () => {
  await record();
  const printed = await report('-n');
  const withServer = (changes: Fields): Fields => ({ ...printed, servers: [{ ...printed.servers[0], ...changes }] });
  const { summary: _, ...less } = printed;
  const wrong: Readonly<Record<string, unknown>> = {
    'what it does not know': { ...printed, more: 1 },
    'what is left out': less,
    'another schema': { ...printed, schema: 'opencode-reap/2' },
    'a verdict of its own': withServer({ verdict: 'orphan' }),
    'a verdict without its reasons': withServer({ verdict: 'spared' }),
    'reasons without a verdict that has them': withServer({ reasons: ['idle'] }),
    'a password': withServer({ password: 'x' }),
    'guards that are left out': withServer({ guards: [] }),
    'guards in another order': withServer({ guards: printed.servers[0].guards.toReversed() }),
    'an outcome of its own': withServer({ outcome: { kind: 'killed' } }),
    'a pid that is none': withServer({ pid: 1 }),
  };
  expect(Object.keys(wrong).filter((what) => errorsIn(wrong[what]).length === 0)).toEqual([]);
});
