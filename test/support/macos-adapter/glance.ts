import { readFileSync } from 'node:fs';
import type { Seen } from '../../../src/model/process.js';
import { linuxGlance } from '../../../src/observe/linux/processes.js';

/*
 * In place of src/observe/glance.ts in that build. A stand-in: it looks by /proc, and says when a process started as macOS
 * does.
 */

export {
  linuxHost as glanceHost,
  linuxTimeNamespace as glanceTimeNamespace,
} from '../../../src/observe/linux/processes.js';

export function glance(pid: number): Seen {
  const seen = linuxGlance(pid);
  return typeof seen === 'string' ? seen : { ...seen, startToken: inSeconds(seen.startToken) };
}

function inSeconds(ticks: string | undefined): string {
  const boot = Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1]);
  return String(boot + Math.floor(Number(ticks) / 100));
}
