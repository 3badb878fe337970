/** What background runs did since a person was last told. Numbers alone: it is said on a screen. */
export interface Notice {
  readonly stopped: number;
  /** The memory that those held. */
  readonly bytes: number;
  /** Their ports that nothing listens on now. */
  readonly ports: readonly number[];
  /** The pids of servers that no session used, and that are still there. */
  readonly left: readonly number[];
}
