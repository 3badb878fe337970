/** 0 is our own process group, 1 is init and negatives are groups, so none of them is ever a Pid. */
export const parsePid = (value) =>
  typeof value === 'number' && Number.isSafeInteger(value) && value > 1 ? value : undefined;
export const compare = (a, b) => (a === undefined || b === undefined ? 'unknown' : a === b ? 'same' : 'different');
/** Different pids are different processes; equal pids are the same process only with equal start tokens. */
export const sameProcess = (a, b) => (a.pid === b.pid ? compare(a.startToken, b.startToken) : 'different');
