import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import { HOOK } from './program.js';
import type { Changes, Sandbox } from './sandbox.js';

export { HOOK };

export const SESSION = fileURLToPath(new URL('session.mjs', import.meta.url));

export interface Called {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a hook as the client does. `input` is sent to its stdin; undefined leaves stdin open and silent. */
export const callHook = (sandbox: Sandbox, args: readonly string[], input: string | undefined, env: Changes = {}) => {
  const child = spawn(process.execPath, [HOOK, 'hook', ...args], { cwd: sandbox.project, env: sandbox.env(env) });
  if (child.pid !== undefined) sandbox.track(child.pid);
  const output = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      output[name] += text;
    });
  }
  child.stdin.on('error', () => undefined);
  if (input !== undefined) child.stdin.end(input);
  const called = new Promise<Called>((resolve) => child.once('close', (code) => resolve({ code, ...output })));
  return { child, called };
};

/** A session that has called its SessionStart hook. Ending its stdin ends it, through its SessionEnd hook. */
export const openSession = async (sandbox: Sandbox, extra: readonly string[], env: Changes = {}, cwd?: string) => {
  const child: ChildProcess = sandbox.spawn(process.execPath, [SESSION, HOOK, ...extra], {
    cwd: cwd ?? sandbox.project,
    env: sandbox.env(env),
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  if (child.stdout === null || child.pid === undefined) throw new Error('the session could not be spawned');
  await once(child.stdout, 'data');
  const end = async (): Promise<void> => {
    const ended = once(child, 'exit');
    child.stdin?.end();
    await ended;
  };
  return { pid: child.pid, end, child };
};
