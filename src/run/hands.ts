import { sweepStrays } from '../act/strays.js';
import { apartAt, leftAt, treeAt } from '../decide/evidence.js';
import type { Policy } from '../decide/guards.js';
import { locate } from '../decide/locate.js';
import { targetNamed, type Verdict } from '../decide/verdict.js';
import type { Identity } from '../model/identity.js';
import type { ServerRecord } from '../model/record.js';
import { bootMs } from '../observe/boot-clock.js';
import { dispose } from '../observe/server/ask.js';
import { environmentsOf } from '../observe/snapshot.js';
import { raiseFence } from '../state/ours/fences.js';
import {
  type Answered,
  type Judgement,
  judgeAll,
  SETTLING_MS,
  type Survey,
  selfIn,
  survey,
  surveyOnceMore,
} from './look.js';
import type { Clearance, Hands } from './stop-server.js';
import type { World } from './world.js';

export interface StopPolicy extends Policy {
  readonly graceMs: number;
  readonly endStrays: boolean;
  /** A person has named this server, so busy, leased, young and kept do not count. */
  readonly named?: boolean;
}

/** What the ladder needs to stop one server, wired to what was written down and to what the machine shows. */
export function handsFor(
  record: ServerRecord,
  sight: Survey,
  policy: StopPolicy,
  world: World,
): { hands: Hands; tree: Identity[] } {
  const { platform, folder } = world;
  const { snapshot } = sight;
  const run = selfIn(snapshot);
  let latest = sight;
  let answered: Answered = { activity: { kind: 'not asked' }, askedAtMs: 0, answeredAtMs: 0 };
  const hands: Hands = {
    look: platform.look,
    lineage: snapshot.lineage,
    graceMs: policy.graceMs,
    raiseFence: (tree) => run && raiseFence(folder, record, { run, machine: snapshot.machine }, tree),
    lookAgain: async () => {
      const near = await survey(world, record);
      const [judgement] = await judgeAll(near, policy, world, policy.named);
      if (judgement === undefined) return { kind: 'gone' };
      answered = judgement.answered ?? { ...answered, activity: judgement.seen.activity, answeredAtMs: bootMs() };
      latest = judgement.sight ?? near;
      return clearance(judgement, latest, policy, answered);
    },
    lookOnceMore: async () => {
      const judgement = await surveyOnceMore(record, answered, policy, world);
      latest = judgement.sight;
      return clearance(judgement, latest, policy, answered);
    },
    // Letting go ends whatever an MCP server has started, whosever it is by now.
    dispose: async () => {
      if (apartAt(record, latest.snapshot).length === 0) await dispose(record, latest.snapshot, platform);
    },
    portHolder: async () => (record.port === undefined ? undefined : platform.listener(record.port)),
    strays: (tree) => straysAfter(record, tree, latest, policy, world),
  };
  return { hands, tree: treeAt(record, snapshot) };
}

/** A look takes some 30 ms; one that is older than this was held up, and says nothing about now. */
const LOOK_COUNTS_MS = 2_000;
/** After its answer a server may be given time to end what the question has caused, and the disk to note the tree. */
const WORD_COUNTS_MS = SETTLING_MS + LOOK_COUNTS_MS;

function clearance(
  { record, seen, verdict }: Judgement,
  { snapshot, beganMs }: Survey,
  { named }: StopPolicy,
  { answeredAtMs }: Answered,
): Clearance {
  if (verdict.kind === 'gone') return { kind: 'gone' };
  const target = named ? targetNamed(verdict, seen) : verdict.kind === 'stale' ? verdict.target : firstReason(verdict);
  if (!('server' in target)) return { kind: 'withheld', because: target.detail };
  // Asked to let go, it would end this very command half-way.
  if (snapshot.lineage.has(target.server.pid)) return { kind: 'withheld', because: 'this command runs inside it' };
  const isFresh = (): boolean => bootMs() - beganMs <= LOOK_COUNTS_MS && bootMs() - answeredAtMs <= WORD_COUNTS_MS;
  return { kind: 'may stop', target, tree: treeAt(record, snapshot), isFresh };
}

function firstReason({ guards, reasons }: Extract<Verdict, { kind: 'spared' | 'unsure' }>): {
  readonly detail: string;
} {
  return guards.find(({ name }) => name === reasons[0]) ?? { detail: 'it is no longer stale' };
}

async function straysAfter(
  record: ServerRecord,
  tree: readonly Identity[],
  sight: Survey,
  policy: StopPolicy,
  world: World,
) {
  const located = locate(record, sight.snapshot);
  const table = (await world.platform.processes()) ?? new Map();
  if (located.kind !== 'present') return [];
  const { server } = located;
  const apart = leftAt(record, sight.snapshot);
  const stopped = { server, tag: record.tag, tree, apart, ageMs: server.ageMs };
  return sweepStrays(stopped, sight.snapshot, policy.endStrays, {
    look: world.platform.look,
    lineage: sight.snapshot.lineage,
    graceMs: policy.graceMs,
    table,
    environments: environmentsOf([...table.keys()], world.platform),
    listens: world.platform.listens,
  });
}
