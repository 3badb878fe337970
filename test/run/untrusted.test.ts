import { once } from 'node:events';
import { existsSync, readFileSync } from 'node:fs';
import { chmod, chown } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import {
  deadPid,
  type Fake,
  type Fields,
  filesIn,
  identityOf,
  machine,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { alive, portHolder } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// Files that another user wrote, or could have written: they may spare a server, and never end anything.

const NOBODY = 65_534;

let sandbox: Sandbox;
let server: Fake;
let bystander: number;

beforeEach(async () => {
  sandbox = await createSandbox('untrusted');
  server = await startFake(sandbox);
  bystander = startBystander(sandbox);
  await writeRecord(sandbox, 'good', server);
});

afterEach(() => sandbox.dispose());

const reap = async (...args: string[]) => {
  const { code, stdout } = await runCli(sandbox, ['--all-stale', '--older-than', '0s', '--json', ...args]);
  return { code, ...JSON.parse(stdout) };
};

/** What a run that was killed leaves: the bystander stands for what is left of a stopped server's tree. */
const leaveFence = async (changes: Fields = {}): Promise<string> => {
  const run = { pid: await deadPid(sandbox), startToken: '1' };
  const fence = { schema: SCHEMA, id: 'x', run, machine: machine(), tree: [identityOf(bystander)], record: null };
  return writeState(sandbox.stateDir, 'closing/x.json', { ...fence, ...changes });
};

describe('a fence', () => {
  test('of ours has its rest ended', async () => {
    const file = await leaveFence();
    expect(await reap()).toMatchObject({ code: 0, unread: [] });
    expect([alive(bystander), filesIn(sandbox.stateDir).includes(file)]).toEqual([false, false]);
  });

  test('of an earlier boot ends nothing, and goes', async () => {
    const file = await leaveFence({ machine: { ...machine(), boot: '00000000-0000-4000-8000-000000000000' } });
    expect(await reap()).toMatchObject({ code: 0, unread: [] });
    expect([alive(bystander), filesIn(sandbox.stateDir).includes(file)]).toEqual([true, false]);
  });

  test('that anyone could have written ends nothing, and stays', async () => {
    const file = await leaveFence();
    await chmod(file, 0o666);
    expect(await reap()).toMatchObject({ code: 1, unread: [{ file }] });
    expect([alive(bystander), filesIn(sandbox.stateDir).includes(file)]).toEqual([true, true]);
  });
});

test.each([
  ['only we could have written', 0o600, { code: 0, verdict: 'stale' }],
  ['anyone could have written', 0o666, { code: 1, verdict: 'spared' }],
])('a connection of a run that %s counts accordingly while it may only be a question', async (_, mode, expected) => {
  const asked = join(sandbox.root, 'asked');
  const { port } = await startFake(sandbox, { FAKE_OPENCODE_ASKED: asked });
  await writeRecord(sandbox, 'asked', { pid: portHolder(port) ?? 0, port, url: '' });
  const client = connect(port, '127.0.0.1');
  await once(client, 'connect');
  await waitFor('the stand-in has noticed', () => existsSync(asked));
  const run = { schema: SCHEMA, holder: identityOf(process.pid), machine: machine() };
  await chmod(await writeState(sandbox.stateDir, 'runs/x.json', run), mode);
  const judged = reap('--dry-run', '--port', `${port}`);
  // Only what may be a question is no reason not to ask.
  const isAsked = waitFor('it is asked', () => readFileSync(asked, 'utf8').includes('GET'), 20_000);
  const ended = await Promise.race([
    judged,
    isAsked.then(
      () => undefined,
      () => judged,
    ),
  ]);
  client.resetAndDestroy();
  const { code, servers } = ended ?? (await judged);
  expect({ code, verdict: servers[0].verdict }, JSON.stringify(servers[0].guards)).toEqual(expected);
});

test('a record that anyone could have written makes no server ours', async () => {
  await chmod(join(sandbox.stateDir, 'servers/good.json'), 0o666);
  expect((await reap()).servers).toMatchObject([{ verdict: 'spared', reasons: ['owned'] }]);
  expect(alive(server.pid)).toBe(true);
});

const unlessRoot = process.getuid?.() === 0 ? '' : ' (skipped: only root can give files away)';

describe.skipIf(unlessRoot)(`what belongs to another user${unlessRoot}`, () => {
  test.each(['servers/good.json', 'servers'])('makes no server ours (%s)', async (path) => {
    await chown(join(sandbox.stateDir, path), NOBODY, NOBODY);
    expect((await reap()).servers).toMatchObject([{ verdict: 'spared', reasons: ['owned'] }]);
    expect(alive(server.pid)).toBe(true);
  });

  test.each(['closing/x.json', 'closing'])('ends nothing as a fence (%s)', async (path) => {
    const file = await leaveFence();
    await chown(join(sandbox.stateDir, path), NOBODY, NOBODY);
    expect((await reap()).unread).toMatchObject([{ file, error: expect.stringMatching(/65534/) }]);
    expect(alive(bystander)).toBe(true);
  });
});
