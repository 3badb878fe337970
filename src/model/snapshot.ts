import type { Stream } from './birth.js';
import type { Host, Identity } from './identity.js';
import type { Environment, ProcessTable, Sockets } from './process.js';
import type { Witness } from './record.js';

/** A directory as typed, as resolved, and the git directory that it shares with its worktrees. */
export interface Place {
  readonly path: string;
  readonly real: string;
  readonly gitCommon: string | undefined;
  /** The SHA-256 of the path as typed and as resolved, in hex; some plugins record only this. */
  readonly hashes: readonly string[];
  /**
   * The paths that did not answer: the directory itself, its git directory or one of its worktrees, on a dropped mount
   * or a broken disk.
   */
  readonly silent?: readonly string[];
}

/** What the machine showed at one moment. Anything undefined or missing from a map could not be read. */
export interface Snapshot {
  /** Epoch milliseconds. */
  readonly at: number;
  /** The same moment by the boot clock. */
  readonly bootMs?: number;
  /**
   * By how much the wall clock was set forward since this boot, so that what was written down with a time may seem to be
   * older than it is; undefined where that cannot be told.
   */
  readonly setForwardMs?: number | undefined;
  readonly machine: Host;
  /** The user that we are, as `Process` has it. */
  readonly owner: string | undefined;
  readonly self: number;
  /** Our own pid and every pid above it: never signaled, never part of a tree. */
  readonly lineage: ReadonlySet<number>;
  readonly processes: ProcessTable | undefined;
  /** Whether this platform shows environments at all. If it does, one that cannot be read is unknown. */
  readonly showsEnvironments: boolean;
  /** False where a system has no process groups and sessions, so that none of a process is not an unread one. */
  readonly showsGroups?: boolean;
  /** Environments of every `opencode serve` of ours, of everything that runs below those, and of every recorded pid. */
  readonly environments: ReadonlyMap<number, Environment>;
  /** Every live session of ours: by its process's working directory, and as listed where its environment says. */
  readonly claudes: readonly Witness[];
  /**
   * Who listens on a port, for records that may lead to whoever does; `nobody` of this user's. A port that is missing
   * could not be looked at.
   */
  readonly listeners: ReadonlyMap<number, number | 'nobody'>;
  /** The local ports of the questions that this run is asking right now. */
  readonly questions: ReadonlySet<number>;
  /** Every process that a record or a keep mark names. */
  readonly named: readonly Identity[];
  /**
   * Whether a process listens: for possible launchers, and for what runs below a server in a session or group of its
   * own, or where there are none.
   */
  readonly listens: ReadonlyMap<number, boolean>;
  /**
   * The standard input of each child of a server that leads a session of its own; undefined on a platform that shows
   * none.
   */
  readonly inputs?: ReadonlyMap<number, Stream> | undefined;
  /** By record id. */
  readonly sockets: ReadonlyMap<string, Sockets>;
  /** The unit of a service manager that each server of ours runs in; empty if it is in none. */
  readonly units?: ReadonlyMap<number, string>;
  readonly places: ReadonlyMap<string, Place>;
}
