import type { KeepMark, ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Candidate } from './candidate.js';
import { marksOn } from './keep-marks.js';
import { processesOf } from './locate.js';

/** The servers that a name matches: by id, pid or port. */
export function named(
  name: string,
  candidates: readonly Candidate[],
  kept: readonly KeepMark[],
  snapshot: Snapshot,
): ServerRecord[] {
  const called = kept.filter(({ id }) => id === name);
  const exact = candidates.filter(
    (candidate) =>
      [candidate.record, ...candidate.record.alsoIn].some(({ id }) => id === name) ||
      marksOn(candidate, called, snapshot).some(({ means }) => means === 'same'),
  );
  const number = /^\d+$/.test(name) ? Number(name) : undefined;
  const found = exact.length > 0 || number === undefined ? exact : candidates.filter(hasNumber(number));
  return found.map(({ record }) => record);
}

/** The servers whose id starts with the name. A prefix of a pid would be another pid, so it does not count. */
export const begunBy = (name: string, records: readonly ServerRecord[]): ServerRecord[] =>
  name.length < 3 || /^(pid-|adopted-)?\d+$/.test(name) ? [] : records.filter(({ id }) => id.startsWith(name));

/** Its port, or the pid of one of its processes. */
const hasNumber =
  (number: number) =>
  ({ record, located }: Candidate): boolean =>
    record.port === number ||
    [...processesOf(located), record.spawned, record.server].some((process) => process?.pid === number);
