import type { ChildProcess } from 'node:child_process';
import kill from 'tree-kill';

/**
 * Windows only: ends what was just spawned, with everything below it. Its pid is its own as long as we hold its handle,
 * which we do until it has ended. tree-kill has a shell look for `taskkill` in the current directory first, so it is
 * called in System32; that is over when it returns, and what it has started goes on there.
 */
export function takeBack(child: ChildProcess, system: string): Promise<void> {
  const { pid } = child;
  if (pid === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    const here = process.cwd();
    process.chdir(system);
    try {
      // Its error says that the process has ended before.
      kill(pid, () => resolve());
    } finally {
      process.chdir(here);
    }
  });
}
