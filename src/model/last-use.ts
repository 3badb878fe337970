/** When the watch last saw a sign that a server is used, by the boot clock, which cannot be set. */
export interface LastUse {
  /** By the boot clock. */
  readonly ms: number;
  /** How far the wall clock was ahead of the boot clock when the server was last asked. */
  readonly aheadMs: number;
  /** What the server then reported as its own last activity, by the wall clock. */
  readonly activeAt: number | undefined;
  /** It was busy then. When that ended is not known, so the next time that it is idle counts as a use. */
  readonly busy?: true | undefined;
}

/** Keyed by the process that listens: a plugin's record and ours may both lead to it. */
export type LastUses = ReadonlyMap<string, LastUse>;
