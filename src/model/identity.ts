declare const pidBrand: unique symbol;

/** A number that may name one process. Made only by `parsePid`. */
export type Pid = number & { readonly [pidBrand]: true };

/** 0 is our own process group, 1 is init and negatives are groups, so none of them is ever a Pid. */
export const parsePid = (value: unknown): Pid | undefined =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 1 ? (value as Pid) : undefined;

/** A process. A pid alone identifies nothing: the kernel reuses it. */
export interface Identity {
  readonly pid: Pid;
  /** Opaque start time of the platform, compared for equality only; undefined when it could not be read. */
  readonly startToken: string | undefined;
}

/**
 * What start tokens are made of: ticks of proc(5) since boot, epoch seconds, or microseconds since 1601, all of which other
 * programs write down as well; `own` is anything that only we know.
 */
export type StartTokens = 'ticks' | 'seconds' | 'microseconds' | 'own';

/** Where a pid is valid. Undefined fields could not be read; the name is only for display, since it changes. */
export interface Host {
  readonly id: string | undefined;
  readonly boot: string | undefined;
  readonly pidNamespace: string | undefined;
  /** What its start tokens are relative to; earlier versions do not record it. */
  readonly timeNamespace?: string | undefined;
  readonly name: string;
}

/** Stands for the one namespace that pids have on macOS; Claude Code calls it the same. */
export const MACOS_PIDS = 'darwin';

export type Sameness = 'same' | 'different' | 'unknown';

export const compare = (a: string | undefined, b: string | undefined): Sameness =>
  a === undefined || b === undefined ? 'unknown' : a === b ? 'same' : 'different';

/** Different pids are different processes; equal pids are the same process only with equal start tokens. */
export const sameProcess = (a: Identity, b: Identity): Sameness =>
  a.pid === b.pid ? compare(a.startToken, b.startToken) : 'different';
