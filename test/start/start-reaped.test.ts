import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { deadPid, type Fields, filesIn, installFake, recordsIn, type StateFile } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { installOpencode, releases, request, waitFor } from '../support/opencode.js';
import { onDemand } from '../support/patience.js';
import { alive, environ, portHolder } from '../support/proc.js';
import { PROGRAM } from '../support/program.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

let sandbox: Sandbox;
let port: number;

beforeEach(async () => {
  sandbox = await createSandbox('start-reaped');
  port = await sandbox.reserve();
});

afterEach(() => sandbox.dispose());

/** With patience: on a starved machine a process takes longer than usual to be gone after its SIGTERM. */
const reap = (...args: string[]): Promise<CliResult> =>
  runCli(sandbox, ['--older-than', '0s', '--grace', '30s', '--json', ...args]);

const firstServer = ({ stdout }: CliResult): Fields => JSON.parse(stdout).servers[0];

const answers = async (): Promise<boolean> =>
  portHolder(port) !== undefined &&
  (await request(`http://127.0.0.1:${port}`, '/global/health', { timeoutMs: 1_000 }).then(
    ({ status }) => status === 200,
    () => false,
  ));

describe.each(releases('launcher'))('a %s server whose starter was killed', (release) => {
  /** Ends the starter between its spawn and the server's first answer. */
  const startAndKill = async (): Promise<StateFile> => {
    await installOpencode(sandbox, release);
    const env = sandbox.env({ OPENCODE_REAP_RETIRE_AFTER: '0' });
    const child = sandbox.spawn(process.execPath, [PROGRAM, 'start', '--port', `${port}`], { env, stdio: 'ignore' });
    const record = await waitFor('the server is starting', () =>
      recordsIn(sandbox.stateDir).find(({ fields }) => fields.state === 'starting'),
    );
    child.kill('SIGKILL');
    await waitFor('the starter is gone', () => !alive(child.pid ?? 0));
    expect(record.fields).toMatchObject({ starter: { pid: child.pid }, startToken: expect.any(String) });
    expect(record.fields).not.toHaveProperty('serverPid');
    return record;
  };

  test('is found by what was written down before it answered, and stopped', async () => {
    const { file, fields } = await startAndKill();
    await waitFor('the server answers', answers, 30_000);
    const tree = inhabitants(sandbox);
    expect(tree).toHaveLength(release === 'native' ? 1 : 2);

    // Killed between the spawn and the writing of its pid is hard to hit, so that record is written by hand.
    const { pid: _, startToken: __, ...unborn } = fields;
    const spawning = { ...unborn, state: 'spawning' };
    await writeFile(file, JSON.stringify(spawning));
    const byTag = firstServer(await reap('--dry-run'));
    expect(byTag).toMatchObject({ verdict: 'stale', serverPid: portHolder(port), outcome: null });

    await writeFile(file, JSON.stringify(release === 'native' ? spawning : fields));
    const stopped = await reap();
    expect(stopped.code).toBe(0);
    expect(firstServer(stopped)).toMatchObject({ verdict: 'stale', outcome: { kind: 'stopped', signal: 'SIGTERM' } });
    expect(tree.filter(alive)).toEqual([]);
    expect(portHolder(port)).toBeUndefined();
    expect(recordsIn(sandbox.stateDir)).toEqual([]);
  });
});

test('the record of a spawn that never happened goes, and leads to no other server', async () => {
  await installFake(sandbox);
  expect(await runCli(sandbox, ['start', '--port', `${port}`])).toMatchObject({ code: 0 });
  const records = recordsIn(sandbox.stateDir);
  const { pid: _, startToken: __, serverPid: ___, serverStartToken: ____, ...rest } = records[0]?.fields ?? {};
  const starter = { pid: await deadPid(sandbox), startToken: '1' };
  const never = { ...rest, id: 'never', tag: 'f'.repeat(32), starter, state: 'spawning' };
  await writeFile(join(sandbox.stateDir, 'servers', 'never.json'), JSON.stringify(never));
  // A process that another test is just starting cannot be examined for a moment, and may then be it.
  await waitFor('it is gone', async () => {
    const { servers } = JSON.parse((await runCli(sandbox, ['--json'])).stdout);
    return servers.find(({ id }: Fields) => id === 'never').verdict === 'gone';
  });
  expect(recordsIn(sandbox.stateDir)).toEqual(records);
  expect(await answers()).toBe(true);
});

test('a server with a password is judged and stopped, and the password appears nowhere', { ...onDemand }, async () => {
  await installOpencode(sandbox, 'native');
  const password = 'correct-horse-battery';
  const url = `http://127.0.0.1:${port}`;
  const said: CliResult[] = [];
  const run = async (...args: string[]): Promise<CliResult> => {
    // A run that judges the server has the password only from its environment.
    const env = args[0] === 'start' ? { OPENCODE_SERVER_PASSWORD: password } : {};
    const result = await runCli(sandbox, args, { env });
    said.push(result);
    return result;
  };
  const leaks = (): unknown[] => [
    ...said.filter(({ stdout, stderr }) => `${stdout}${stderr}`.includes(password)),
    ...filesIn(sandbox.stateDir).filter((file) => readFileSync(file, 'utf8').includes(password)),
  ];

  expect(await run('start', '--port', `${port}`)).toEqual({ code: 0, stdout: `${url}\n`, stderr: '' });
  expect((await request(url, '/global/health')).status).toBe(401);
  const listener = portHolder(port) ?? 0;
  expect(environ(listener)).toContain(`OPENCODE_SERVER_PASSWORD=${password}`);

  await run('why', `:${port}`, '--older-than', '0s');
  expect(firstServer(await run('--dry-run', '--older-than', '0s', '--json'))).toMatchObject({ verdict: 'stale' });
  expect(leaks()).toEqual([]);
  const stopped = await run('--older-than', '0s', '--json');
  expect(firstServer(stopped)).toMatchObject({ outcome: { kind: 'stopped' } });
  await run('log', '--json');
  expect(alive(listener)).toBe(false);
  expect(filesIn(sandbox.stateDir).map((file) => basename(file))).toEqual(['log.ndjson']);
  expect(leaks()).toEqual([]);
});
