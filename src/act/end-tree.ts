import { setTimeout as sleep } from 'node:timers/promises';
import type { Target } from '../decide/verdict.js';
import type { Identity } from '../model/identity.js';
import type { Outcome } from '../model/outcome.js';
import { endAtOnce, type RunScript } from './end-at-once.js';
import { isGone, type Look, type Sent, signal } from './signal.js';

export interface Ending {
  readonly look: Look;
  /** This process and everything above it. */
  readonly lineage: ReadonlySet<number>;
  readonly graceMs: number;
  /**
   * Whether the look that allows the first signal is still recent enough, asked in the same tick; undefined means no
   * such limit.
   */
  readonly mayBegin?: () => boolean;
  /** Given where nothing can be signaled: there is no grace, and an end is seen by whoever ends. */
  readonly runScript?: RunScript | undefined;
  /** Told which signal the server gets next. Nothing may wait for it. */
  readonly sending?: ((name: 'SIGTERM' | 'SIGKILL') => void) | undefined;
}

/**
 * Most processes die within 5 ms of a SIGTERM, an OpenCode within 120, some in seconds: each look waits twice as long as
 * the one before, which wastes no more than was waited anyway, up to this.
 */
const POLL_MS = 25;
const FIRST_POLL_MS = 2;
/** SIGKILL works at once, except for a process that waits for a disk. */
const KILL_WAIT_MS = 2_000;

type EndedTree =
  | { readonly kind: 'ended'; readonly signal: 'SIGTERM' | 'SIGKILL' }
  | { readonly kind: 'late' }
  | Extract<Outcome, { kind: 'gone' | 'replaced' | 'denied' | 'survived' | 'withheld' }>;

/**
 * SIGTERM to the server and its launcher (a launcher alone would leave the server running), SIGKILL to what is left
 * of them, then the same for the noted descendants that outlived them. `staying` is what else runs below the server: it is
 * left alone, and while any of it ends, the server is taken to be closing.
 */
export async function endTree(
  target: Target,
  tree: readonly Identity[],
  ending: Ending,
  staying: readonly Identity[] = [],
): Promise<EndedTree> {
  const heads: Heads = target.launcher ? [target.server, target.launcher] : [target.server];
  const rest = tree.filter((member) => !heads.some((head) => head.pid === member.pid));
  const first = await (ending.runScript
    ? endHeadsAtOnce(heads, ending, ending.runScript)
    : endHeads(heads, [...rest, ...staying], ending));
  if (first.kind !== 'ended') return first;
  const others = await endRest(rest, afterFirst(ending));
  return others.length > 0 ? { kind: 'survived', pids: others.map(({ pid }) => pid) } : first;
}

/** The server, and its launcher if it has one. */
type Heads = readonly [Identity, ...Identity[]];

async function endHeads(heads: Heads, below: readonly Identity[], ending: Ending): Promise<EndedTree> {
  const [server, ...launchers] = heads;
  ending.sending?.('SIGTERM');
  const refused = refusal(server, await send([server], 'SIGTERM', ending));
  // If it is not the recorded server, or must not be ended now, its launcher stays too.
  if (refused && refused.kind !== 'gone' && refused.kind !== 'replaced') return refused;
  await send(launchers, 'SIGTERM', afterFirst(ending));
  if (refused) return refused;
  const stubborn = await insist(heads, afterFirst(ending), below);
  if (stubborn.length === 0) return { kind: 'ended', signal: 'SIGTERM' };
  ending.sending?.('SIGKILL');
  const refusedKill = refusal(stubborn[0], await send(stubborn, 'SIGKILL', afterFirst(ending)));
  const left = await waitGone(stubborn, KILL_WAIT_MS, ending.look);
  if (left.length === 0) return { kind: 'ended', signal: 'SIGKILL' };
  return refusedKill ?? { kind: 'survived', pids: left.map(({ pid }) => pid) };
}

/** A launcher ends with its server, most often before its turn comes. */
async function endHeadsAtOnce(
  heads: Heads,
  { look, lineage, mayBegin = () => true }: Ending,
  runScript: RunScript,
): Promise<EndedTree> {
  const [server] = heads;
  if (heads.some(({ pid }) => lineage.has(pid))) return { kind: 'withheld', because: 'this command runs inside it' };
  if (!mayBegin()) return { kind: 'late' };
  const all = await endAtOnce(heads, true, runScript, lineage);
  const what = all.get(server.pid);
  const stubborn = heads.flatMap(({ pid }) => (['survived', 'denied'].includes(all.get(pid) ?? '') ? pid : []));
  if (what === 'ended')
    return stubborn.length > 0 ? { kind: 'survived', pids: stubborn } : { kind: 'ended', signal: 'SIGKILL' };
  // What follows takes its record away, so the list has to say the same as the one that opened it.
  if ((what === 'gone' || what === 'replaced') && !(await isGone(server, look)))
    return { kind: 'withheld', because: 'it cannot be told whether it has ended' };
  if (what === 'gone') return { kind: 'gone' };
  if (what === 'replaced' || what === 'denied') return { kind: what, pid: server.pid };
  if (what === 'survived') return { kind: 'survived', pids: stubborn };
  return { kind: 'withheld', because: 'it cannot be told what became of it' };
}

/** How often SIGTERM is repeated within the grace: a process that takes the signal ends within 120 ms. */
const AGAIN_MS = 500;

/**
 * OpenCode 2 ends what it runs before it ends itself, one directory after another: an MCP server that ignores its SIGTERM
 * takes it 4.0 s. Killed before it is done, it leaves the others behind.
 */
const CLOSING_STEP_MS = 5_000;
const CLOSING_MS = 20_000;

/**
 * OpenCode 1 has no handler for SIGTERM, but its runtime, Bun, catches it while waiting for a child of `spawnSync`,
 * passes it to that child, and goes on: seen on 1.14 and 1.18, for seconds on a busy machine. So it is sent again; a
 * second one changes nothing for OpenCode 2. Longer than the grace is waited only while what runs below gets less.
 */
async function insist(
  heads: readonly Identity[],
  ending: Ending,
  below: readonly Identity[] = [],
): Promise<readonly Identity[]> {
  const began = performance.now();
  let until = began + ending.graceMs;
  let running = below;
  for (let left = heads; ; await send(left, 'SIGTERM', ending)) {
    left = await waitGone(left, Math.min(AGAIN_MS, Math.max(0, until - performance.now())), ending.look);
    if (left.length === 0) return left;
    const still = await waitGone(running, 0, ending.look);
    const nowMs = performance.now();
    if (still.length < running.length) until = Math.max(until, Math.min(nowMs + CLOSING_STEP_MS, began + CLOSING_MS));
    running = still;
    if (nowMs >= until) return left;
  }
}

/** Ends what is left of a tree whose server is gone. Returns the members that could not be ended. */
export async function endRest(rest: readonly Identity[], ending: Ending): Promise<readonly Identity[]> {
  if (ending.runScript) {
    const all = await endAtOnce(rest, false, ending.runScript, ending.lineage);
    return rest.filter(({ pid }) => !['ended', 'gone', 'replaced'].some((fate) => fate === all.get(pid)));
  }
  const alive = await waitGone(rest, 0, ending.look);
  await send(alive, 'SIGTERM', ending);
  const stubborn = await insist(alive, ending);
  await send(stubborn, 'SIGKILL', ending);
  return waitGone(stubborn, KILL_WAIT_MS, ending.look);
}

/**
 * Once the server has its signal, the rest follows without that check: anything that arrives now has arrived at a
 * server that is ending.
 */
const afterFirst = ({ look, lineage, graceMs, runScript }: Ending): Ending => ({ look, lineage, graceMs, runScript });

/** One after the other, so that each look is followed by its own signal. */
async function send(
  targets: readonly Identity[],
  name: 'SIGTERM' | 'SIGKILL',
  { look, lineage, mayBegin }: Ending,
): Promise<Sent[]> {
  const results: Sent[] = [];
  for (const target of targets) results.push(await signal(target, name, look, lineage, mayBegin));
  return results;
}

/** Why the server itself, the first to be signaled, did not get its signal; undefined when it did. */
function refusal(server: Identity | undefined, [sent]: readonly Sent[]): EndedTree | undefined {
  if (server === undefined || sent === 'sent') return undefined;
  if (sent === 'gone' || sent === 'late') return { kind: sent };
  if (sent === 'replaced' || sent === 'denied') return { kind: sent, pid: server.pid };
  return {
    kind: 'withheld',
    because: sent === 'ours' ? 'this command runs inside it' : 'its identity can no longer be read',
  };
}

/** Done means seen gone, not signal sent. Returns those that are still there after `ms`. */
export async function waitGone(targets: readonly Identity[], ms: number, look: Look): Promise<readonly Identity[]> {
  const until = performance.now() + ms;
  let left = targets;
  for (let pollMs = FIRST_POLL_MS; ; pollMs = Math.min(2 * pollMs, POLL_MS)) {
    const gone = await Promise.all(left.map((target) => isGone(target, look)));
    left = left.filter((_, at) => !gone[at]);
    if (left.length === 0 || performance.now() >= until) return left;
    await sleep(pollMs);
  }
}
