import { type Ending, endRest, waitGone } from '../act/end-tree.js';
import type { Policy } from '../decide/guards.js';
import { restOf } from '../decide/tree.js';
import { compare, type Identity, sameProcess } from '../model/identity.js';
import type { Fence } from '../model/record.js';
import { known } from '../observe/snapshot.js';
import { finishedLine } from '../report/log-line.js';
import { type Fate, liftFence } from '../state/ours/fences.js';
import { log } from './journal.js';
import { type Judgement, judgeAnew } from './judge.js';
import { type Survey, selfIn } from './survey.js';
import type { World } from './world.js';

/**
 * Finishes what a run began before it died. A server that is still alive gets its record back and is judged like any
 * other, since much may have happened since then; if the server is gone, the rest of the noted tree is ended. Returns the
 * servers that may be ending: `finishEnding` looks once more at the end of this run, and the next run does.
 */
export async function finishCrashed(
  fences: readonly Fence[],
  servers: readonly Judgement[],
  around: Survey,
  graceMs: number,
  world: World,
): Promise<Judgement[]> {
  const { snapshot } = around;
  const run = selfIn(snapshot);
  if (run === undefined) return [];
  const { look, runScript } = world.platform;
  const ending = { look, lineage: snapshot.lineage, graceMs, runScript };
  const mayEnd = new Set<Judgement>();
  for (const fence of fences) {
    const server = servers.find(({ record }) => record.id === fence.id);
    if (server === undefined && mayLive(fence, around)) continue;
    const fate = fateOf(fence, server, snapshot);
    if (server && fate === 'may be ending') mayEnd.add(server);
    if (fate === 'may be ending' && fence.recordIsBack) continue;
    const ended = fate === 'gone' ? await endWhatIsLeft(await leftBy(fence, around, world), ending) : 'lives';
    liftFence(fence, fate, { run, machine: snapshot.machine });
    // Otherwise the run that put the record back has said it.
    if (!fence.recordIsBack || (ended !== 'lives' && ended.length > 0)) log(world, [finishedLine(fence, ended)]);
  }
  return [...mayEnd];
}

/** By the end of a run, a server that seemed to live may have ended, most often because this run has stopped it. */
export async function finishEnding(
  servers: readonly Judgement[],
  policy: Policy & { readonly graceMs: number },
  world: World,
): Promise<void> {
  for (const { record } of servers) {
    const again = await judgeAnew(record, policy, world, 'none');
    const fences = again.survey.deadFences.filter(({ id }) => id === record.id);
    await finishCrashed(fences, [again], again.survey, policy.graceMs, world);
  }
}

/**
 * A server that got its signal ends within 120 ms, an OpenCode 2 with slow MCP servers within 20 s. The run that gave it the
 * signal had died by the time the record went back, so one that is there so long after that lives on.
 */
const OUTLIVED_MS = 60_000;

function fateOf(fence: Fence, server: Judgement | undefined, { machine, at }: Survey['snapshot']): Fate {
  if (server === undefined || server.verdict.kind === 'gone') return 'gone';
  // The fence was last written when the record went back. A clock that was set back ends the wait, too.
  const isOver = fence.recordIsBack && Math.abs(at - fence.seenAt) > OUTLIVED_MS;
  return isOver || compare(fence.machine.boot, machine.boot) !== 'same' ? 'lives' : 'may be ending';
}

/** A server that is not in scope is finished by a run with that scope, unless its fence alone tells that it is gone. */
const mayLive = (fence: Fence, around: Survey): boolean =>
  (fence.record !== undefined && !fence.recordIsBack) || stillServes(fence, around);

/** Where the record is elsewhere, only the noted processes can tell. */
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
