import type { Seen } from '../model/process.js';
import { linuxGlance } from './linux/processes.js';

/*
 * The hook's own look. It has no time for what another platform's look needs, so where there is no /proc it sees nothing
 * of a process. What it says of the host is then unknown, too.
 */

export { linuxHost as glanceHost, linuxTimeNamespace as glanceTimeNamespace } from './linux/processes.js';

/** Which process has a pid, and which one is above it. */
export const glance = (pid: number): Seen => (process.platform === 'linux' ? linuxGlance(pid) : 'unknown');
