import { type Ending, endRest, waitGone } from '../act/end-tree.js';
import { restOf } from '../decide/tree.js';
import { type Identity, sameProcess } from '../model/identity.js';
import type { Fence } from '../model/record.js';
import { known } from '../observe/snapshot.js';
import { finishedLine } from '../report/log-line.js';
import { liftFence } from '../state/ours/fences.js';
import { log } from './journal.js';
import type { Judgement } from './judge.js';
import { type Survey, selfIn } from './survey.js';
import type { World } from './world.js';

/**
 * Finishes what a run began before it died. A server that is still alive gets its record back and is judged like any
 * other, since much may have happened since then; if the server is gone, the rest of the noted tree is ended.
 */
export async function finishCrashed(
  fences: readonly Fence[],
  servers: readonly Judgement[],
  around: Survey,
  graceMs: number,
  world: World,
): Promise<void> {
  const { snapshot } = around;
  const run = selfIn(snapshot);
  if (run === undefined) return;
  const { look, runScript } = world.platform;
  const ending = { look, lineage: snapshot.lineage, graceMs, runScript };
  for (const fence of fences) {
    const server = servers.find(({ record }) => record.id === fence.id);
    // Out of scope: a run with that scope finishes it.
    if (server === undefined && (fence.record !== undefined || stillServes(fence, around))) continue;
    const isGone = server === undefined || server.verdict.kind === 'gone';
    const ended = isGone ? await endWhatIsLeft(await leftBy(fence, around, world), ending) : 'lives';
    liftFence(fence, !isGone, { run, machine: snapshot.machine });
    log(world, [finishedLine(fence, ended)]);
  }
}

/** A plugin's record is not in its fence, so only the noted processes can tell. */
const stillServes = ({ tree }: Fence, { snapshot }: Survey): boolean =>
  tree.some((member) => {
    const seen = snapshot.processes?.get(member.pid);
    return seen?.command?.kind === 'serve' && sameProcess(member, seen) !== 'different';
  });

/** What is left of a noted tree, and is still its server's: much may have happened since it was noted. */
export async function leftBy(
  fence: Pick<Fence, 'tree' | 'machine' | 'record'>,
  { snapshot }: Survey,
  { platform }: World,
): Promise<Identity[]> {
  const pids = fence.tree.map(({ pid }) => pid);
  const details = await platform.details({ environment: pids, listens: pids });
  return restOf(fence, snapshot, known('environment', pids, details), (pid) => details.get(pid)?.listens);
}

/** Returns those that it ended, without those that had ended before. */
async function endWhatIsLeft(rest: readonly Identity[], ending: Ending): Promise<Identity[]> {
  // Where a look costs much, `rest` is of the look just before.
  const alive = ending.runScript ? rest : await waitGone(rest, 0, ending.look);
  const stubborn = await endRest(alive, ending);
  return alive.filter((member) => !stubborn.includes(member));
}
