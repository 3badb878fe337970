import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Pid, parsePid } from '../model/identity.js';

/** A process of ours that exists to be looked at. */
export interface Probe {
  readonly pid: Pid;
  readonly tag: string;
  readonly port: number;
  /** It exits once its standard input is closed. */
  readonly end: () => void;
}

const SCRIPT = `process.stdin.on('end', () => process.exit()).resume();
require('node:net').createServer().listen(0, '127.0.0.1', function () { process.stdout.write(String(this.address().port)); });`;
const PATIENCE_MS = 5_000;

/**
 * Starts a process that listens on a loopback port, has a tag and leads a session, as a server would; undefined if it
 * cannot be started.
 */
export async function startProbe(tag: string): Promise<Probe | undefined> {
  // By its name Windows' list is asked whose it is, which costs a call for each process.
  const child = spawn(process.execPath, ['-e', SCRIPT, 'opencode-reap-probe'], {
    env: { ...process.env, OPENCODE_REAP_TAG: tag },
    stdio: ['pipe', 'pipe', 'ignore'],
    detached: true,
    windowsHide: true,
  });
  const end = (): void => void child.stdin.end();
  const ready = once(child.stdout, 'data').then(([said]) => ({ pid: parsePid(child.pid), port: Number(said) }));
  const failed = Promise.race([
    once(child, 'error'),
    once(child, 'exit'),
    sleep(PATIENCE_MS, undefined, { ref: false }),
  ]);
  const said = await Promise.race([ready, failed.then(() => undefined)]);
  if (said?.pid !== undefined) return { pid: said.pid, tag, port: said.port, end };
  end();
  return undefined;
}
