import { PROGRAM } from './program.js';
import type { Changes, Sandbox } from './sandbox.js';

export interface CliOptions {
  readonly env?: Changes;
  readonly cwd?: string;
  /** Written to its stdin, which then ends; without it, stdin is empty. */
  readonly input?: string;
  readonly timeoutMs?: number;
}

export interface CliResult {
  /** null when it was ended by a signal. */
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs the built program as a user does; rejects when it, or anything that inherited its output, is not done in time.
 */
export const runCli = (sandbox: Sandbox, args: readonly string[], options: CliOptions = {}): Promise<CliResult> => {
  const { cwd = sandbox.project, input = '', timeoutMs = 90_000 } = options;
  const child = sandbox.spawn(process.execPath, [PROGRAM, ...args], { cwd, env: sandbox.env(options.env) });
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  // A program that never reads its stdin may be gone before it is written (EPIPE), which is fine.
  child.stdin?.on('error', () => undefined).end(input);
  return new Promise((resolve, reject) => {
    const late = setTimeout(() => {
      child.kill('SIGKILL');
      reject(
        new Error(`opencode-reap ${args.join(' ')}: not done in ${timeoutMs} ms\n${output.stdout}${output.stderr}`),
      );
    }, timeoutMs);
    child.once('error', reject);
    child.once('close', (code) => {
      clearTimeout(late);
      resolve({ code, ...output });
    });
  });
};
