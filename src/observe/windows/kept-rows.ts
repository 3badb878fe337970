import type { Row } from './sockets.js';

export type Rows = readonly Row[] | undefined;

export interface KeptRows {
  readonly rows: () => Promise<Rows>;
  /** Begins a look: what is listed from here on is new. */
  readonly forget: () => void;
}

/** One list of connections serves a look. Where none was begun, as after a stop, it is this old at most. */
const HOLDS_MS = 500;

export function keptRows(list: () => Promise<Rows>): KeptRows {
  let kept: { readonly rows: Promise<Rows>; until: number } | undefined;
  return {
    rows: () => {
      if (kept !== undefined && performance.now() <= kept.until) return kept.rows;
      const asked = { rows: list(), until: Number.POSITIVE_INFINITY };
      kept = asked;
      const arrived = () => {
        asked.until = performance.now() + HOLDS_MS;
      };
      asked.rows.then(arrived, arrived);
      return asked.rows;
    },
    forget: () => {
      kept = undefined;
    },
  };
}
