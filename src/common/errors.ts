export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** It is not there, or disappeared while it was being read. */
export const absent = (error: unknown): boolean => ['ENOENT', 'ESRCH', 'ENOTDIR'].includes(codeOf(error) ?? '');

/**
 * Whether an error says something about the machine rather than about our code: a dropped network mount alone has a
 * dozen codes. A path read from a file may also contain a NUL, and a file may be larger than node reads. Anything else
 * that is thrown is a bug of ours.
 */
export const isOfTheWorld = (error: unknown): boolean =>
  /^(E[A-Z0-9]+|UNKNOWN|ERR_INVALID_ARG_VALUE|ERR_FS_FILE_TOO_LARGE)$/.test(codeOf(error) ?? '');

/** The result of a read, or undefined if it failed. For looks in which any failure means "not known". */
export function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isOfTheWorld(error)) return undefined;
    throw error;
  }
}
