import { codeOf } from '../../common/errors.js';

/** Together a third of a second, which is longer than anything keeps one of our small files open. */
const PAUSES_MS = [5, 10, 20, 40, 80, 160];
const IN_USE = /^(EPERM|EACCES|EBUSY)$/;

/**
 * On Windows a name cannot be replaced or removed while another process, most often a virus scanner, has the file open: it
 * says EPERM, EACCES or EBUSY, which elsewhere is an answer and not tried again.
 */
export function retryInUse<T>(change: () => T, mayBeInUse = process.getuid === undefined, pauses = PAUSES_MS): T {
  for (const ms of mayBeInUse ? pauses : []) {
    try {
      return change();
    } catch (error) {
      if (!IN_USE.test(codeOf(error) ?? '')) throw error;
      pause(ms);
    }
  }
  return change();
}

/** The hook is synchronous where it writes. */
const pause = (ms: number): unknown => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
