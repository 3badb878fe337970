import { realpathSync } from 'node:fs';
import { userInfo } from 'node:os';
import { tryRead } from '../../common/errors.js';
import { within } from '../../decide/leases.js';
import type { Trust } from '../../model/record.js';

/*
 * Windows shows neither owner nor mode of a file. What protects one is its access list, which it has from its folder: a
 * user's profile is that user's, the system's and the administrators', and a folder made anywhere else on a drive may be
 * changed by everyone who can log in.
 */

/** Whether only we could have written a file, by where it really is. On a network, others decide about that. */
export function trustInProfile(real: string | undefined, home: string | undefined): Trust {
  if (real === undefined || home === undefined) return unexamined('cannot tell where the file really is');
  if (/^[\\/]{2}(?![?.][\\/][a-z]:)/i.test(home)) return unexamined('the user profile is on the network');
  if (/^[a-z]:[\\/]?$/i.test(home)) return unexamined('the user profile is a whole drive');
  return within(real, home) ? { kind: 'trusted' } : unexamined('the file is outside of the user profile');
}

const unexamined = (because: string): Trust => ({ kind: 'unexamined', because });

let home: string | undefined;

/**
 * Links, short names and the case of letters are resolved on both sides. `isIt` says whether what is at a path by then is
 * still the file that was read.
 */
export function trustByPlace(file: string, isIt: (real: string) => boolean): Trust {
  // The system's own word: USERPROFILE may name a whole drive, or what others write to.
  home ??= tryRead(() => realpathSync.native(userInfo().homedir));
  const real = tryRead(() => realpathSync.native(file));
  return trustInProfile(real !== undefined && isIt(real) ? real : undefined, home);
}
