import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { alive, cmdline, environ, parent, pids } from './proc.js';
import type { Sandbox } from './sandbox.js';

export interface Logged {
  readonly event: string;
  readonly id: string;
  readonly detail: string;
}

/** What the runs of this sandbox have logged so far, oldest first. */
export const logged = ({ stateDir }: Sandbox): Logged[] => {
  const file = join(stateDir, 'log.ndjson');
  const lines = existsSync(file) ? readFileSync(file, 'utf8').split('\n').filter(Boolean) : [];
  return lines.map((line) => JSON.parse(line));
};

/**
 * The shells that are the watch of this sandbox; there should never be two for long. What a shell has just forked is
 * called like it until it has become its program.
 */
export const watchesOf = ({ home }: Pick<Sandbox, 'home'>): number[] => {
  const shells = pids().filter(
    (pid) => cmdline(pid)[3] === 'opencode-reap-watch' && environ(pid).includes(`HOME=${home}`) && alive(pid),
  );
  return shells.filter((pid) => !shells.includes(parent(pid)));
};
