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
