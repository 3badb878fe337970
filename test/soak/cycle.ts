import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { runCli } from '../support/cli.js';
import { type Fake, logOf, startFake, writeRecord, writeState } from '../support/fake.js';
import { HOOK, SESSION } from '../support/hooks.js';
import { inhabitants } from '../support/inhabitants.js';
import { dice } from '../support/mutated.js';
import { spawnServer } from '../support/opencode.js';
import { alive, cmdline, portHolder } from '../support/proc.js';
import { PROGRAM } from '../support/program.js';
import type { Changes, Sandbox } from '../support/sandbox.js';
import { killedAt } from '../support/steps.js';
import { waitFor } from '../support/wait.js';
import type { Innocents, ServerKind } from './innocents.js';
import { leftOf, letADayPass } from './left.js';

/** What one cycle came to. */
export interface Cycle {
  /** How often something of ours was ended by a signal of the cycle's. */
  readonly crashes: number;
  /** How many runs it took, after the last crash, until nothing was left. */
  readonly runs: number;
  readonly servers: number;
  /** Temporary files of writers that were killed. */
  readonly temporary: number;
  /** What is wrong, one sentence each. */
  readonly wrong: readonly string[];
}

type Roll = (below: number) => number;

const ALL = ['--all-stale', '--older-than', '0s', '--limit', '100', '--quiet'];
/** Everything that a session starts acts at once, and the watch looks every second. */
const AT_ONCE = {
  OPENCODE_REAP_LINGER: '0s',
  OPENCODE_REAP_OLDER_THAN: '0s',
  OPENCODE_REAP_GRACE: '200ms',
  OPENCODE_REAP_RETIRE_AFTER: '1s',
  OPENCODE_REAP_WATCH_EVERY: '1s',
};

/** How the servers of a cycle take their end. */
const MANNERS: readonly Changes[] = [
  {},
  { FAKE_OPENCODE_CHILD: '1' },
  { FAKE_OPENCODE: 'deaf' },
  { FAKE_OPENCODE: 'disposed', FAKE_OPENCODE_CHILD: '1' },
  { FAKE_OPENCODE_ENDS: '150' },
  { FAKE_OPENCODE_ENDS: '900', FAKE_OPENCODE_CHILD: '1' },
];

/** No run takes more steps: those of three servers, each with its fence, its record and its line of the log. */
const MOST_STEPS = 60;
/** Longer than a run of three servers takes on a machine that does nothing else. */
const MOST_MS = 900;

/**
 * Servers that plugins are said to have started, and everything that may end them: runs, a person, sessions with their
 * hooks and background runs, the watch, `start`. Each is killed at some step, at some moment, or not at all; then runs
 * that nothing interrupts finish it, and nothing may be left. `seed` chooses everything but the machine's own pace.
 */
export async function soakOnce(sandbox: Sandbox, innocents: Innocents, seed: number, kind: ServerKind): Promise<Cycle> {
  const roll = dice(seed);
  const name = `cycle-${seed}`;
  const servers = await startRecorded(sandbox, name, roll, kind);
  const startPort = await sandbox.reserve();
  const crashed = { count: 0 };
  const acting: Promise<void>[] = [];
  for (let left = 3 + roll(2); left > 0; left -= 1) {
    const actor = ACTORS[roll(ACTORS.length)] ?? aRun;
    const acted = act(actor(sandbox, name, startPort), roll, crashed);
    if (roll(2) === 0) await acted;
    else acting.push(acted);
  }
  await Promise.all(acting);
  crashed.count += killSome(sandbox, roll);
  const ports = [...servers.map(({ port }) => port), startPort];
  const finished = await finish(sandbox, innocents, servers, ports, roll(20) === 0);
  const wrong = [...finished.wrong, ...stoppedTwice(sandbox, name)];
  return { ...finished, crashes: crashed.count + finished.crashes, servers: servers.length, wrong };
}

async function startRecorded(sandbox: Sandbox, name: string, roll: Roll, kind: ServerKind): Promise<Fake[]> {
  const servers: Fake[] = [];
  const count = kind === 'real' ? 1 : 1 + roll(3);
  while (servers.length < count) {
    const manner = MANNERS[roll(MANNERS.length)] ?? {};
    const server =
      kind === 'real'
        ? await spawnServer(sandbox, { release: 'native', port: await sandbox.reserve() })
        : await startFake(sandbox, manner);
    await writeRecord(sandbox, `${name}-${servers.length}`, server);
    servers.push(server);
  }
  return servers;
}

/** A process of ours, which is not done yet. */
interface Acting {
  readonly child: ChildProcess;
  readonly over: Promise<unknown>;
}

type Actor = (env: Changes) => Acting;

const spawned = (sandbox: Sandbox, args: readonly string[], env: Changes, command = process.execPath): Acting => {
  const child = sandbox.spawn(command, args, { env: sandbox.env({ ...AT_ONCE, ...env }), stdio: 'ignore' });
  return { child, over: once(child, 'exit') };
};

/** A stand-in for a session, which calls both hooks, and is what its lease names: its input has ended from the start. */
const SESSION_LINE = ['-c', 'CLAUDE_PID=$$ exec "$@"', 'sh', process.execPath, SESSION, HOOK];

const aRun =
  (sandbox: Sandbox): Actor =>
  (env) =>
    spawned(sandbox, [PROGRAM, ...ALL, '--grace', '200ms'], env);

const ask = (sandbox: Sandbox): Promise<string> =>
  writeState(sandbox.stateDir, `requests/${process.hrtime.bigint()}.json`, {
    schema: 'opencode-reap/1',
    at: Date.now(),
    event: 'session-end',
    lingerMs: 0,
    olderThanMs: 0,
  });

/** A run, a person, a background run, a session, a caller of `start`. */
const ACTORS: readonly ((sandbox: Sandbox, name: string, port: number) => Actor)[] = [
  aRun,
  aRun,
  (sandbox, name) => (env) => spawned(sandbox, [PROGRAM, 'stop', `${name}-0`, '--yes', '--grace', '200ms'], env),
  (sandbox) => (env) => {
    void ask(sandbox);
    return spawned(sandbox, [PROGRAM, 'sweep'], env);
  },
  (sandbox) => (env) => spawned(sandbox, SESSION_LINE, env, 'sh'),
  (sandbox, _, port) => (env) => spawned(sandbox, [PROGRAM, 'start', '--port', `${port}`], env),
];

const SIGNALS = ['SIGKILL', 'SIGKILL', 'SIGTERM', 'SIGINT'] as const;

/** Killed at some step, at some moment, or not. */
async function act(actor: Actor, roll: Roll, crashed: { count: number }): Promise<void> {
  const fate = roll(5);
  const [step, ms, signal] = [1 + roll(MOST_STEPS), roll(MOST_MS), SIGNALS[roll(SIGNALS.length)]];
  const { child, over } = actor(fate < 2 ? killedAt(step) : {});
  if (fate === 2 || fate === 3) {
    await Promise.race([over, sleep(ms)]);
    child.kill(signal);
  }
  const isDone = (): boolean => child.exitCode !== null || child.signalCode !== null;
  await waitFor('what acts is done', isDone).catch((late) => {
    // A background run looks again half a minute after the first time, then after a minute, and so on.
    if (!child.spawnargs.includes('sweep')) throw new Error(`${late}: ${child.spawnargs.join(' ')}`);
    child.kill('SIGKILL');
  });
  await over;
  // A program that is told to end says so by its code: 130 or 143.
  if (child.signalCode !== null || (child.exitCode ?? 0) > 128) crashed.count += 1;
}

/** Background runs, and the watch with its looks, which are nobody's children. */
const oursIn = (sandbox: Sandbox): number[] =>
  inhabitants(sandbox).filter((pid) => {
    const [, program, command = ''] = cmdline(pid);
    return isWatch(pid) || (program?.endsWith(BUNDLE) && ['sweep', 'watch'].includes(command));
  });

const BUNDLE = 'dist/opencode-reap.cjs';
const isWatch = (pid: number): boolean => cmdline(pid).includes('opencode-reap-watch');

function killSome(sandbox: Sandbox, roll: Roll): number {
  const hit = roll(2) === 0 ? [] : oursIn(sandbox).filter(() => roll(3) > 0);
  for (const pid of hit) if (alive(pid)) process.kill(pid, 'SIGKILL');
  return hit.length;
}

const PATIENCE_MS = 90_000;
/** A background run that found another one stopping a server looks again half a minute later: most cycles end it before. */
const RUNS_IN_PEACE = 3;
/** What is left by then waits for a clock: connections of a run that was killed count for a minute. */
const PAUSE_MS = 1_000;

/** Runs that nothing interrupts, until everything is as before: at most so many, and so long. */
async function finish(
  sandbox: Sandbox,
  innocents: Innocents,
  servers: readonly Fake[],
  ports: readonly number[],
  waits: boolean,
): Promise<Pick<Cycle, 'runs' | 'crashes' | 'temporary' | 'wrong'>> {
  const count = { runs: 0, crashes: 0, temporary: 0 };
  const wrong: string[] = [];
  let left: string[] = [];
  const isOver = async (): Promise<boolean> => {
    if (count.runs > RUNS_IN_PEACE) await sleep(PAUSE_MS);
    const { code, stderr } = await runCli(sandbox, [...ALL, '--grace', '1s'], { env: AT_ONCE });
    count.runs += 1;
    if (code !== 0 && code !== 1) wrong.push(`a run ended with ${code}: ${stderr}`);
    for (const pid of count.runs > RUNS_IN_PEACE && !waits ? oursIn(sandbox).filter((one) => !isWatch(one)) : []) {
      if (alive(pid)) process.kill(pid, 'SIGKILL');
      count.crashes += 1;
    }
    if (isAsked(sandbox)) await runCli(sandbox, ['sweep'], { env: AT_ONCE });
    count.temporary += letADayPass(sandbox);
    left = [...leftOf(sandbox, innocents.pids, ports), ...innocents.harmed()];
    const running = servers.filter(({ pid, port }) => alive(pid) || portHolder(port) === pid);
    return left.length === 0 && running.length === 0;
  };
  await waitFor('nothing is left', isOver, PATIENCE_MS).catch(() => wrong.push(...left));
  return { ...count, wrong };
}

/** Requests are for background runs, and the next hook would start one. */
const isAsked = ({ stateDir }: Sandbox): boolean =>
  existsSync(join(stateDir, 'requests')) &&
  readdirSync(join(stateDir, 'requests')).some((name) => name.endsWith('.json'));

/** Of two runs, one stops a server: the log says so once at most, since a run may be killed before it says it. */
function stoppedTwice({ stateDir }: Sandbox, name: string): string[] {
  const ids = logOf(stateDir)
    .filter(({ event, id }) => event === 'stopped' && String(id).startsWith(`${name}-`))
    .map(({ id }) => String(id));
  return ids.filter((id, at) => ids.indexOf(id) !== at).map((id) => `${id} was stopped twice`);
}
