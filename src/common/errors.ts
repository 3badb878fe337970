export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** It is not there, or went while it was being read. */
export const absent = (error: unknown): boolean => ['ENOENT', 'ESRCH', 'ENOTDIR'].includes(codeOf(error) ?? '');

/**
 * What a system call says of the machine: a dropped network mount alone has a dozen codes for it. Besides, a path out of
 * a file may hold a NUL, and a file be larger than node reads. Everything else that is thrown is a mistake of ours.
 */
export const isOfTheWorld = (error: unknown): boolean =>
  /^(E[A-Z0-9]+|UNKNOWN|ERR_INVALID_ARG_VALUE|ERR_FS_FILE_TOO_LARGE)$/.test(codeOf(error) ?? '');

/** What could be read, else undefined. For looks in which whatever keeps us from it means "not known". */
export function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isOfTheWorld(error)) return undefined;
    throw error;
  }
}
