import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Pid, parsePid } from '../model/identity.js';

/** A process of ours that exists to be looked at. */
export interface Probe {
  readonly pid: Pid;
  readonly tag: string;
  /** It exits once its standard input is closed. */
  readonly end: () => void;
}

const SCRIPT = `process.stdin.on('end', () => process.exit()).resume();
require('node:net').createServer().listen(0, '127.0.0.1', () => process.stdout.write('listens'));`;
const PATIENCE_MS = 5_000;

/**
 * Starts a process that listens on a loopback port and has a tag, as a server would; undefined if it cannot be started.
 */
export async function startProbe(tag: string): Promise<Probe | undefined> {
  const child = spawn(process.execPath, ['-e', SCRIPT], {
    env: { ...process.env, OPENCODE_REAP_TAG: tag },
    stdio: ['pipe', 'pipe', 'ignore'],
    windowsHide: true,
  });
  const end = (): void => void child.stdin.end();
  const ready = once(child.stdout, 'data').then(() => parsePid(child.pid));
  const failed = Promise.race([
    once(child, 'error'),
    once(child, 'exit'),
    sleep(PATIENCE_MS, undefined, { ref: false }),
  ]);
  const pid = await Promise.race([ready, failed.then(() => undefined)]);
  if (pid !== undefined) return { pid, tag, end };
  end();
  return undefined;
}
