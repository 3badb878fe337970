import type { Pid } from './identity.js';

/**
 * What another program wrote down about a server that it started or uses: whose the server is. It can say that and spare
 * the server; nothing in it ever makes one stale.
 */
export interface Registration {
  readonly file: string;
  readonly by: 'OpenChamber' | 'Neovim';
  /** One of the program's own words for itself, from a fixed list. */
  readonly variant: string | undefined;
  /** The server's process; undefined if only its port was written down. */
  readonly pid: Pid | undefined;
  readonly port: number | undefined;
  /** The program's own processes. A bare pid is no identity: it is compared with `seenAt`. */
  readonly holders: readonly Pid[];
  /** What such a process is called; undefined if it may be called anything. */
  readonly holdersName: RegExp | undefined;
  /** When it was last written, epoch milliseconds; undefined if that is not known. Its processes are older. */
  readonly seenAt: number | undefined;
  /**
   * Why it does not count as said: it could not be read, or someone else could have written it. Without a pid and a port
   * it may then be about any server.
   */
  readonly doubt: string | undefined;
}

/** What an environment says about who manages a process, or in what it was started. */
export interface Marks {
  /** `KIMAKI=1`, which Kimaki gives to its server. */
  readonly kimaki: boolean;
  /** `ADE_OPENCODE_MANAGED=1`, and the process that set it. */
  readonly ade: boolean;
  readonly adePid: Pid | undefined;
  /** A Claude Code session, of which clients before 2.1.214 do not say the process. */
  readonly claude: boolean;
  readonly claudePid: Pid | undefined;
  /** The process that systemd started for this unit (`SYSTEMD_EXEC_PID`, since 248): what it starts inherits that. */
  readonly servicePid: Pid | undefined;
}
