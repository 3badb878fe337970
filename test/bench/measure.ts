import { spawnSync } from 'node:child_process';
import { readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Environment } from '../support/sandbox.js';

export interface Command {
  readonly args: readonly string[];
  readonly env: Environment;
  readonly input?: string;
  readonly cwd?: string;
}

/** Milliseconds of whole processes: the median, and the quartiles around it. */
export interface Spread {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export const NODE: readonly string[] = ['-e', '0'];

/** How often each is measured: with `--quick` a quarter as often, which tells a trend and no more. */
export const rounds = (count: number): number => (process.argv.includes('--quick') ? Math.ceil(count / 4) : count);

function once({ args, env, input = '', cwd }: Command): number {
  const began = performance.now();
  const { status, stderr } = spawnSync(process.execPath, args, { env, input, cwd, maxBuffer: 1 << 28 });
  const took = performance.now() - began;
  if (status !== 0) throw new Error(`${args.join(' ')} ended with ${status}: ${stderr}`);
  return took;
}

const at = (sorted: readonly number[], share: number): number =>
  sorted[Math.floor(share * (sorted.length - 1))] ?? Number.NaN;

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  return { median: at(sorted, 0.5), low: at(sorted, 0.25), high: at(sorted, 0.75) };
}

/** Each command once per round, in turn, so that whatever else this machine does meets all of them alike. */
export async function inTurn<Name extends string>(
  commands: Readonly<Record<Name, Command>>,
  rounds: number,
  before: (name: Name) => unknown = () => undefined,
): Promise<Record<Name, Spread>> {
  const names = Object.keys(commands) as Name[];
  const times = Object.fromEntries(names.map((name) => [name, [] as number[]])) as Record<Name, number[]>;
  // The first round of each reads its files from the disk.
  for (let round = -1; round < rounds; round += 1) {
    for (const name of names) {
      await before(name);
      const took = once(commands[name]);
      if (round >= 0) times[name].push(took);
    }
  }
  return Object.fromEntries(names.map((name) => [name, spreadOf(times[name])])) as Record<Name, Spread>;
}

/** Peak resident memory in kilobytes: the median of five runs, as each says of itself at its end. */
export function peakKilobytes({ args, env, input = '' }: Command): number {
  const file = join(tmpdir(), `opencode-reap-bench-${process.pid}`);
  const preload = `${file}.cjs`;
  writeFileSync(
    preload,
    `process.once('exit', () => require('node:fs').writeFileSync(${JSON.stringify(file)}, String(process.resourceUsage().maxRSS)));`,
  );
  const peaks = Array.from({ length: 5 }, () => {
    spawnSync(process.execPath, ['-r', preload, ...args], { env, input });
    return Number(readFileSync(file, 'utf8'));
  });
  for (const one of [file, preload]) rmSync(one);
  return spreadOf(peaks).median;
}

/** A time as a ratio to another one of the same run. */
export const ratio = (what: string, time: Spread, to: Spread, limit?: number) => ({
  what,
  value: time.median / to.median,
  unit: 'x' as const,
  spread: [time.low / to.median, time.high / to.median] as const,
  ...(limit === undefined ? {} : { limit }),
});
