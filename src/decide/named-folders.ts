import type { NamedFolders } from '../model/folder-variables.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { locate } from './locate.js';

/**
 * Whether a record counts that was found only because processes named its folder. A process may name any, so what lies
 * in it speaks of a server that names it too, or that a session's plugins may have started; and it may spare every one.
 */
export function countsFrom(record: ServerRecord, namers: readonly NamedFolders[], snapshot: Snapshot): boolean {
  if (record.ownership === 'user' || record.ownership === 'unmarked') return true;
  if (namers.some(({ of }) => of === 'session')) return true;
  const located = locate(record, snapshot);
  return located.kind === 'present' && namers.some(({ pid }) => pid === located.server.pid);
}
