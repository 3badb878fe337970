import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import {
  type Fake,
  type Fields,
  filesIn,
  recordOf,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { waitFor } from '../support/opencode.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

let sandbox: Sandbox;
let server: Fake;

beforeEach(async () => {
  sandbox = await createSandbox('stop');
  server = await startFake(sandbox);
});

afterEach(() => sandbox.dispose());

const run = (...args: string[]): Promise<CliResult> => runCli(sandbox, args);

const record = (changes: Fields = {}, fake = server): Promise<string> => writeRecord(sandbox, 'known', fake, changes);

const refused = (error: RegExp, hint: RegExp) => ({
  code: 1,
  stdout: '',
  stderr: expect.stringMatching(
    new RegExp(`^error: [^\\n]*${error.source}[^\\n]*\\nhint: [^\\n]*${hint.source}[^\\n]*\\n$`),
  ),
});

test("stop ends the user's own server, which is not recorded", async () => {
  expect(await run('stop', `${server.pid}`)).toEqual({
    code: 0,
    stdout: expect.stringMatching(/^stopped pid .+: SIGTERM/),
    stderr: '',
  });
  expect(alive(server.pid)).toBe(false);
  expect((await run('log')).stdout).toContain(`pid ${server.pid}`);
});

test('stop ends what is recorded, young and kept', async () => {
  await record();
  await run('keep', 'known');
  const { code, stdout } = await run('stop', 'known', '--json');
  const unkept = { name: 'unkept', outcome: 'veto', detail: 'the user wants it kept' };
  expect([code, JSON.parse(stdout)]).toMatchObject([0, { id: 'known', outcome: { kind: 'stopped' } }]);
  expect(JSON.parse(stdout).guards).toContainEqual(unkept);
  expect(filesIn(sandbox.stateDir).filter((file) => /servers|closing/.test(file))).toEqual([]);
});

test('stop says of a kept server that it is kept: before it is stopped, when it asks, and after', async () => {
  const name = `${server.port}`;
  await record();
  await run('keep', 'known');
  const named = `pid ${server.pid} on port ${server.port}`;
  expect((await run('stop', '-n', name)).stdout).toBe(`would stop ${named}, which is kept\n`);
  const client = connect(server.port, '127.0.0.1');
  await once(client, 'connect');
  const inUse = `is kept and may be in use: 1 client connection open \\(pid ${process.pid}\\)`;
  expect((await run('stop', '-n', name)).stdout).toMatch(new RegExp(`^would stop ${named}, which ${inUse}`));
  expect(await run('stop', name)).toEqual(refused(new RegExp(`${named} ${inUse}`), /--yes/));
  const { code, stdout } = await run('stop', name, '--yes');
  client.destroy();
  expect([code, stdout]).toEqual([0, expect.stringMatching(/^stopped .+; it was kept until now\n$/)]);
});

test('stop says nothing of a mark that a server does not have', async () => {
  await record();
  expect((await run('stop', '-n', 'known')).stdout).not.toContain('kept');
  expect((await run('stop', 'known')).stdout).not.toContain('kept');
});

test('stop says it again to a stand-in for a server that has handed its first SIGTERM on', async () => {
  const deaf = await startFake(sandbox, { FAKE_OPENCODE: 'deaf' });
  const { stdout } = await run('stop', `${deaf.pid}`, '--yes', '--json');
  expect(JSON.parse(stdout)).toMatchObject({ outcome: { kind: 'stopped', signal: 'SIGTERM' } });
});

test('stop wants a confirmation for a server with a client', async () => {
  const client = connect(server.port, '127.0.0.1');
  await once(client, 'connect');
  const one = /1 client connection open/;
  expect(await run('stop', `${server.pid}`)).toEqual(refused(one, /--yes/));
  expect(alive(server.pid)).toBe(true);
  expect(await run('stop', `${server.pid}`, '--yes')).toMatchObject({ code: 0 });
  client.destroy();
  expect(alive(server.pid)).toBe(false);
});

test('stop wants a second word for a server whose session lives', async () => {
  const holder = startBystander(sandbox);
  const { machine } = recordOf(sandbox, 'x', server);
  const identity = recordOf(sandbox, 'x', { pid: holder, port: 1 });
  const lease = {
    schema: 'opencode-reap/1',
    holder: { pid: holder, startToken: identity.startToken, machine },
    port: server.port,
  };
  await writeState(sandbox.stateDir, 'leases/a.json', lease);
  expect(await run('stop', `:${server.port}`)).toEqual(refused(/1 live session may use it/, /--yes/));
  expect(alive(server.pid)).toBe(true);
});

test('stop refuses a pid that is not an `opencode serve`, our own pid, or a free one', async () => {
  for (const pid of [startBystander(sandbox), process.pid, 1, 4_100_000]) {
    expect(await run('stop', `${pid}`, '--yes')).toEqual({
      ...refused(/no known server has/, /opencode-reap list/),
      code: 4,
    });
  }
  expect(alive(server.pid)).toBe(true);
});

test('stop refuses what a record says of another process', async () => {
  const other = startBystander(sandbox);
  await record(recordOf(sandbox, 'known', { pid: other, port: server.port + 1 }));
  expect(await run('stop', 'known', '--yes')).toEqual(refused(/not an .opencode serve./, /why/));
  await waitFor('it is still there', () => alive(other) && alive(server.pid));
  expect(existsSync(join(sandbox.stateDir, 'servers/known.json'))).toBe(true);
});
