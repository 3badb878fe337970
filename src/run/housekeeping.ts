import { type Ending, endRest, waitGone } from '../act/end-tree.js';
import { isGone } from '../act/signal.js';
import { isAlive } from '../decide/alive.js';
import { isLive } from '../decide/leases.js';
import { restOf } from '../decide/tree.js';
import { type Identity, sameProcess } from '../model/identity.js';
import type { Fence } from '../model/record.js';
import type { LiveRun } from '../model/written.js';
import { environmentsOf } from '../observe/snapshot.js';
import { finishedLine } from '../report/log-line.js';
import { liftFence } from '../state/ours/fences.js';
import { forgetRecord } from '../state/ours/registry.js';
import { tidy } from '../state/ours/tidy.js';
import type { StopPolicy } from './hands.js';
import { log } from './journal.js';
import { type Judgement, type Survey, selfIn } from './look.js';
import type { World } from './world.js';

/**
 * Finishes what a run began before it died. A server that still lives gets its record back and is judged like any
 * other, since much may have happened meanwhile; of one that is gone, the rest of the noted tree is ended.
 */
export async function finishDeadFences(
  servers: readonly Judgement[],
  sight: Survey,
  policy: StopPolicy,
  world: World,
): Promise<void> {
  const run = selfIn(sight.snapshot);
  if (run === undefined) return;
  for (const fence of sight.deadFences) {
    const server = servers.find(({ record }) => record.id === fence.id);
    // Out of scope: whoever looks there finishes it.
    if (server === undefined && (fence.record !== undefined || stillServes(fence, sight))) continue;
    const isGone = server === undefined || server.verdict.kind === 'gone';
    const ended = isGone ? await endWhatIsLeft(leftBy(fence, sight, world), endingFor(sight, policy, world)) : 'lives';
    liftFence(fence, !isGone, { run, machine: sight.snapshot.machine });
    log(world, [finishedLine(fence, ended)]);
  }
}

/** A plugin's record is not in its fence, so only the noted processes can tell. */
const stillServes = ({ tree }: Fence, { snapshot }: Survey): boolean =>
  tree.some((member) => {
    const seen = snapshot.processes?.get(member.pid);
    return seen?.command?.kind === 'serve' && sameProcess(member, seen) !== 'different';
  });

function leftBy(fence: Fence, { snapshot }: Survey, { platform }: World): Identity[] {
  const environments = environmentsOf(
    fence.tree.map(({ pid }) => pid),
    platform,
  );
  return restOf(fence, snapshot, environments, platform.listens);
}

/** Returns what it has ended, without what had ended before. */
async function endWhatIsLeft(rest: readonly Identity[], ending: Ending): Promise<Identity[]> {
  const alive = await waitGone(rest, 0, ending.look);
  const stubborn = await endRest(alive, ending);
  return alive.filter((member) => !stubborn.includes(member));
}

function endingFor({ snapshot }: Survey, { graceMs }: StopPolicy, { platform }: World) {
  return { look: platform.look, lineage: snapshot.lineage, graceMs };
}

/** Takes away what ended: records of servers that are no more, leases, and what killed runs left behind. */
export async function tidyUp(
  servers: readonly Judgement[],
  { written, snapshot }: Survey,
  { leaseFolders, platform }: World,
): Promise<void> {
  forgetGone(servers);
  const ended = written.leases.filter((lease) => isLive(lease, snapshot) === 'no');
  const dead: LiveRun[] = [];
  for (const run of written.runs) {
    // A run may have begun since the processes were listed.
    if (isAlive(run.holder, run.machine, snapshot) === 'no' && (await isGone(run.holder, platform.look)))
      dead.push(run);
  }
  tidy(leaseFolders, ended, dead);
}

function forgetGone(servers: readonly Judgement[]): void {
  for (const { record, verdict } of servers) if (verdict.kind === 'gone') forgetRecord(record);
}
