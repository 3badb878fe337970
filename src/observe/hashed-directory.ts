import { createHash } from 'node:crypto';
import type { Place } from '../model/snapshot.js';
import { findPlaces, placeAt } from './directories.js';
import type { Found } from './find-directory.js';

/** Places with what plugins write down of them. In a file of its own: loading the hashes would cost the hook 2 ms. */
export const hashedPlacesOf = (paths: readonly string[]): Map<string, Place> =>
  new Map(findPlaces([...new Set(paths)]).map((found) => [found.path, hashed(found)]));

export const hashedPlaceOf = (path: string): Place => hashed(placeAt(path));

function hashed({ path, real, gitCommon, silent }: Found): Place {
  const hashes = [...new Set([path, real])].map((name) => createHash('sha256').update(name).digest('hex'));
  return { path, real, gitCommon, silent, hashes };
}
