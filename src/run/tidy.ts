import { isGone } from '../act/signal.js';
import { isAlive } from '../decide/alive.js';
import { leaseHasEnded } from '../decide/leases.js';
import type { LiveRun } from '../model/written.js';
import { forgetRecord } from '../state/ours/registry.js';
import { removeEnded } from '../state/ours/tidy.js';
import type { Judgement } from './judge.js';
import type { Survey } from './survey.js';
import type { World } from './world.js';

/** Removes what has ended: records of servers that have ended, leases, and what killed runs left behind. */
export async function tidy(
  servers: readonly Judgement[],
  { written, snapshot }: Survey,
  { leaseFolders, platform }: World,
): Promise<void> {
  for (const { record, verdict } of servers) if (verdict.kind === 'gone') forgetRecord(record);
  const ended = written.leases.filter((lease) => leaseHasEnded(lease, snapshot));
  const dead: LiveRun[] = [];
  for (const run of written.runs) {
    // A run may have started since the processes were listed.
    if (isAlive(run.holder, run.machine, snapshot) === 'no' && (await isGone(run.holder, platform.look)))
      dead.push(run);
  }
  removeEnded(leaseFolders, ended, dead);
}
