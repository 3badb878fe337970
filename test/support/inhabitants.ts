import { alive, environ, parent, pids, startToken, withDescendants } from './proc.js';
import { waitFor } from './wait.js';

const ancestors = (): Set<number> => {
  const found = new Set<number>();
  for (let pid = process.pid; pid > 0 && !found.has(pid); pid = parent(pid)) found.add(pid);
  return found;
};

/**
 * HOME is unique to the sandbox, so it identifies exactly what was started in it, no matter how far it has detached.
 */
const members = (home: string, tracked: ReadonlyMap<number, string>): number[] => {
  const known = [...tracked].filter(([pid, token]) => startToken(pid) === token).map(([pid]) => pid);
  const housed = pids().filter((pid) => environ(pid).includes(`HOME=${home}`));
  const untouchable = ancestors();
  return withDescendants([...known, ...housed]).filter((pid) => !untouchable.has(pid) && alive(pid));
};

/** The processes that live in the sandbox now. */
export const inhabitants = (sandbox: { readonly home: string }): number[] => members(sandbox.home, new Map());

const kill = (pid: number): void => {
  try {
    process.kill(pid, 'SIGKILL');
  } catch (error) {
    // It ended on its own in the meantime.
    if (!(error instanceof Error && 'code' in error && error.code === 'ESRCH')) throw error;
  }
};

/** A killed process may just have forked, so one pass is not enough. */
export const endAll = (home: string, tracked: ReadonlyMap<number, string>): Promise<boolean> =>
  waitFor('every process of the sandbox is gone', () => {
    const left = members(home, tracked);
    left.forEach(kill);
    return left.length === 0;
  });
