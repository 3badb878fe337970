import { mayEnd, type Stopped, straysOf } from '../decide/strays.js';
import type { Stray } from '../model/outcome.js';
import type { Environment, Process, ProcessTable } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';
import { type Ending, endRest } from './end-tree.js';

export interface StrayHands extends Ending {
  readonly table: ProcessTable;
  readonly environments: ReadonlyMap<number, Environment>;
  /** Undefined when it cannot be seen whether a process listens. */
  readonly listens: (pid: number) => boolean | undefined;
}

/** Names what detached itself from a stopped server, and ends it where that was asked for and nothing speaks against it. */
export async function sweepStrays(
  stopped: Stopped,
  snapshot: Snapshot,
  end: boolean,
  hands: StrayHands,
): Promise<readonly Stray[]> {
  const strays = straysOf(stopped, hands.table, hands.environments, snapshot);
  const ending = end
    ? strays.filter((stray) => mayEnd(stray, stopped, hands.listens(stray.pid), hands.environments))
    : [];
  const left = await endRest(ending, hands);
  const ended = (stray: Process): boolean => ending.includes(stray) && !left.includes(stray);
  return strays.map((stray) => ({ pid: stray.pid, name: stray.name, ended: ended(stray) }));
}
