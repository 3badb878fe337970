import type { Host, Identity } from './identity.js';
import type { Environment, ProcessTable, Sockets } from './process.js';
import type { Witness } from './record.js';

/** A directory as typed, as resolved, and the git directory it shares with its worktrees. */
export interface Place {
  readonly path: string;
  readonly real: string;
  readonly gitCommon: string | undefined;
  /** The SHA-256 of the path as typed and as resolved, in hex: all that some plugins write down of it. */
  readonly hashes: readonly string[];
  /** Where looking at it, at its git directory or at a worktree of it had no answer: a mount that is gone, a broken disk. */
  readonly silent?: readonly string[];
}

/** What the machine showed at one moment. Whatever is undefined or missing from a map could not be read. */
export interface Snapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The same by the boot clock. */
  readonly bootMs?: number;
  readonly machine: Host;
  /** The user that we are, as `Process` has it. */
  readonly owner: string | undefined;
  readonly self: number;
  /** Ourselves and every process above us: never signalled, never part of a tree. */
  readonly lineage: ReadonlySet<number>;
  readonly processes: ProcessTable | undefined;
  /** Whether this platform shows environments at all. Where it does, one that cannot be read is unknown. */
  readonly showsEnvironments: boolean;
  /** Of every `opencode serve` of ours, of all that runs below those, and of every recorded pid. */
  readonly environments: ReadonlyMap<number, Environment>;
  /** Every live session of ours: by where its process works, and as listed where its environment says. */
  readonly claudes: readonly Witness[];
  /** Who listens, for records that name a port and no process. */
  readonly listeners: ReadonlyMap<number, number>;
  /** The local ports of the questions that this very run has under way. */
  readonly questions: ReadonlySet<number>;
  /** Every process that a record or a keep mark names. */
  readonly named: readonly Identity[];
  /** Whether a process listens: of what may be a launcher, and of what runs below a server in a session or group of its own. */
  readonly listens: ReadonlyMap<number, boolean>;
  /** By record id. */
  readonly sockets: ReadonlyMap<string, Sockets>;
  readonly places: ReadonlyMap<string, Place>;
}
