/*
 * What opencode-reap offers to a plugin, in one file without imports, so that its declarations can be shipped next to
 * the vendored file. All times are in milliseconds. A promise rejects only with a `ReapError`, or because of a bug in
 * this program.
 */

/** Where this program reads and writes. */
export interface StateOptions {
  /**
   * Default: `$OPENCODE_REAP_STATE_DIR`, else the platform's per-user state folder. Keep the default: everything that
   * uses one port (your hooks, other plugins) must share it.
   */
  readonly stateDir?: string | null | undefined;
}

export interface SessionOptions {
  /**
   * The Claude Code session that the call is made for. Default: `$CLAUDE_CODE_SESSION_ID`, which the client sets for
   * hooks and for its shell tool. With neither, there is no session.
   */
  readonly sessionId?: string | null | undefined;
  /**
   * Any directory of the workspace; its git top level is used, or the directory itself outside of git. Default: the
   * current directory.
   */
  readonly workspace?: string | null | undefined;
  /** An alias of `workspace`, which takes precedence. */
  readonly cwd?: string | null | undefined;
}

export interface ServerOptions extends SessionOptions, StateOptions {
  /** The port to listen on; 0 takes any free one but 4096, and never reuses a running server. Default: 4096. */
  readonly port?: number | null | undefined;
  /** A loopback address, 127.x.x.x, or `localhost`. Default: 127.0.0.1. */
  readonly hostname?: string | null | undefined;
  /** An alias of `hostname`, which takes precedence. */
  readonly host?: string | null | undefined;
  /** Your plugin's name, written into the record for people who read it. Default: `a plugin`. */
  readonly plugin?: string | null | undefined;
  /**
   * The program, looked up on the PATH of `env`. It must be named `opencode`: under another name the server would never
   * be recognized as one, so it is refused. Default: `opencode`.
   */
  readonly command?: string | null | undefined;
  /** Arguments after `serve --hostname … --port …`. Default: none. */
  readonly args?: readonly string[] | null | undefined;
  /**
   * The server's environment. Default: this process's. Variables that belong only to the Claude session, or to an outer
   * server whose tool this runs in, are left out; the tag is added.
   */
  readonly env?: Readonly<Record<string, string | undefined>> | null | undefined;
  /** How long the server may take to answer. Default: 60,000. */
  readonly readyTimeout?: number | null | undefined;
  /**
   * How long the server must be unused before the watch stops it: at least 1,000, or 0 for never. The watch looks after
   * servers when no hook fires anymore. Default: `$OPENCODE_REAP_RETIRE_AFTER` (a duration such as `2h`, or `0`), else
   * 1,800,000 (30 min).
   */
  readonly retireAfter?: number | null | undefined;
  /**
   * Requires a random password of the server's own. Default: false. Without it, OpenCode 2 still gets one unless `env`
   * has the user's, and OpenCode 1 has none unless `env` has the user's.
   */
  readonly secure?: boolean | null | undefined;
}

export interface EnsuredServer {
  readonly url: string;
  /** The process that listens; undefined where that cannot be seen. */
  readonly pid: number | undefined;
  /** False when this call started it. */
  readonly alreadyRunning: boolean;
  /**
   * False for a server that the user, or something unknown, started. Such a server is never reaped, unless it was
   * adopted with `opencode-reap adopt`.
   */
  readonly startedByPlugin: boolean;
  /** Names the server in calls to the other functions; undefined for a server that is not recorded. */
  readonly id: string | undefined;
  /**
   * The password that every request needs (HTTP Basic, the user name is `opencode`): of any OpenCode 2, and of an
   * OpenCode 1 that was started with `secure`, by this call or an earlier one. Absent for any other server. Keep it out
   * of logs and arguments.
   */
  readonly password?: string;
}

/** Every error thrown: `message` is one sentence for the user, `hint` is the next step. */
export interface ReapError extends Error {
  readonly hint: string;
}

/**
 * Reuses the OpenCode server that answers on the port, or starts one that outlives this process and can be recognized
 * later. Resolves once it answers. Safe to call from several processes at the same moment: one starts the server, all
 * get its URL. A server that does not become ready in time is ended and forgotten.
 *
 * When there is a session, it is attached to the server, as by `attachSession`.
 *
 * Rejects with a `ReapError` when no server can be had: an option is invalid or unknown; the program is missing, exits, or stays
 * silent; the port is held by something that is not OpenCode, by another user, by an OpenCode that does not answer, or
 * by an OpenCode 2 whose password is not known here; or `secure` is set and the server on the port has no password of
 * its own that is.
 */
export declare function ensureServer(options?: ServerOptions): Promise<EnsuredServer>;

export interface AttachOptions extends SessionOptions, StateOptions {
  /** The server's `id`. */
  readonly server?: string | null | undefined;
  /**
   * The server's port, for a server without an `id`. A session without a lease always gets one for a port. Default
   * (also for 0): 4096.
   */
  readonly port?: number | null | undefined;
}

/** The lease after the call. */
export interface SessionLease {
  /** False when nothing was done because no session is known. */
  readonly held: boolean;
  /**
   * The Claude process that the lease belongs to; undefined when it could not be found, in which case the lease expires
   * after 24 h.
   */
  readonly holderPid: number | undefined;
  /** Ids of the servers that it names, in addition to those that it covers by workspace and port. */
  readonly servers: readonly string[];
}

/**
 * Records that the Claude process above this one may use a server: writes its lease, or renews it. A server that a live
 * lease covers is never reaped, and a lease lives as long as its Claude process, so there is nothing to undo.
 *
 * The holder is `$CLAUDE_PID` if that is an ancestor of the caller, else the nearest ancestor named `claude`; if there
 * is neither (a detached worker), every live lease of the same session is renewed; else the lease goes by the session's
 * id and expires after 24 h.
 */
export declare function attachSession(options?: AttachOptions): Promise<SessionLease>;

/**
 * Removes a server from the session's lease; without `server`, all of them. The lease itself stays while its Claude
 * process lives, and still covers its workspace and its port. Only a lease without a known process is deleted. The
 * leases of other sessions, such as an outer client's, are left alone.
 */
export declare function releaseSession(options?: AttachOptions): Promise<SessionLease>;

export interface StopOptions extends StateOptions {
  /** Time between SIGTERM and SIGKILL. Default: 5,000. */
  readonly grace?: number | null | undefined;
  /** Also end processes that detached from the server. Default: false. */
  readonly strays?: boolean | null | undefined;
}

/** A process that had detached from a stopped server. */
export interface Stray {
  readonly pid: number;
  readonly name: string;
  readonly ended: boolean;
}

/** What became of a server that was to be stopped. It has ended only if this is `stopped` or `gone`. */
export type StopOutcome =
  | {
      readonly kind: 'stopped';
      readonly signal: 'SIGTERM' | 'SIGKILL';
      readonly tookMs: number;
      /** Every process that has ended, the server first. */
      readonly processes: readonly number[];
      /** The pid that now listens on its port; null when none does. */
      readonly successor: number | null;
      readonly leftBehind: readonly Stray[];
    }
  | { readonly kind: 'gone' }
  | { readonly kind: 'replaced' | 'denied'; readonly pid: number }
  | { readonly kind: 'survived'; readonly pids: readonly number[] }
  | { readonly kind: 'withheld'; readonly because: string; readonly overLimit?: true };

/**
 * Stops one of this user's servers by id, pid or port, no matter what started it and even while it is in use, like
 * `opencode-reap stop --yes`. Resolves with `withheld` when no server, or more than one, matches; a prefix of an id
 * does not match here. To stop only unused servers, call `reap`.
 */
export declare function stopServer(server: string | number, options?: StopOptions): Promise<StopOutcome>;

export interface ScanOptions extends StateOptions {
  /** A server younger than this is not stale. Default: 300,000. */
  readonly olderThan?: number | null | undefined;
}

export interface ReapOptions extends ScanOptions {
  /** Time between SIGTERM and SIGKILL. Default: 5,000. */
  readonly grace?: number | null | undefined;
  /** Stops nothing when more than this many are stale. Default: 20. */
  readonly limit?: number | null | undefined;
  /** Judges and reports, changes nothing. Default: false. */
  readonly dryRun?: boolean | null | undefined;
  /** Reaps every workspace. Default: false. */
  readonly all?: boolean | null | undefined;
  /** Any directory of the workspace to reap. Default: the current directory. */
  readonly workspace?: string | null | undefined;
  /** Only servers on this port. Default: any. */
  readonly port?: number | null | undefined;
  /** Also end processes that detached from a stopped server. Default: false. */
  readonly strays?: boolean | null | undefined;
}

export type Guard = 'owned' | 'local' | 'identity' | 'unleased' | 'idle' | 'aged' | 'unkept';

/** Whose a server is, as far as that can be known: in words, and how it is known. It never makes one stale. */
export interface ReportedOwner {
  readonly kind: string;
  readonly says: string;
}

/** One server as it was judged. Null means not known. */
export interface ReportedServer {
  readonly id: string;
  readonly source: { readonly format: string; readonly file: string };
  /** Other files that are about the same server. */
  readonly alsoIn: readonly { readonly format: string; readonly file: string }[];
  readonly plugin: string | null;
  readonly owner: ReportedOwner;
  /** The process that was spawned; the launcher if that is not the process that listens. */
  readonly pid: number | null;
  readonly serverPid: number | null;
  readonly port: number | null;
  readonly url: string | null;
  readonly workspace: string | null;
  /** ISO 8601. */
  readonly startedAt: string | null;
  readonly ageMs: number | null;
  readonly memoryBytes: number | null;
  /** The share of a core that it has used over its life. */
  readonly cpu: number | null;
  readonly verdict: 'stale' | 'spared' | 'unsure' | 'gone';
  /** The guards that spared it, or that could not be answered. */
  readonly reasons: readonly Guard[];
  readonly guards: readonly {
    readonly name: Guard;
    readonly outcome: 'pass' | 'veto' | 'unknown';
    readonly detail: string;
  }[];
  readonly leases: readonly {
    readonly session: string | null;
    readonly holderPid: number | null;
    readonly live: boolean | null;
  }[];
  /** Null for a server that was not to be stopped. */
  readonly outcome: StopOutcome | null;
}

/** A whole run, as `opencode-reap --json` prints it. */
export interface Report {
  readonly schema: string;
  readonly version: string;
  readonly dryRun: boolean;
  /** ISO 8601. */
  readonly at: string;
  readonly scope: { readonly kind: string; readonly workspace?: string };
  readonly policy: { readonly olderThanMs: number; readonly graceMs: number; readonly limit: number };
  readonly servers: readonly ReportedServer[];
  /** Servers that are not recorded: reported, and left alone. */
  readonly unrecorded: readonly {
    readonly pid: number | null;
    readonly port: number | null;
    readonly ageMs: number | null;
    readonly memoryBytes: number | null;
    /** The share of a core that it has used over its life. */
    readonly cpu: number | null;
    readonly workspace: string | null;
    readonly owner: ReportedOwner;
  }[];
  /** Stale servers of other workspaces, which this run left alone. */
  readonly staleElsewhere: number;
  /** Files that could not be read. What they might say spares servers. */
  readonly unread: readonly { readonly file: string; readonly error: string }[];
  /** Files in plugins' folders that were skipped. */
  readonly skipped: readonly { readonly file: string; readonly because: string }[];
  readonly summary: Readonly<Record<'stale' | 'spared' | 'unsure' | 'gone' | 'stopped' | 'failed', number>>;
}

/** Every known server with its verdict: a dry run over every workspace. Changes nothing. */
export declare function scan(options?: ScanOptions): Promise<readonly ReportedServer[]>;

/**
 * Stops every stale server of the workspace, or of all workspaces: only servers that a plugin started and that are not
 * in use.
 */
export declare function reap(options?: ReapOptions): Promise<Report>;
