import type { KeepMark, ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { marksOn } from './keep-marks.js';
import { locate } from './locate.js';

/** The servers that have a name: an id, a pid or a port. */
export function named(
  name: string,
  records: readonly ServerRecord[],
  kept: readonly KeepMark[],
  snapshot: Snapshot,
): ServerRecord[] {
  const called = kept.filter(({ id }) => id === name);
  const exact = records.filter(
    (record) =>
      [record, ...record.alsoIn].some(({ id }) => id === name) ||
      marksOn(record, called, snapshot).some(({ means }) => means === 'same'),
  );
  if (exact.length > 0) return exact;
  const number = /^\d+$/.test(name) ? Number(name) : undefined;
  return records.filter(
    (record) => number !== undefined && (record.port === number || pidsOf(record, snapshot).includes(number)),
  );
}

/** What a person may mean by the start of an id. Half a pid is another one. */
export const begunBy = (name: string, records: readonly ServerRecord[]): ServerRecord[] =>
  name.length < 3 || /^(pid-|adopted-)?\d+$/.test(name) ? [] : records.filter(({ id }) => id.startsWith(name));

function pidsOf(record: ServerRecord, snapshot: Snapshot): number[] {
  const located = locate(record, snapshot);
  const seen = located.kind === 'present' ? [located.server.pid, located.launcher?.pid] : [];
  return [...seen, record.spawned?.pid, record.server?.pid].filter((pid) => pid !== undefined);
}
