import type { Lease } from '../../model/record.js';
import type { LiveRun } from '../../model/written.js';
import { readSmall } from '../files/read.js';
import { attempt, removeFile, removeUnchanged, sweepTemporary } from '../files/write.js';
import type { StateFolder } from '../folders.js';
import { parseLease } from './lease-file.js';

/**
 * Leases that ended, announcements of runs that died, and files whose writer was killed: nobody else takes them away.
 * One of the folders may be read only, or somebody else's after one `sudo`; what lies there stays.
 */
export function removeEnded(folders: readonly StateFolder[], ended: readonly Lease[], dead: readonly LiveRun[]): void {
  for (const lease of ended) dropLease(lease);
  for (const run of dead) attempt(() => removeFile(run.file));
  const now = Date.now();
  for (const folder of folders) {
    for (const kind of [
      folder.root,
      folder.servers,
      folder.closing,
      folder.leases,
      folder.requests,
      folder.runs,
      folder.starts,
      folder.keep,
      folder.places,
      folder.silent,
    ]) {
      sweepTemporary(kind, now);
    }
  }
}

/** A lease by session id may have been renewed since it was read; one by identity belongs to that process for ever. */
function dropLease(lease: Lease): void {
  const read = readSmall(lease.file);
  const now = read.kind === 'text' ? parseLease(lease.file, read.text, read.trust, read.modifiedAt) : undefined;
  const same = typeof now === 'object' && now.expiresAt === lease.expiresAt && now.holder?.pid === lease.holder?.pid;
  if (same && read.kind === 'text') attempt(() => removeUnchanged(lease.file, read.text));
}
