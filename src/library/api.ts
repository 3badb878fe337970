/*
 * What opencode-reap offers to a plugin, in one file without imports, so that its declarations can lie beside the
 * vendored file. All times are in milliseconds. A promise rejects only with an `opencode-reap` error, as `ReapError`
 * describes it, or for a mistake in this program.
 */

/** Where this program reads and writes. */
export interface StateOptions {
  /**
   * Default: `$OPENCODE_REAP_STATE_DIR`, else the platform's per-user state folder. Leave it there: all who use one port
   * must share it, your hooks and other plugins.
   */
  readonly stateDir?: string | undefined;
}

export interface SessionOptions {
  /**
   * The Claude Code session on whose behalf this is called. Default: `$CLAUDE_CODE_SESSION_ID`, which the client sets
   * for hooks and for its shell tool. With neither there is no session.
   */
  readonly sessionId?: string | undefined;
  /** Any directory of the workspace; its git top level is used, else the directory itself. Default: the current one. */
  readonly workspace?: string | undefined;
  /** The same as `workspace`, which wins. */
  readonly cwd?: string | undefined;
}

export interface ServerOptions extends SessionOptions, StateOptions {
  /** Where the server listens; 0 lets it choose, and never reuses another server. Default: 4096. */
  readonly port?: number | undefined;
  /** A loopback address, 127.x.x.x, or `localhost`. Default: 127.0.0.1. */
  readonly hostname?: string | undefined;
  /** The same as `hostname`, which wins. */
  readonly host?: string | undefined;
  /** Your plugin's name, for whoever reads the record. Default: `a plugin`. */
  readonly plugin?: string | undefined;
  /**
   * The program, found on the PATH of `env`. Under another name than `opencode` a server would never be recognised as
   * one, so it is refused. Default: `opencode`.
   */
  readonly command?: string | undefined;
  /** What follows `serve --hostname … --port …`. Default: nothing. */
  readonly args?: readonly string[] | undefined;
  /**
   * The server's environment, in place of this process's. What belongs to the Claude session alone is left out of it,
   * or to an outer server whose tool this runs in, and the tag is added.
   */
  readonly env?: Readonly<Record<string, string | undefined>> | undefined;
  /** How long the server may take to answer. Default: 60,000. */
  readonly readyTimeout?: number | undefined;
  /**
   * How long nobody must have used the server before the watch stops it, which looks after servers when no hook fires
   * any more: at least 1,000, or 0 for never. Default: `$OPENCODE_REAP_RETIRE_AFTER` (a duration such as `2h`, or `0`),
   * else 1,800,000 (30 min).
   */
  readonly retireAfter?: number | undefined;
  /** Gives the server a random password of its own. Default: false. */
  readonly secure?: boolean | undefined;
}

export interface EnsuredServer {
  readonly url: string;
  /** The process that listens; absent where that cannot be seen. */
  readonly pid: number | undefined;
  /** False when this call started it. */
  readonly alreadyRunning: boolean;
  /**
   * False for a server that the user, or nobody known, has started: it is never reaped, unless somebody has handed it
   * over with `opencode-reap adopt`.
   */
  readonly startedByPlugin: boolean;
  /** Names the server to the other functions; absent for a server that nothing was written down about. */
  readonly id: string | undefined;
  /**
   * Of a server that was started with `secure`, by this call or an earlier one; the user name is `opencode`. Absent for
   * any other. Keep it out of logs and arguments.
   */
  readonly password?: string;
}

/** What is thrown: `message` is one sentence for the user, `hint` says what to do about it. */
export interface ReapError extends Error {
  readonly hint: string;
}

/**
 * Reuses the OpenCode server that answers on the port, or starts one that outlives this process and can be recognised
 * later. Resolves once it answers. Safe when several processes call it at the same moment: one starts the server, all
 * get its URL. What does not become ready in time is ended and forgotten.
 *
 * With a session, the session is attached, as `attachSession` does it.
 *
 * Throws a `ReapError` when there is no server to be had: an option is not what it should be; the program is missing,
 * ends, or stays silent; the port is held by something that is not OpenCode, by another user, or by OpenCode that does
 * not answer; or `secure` is wanted and the server on the port has no password known here.
 */
export declare function ensureServer(options?: ServerOptions): Promise<EnsuredServer>;

export interface AttachOptions extends SessionOptions, StateOptions {
  /** The server's `id`. */
  readonly server?: string | undefined;
  /**
   * The server's port, where it has no `id`. A session that has no lease yet always gets one for a port. Default, for
   * 0 too: 4096.
   */
  readonly port?: number | undefined;
}

/** What a lease says now. */
export interface SessionLease {
  /** False when there was nothing to do: no session is known. */
  readonly held: boolean;
  /** The Claude process that holds it; absent when it could not be told, and the lease expires after 24 h. */
  readonly holderPid: number | undefined;
  /** Ids of the servers that it names, besides what it covers by workspace and port. */
  readonly servers: readonly string[];
}

/**
 * Notes that the Claude process above this one may use a server: writes its lease, or renews it. No server that a live
 * lease covers is ever reaped, and a lease lives as long as its Claude process: there is nothing to take back.
 *
 * The holder is `$CLAUDE_PID` where that is above the caller, else the nearest process above it named `claude`; where
 * neither is (a worker that was detached), every live lease of the same session; else a lease by the session's id, which
 * expires after 24 h.
 */
export declare function attachSession(options?: AttachOptions): Promise<SessionLease>;

/**
 * Takes a server out of the session's lease; without `server`, all of them. The lease itself stays while its Claude
 * process lives, and still covers its workspace and its port. Only a lease without a known process is removed. What
 * another session holds, an outer client's for one, is left alone.
 */
export declare function releaseSession(options?: AttachOptions): Promise<SessionLease>;

export interface StopOptions extends StateOptions {
  /** Time between SIGTERM and SIGKILL. Default: 5,000. */
  readonly grace?: number | undefined;
  /** Also end what detached itself from the server. Default: false. */
  readonly strays?: boolean | undefined;
}

/** A process that had detached itself from a stopped server. */
export interface Stray {
  readonly pid: number;
  readonly name: string;
  readonly ended: boolean;
}

/** What became of a server that was to be stopped. Only `stopped` and `gone` mean that it is no more. */
export type StopOutcome =
  | {
      readonly kind: 'stopped';
      readonly signal: 'SIGTERM' | 'SIGKILL';
      readonly tookMs: number;
      /** Every process that is gone now, the server first. */
      readonly processes: readonly number[];
      /** Who listens on its port now; null when nobody does. */
      readonly successor: number | null;
      readonly leftBehind: readonly Stray[];
    }
  | { readonly kind: 'gone' }
  | { readonly kind: 'replaced' | 'denied'; readonly pid: number }
  | { readonly kind: 'survived'; readonly pids: readonly number[] }
  | { readonly kind: 'withheld'; readonly because: string; readonly overLimit?: true };

/**
 * Stops one server of this user's by id, pid or port, whoever started it and even while it is in use, as
 * `opencode-reap stop --yes` does. Resolves with `withheld` when no server, or more than one, goes by that name; the
 * start of an id is no name here. To end only what nobody uses, call `reap`.
 */
export declare function stopServer(server: string | number, options?: StopOptions): Promise<StopOutcome>;

export interface ScanOptions extends StateOptions {
  /** A server younger than this is not stale. Default: 300,000. */
  readonly olderThan?: number | undefined;
}

export interface ReapOptions extends ScanOptions {
  /** Time between SIGTERM and SIGKILL. Default: 5,000. */
  readonly grace?: number | undefined;
  /** Stops nothing when more than this many are stale. Default: 20. */
  readonly limit?: number | undefined;
  /** Judges and reports, changes nothing. Default: false. */
  readonly dryRun?: boolean | undefined;
  /** Every workspace. Default: false. */
  readonly all?: boolean | undefined;
  /** Any directory of the workspace that is reaped. Default: the current one. */
  readonly workspace?: string | undefined;
  /** Only servers on this port. Default: any. */
  readonly port?: number | undefined;
  /** Also end what detached itself from a stopped server. Default: false. */
  readonly strays?: boolean | undefined;
}

export type Guard = 'owned' | 'local' | 'identity' | 'unleased' | 'idle' | 'aged' | 'unkept';

/** One server as it was judged. Null where something is not known. */
export interface ReportedServer {
  readonly id: string;
  readonly source: { readonly format: string; readonly file: string };
  /** Other files that speak of the same server. */
  readonly alsoIn: readonly { readonly format: string; readonly file: string }[];
  readonly plugin: string | null;
  /** What was spawned; the launcher where that is not the process that listens. */
  readonly pid: number | null;
  readonly serverPid: number | null;
  readonly port: number | null;
  readonly url: string | null;
  readonly workspace: string | null;
  /** ISO 8601. */
  readonly startedAt: string | null;
  readonly ageMs: number | null;
  readonly memoryBytes: number | null;
  readonly verdict: 'stale' | 'spared' | 'unsure' | 'gone';
  /** The guards that spared it or could not be answered. */
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
  /** Null for what was not to be stopped. */
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
  /** Servers that nothing was written down about: named, and left alone. */
  readonly unrecorded: readonly {
    readonly pid: number | null;
    readonly port: number | null;
    readonly ageMs: number | null;
    readonly memoryBytes: number | null;
    readonly workspace: string | null;
  }[];
  /** Stale servers of other workspaces, which this run left alone. */
  readonly staleElsewhere: number;
  /** Files that could not be read; what they might say spares servers. */
  readonly unread: readonly { readonly file: string; readonly error: string }[];
  /** What lies where plugins write, and was passed over. */
  readonly skipped: readonly { readonly file: string; readonly because: string }[];
  readonly summary: Readonly<Record<'stale' | 'spared' | 'unsure' | 'gone' | 'stopped' | 'failed', number>>;
}

/** Every known server with its verdict: a dry run over every workspace. Changes nothing. */
export declare function scan(options?: ScanOptions): Promise<readonly ReportedServer[]>;

/** Stops every stale server of the workspace, or of all: only those that nobody uses and that a plugin started. */
export declare function reap(options?: ReapOptions): Promise<Report>;
