import type { Host, Identity } from './identity.js';
import type { LastUses } from './last-use.js';
import type { Registration } from './owner.js';
import type { Fence, KeepMark, Lease, ServerRecord, Use, Witness } from './record.js';
import type { Silences } from './silence.js';

/**
 * A file or folder that could not be read or understood. It might hold exactly the record or lease that was not found.
 */
export interface Unread {
  readonly file: string;
  readonly error: string;
  /** `native` is a server record of ours, `server` a plugin's. */
  readonly kind: 'server' | 'native' | 'lease' | 'use' | 'keep' | 'fence' | 'run' | 'request' | 'claim';
  /**
   * For a record that was not understood: the numbers in it, among which are its pid and port. Undefined: it may be
   * about any.
   */
  readonly mentions?: ReadonlySet<number> | undefined;
  /** When it was last written, epoch milliseconds; undefined or infinite where that cannot be told. */
  readonly modifiedAt?: number | undefined;
}

/** A file in a plugin's folder that was skipped: another user's, a link, or of unknown format. */
export interface Skipped {
  readonly file: string;
  readonly because: string;
}

/** Another run of this program, so that its connections are not taken for clients. */
export interface LiveRun {
  readonly file: string;
  readonly holder: Identity;
  readonly machine: Host | undefined;
}

/** Everything that we and plugins recorded. */
export interface Written {
  readonly records: readonly ServerRecord[];
  readonly leases: readonly Lease[];
  readonly uses: readonly Use[];
  readonly witnesses: readonly Witness[];
  readonly fences: readonly Fence[];
  readonly runs: readonly LiveRun[];
  readonly kept: readonly KeepMark[];
  readonly unread: readonly Unread[];
  readonly skipped: readonly Skipped[];
  /** What programs that are no plugins wrote down about servers. */
  readonly registrations?: readonly Registration[];
  /** What the watch noted at its last look; undefined if it was not read. */
  readonly lastUses?: LastUses | undefined;
  /** Since when servers do not answer; undefined where nobody has read it. */
  readonly silences?: Silences | undefined;
}

/** Every process that a record or a keep mark names. */
export const namedIn = ({ records, kept }: Written): Identity[] => [
  ...records.flatMap(({ spawned, server }) => [spawned, server].filter((one) => one !== undefined)),
  ...kept.flatMap(({ processes }) => processes),
];
