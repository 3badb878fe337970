import { isGone } from '../act/signal.js';
import { isAlive } from '../decide/alive.js';
import { leaseHasEnded } from '../decide/leases.js';
import type { Host, Identity } from '../model/identity.js';
import { claimsIn } from '../state/ours/claims.js';
import { forgetRecord } from '../state/ours/registry.js';
import { removeEnded } from '../state/ours/tidy.js';
import type { Judgement } from './judge.js';
import type { Survey } from './survey.js';
import type { World } from './world.js';

/** Removes what has ended: records of servers that have ended, leases, and what killed runs and starts left behind. */
export async function tidy(
  servers: readonly Judgement[],
  { written, snapshot }: Survey,
  { folder, leaseFolders, platform }: World,
): Promise<void> {
  for (const { record, verdict } of servers) if (verdict.kind === 'gone') forgetRecord(record);
  // One may have started since the processes were listed.
  const isDead = async (holder: Identity, machine: Host | undefined): Promise<boolean> =>
    isAlive(holder, machine, snapshot) === 'no' && (await isGone(holder, platform.look));
  const ended = written.leases.filter((lease) => leaseHasEnded(lease, snapshot));
  const dead = await filtered(written.runs, ({ holder, machine }) => isDead(holder, machine));
  removeEnded(leaseFolders, ended, dead);
  for (const { remove } of await filtered(claimsIn(folder), ({ held }) => isDead(held.holder, held.machine))) remove();
}

async function filtered<T>(all: readonly T[], is: (one: T) => Promise<boolean>): Promise<T[]> {
  const found: T[] = [];
  for (const one of all) if (await is(one)) found.push(one);
  return found;
}
