import type { KeepMark, ServerRecord } from '../model/record.js';
import type { Place, Snapshot } from '../model/snapshot.js';
import type { Candidate } from './candidate.js';
import { marksOn } from './keep-marks.js';
import { processesOf } from './locate.js';
import type { ServerName } from './server-name.js';

/**
 * The servers that a name matches: by id, else by pid, port or folder (`at` is that folder). Of those, one that has
 * ended is meant only if there is no other.
 */
export function named(
  name: ServerName,
  at: readonly Place[],
  candidates: readonly Candidate[],
  kept: readonly KeepMark[],
  snapshot: Snapshot,
): ServerRecord[] {
  const exact = name.kind === 'word' ? withId(name.word, candidates, kept, snapshot) : [];
  const found = exact.length > 0 ? exact : livingFirst(candidates.filter(fits(name, at, snapshot)));
  return found.map(({ record }) => record);
}

function withId(word: string, candidates: readonly Candidate[], kept: readonly KeepMark[], snapshot: Snapshot) {
  const called = kept.filter(({ id }) => id === word);
  return candidates.filter(
    (candidate) =>
      [candidate.record, ...candidate.record.alsoIn].some(({ id }) => id === word) ||
      marksOn(candidate, called, snapshot).some(({ means }) => means === 'same'),
  );
}

function livingFirst(found: readonly Candidate[]): readonly Candidate[] {
  const living = found.filter(({ located }) => located.kind !== 'gone');
  return living.length > 0 ? living : found;
}

function fits(name: ServerName, at: readonly Place[], snapshot: Snapshot): (candidate: Candidate) => boolean {
  if (name.kind === 'port') return ({ record }) => record.port === name.port;
  if (name.kind === 'word') return name.number === undefined ? () => false : hasNumber(name.number);
  return ({ record }) => [record, ...record.alsoIn].some((one) => at.some((place) => worksIn(place, one, snapshot)));
}

/** Exactly there: a folder's name does not mean the servers of the folders in it. */
function worksIn({ real, hashes }: Place, { workspace, workspaceHash: hash }: ServerRecord, { places }: Snapshot) {
  if (hash !== undefined && hashes.some((whole) => whole.startsWith(hash))) return true;
  return workspace !== undefined && (places.get(workspace)?.real ?? workspace) === real;
}

/** Whether the start of an id is enough. A prefix of a pid would be another pid, so it does not count. */
export const mayBegin = (name: string): boolean => name.length >= 3 && !/^(pid-|adopted-)?\d+$/.test(name);

/** The servers whose id starts with the name. */
export const begunBy = (name: string, records: readonly ServerRecord[]): ServerRecord[] =>
  mayBegin(name) ? records.filter(({ id }) => id.startsWith(name)) : [];

/** Its port, or the pid of one of its processes. */
const hasNumber =
  (number: number) =>
  ({ record, located }: Candidate): boolean =>
    record.port === number ||
    [...processesOf(located), record.spawned, record.server].some((process) => process?.pid === number);
