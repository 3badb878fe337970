import { workspaceOf } from '../../observe/directories.js';
import { shellLines } from '../../report/shell-lines.js';
import { openWorld } from '../../run/world.js';
import { ensureForSession } from '../../start/ensure-for-session.js';
import { type Common, complain, print, printJson, progress, put } from '../output.js';

export interface StartOptions extends Common {
  readonly port: number;
  readonly hostname: string;
  readonly readyTimeout: number;
  readonly retireAfter: number;
  readonly printEnv?: boolean;
}

/**
 * Starts (or reuses) a server and prints its URL, and nothing else, on standard output. A password is printed only where
 * a program reads it.
 */
export async function startCommand(args: readonly string[], options: StartOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const shown = progress('starting', options);
  const wanted = {
    port: options.port,
    hostname: options.hostname,
    workspace: workspaceOf(process.cwd()),
    sessionId: process.env.CLAUDE_CODE_SESSION_ID || undefined,
    plugin: 'opencode-reap start',
    command: 'opencode',
    args,
    env: process.env,
    readyTimeoutMs: options.readyTimeout,
    retireAfterMs: options.retireAfter,
    program: process.argv[1],
  };
  const started = await ensureForSession(wanted, process.env.CLAUDE_PID, world).finally(shown.end);
  if (started.kind === 'refused') {
    complain(started.error, started.hint);
    return 1;
  }
  const { url, pid, alreadyRunning, startedByPlugin, id, major, password } = started;
  if (options.printEnv) {
    const lines = shellLines(url, password);
    if (typeof lines === 'string') {
      complain(lines, 'use --json');
      return 1;
    }
    print(lines);
  } else if (options.json) {
    const answer = { url, pid: pid ?? null, alreadyRunning, startedByPlugin, id: id ?? null };
    // Without it, nobody could use an OpenCode 2; an OpenCode 1 has one only for callers of the library.
    printJson(major === 2 ? { ...answer, password: password?.reveal() ?? null } : answer);
  } else print([url]);
  if (alreadyRunning && id === undefined && !options.quiet && !options.json) {
    put('stderr', 'note: it was already running and is not recorded, so it will not be reaped\n');
  }
  return 0;
}
