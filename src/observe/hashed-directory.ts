import { createHash } from 'node:crypto';
import type { Place } from '../model/snapshot.js';
import { findPlaces, placeAt } from './directories.js';
import type { Found } from './find-directory.js';

/** Places with what plugins write down of them. In a file of its own: loading the hashes would cost the hook 2 ms. */
export const hashedPlacesOf = (paths: readonly string[]): Map<string, Place> =>
  new Map(findPlaces([...new Set(paths)]).map((found) => [found.path, hashed(found)]));

export const hashedPlaceOf = (path: string): Place => hashed(placeAt(path));

/** Hashed when it is asked for: few plugins write down no more than that. */
function hashed({ path, real, gitCommon, silent }: Found): Place {
  let hashes: readonly string[] | undefined;
  return {
    path,
    real,
    gitCommon,
    silent,
    get hashes() {
      hashes ??= hashesOf([path, real]);
      return hashes;
    },
  };
}

const hashesOf = (paths: readonly string[]): string[] =>
  [...new Set(paths.flatMap(spellingsOf))].map((name) => createHash('sha256').update(name).digest('hex'));

/** A path on a drive of Windows is written with either slash, and an editor writes the drive's letter small. */
export function spellingsOf(path: string): readonly string[] {
  if (!/^[a-z]:[\\/]/i.test(path)) return [path];
  const rest = path.slice(1);
  return [path[0]?.toUpperCase(), path[0]?.toLowerCase()].flatMap((drive) =>
    [rest, rest.replaceAll('\\', '/'), rest.replaceAll('/', '\\')].map((one) => `${drive}${one}`),
  );
}
