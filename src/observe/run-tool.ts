import { type ExecFileException, execFile } from 'node:child_process';
import { isSystemError } from '../common/errors.js';

/** A program of the operating system that is run to its end, for what it prints. */
export interface Tool {
  /** By its absolute path: a PATH may have another program of that name. */
  readonly file: string;
  readonly args: readonly string[];
  /** Its whole environment: ours could change its language, or what it loads. */
  readonly env: Readonly<Record<string, string>>;
  /** A folder that is always there: ours may have been deleted, or not answer. */
  readonly cwd: string;
  /** Then it is killed. */
  readonly timeoutMs: number;
  /** Of each of its outputs. */
  readonly maxBytes: number;
  /** `latin1` keeps every byte, for what is to be decoded in parts. */
  readonly encoding: 'latin1' | 'utf8';
}

/**
 * `finished` with any exit code, since each tool means something else by it. `failed` when the tool could not be started,
 * was ended by a signal, took too long or printed too much. What it had printed by then may be half of a list, so it is
 * not returned, and standard error never is: it may quote another process.
 */
export type ToolResult =
  | { readonly kind: 'finished'; readonly code: number; readonly stdout: string }
  | { readonly kind: 'failed'; readonly why: string };

/** The one seam to the machine where tools show it: `runTool`, or what a test has them print. */
export type RunTool = (tool: Tool) => Promise<ToolResult>;

/** Rejects only for a bug of ours. Waits no longer than `timeoutMs`, although not even SIGKILL ends every tool at once. */
export function runTool({ file, args, env, cwd, timeoutMs, maxBytes, encoding }: Tool): Promise<ToolResult> {
  const late = new AbortController();
  const options = { env, cwd, encoding, maxBuffer: maxBytes, windowsHide: true } as const;
  const kept = { ...options, signal: late.signal, killSignal: 'SIGKILL' } as const;
  return new Promise((resolve, reject) => {
    try {
      const child = execFile(file, args, kept, (error, stdout) => {
        clearTimeout(timer);
        resolve(resultOf(error, stdout));
      });
      const timer = setTimeout(() => {
        resolve({ kind: 'failed', why: `it took longer than ${timeoutMs} ms` });
        late.abort();
        child.unref();
      }, timeoutMs);
      // So that it does not wait for input.
      child.stdin?.end();
    } catch (error) {
      // EPERM, from a sandbox that forbids it, is thrown; ENOENT is passed to the callback.
      if (isSystemError(error)) resolve({ kind: 'failed', why: (error as Error).message });
      else reject(error);
    }
  });
}

/** Of one that took too long, nothing is asked any more. */
function resultOf(error: ExecFileException | null, stdout: string): ToolResult {
  if (error === null) return { kind: 'finished', code: 0, stdout };
  if (typeof error.code === 'number') return { kind: 'finished', code: error.code, stdout };
  if (error.signal) return { kind: 'failed', why: `it was ended by ${error.signal}` };
  const isTooMuch = error.code === 'ERR_CHILD_PROCESS_STDIO_MAXBUFFER';
  return { kind: 'failed', why: isTooMuch ? 'it printed too much' : error.message };
}
