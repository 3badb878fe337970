import { workspaceOf } from '../../observe/directories.js';
import { openWorld } from '../../run/world.js';
import { ensureForSession } from '../../start/ensure-for-session.js';
import { type Common, complain, print, printJson, progress } from '../output.js';

export interface StartOptions extends Common {
  readonly port: number;
  readonly hostname: string;
  readonly readyTimeout: number;
  readonly retireAfter: number;
}

/** Starts (or reuses) a server and prints its URL, and nothing else, on standard output. */
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
  const { kind: _, ...answer } = started;
  if (options.json)
    printJson({
      url: answer.url,
      pid: answer.pid ?? null,
      alreadyRunning: answer.alreadyRunning,
      startedByPlugin: answer.startedByPlugin,
      id: answer.id ?? null,
    });
  else print([answer.url]);
  if (answer.alreadyRunning && answer.id === undefined && !options.quiet && !options.json) {
    process.stderr.write('note: it was already running and is not recorded, so it will not be reaped\n');
  }
  return 0;
}
