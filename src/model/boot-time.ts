import { compare } from './identity.js';

/**
 * A moment by the clock that has run since the machine booted. It includes suspends, cannot be set, and means nothing
 * in another boot.
 */
export interface BootTime {
  /** Undefined where boots cannot be told from one another. */
  readonly boot: string | undefined;
  readonly ms: number;
}

/**
 * How long ago a moment was; undefined when it was in another boot, when that cannot be told, or when it is in the
 * future: a container may have a boot clock of its own.
 */
export function sinceThen(then: BootTime | undefined, now: BootTime): number | undefined {
  if (then === undefined || compare(then.boot, now.boot) !== 'same' || then.ms > now.ms) return undefined;
  return now.ms - then.ms;
}
