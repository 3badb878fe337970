import { createHash } from 'node:crypto';
import type { Place } from '../decide/snapshot.js';
import { placeOf } from './places.js';

/** A place with what plugins write down of it. In a file of its own: loading the hashes would cost the hook 2 ms. */
export function hashedPlaceOf(path: string): Place {
  const place = placeOf(path);
  const hashes = [...new Set([place.path, place.real])].map((name) => createHash('sha256').update(name).digest('hex'));
  return { ...place, hashes };
}
