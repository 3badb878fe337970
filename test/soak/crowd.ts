import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { type Fake, identityOf, logOf, recordsIn, startBystander, startFake, writeRecord } from '../support/fake.js';
import { HOOK } from '../support/hooks.js';
import { inhabitants } from '../support/inhabitants.js';
import { alive, cmdline, portHolder, startToken } from '../support/proc.js';
import type { Changes, Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';
import { leftOf } from './left.js';

export const REAPERS = 8;
const SERVERS = 8;

const ALL = ['--all-stale', '--older-than', '0s', '--limit', '100', '--quiet'];
const AT_ONCE = { OPENCODE_REAP_LINGER: '0s', OPENCODE_REAP_OLDER_THAN: '0s' };
/** The watch looks every second, and soon finds that nothing uses these servers. */
const WATCHFUL = { OPENCODE_REAP_WATCH_EVERY: '1s', OPENCODE_REAP_RETIRE_AFTER: '3s' };

/**
 * The background run is there already, and waits for a request: the first hook's has it stop everything before any other
 * run has begun to look. So in some crowds hooks are called only once one of eight runs and a person has raised a fence.
 */
export const ORDERS = ['hooks first', 'runs first'] as const;
export type Order = (typeof ORDERS)[number];

/** Who asks for an end at the same moment, with so many hooks. Returns by whom how many servers were stopped. */
export async function crowdOnce(sandbox: Sandbox, order: Order, hookCount = 100): Promise<Record<string, number>> {
  const servers = await startRecorded(sandbox);
  const [users, kept] = [await startFake(sandbox), await startFake(sandbox)];
  const bystander = startBystander(sandbox);
  await writeRecord(sandbox, 'kept', kept, { retireAfterMs: 0 });
  await runCli(sandbox, ['keep', 'kept']);
  const before = [users.pid, kept.pid, bystander].map(identityOf);
  await startWatching(sandbox);
  const hooks: Promise<Called>[] = [];
  const runs: Promise<CliResult>[] = [];
  const callHooks = (): void => {
    for (let n = 0; n < hookCount; n += 1)
      hooks.push(callOfSession(sandbox, n % 2 ? 'session-end' : 'session-start', n, AT_ONCE));
  };
  if (order === 'hooks first') callHooks();
  for (let n = 0; n < REAPERS; n += 1) runs.push(runCli(sandbox, ALL));
  const person = runCli(sandbox, ['stop', 'srv-0', '--yes']);
  if (order === 'runs first') {
    await waitFor('a run stops something', () => isStopping(sandbox) || servers.some(({ pid }) => !alive(pid)));
    callHooks();
  }
  const called = await Promise.all(hooks);
  expect(called.filter(({ code, said }) => code !== 0 || said !== '')).toEqual([]);
  expect((await Promise.all(runs)).map(({ code }) => code).filter((code) => code !== 0)).toEqual([]);
  const { code: persons, stdout, stderr } = await person;
  // 4: it is gone, and so is its record. 1: it is being stopped, and the person is told by whom.
  expect([0, 1, 4]).toContain(persons);
  if (persons === 1) expect(stdout + stderr).toContain('another run is stopping it');
  await waitFor('every server has ended', () => servers.every(({ pid }) => !alive(pid)));
  await runCli(sandbox, ALL);
  const stopped = logOf(sandbox.stateDir).filter(({ event }) => event === 'stopped');
  expect(stopped.map(({ id }) => id).sort()).toEqual(servers.map((_, at) => `srv-${at}`).sort());
  expect(before.map(({ pid }) => ({ pid, startToken: startToken(pid) }))).toEqual(before);
  expect([portHolder(users.port), portHolder(kept.port)]).toEqual([users.pid, kept.pid]);
  expect(recordsIn(sandbox.stateDir).map(({ fields }) => fields.id)).toEqual(['kept']);
  await expectDispersed(sandbox, [users.pid, kept.pid, bystander], servers);
  return Object.fromEntries(
    [...new Set(stopped.map(({ by }) => String(by)))].map((who) => [
      who,
      stopped.filter(({ by }) => by === who).length,
    ]),
  );
}

const isStopping = ({ stateDir }: Sandbox): boolean =>
  existsSync(join(stateDir, 'closing')) &&
  readdirSync(join(stateDir, 'closing')).some((name) => name.endsWith('.json'));

/** Stand-ins that a plugin is said to have started. */
async function startRecorded(sandbox: Sandbox): Promise<Fake[]> {
  const fakes: Fake[] = [];
  while (fakes.length < SERVERS) fakes.push(await startFake(sandbox));
  await Promise.all(fakes.map((fake, at) => writeRecord(sandbox, `srv-${at}`, fake)));
  return fakes;
}

/** A shell stands in for the session, and ends with its hook. It works elsewhere, so that its lease covers no server. */
const SESSION = 'CLAUDE_PID=$$ "$@"; exit $?';

interface Called {
  readonly code: number | null;
  readonly said: string;
}

function callOfSession(sandbox: Sandbox, event: string, n: number, changes: Changes): Promise<Called> {
  const words = ['-c', SESSION, 'sh', process.execPath, HOOK, 'hook', event];
  const child = sandbox.spawn('sh', words, { env: sandbox.env(changes), stdio: 'pipe' });
  let said = '';
  for (const stream of [child.stdout, child.stderr])
    stream?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
  const input = { session_id: `s-${n}`, cwd: sandbox.home, reason: 'other', source: 'startup' };
  child.stdin?.on('error', () => undefined).end(JSON.stringify(input));
  return new Promise((resolve) => child.once('close', (code) => resolve({ code, said })));
}

/** Before the crowd, which may end all servers, and with them the watch, before it has looked once. */
async function startWatching(sandbox: Sandbox): Promise<void> {
  const env = { ...WATCHFUL, OPENCODE_REAP_LINGER: '0s', OPENCODE_REAP_OLDER_THAN: '1h' };
  await callOfSession(sandbox, 'session-start', -1, env);
  await waitFor('the watch has looked', () => existsSync(join(sandbox.stateDir, 'last-uses.json')));
  expect(inhabitants(sandbox).some((pid) => cmdline(pid).includes('opencode-reap-watch'))).toBe(true);
}

/** Background runs and the watch end by themselves once nothing is recorded that may be stopped one day. */
async function expectDispersed(
  sandbox: Sandbox,
  innocents: readonly number[],
  servers: readonly Fake[],
): Promise<void> {
  const ports = servers.map(({ port }) => port);
  const left = (): string[] => leftOf(sandbox, innocents, ports);
  const isHome = (): boolean => left().every((one) => one.startsWith('a file: leases/'));
  await waitFor('the crowd goes home', isHome).catch(() => expect(left()).toEqual([]));
  // The last leases go with the next run.
  await runCli(sandbox, ALL);
  expect(left()).toEqual([]);
}
