import { uptime } from 'node:os';

/** Milliseconds since the machine booted, suspends included; `performance` and timers count without them. */
export const bootMs = (): number => Math.round(uptime() * 1000);
