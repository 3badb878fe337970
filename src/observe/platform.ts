import type { Stream } from '../model/birth.js';
import type { Host, StartTokens } from '../model/identity.js';
import type { Environment, ProcessTable, Seen, Sockets } from '../model/process.js';

/** One platform's way of looking. Undefined always means "could not be read", never "none". */
export interface Platform {
  /** As messages call it. */
  readonly name: string;
  readonly shows: Shows;
  /** What a person can look at where something cannot be read, as the end of a hint. */
  readonly remedy?: string;
  readonly host: () => Promise<Host>;
  readonly processes: () => Promise<ProcessTable | undefined>;
  /** Right before a signal: on Linux at once, so that nothing comes between the two. */
  readonly look: (pid: number) => Seen | Promise<Seen>;
  /** What it takes more than a list to know of many processes, in one call. Whatever is not in it could not be read. */
  readonly details: (wanted: Wanted) => Promise<ReadonlyMap<number, Details>>;
  /**
   * The sockets of many servers, in one call: one answer for each, in their order, since two records that lead to the
   * same process may have trees of their own.
   */
  readonly sockets: (trees: readonly ServerTree[]) => Promise<readonly (Sockets | undefined)[]>;
  /**
   * Who listens on a port of this machine, for connections to that IPv4 address where one is given and addresses can be
   * told; undefined when that could not be read.
   */
  readonly listener: (port: number, host?: string) => Promise<Listener | 'nobody' | undefined>;
  /** As `Snapshot` has it; absent where nothing tells it. */
  readonly setForwardMs?: () => number | undefined;
  /**
   * Where a list of processes costs too much for each look, one is kept for the looks that follow: from here on, only
   * what is seen later counts.
   */
  readonly lookAnew?: () => void;
  /** As `look`, by that list. */
  readonly recent?: (pid: number) => Promise<Seen>;
  /**
   * Begins a look with such a list: connections are listed anew, once for all of it, and so are the processes where one of
   * these lives and is not in the list, since then it is younger.
   */
  readonly beginLook?: (pids: readonly number[]) => Promise<void>;
  /** Where nothing can be signaled: runs what ends processes by their open handles (act/end-at-once.ts). */
  readonly runScript?: (script: string) => Promise<string | undefined>;
  /** How a command is started where its name alone does not do; undefined when there is no such program. */
  readonly startable?: (command: string, args: readonly string[], env: NodeJS.ProcessEnv) => Startable | undefined;
  /** Where the system's own programs are, if what was just spawned is taken back by one of them. */
  readonly systemFolder?: string;
  /** The user that we are, where it takes a list of processes to know it. */
  readonly owner?: () => Promise<string | undefined>;
}

/** `isLine` when the arguments are one line of a shell's, to be handed over as it is. */
export interface Startable {
  readonly command: string;
  readonly args: readonly string[];
  readonly isLine: boolean;
}

/** What a platform can show at all. Of what it can, something that could not be read is unknown. */
export interface Shows {
  readonly environments: boolean;
  /** False where there are no process groups and sessions, and parents and consoles have to do. */
  readonly groups?: false;
  /** Which sockets a server has, and so who is connected to it. */
  readonly clients: boolean;
  /** What its start tokens are, since plugins and Claude Code write down theirs. */
  readonly startTokens: StartTokens;
  /** What tells who started a process, and where its standard streams lead. */
  readonly births: boolean;
  /** Whether the directories that processes work in cost nothing, so that those of servers are looked at as well. */
  readonly cwdOfAll: boolean;
}

/** Which pids each detail is wanted for: on Linux each costs its own reads, elsewhere one tool tells it of all. */
export type Wanted = {
  readonly [What in 'environment' | 'cwd' | 'listens' | 'unit' | 'elsewhere' | 'birth' | 'input']?: readonly number[];
};

/** The wanted details of one process. */
export interface Details {
  readonly environment?: Environment | undefined;
  /** The directory that it works in, by its name even if it has been removed since. */
  readonly cwd?: string | undefined;
  /** Told with `cwd`: whether a live process hides its working directory. */
  readonly hidesCwd?: boolean;
  /** Told with `cwd` too: whether it has pids or a clock of its own, so what it writes of itself fits nothing here. */
  readonly isElsewhere?: boolean;
  /** Whether it waits for connections of any kind, in whatever network namespace it is. */
  readonly listens?: boolean | undefined;
  /** The unit of a service manager that it runs in; empty if it runs in none. */
  readonly unit?: string | undefined;
  readonly birth?: BirthMarks;
  /** Where its standard input leads. */
  readonly input?: Stream | undefined;
}

/** What a process still has of its start. */
export interface BirthMarks {
  /** Whose marks these are: a pid may have another process since it was listed. */
  readonly startToken: string | undefined;
  readonly argv: readonly string[] | undefined;
  /** As `Host` has it. */
  readonly pidNamespace: string | undefined;
  /** Standard input, output and error. */
  readonly streams: readonly (Stream | undefined)[];
  /** Epoch milliseconds, by the clock as it is set now. */
  readonly startedAt: number | undefined;
}

/** A process, and the pids of all whose sockets are its own, itself included. */
export interface ServerTree {
  readonly server: number;
  readonly pids: readonly number[];
}

export interface Listener {
  /** Undefined when it cannot be seen. */
  readonly pid: number | undefined;
  /** Whose it is, which everybody may see, as `Process` has it. */
  readonly owner: string | undefined;
}
