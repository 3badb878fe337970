import { spawn } from 'node:child_process';
import type { Variables } from '../common/variables.js';
import { ownStdio } from './stdio.js';

/**
 * Variables that the run does not inherit: those of the ending session, or of a server whose tool this may run in. Those
 * that say where plugins keep their state are excepted.
 */
const SESSIONS_OWN =
  /^(CLAUDE|AI_AGENT$|AGENT$|OPENCODE(?!_REAP_(OLDER_THAN|GRACE|LINGER|RETIRE_AFTER|WATCH_EVERY|STATE_DIR|TMP)$|_(COMPANION|PLUGIN|SERVER|JOBS)_.*(DIR|DATA)$|_(PLUGIN|JOBS)_DIR$))/;

/** Whether there is a POSIX shell, for what is given away and for the lines that Claude Code calls hooks by. */
export const HAS_SHELL = process.platform !== 'win32';

/**
 * Where what goes on works on Windows, which can neither rename nor remove a folder that some process works in: the
 * user's project must not be that.
 */
export const KEPT_FOLDER = process.env.SystemRoot;

/**
 * Starts the background run so that it does not end with the session: detached, in a session of its own, and reparented
 * at once by the shell that starts it, since a canceled hook takes down everything below it at that moment.
 */
export function startBackground(program: string, stateDir: string | undefined, callers: Variables): void {
  const kept = Object.entries(callers).filter(([name, value]) => value !== undefined && !SESSIONS_OWN.test(name));
  const env = Object.fromEntries(kept);
  const args = [program, 'sweep', ...(stateDir === undefined ? [] : ['--state-dir', stateDir])];
  const { stdio, done } = ownStdio('ignore');
  const options = { cwd: '/', env, detached: true, stdio, windowsHide: true } as const;
  const child = HAS_SHELL
    ? spawn('/bin/sh', ['-c', '"$0" "$@" &', process.execPath, ...args], options)
    : spawn(process.execPath, args, { ...options, cwd: KEPT_FOLDER });
  done();
  // If the machine cannot start another process, there is no run now; the request waits for the next one.
  child.on('error', () => undefined);
  child.unref();
}
