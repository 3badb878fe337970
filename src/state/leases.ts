import { join } from 'node:path';
import type { Identity } from '../decide/identity.js';
import { jsonNames, removeFile } from './files.js';
import type { StateFolder } from './folders.js';
import { isLeaseOf } from './lease-file.js';

/** Every lease of a holder, or of a session whose holder has no identity. */
export function leasesOf({ leases }: StateFolder, holder: Identity | undefined, session: string | undefined): string[] {
  const listed = jsonNames(leases);
  const names = listed.kind === 'names' ? listed.names : [];
  return names.filter((name) => isLeaseOf(name, holder, session)).map((name) => join(leases, name));
}

export function removeLeases(folder: StateFolder, holder: Identity | undefined, session: string | undefined): void {
  for (const file of leasesOf(folder, holder, session)) removeFile(file);
}
