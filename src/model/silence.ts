/** Since when a server has not answered, by the boot clock, and how many looks have found that. */
export interface SilentSince {
  readonly sinceMs: number;
  /** When the last look that counts was. */
  readonly lastMs: number;
  readonly looks: number;
}

/** By the process that listens, as in `useKey`. What is missing has answered, or was never asked. */
export type Silences = ReadonlyMap<string, SilentSince>;
