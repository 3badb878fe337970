import { marksOn } from './keep-marks.js';
import { locate } from './locate.js';
import type { KeepMark, ServerRecord } from './record.js';
import type { Snapshot } from './snapshot.js';

/** The servers that a person may mean by an id, a pid or a port; where nothing has that name, by the start of an id. */
export function named(
  name: string,
  records: readonly ServerRecord[],
  kept: readonly KeepMark[],
  snapshot: Snapshot,
  wholly = false,
): ServerRecord[] {
  const called = kept.filter(({ id }) => id === name);
  const exact = records.filter(
    (record) =>
      [record, ...record.alsoIn].some(({ id }) => id === name) ||
      marksOn(record, called, snapshot).some(({ means }) => means === 'same'),
  );
  if (exact.length > 0) return exact;
  const number = /^\d+$/.test(name) ? Number(name) : undefined;
  if (number === undefined) return wholly ? [] : records.filter(({ id }) => isStartOf(name, id));
  return records.filter((record) => record.port === number || pidsOf(record, snapshot).includes(number));
}

/** Half a pid is another one. */
const isStartOf = (name: string, id: string): boolean =>
  name.length >= 3 && !/^(pid-|adopted-)?\d+$/.test(name) && id.startsWith(name);

function pidsOf(record: ServerRecord, snapshot: Snapshot): number[] {
  const located = locate(record, snapshot);
  const seen = located.kind === 'present' ? [located.server.pid, located.launcher?.pid] : [];
  return [...seen, record.spawned?.pid, record.server?.pid].filter((pid) => pid !== undefined);
}
