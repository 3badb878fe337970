import { type RunTool, runTool, type ToolResult } from '../run-tool.js';

/**
 * The tools that come with macOS, and what is different about them elsewhere: Linux has the same ones with the same
 * arguments, which is how the tests look at real servers through this adapter.
 */
export interface Tools {
  readonly run: RunTool;
  readonly ps: string;
  readonly lsof: string;
  readonly netstat: readonly [file: string, ...args: string[]];
  readonly sysctl: string;
  readonly ioreg: string;
  /** The name of a language whose characters are UTF-8; in any other, both tools spell them out. */
  readonly characters: string;
  /** `ps -p` refuses a whole list for one number that is higher. */
  readonly highestPid: number;
}

/** By their own paths: Homebrew and MacPorts bring others by the same names. */
export const TOOLS: Tools = {
  run: runTool,
  ps: '/bin/ps',
  lsof: '/usr/sbin/lsof',
  netstat: ['/usr/sbin/netstat', '-an', '-p', 'tcp'],
  sysctl: '/usr/sbin/sysctl',
  ioreg: '/usr/sbin/ioreg',
  characters: 'UTF-8',
  highestPid: 99_999,
};

/** Each takes some 30 ms; lsof has been seen to spin for minutes. */
const TIMEOUT_MS = 3_000;
/** A process may have 1 MB of arguments and environment, and there may be a thousand processes. */
const MAX_BYTES = 64 * 1024 * 1024;

/** What one of them prints, its bytes as Latin-1: what another process chose to be called need not be UTF-8. */
export const ask = (
  file: string,
  args: readonly string[],
  { run, characters }: Tools,
  timeoutMs = TIMEOUT_MS,
): Promise<ToolResult> =>
  run({
    file,
    args,
    env: { LC_TIME: 'C', LC_CTYPE: characters, TZ: 'UTC0', PATH: '/usr/bin:/bin:/usr/sbin:/sbin' },
    cwd: '/',
    timeoutMs,
    maxBytes: MAX_BYTES,
    encoding: 'latin1',
  });

/** What such bytes say. */
export const decoded = (latin1: string): string => Buffer.from(latin1, 'latin1').toString('utf8');

/** The lines of a whole answer; undefined when its last line was cut off. */
export function linesOf(stdout: string): string[] | undefined {
  if (stdout === '') return [];
  return stdout.endsWith('\n') ? stdout.slice(0, -1).split('\n') : undefined;
}
