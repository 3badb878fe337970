import type { Snapshot } from '../model/snapshot.js';
import type { Unread } from '../model/written.js';

/** A clock may be set right by a little once a machine is up. */
const MARGIN_MS = 5 * 60_000;

/**
 * Whether a file was last written before this boot, which no process outlives: false where that cannot be told. Where the
 * clock was set forward, the boot seems to have been as much later than it was.
 */
export const isOfEarlierBoot = (modifiedAt: number | undefined, { at, bootMs, setForwardMs = 0 }: Snapshot): boolean =>
  modifiedAt !== undefined && bootMs !== undefined && modifiedAt < at - bootMs - setForwardMs - MARGIN_MS;

/**
 * Whether what could not be read may speak of a process of now. A power loss leaves files full of NUL bytes, which
 * nothing may ever write again. What the user wants kept is kept across boots.
 */
export const mayConcernNow = ({ modifiedAt, kind }: Unread, snapshot: Snapshot): boolean =>
  kind === 'keep' || !isOfEarlierBoot(modifiedAt, snapshot);
