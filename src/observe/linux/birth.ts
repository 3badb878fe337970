import type { Stream } from '../../model/birth.js';
import type { BirthMarks } from '../platform.js';
import { linuxLook } from './processes.js';
import { linkAt, textAt } from './read.js';

/** Only processes of our own user show all of it. */
export function linuxBirth(pid: number): BirthMarks {
  const argv = textAt(`/proc/${pid}/cmdline`)?.replace(/\0$/, '').split('\0');
  const pidNamespace = linkAt(`/proc/${pid}/ns/pid`);
  const streams = [0, 1, 2].map((stream) => streamOf(pid, stream));
  // Last: whoever has the pid now has had it all the while.
  const seen = linuxLook(pid);
  const now = Date.now();
  const { startToken, ageMs } = typeof seen === 'string' ? {} : seen;
  return { startToken, argv, pidNamespace, streams, startedAt: ageMs === undefined ? undefined : now - ageMs };
}

/** As open(2) has it: the lowest two bits of the flags. */
const MODES = ['null, to read', 'null, to write', 'null, for both'] as const;

/** Its standard input. */
export const linuxInput = (pid: number): Stream | undefined => streamOf(pid, 0);

function streamOf(pid: number, stream: number): Stream | undefined {
  const to = linkAt(`/proc/${pid}/fd/${stream}`);
  if (to === undefined) return undefined;
  if (to.startsWith('socket:')) return 'socket';
  if (to.startsWith('pipe:')) return 'pipe';
  if (to !== '/dev/null') return 'other';
  return modeIn(textAt(`/proc/${pid}/fdinfo/${stream}`) ?? '');
}

/** Of what `/proc/PID/fdinfo/FD` says. */
export function modeIn(fdinfo: string): Stream | undefined {
  const [, flags] = /^flags:\s*([0-7]+)$/m.exec(fdinfo) ?? [];
  return flags === undefined ? undefined : MODES[Number.parseInt(flags, 8) & 3];
}
