import type { Lease } from '../../model/record.js';
import type { LiveRun } from '../../model/written.js';
import { readSmall } from '../files/read.js';
import { attempt, removeFile, removeUnchanged, sweepTemporary } from '../files/write.js';
import type { StateFolder } from '../folders.js';
import { parseLease } from './lease-file.js';

/**
 * Removes ended leases, registrations of runs that died, and files of killed writers: nothing else removes them. One of
 * the folders may be read-only, or another user's after one `sudo`; what is there stays.
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

/** A lease by session id may have been renewed since it was read; one by identity belongs to that process forever. */
function dropLease(lease: Lease): void {
  const read = readSmall(lease.file);
  const now = read.kind === 'text' ? parseLease(lease.file, read.text, read.trust, read.modifiedAt) : undefined;
  const same = typeof now === 'object' && now.expiresAt === lease.expiresAt && now.holder?.pid === lease.holder?.pid;
  if (same && read.kind === 'text') attempt(() => removeUnchanged(lease.file, read.text));
}
