import { join } from 'node:path';
import { replaceFile } from '../state/files/write.js';
import type { StateFolder } from '../state/folders.js';
import { type Besides, formatLease, leaseName, type NativeLease } from '../state/ours/lease-file.js';

/** Whose a lease is: a Claude process's, or where none can be told a session's. */
export type LeaseOwner = Pick<NativeLease, 'holder' | 'session'>;

export type Cover = Pick<NativeLease, 'cwd' | 'port' | 'servers'>;

export interface LeaseFile {
  readonly file: string;
  readonly text: string;
}

/** Nobody sees when its session ends, and one that goes on renews it. */
const WITHOUT_HOLDER_MS = 24 * 3_600_000;

export const leaseFile = ({ holder, session }: LeaseOwner, besides: Besides | undefined, folder: StateFolder): string =>
  join(folder.leases, leaseName(holder, session, besides));

/** A lease as of now, which is still to be written. */
export function leaseOf(owner: LeaseOwner, cover: Cover, besides: Besides | undefined, folder: StateFolder): LeaseFile {
  const at = Date.now();
  const expiresAt = owner.holder ? undefined : at + WITHOUT_HOLDER_MS;
  return { file: leaseFile(owner, besides, folder), text: formatLease({ ...owner, ...cover, at, expiresAt }) };
}

/** A hook has no time for the disk, and no lease outlives a reboot. */
export const writeLease = ({ file, text }: LeaseFile): void => replaceFile(file, text, 'until reboot');
