import { type Ending, endRest, endTree, waitGone } from '../act/end-tree.js';
import type { Target } from '../decide/verdict.js';
import { type Identity, sameProcess } from '../model/identity.js';
import type { Outcome, Stray } from '../model/outcome.js';

/** What a look at one server allows: to stop it, with the tree as it is now, or else why not. */
export type Clearance = MayStop | Outcome;

export interface MayStop {
  readonly kind: 'may stop';
  readonly target: Target;
  readonly tree: readonly Identity[];
  /** Whether the look is recent enough to act on. One that is not is no look at all. */
  readonly isFresh: () => boolean;
}

/** The right to stop one server. */
export interface Fencing {
  readonly note: (tree: readonly Identity[]) => void;
  readonly withdraw: () => void;
  readonly close: () => void;
}

export interface Hands extends Ending {
  /** Undefined when another run was first. */
  readonly raiseFence: (tree: readonly Identity[]) => Fencing | undefined;
  /** Looks again at every guard that can change, and asks the server, which may take many seconds. */
  readonly lookAgain: () => Promise<Clearance>;
  /** One more look, by what the server has said last: some 30 ms. */
  readonly lookOnceMore: () => Promise<Clearance>;
  readonly dispose: () => Promise<void>;
  /** Whether the port is still held by this tree, and by whom else. */
  readonly portHolder: () => Promise<number | undefined>;
  readonly strays: (tree: readonly Identity[]) => Promise<readonly Stray[]>;
}

/** The port is let go some 35 ms after its process looks dead. */
const PORT_PATIENCE_MS = 1_000;

/** A process that got its signal is gone within 120 ms. */
const ENDING_MS = 500;

/** The ladder: fence, look, ask to let go, look, SIGTERM, grace, SIGKILL, descendants, port. */
export async function stopServer(tree: readonly Identity[], hands: Hands): Promise<Outcome> {
  const began = performance.now();
  const fence = hands.raiseFence(tree);
  if (fence === undefined) return { kind: 'withheld', because: 'another run is stopping it' };
  const outcome = await behindFence(fence, began, hands);
  // It ended by itself, and nobody else knows what it has left.
  if (outcome.kind === 'gone') await endRest(tree, hands);
  const ended = outcome.kind === 'stopped' || outcome.kind === 'gone' || outcome.kind === 'replaced';
  if (ended) fence.close();
  else fence.withdraw();
  return outcome;
}

async function behindFence(fence: Fencing, began: number, hands: Hands): Promise<Outcome> {
  const before = await lookFreshly(hands);
  if (before.kind !== 'may stop') return before;
  if (!before.target.hung) await hands.dispose();
  // A server that was asked to let go works on: whatever arrived meanwhile keeps it.
  const done = await endOnSight(before.target.hung ? before : undefined, fence, hands);
  if (done.kind !== 'ended') return (await isEnding(before.target, hands)) ? { kind: 'gone' } : done;
  const { target, tree, signal } = done;
  return {
    kind: 'stopped',
    signal,
    tookMs: Math.round(performance.now() - began),
    processes: processesOf(target, tree),
    leftBehind: await hands.strays(tree),
    successor: await successor(tree, hands),
  };
}

/** This run was stopped, or the machine suspended, between a look and its act as often as this: it has no time to act. */
const ATTEMPTS = 3;
const TOO_LATE: Outcome = { kind: 'withheld', because: 'this machine is too busy to look right before it is stopped' };

async function lookFreshly(hands: Hands): Promise<Clearance> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const clearance = await hands.lookAgain();
    if (clearance.kind !== 'may stop' || clearance.isFresh()) return clearance;
  }
  return TOO_LATE;
}

type Done =
  | Outcome
  | ({ readonly kind: 'ended'; readonly signal: 'SIGTERM' | 'SIGKILL' } & Pick<MayStop, 'target' | 'tree'>);

/** The tree is noted before the last look, so that nothing slow comes between that and the first signal. */
async function endOnSight(seen: MayStop | undefined, fence: Fencing, hands: Hands): Promise<Done> {
  for (let attempt = 1; attempt <= ATTEMPTS; attempt += 1) {
    const asked = attempt === 1 && seen ? seen : await hands.lookAgain();
    if (asked.kind !== 'may stop') return asked;
    fence.note(asked.tree);
    const last = await hands.lookOnceMore();
    if (last.kind !== 'may stop') return last;
    if (!isSameTree(last.tree, asked.tree)) fence.note(last.tree);
    const ended = await endTree(last.target, last.tree, { ...hands, mayBegin: last.isFresh });
    if (ended.kind === 'ended') return { ...ended, target: last.target, tree: last.tree };
    if (ended.kind !== 'late') return ended;
  }
  return TOO_LATE;
}

const isSameTree = (one: readonly Identity[], other: readonly Identity[]): boolean =>
  one.length === other.length && one.every((member) => other.some((known) => sameProcess(member, known) === 'same'));

/** While it ends a process has no sockets and no command line, and its launcher is there alone: it looks like another. */
const isEnding = async ({ server }: Target, { look }: Hands): Promise<boolean> =>
  (await waitGone([server], ENDING_MS, look)).length === 0;

const processesOf = (target: Target, tree: readonly Identity[]): number[] => [
  ...new Set<number>([
    target.server.pid,
    ...(target.launcher ? [target.launcher.pid] : []),
    ...tree.map(({ pid }) => pid),
  ]),
];

/** Who listens on the port once it is no longer this tree's. */
async function successor(tree: readonly Identity[], { portHolder, look }: Hands): Promise<number | undefined> {
  const until = performance.now() + PORT_PATIENCE_MS;
  for (;;) {
    const holder = await portHolder();
    const ours = tree.find((member) => member.pid === holder);
    if (ours === undefined || performance.now() > until) return holder;
    await waitGone([ours], POLL_MS, look);
  }
}

const POLL_MS = 25;
