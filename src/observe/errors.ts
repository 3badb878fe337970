export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/** It is not there, or went while it was being read. */
export const absent = (error: unknown): boolean => ['ENOENT', 'ESRCH', 'ENOTDIR'].includes(codeOf(error) ?? '');

/** It is there, and we may not look. */
export const refused = (error: unknown): boolean => ['EACCES', 'EPERM'].includes(codeOf(error) ?? '');

/** A path out of a file may be a loop of links, longer than any path, or hold a NUL. */
const NONSENSE = new Set(['EINVAL', 'ELOOP', 'ENAMETOOLONG', 'ERR_INVALID_ARG_VALUE']);

/** What could be read, else undefined. For looks in which absent and forbidden both mean "not known". */
export function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (absent(error) || refused(error) || NONSENSE.has(codeOf(error) ?? '')) return undefined;
    throw error;
  }
}
