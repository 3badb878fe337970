import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import {
  type Fake,
  filesIn,
  identityOf,
  logOf,
  recordsIn,
  startBystander,
  startFake,
  writeRecord,
} from '../support/fake.js';
import { callHook } from '../support/hooks.js';
import { inhabitants } from '../support/inhabitants.js';
import { alive, cmdline, descendants, portHolder, startToken } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

// Everyone at once. The servers are stand-ins, which are many; late.test.ts and stopping.test.ts have real ones.

const SERVERS = 8;
const HOOKS = 100;
const REAPERS = 8;
/** How many cycles of the second test: each takes some seconds. A thousand: CROWD_CYCLES=1000. */
const CYCLES = Number(process.env.CROWD_CYCLES ?? 3);

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('crowd');
});
afterEach(() => sandbox.dispose());

const ALL = ['--all-stale', '--older-than', '0s', '--limit', '100', '--quiet'];
const LINGER = { OPENCODE_REAP_LINGER: '0s', OPENCODE_REAP_OLDER_THAN: '0s' };

/** Stand-ins that a plugin is said to have started. */
const startRecorded = async (count: number, name = 'srv'): Promise<Fake[]> => {
  const fakes: Fake[] = [];
  while (fakes.length < count) fakes.push(await startFake(sandbox));
  await Promise.all(fakes.map((fake, at) => writeRecord(sandbox, `${name}-${at}`, fake)));
  return fakes;
};

/** Nobody of the crowd is left: background runs and the watch end by themselves once nothing is recorded. */
const dispersed = (): Promise<unknown> =>
  waitFor('the crowd goes home', () => inhabitants(sandbox).length === 0, 60_000);

test(`${HOOKS} hooks, ${REAPERS} runs, the watch and a person stop each server once, and nothing else`, async () => {
  const servers = await startRecorded(SERVERS);
  const [users, kept] = [await startFake(sandbox), await startFake(sandbox)];
  const bystander = startBystander(sandbox);
  await writeRecord(sandbox, 'kept', kept);
  await runCli(sandbox, ['keep', 'kept']);
  const before = [users.pid, kept.pid, bystander].map(identityOf);
  const input = (n: number) =>
    JSON.stringify({ session_id: `s-${n}`, cwd: sandbox.home, reason: 'other', source: 'startup' });
  // Before the crowd, which may end all servers, and with them the watch, before it is ever seen.
  await callHook(sandbox, ['session-start'], input(-1)).called;
  await waitFor('the watch is there', () => existsSync(join(sandbox.stateDir, 'watch.json')));
  const hooks = Array.from(
    { length: HOOKS },
    (_, n) => callHook(sandbox, [n % 2 ? 'session-end' : 'session-start'], input(n), LINGER).called,
  );
  const reapers = Array.from({ length: REAPERS }, () => runCli(sandbox, ALL));
  const person = runCli(sandbox, ['stop', 'srv-0', '--yes']);
  const called = await Promise.all(hooks);
  expect(called.filter(({ code, stdout, stderr }) => code !== 0 || stdout + stderr !== '')).toEqual([]);
  expect((await Promise.all(reapers)).map(({ code }) => code).filter((code) => code !== 0)).toEqual([]);
  await person;
  // The holder of the hooks' leases is this process, which lives: what they protect are other workspaces.
  await waitFor('every server has ended', () => servers.every(({ pid }) => !alive(pid)), 60_000);
  await runCli(sandbox, ALL);
  const stopped = logOf(sandbox.stateDir).filter(({ event }) => event === 'stopped');
  expect(stopped.map(({ id }) => id).sort()).toEqual(servers.map((_, at) => `srv-${at}`).sort());
  expect(before.map(({ pid }) => ({ pid, startToken: startToken(pid) }))).toEqual(before);
  expect(recordsIn(sandbox.stateDir).map(({ fields }) => fields.id)).toEqual(['kept']);
  expect(
    readdirSync(sandbox.stateDir)
      .filter((name) => name === 'closing')
      .flatMap((name) => readdirSync(`${sandbox.stateDir}/${name}`)),
  ).toEqual([]);
});

test(`${CYCLES} cycles of runs that are killed at any moment leave no process, port, descriptor or file`, async () => {
  const descriptors = readdirSync('/proc/self/fd').length;
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const servers = await startRecorded(2, `cycle-${cycle}`);
    for (let crash = 0; crash < 3; crash += 1) {
      const run = runCli(sandbox, [...ALL, '--grace', '200ms']);
      await sleep((cycle * 97 + crash * 131) % 700);
      for (const pid of descendants(process.pid))
        if (cmdline(pid).includes('--all-stale')) process.kill(pid, 'SIGKILL');
      await run;
    }
    await waitFor('the next run finishes', async () => {
      await runCli(sandbox, ALL);
      return servers.every(({ pid, port }) => !alive(pid) && portHolder(port) === undefined);
    });
    await runCli(sandbox, ALL);
    const left = filesIn(sandbox.stateDir).filter((file) => !file.endsWith('log.ndjson'));
    expect(left).toEqual([]);
  }
  await dispersed();
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(descriptors + 2);
});
