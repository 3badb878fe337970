import { spawnSync } from 'node:child_process';
import { performance } from 'node:perf_hooks';
import { codeOf } from '../common/errors.js';

/** How a command ended that was run to completion. */
export interface Ran {
  readonly tookMs: number;
  /** Why it failed, as a sentence; undefined when it succeeded. */
  readonly failure: string | undefined;
  /** What it printed, on either output. */
  readonly printed: string;
}

/** Runs a command as Claude Code runs a hook: without a shell, with something to read. */
export function runOnce(command: string, args: readonly string[], input: string, timeoutMs: number): Ran {
  const startedAt = performance.now();
  const done = spawnSync(command, args, { input, timeout: timeoutMs, encoding: 'utf8', windowsHide: true });
  const tookMs = performance.now() - startedAt;
  return { tookMs, failure: failureOf(done), printed: `${done.stdout ?? ''}${done.stderr ?? ''}` };
}

function failureOf({ error, status, signal }: ReturnType<typeof spawnSync>): string | undefined {
  if (error) return codeOf(error) ?? error.message;
  if (signal) return `ended by ${signal}`;
  return status === 0 ? undefined : `exit code ${status}`;
}
