import { join } from 'node:path';
import type { Identity } from '../../model/identity.js';
import { parseOurs } from '../files/parse.js';
import { jsonNames, readSmall } from '../files/read.js';
import { removeFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';
import { isLeaseOf } from './lease-file.js';

/**
 * Every lease of a holder, or of a session whose holder has no identity; leases of earlier versions are matched by
 * their content.
 */
export function leasesOf({ leases }: StateFolder, holder: Identity | undefined, session: string | undefined): string[] {
  const listed = jsonNames(leases);
  const names = listed.kind === 'names' ? listed.names : [];
  const isTheirs = (name: string): boolean =>
    isLeaseOf(name, holder, session) ||
    (isLeaseOf(name, holder, session, true) && sessionIn(join(leases, name)) === session);
  return names.filter(isTheirs).map((name) => join(leases, name));
}

function sessionIn(file: string): unknown {
  const read = readSmall(file);
  const json = read.kind === 'text' ? parseOurs(read.text) : undefined;
  return typeof json === 'object' ? json.session : undefined;
}

export function removeLeases(folder: StateFolder, holder: Identity | undefined, session: string | undefined): void {
  for (const file of leasesOf(folder, holder, session)) removeFile(file);
}
