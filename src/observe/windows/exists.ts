import { codeOf } from '../../common/errors.js';

/** Whether any process has this pid, which costs nothing: signal 0 is none. What may not be opened is there. */
export function exists(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return codeOf(error) !== 'ESRCH';
  }
}
