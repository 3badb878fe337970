/** What became of a server that was to be stopped. */
export type Outcome =
  | {
      readonly kind: 'stopped';
      readonly signal: 'SIGTERM' | 'SIGKILL';
      readonly tookMs: number;
      /** Every process that has ended, the server first. */
      readonly processes: readonly number[];
      /** The pid that now listens on its port; undefined when none does. */
      readonly successor: number | undefined;
      readonly leftBehind: readonly Stray[];
    }
  | { readonly kind: 'gone' }
  | { readonly kind: 'replaced'; readonly pid: number }
  | { readonly kind: 'denied'; readonly pid: number }
  | { readonly kind: 'survived'; readonly pids: readonly number[] }
  | { readonly kind: 'withheld'; readonly because: string; readonly overLimit?: true };

/** A process that had detached from a stopped server's tree. */
export interface Stray {
  readonly pid: number;
  readonly name: string;
  readonly ended: boolean;
}
