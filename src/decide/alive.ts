import { compare, type Host, type Identity, sameProcess } from '../model/identity.js';
import type { Snapshot } from '../model/snapshot.js';
import { isOfOurTime } from './start-tokens.js';

export type Answer = 'yes' | 'no' | 'unknown';

/** Whether a recorded process, on the machine recorded with it, is still alive. */
export function isAlive(
  who: Identity | undefined,
  where: Host | undefined,
  snapshot: Pick<Snapshot, 'machine' | 'processes'>,
): Answer {
  if (who === undefined || snapshot.processes === undefined) return 'unknown';
  const process = snapshot.processes.get(who.pid);
  const shown = isOfOurTime(where, snapshot.machine) ? who : { ...who, startToken: undefined };
  const here = process ? sameProcess(shown, process) : 'different';
  // The same pid with the same start token is the same process, even if nothing says which machine was meant.
  if (where === undefined) return here === 'same' ? 'yes' : 'unknown';
  const boot = compare(where.boot, snapshot.machine.boot);
  // A boot id is random, so the same boot is the same machine.
  if (boot !== 'same' && compare(where.id, snapshot.machine.id) !== 'same') return 'unknown';
  if (boot !== 'same') return boot === 'different' ? 'no' : 'unknown';
  if (compare(where.pidNamespace, snapshot.machine.pidNamespace) !== 'same') return 'unknown';
  return here === 'same' ? 'yes' : here === 'different' ? 'no' : 'unknown';
}

/**
 * Nobody here can examine a process of another pid namespace, or of a machine that cannot be told from this one; a state
 * folder on a volume outlives its containers. Such a process counts for this long after its last sign of life.
 */
export const UNSEEN_COUNTS_MS = 24 * 3_600_000;

/** The same, of what was written down with its last sign of life, epoch milliseconds. */
export function isAliveSince(
  who: Identity | undefined,
  where: Host | undefined,
  seenAt: number,
  snapshot: Pick<Snapshot, 'machine' | 'processes' | 'at'>,
): Answer {
  const answer = isAlive(who, where, snapshot);
  if (answer !== 'unknown' || snapshot.at - seenAt <= UNSEEN_COUNTS_MS) return answer;
  return who === undefined || mayBeHere(who, where, snapshot) ? 'unknown' : 'no';
}

/** Whether a process of now may be the one that is meant. */
function mayBeHere(
  who: Identity,
  where: Host | undefined,
  { machine, processes }: Pick<Snapshot, 'machine' | 'processes'>,
) {
  const isOfElsewhere =
    compare(where?.boot, machine.boot) === 'different' ||
    compare(where?.pidNamespace, machine.pidNamespace) === 'different';
  if (isOfElsewhere) return false;
  const seen = processes?.get(who.pid);
  const shown = isOfOurTime(where, machine) ? who : { ...who, startToken: undefined };
  return processes === undefined || (seen !== undefined && sameProcess(shown, seen) !== 'different');
}
