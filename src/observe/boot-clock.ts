import { uptime } from 'node:os';

/** Milliseconds since this machine booted, its suspends included: a clock that is never set. Steps are 10 ms on Linux. */
export const bootClock = (): number => uptime() * 1000;
