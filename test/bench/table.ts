/** One line of the result. Without a limit, it is there to compare with. */
export interface Row {
  readonly what: string;
  readonly value: number;
  /** `x` is a ratio to `node -e 0`, or to what is said. */
  readonly unit: 'x' | 'ms' | 'µs' | 'MB';
  readonly limit?: number;
  /** How far the middle half of the runs lies apart, in the same unit. */
  readonly spread?: readonly [number, number];
}

const shown = (value: number): string => (value >= 100 ? value.toFixed(0) : value.toFixed(2));

const between = (spread: Row['spread']): string => (spread ? `${shown(spread[0])} to ${shown(spread[1])}` : '');

/** As docs/performance.md has it. */
export function markdownOf(rows: readonly Row[]): string {
  const lines = rows.map(({ what, value, unit, limit, spread }) => {
    const most = limit === undefined ? '' : value <= limit ? `${limit}` : `${limit}, not reached`;
    return `| ${what} | ${shown(value)} ${unit} | ${between(spread)} | ${most} |`;
  });
  return ['| what | median | middle half | at most |', '|---|--:|--:|--:|', ...lines].join('\n');
}

export function tableOf(rows: readonly Row[]): string {
  const widest = Math.max(...rows.map(({ what }) => what.length));
  return rows
    .map(({ what, value, unit, limit, spread }) => {
      const within = limit === undefined ? '' : value <= limit ? `at most ${limit}` : `at most ${limit}: not reached`;
      return `${what.padEnd(widest)}  ${shown(value).padStart(8)} ${unit.padEnd(2)}  ${between(spread).padEnd(16)}  ${within}`.trimEnd();
    })
    .join('\n');
}
