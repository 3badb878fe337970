/** OpenCode's own, and so the plugins'. Apart from the others, which the hook has no use for. */
export const DEFAULT_PORT = 4096;

/** What the command line, the library and the background run use unless told otherwise. */
export const DEFAULTS = {
  port: DEFAULT_PORT,
  hostname: '127.0.0.1',
  readyTimeoutMs: 60_000,
  /** Pauses within a session are shorter, and a server that is asked for again starts in 2 s. */
  retireAfterMs: 1_800_000,
  olderThanMs: 300_000,
  graceMs: 5_000,
  limit: 20,
} as const;

/** The file that a plugin copies, and its form for `require`. Under another name it is part of another program. */
export const VENDORED_FILES: readonly string[] = ['opencode-reap.mjs', 'opencode-reap.vendor.cjs'];

/** Also in `engines`, and what the bundles are built for. */
export const OLDEST_NODE = 20;
