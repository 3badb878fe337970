import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { isSystemError } from '../common/errors.js';
import { type Pid, parsePid } from '../model/identity.js';
import { ownStdio } from './stdio.js';
import { takeBack } from './take-back.js';

export interface Spawned {
  readonly pid: Pid;
  /** How it ended; undefined while it runs. */
  readonly ended: () => string | undefined;
  /** Ends it with what is below it, where that is known to be it: Windows, until it has ended. */
  readonly takeBack: (system: string) => Promise<void>;
  /** Lets this program exit while the server goes on. */
  readonly unref: () => void;
}

export interface SpawnRequest {
  readonly command: string;
  readonly args: readonly string[];
  readonly cwd: string;
  readonly env: NodeJS.ProcessEnv;
  /** The arguments are a line of cmd.exe's, which is not to be quoted. */
  readonly isLine?: boolean;
}

/**
 * Starts a server that outlives us: in a session of its own, without a pipe that could fill or break. Returns the
 * reason as a string if it could not be started.
 */
export async function spawnDetached(spawning: SpawnRequest): Promise<Spawned | string> {
  const child = begin(spawning);
  if (typeof child === 'string') return child;
  let ended: string | undefined;
  child.on('exit', (code, signal) => {
    ended = signal ? `ended by ${signal}` : `exit code ${code}`;
  });
  const failure = await Promise.race([once(child, 'spawn').then(() => undefined), once(child, 'error')]);
  const pid = parsePid(child.pid);
  if (failure !== undefined || pid === undefined)
    return failure?.[0] instanceof Error ? failure[0].message : 'no process was created';
  return { pid, ended: () => ended, takeBack: (system) => takeBack(child, system), unref: () => child.unref() };
}

/**
 * Some errors arrive later as an event; others are thrown: an environment that is too long, a NUL, an empty command.
 */
function begin({ command, args, cwd, env, isLine = false }: SpawnRequest): ChildProcess | string {
  const { stdio, done } = ownStdio('ignore');
  try {
    return spawn(command, args, {
      cwd,
      env,
      detached: true,
      stdio,
      windowsHide: true,
      windowsVerbatimArguments: isLine,
    });
  } catch (error) {
    if (error instanceof Error && isSystemError(error)) return error.message;
    throw error;
  } finally {
    done();
  }
}
