import { codeOf } from '../common/errors.js';
import { type Identity, type Pid, sameProcess } from '../model/identity.js';
import type { Seen } from '../model/process.js';

export type Look = (pid: Pid) => Seen | Promise<Seen>;

/**
 * What became of one signal. `unknown` is a process that could not be distinguished from another, and was left alone;
 * `late` one whose clearing look was too long ago.
 */
export type Sent = 'sent' | 'gone' | 'replaced' | 'denied' | 'unknown' | 'ours' | 'late';

/**
 * The only place that signals a process; where nothing can be signaled, end-at-once.ts ends by handle. Looks at its
 * identity once more, on Linux in the same tick, so that a reused pid is never hit. Never signals this process or
 * anything above it.
 */
export async function signal(
  target: Identity,
  name: 'SIGTERM' | 'SIGKILL',
  look: Look,
  lineage: ReadonlySet<number>,
  mayBegin = (): boolean => true,
): Promise<Sent> {
  if (target.pid <= 1 || target.pid === process.pid || lineage.has(target.pid)) return 'ours';
  const looked = look(target.pid);
  // Awaiting a value that is already there would let other work run in between.
  const seen = looked instanceof Promise ? await looked : looked;
  if (seen === 'gone' || seen === 'unknown') return seen;
  const sameness = sameProcess(target, seen);
  if (sameness !== 'same') return sameness === 'different' ? 'replaced' : 'unknown';
  if (!mayBegin()) return 'late';
  try {
    process.kill(target.pid, name);
    return 'sent';
  } catch (error) {
    if (codeOf(error) === 'ESRCH') return 'gone';
    if (codeOf(error) === 'EPERM') return 'denied';
    throw error;
  }
}

/** Whether a process has ended: its pid is free, a zombie's, or another process's. */
export async function isGone(target: Identity, look: Look): Promise<boolean> {
  const seen = await look(target.pid);
  return seen === 'gone' || (seen !== 'unknown' && sameProcess(target, seen) === 'different');
}
