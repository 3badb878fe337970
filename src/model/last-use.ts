/** When the watch last had a sign that a server is used. It goes by the boot clock, which nobody sets. */
export interface LastUse {
  /** By the boot clock. */
  readonly ms: number;
  /** How far the wall clock was ahead of the boot clock when the server was last asked. */
  readonly aheadMs: number;
  /** What the server then said of its own last activity, by the wall clock. */
  readonly activeAt: number | undefined;
  /** It was busy then. Nobody knows when it ended that, so the next time that it is idle counts as a use. */
  readonly busy?: true | undefined;
}

/** By the process that listens: a plugin's record and ours may both lead to it. */
export type LastUses = ReadonlyMap<string, LastUse>;
