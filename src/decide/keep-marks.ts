import { compare, type Identity, type Sameness, sameProcess } from '../model/identity.js';
import { type KeepMark, recordedIn, type ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Candidate } from './candidate.js';
import { processesOf } from './locate.js';
import { UNRECORDED } from './unrecorded.js';

export interface Mark extends KeepMark {
  readonly means: Exclude<Sameness, 'different'>;
}

/**
 * The marks that keep, or may keep, a server. The id of a plugin's record changes with the process that the record
 * leads to, so a mark also counts for any server that has one of the marked processes.
 */
export function marksOn({ record, located }: Candidate, kept: readonly KeepMark[], snapshot: Snapshot): Mark[] {
  // A mark may name a launcher that has ended since, which another record of the same server tells of.
  const processes = [...processesOf(located), ...recordedIn([record, ...record.alsoIn])];
  return kept.flatMap((mark) => {
    const means = isNamed(mark, record) ? 'same' : sameOf(mark, processes, snapshot);
    return means === 'different' ? [] : [{ ...mark, means }];
  });
}

/** The id of a server without a record is only its pid, which is reused. */
const isNamed = ({ id, processes }: KeepMark, record: ServerRecord): boolean =>
  [record, ...record.alsoIn].some(
    (one) => one.id === id && (one.source.format !== UNRECORDED || processes.length === 0),
  );

function sameOf({ machine, processes: marked }: KeepMark, them: readonly Identity[], snapshot: Snapshot): Sameness {
  const boot = compare(machine?.boot, snapshot.machine.boot);
  const namespace = compare(machine?.pidNamespace, snapshot.machine.pidNamespace);
  if (boot === 'different' || namespace === 'different') return 'different';
  const all = marked.flatMap((one) => them.map((other) => sameProcess(one, other)));
  return all.includes('same') ? 'same' : all.includes('unknown') ? 'unknown' : 'different';
}
