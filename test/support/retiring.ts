import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { cmdline, environ, pids } from './proc.js';
import type { Sandbox } from './sandbox.js';

export interface Logged {
  readonly event: string;
  readonly id: string;
  readonly detail: string;
}

/** What the runs of this sandbox have written down so far, oldest first. */
export const logged = ({ stateDir }: Sandbox): Logged[] => {
  const file = join(stateDir, 'log.ndjson');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  return lines.map((line) => JSON.parse(line));
};

/** Whatever of this sandbox is about to judge, or judges. */
export const judging = ({ home }: Sandbox): number[] =>
  pids().filter((pid) => /\0(retire|sweep)\0/.test(cmdline(pid).join('\0')) && environ(pid).includes(`HOME=${home}`));

/** The background run itself, and not the shell that gives it away. */
export const sweeper = (sandbox: Sandbox): number | undefined =>
  judging(sandbox).find((pid) => cmdline(pid)[2] === 'sweep');
