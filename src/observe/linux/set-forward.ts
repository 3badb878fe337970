import { statSync } from 'node:fs';
import { tryRead } from '../../common/errors.js';
import { startedMs, uptime } from './processes.js';

/**
 * By how much the wall clock was set forward since this machine, or this container, began: in a virtual machine whenever
 * its host wakes up, or it goes on from a snapshot, days later. The boot clock stands still meanwhile. What the wall clock
 * said in the beginning is still shown by the root of /proc, which is mounted as the first process starts. A clock that was
 * wrong at boot and has been set right counts as well.
 */
export const linuxSetForwardMs = (): number | undefined => tryRead(() => setForward(statSync('/proc').mtimeMs));

function setForward(beganAt: number): number | undefined {
  const nowMs = uptime();
  // In a container it is mounted long after the boot. Where the first process is hidden, this is none.
  return nowMs === undefined
    ? undefined
    : setForwardBy({ at: beganAt, ms: startedMs(1) ?? 0 }, { at: Date.now(), ms: nowMs });
}

/** A moment by the wall clock, and by the boot clock. */
interface Moment {
  readonly at: number;
  readonly ms: number;
}

/** A clock that was set back makes nothing seem older than it is. */
export const setForwardBy = (then: Moment, now: Moment): number => Math.max(0, now.at - then.at - (now.ms - then.ms));
