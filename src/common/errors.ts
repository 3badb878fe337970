/*
 * Which errors are an answer of the system's, and which codes mean what. A list of codes that one file alone asks for
 * stands there, beside its reason.
 */

export const codeOf = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined;

/**
 * What a system call says of the machine. There is no shorter list of what to expect: a dropped network mount alone has
 * a dozen codes (EIO, ESTALE, ETIMEDOUT, EHOSTDOWN …), and each file system and each sandbox brings its own. Besides, a
 * path out of a file may hold a NUL, a file may be larger than node reads, and a user may have no entry in the list of
 * users (ERR_SYSTEM_ERROR). Everything else that is thrown is a mistake of ours, node's other codes included.
 */
export const isSystemError = (error: unknown): boolean =>
  /^(E[A-Z0-9]+|UNKNOWN|ERR_(SYSTEM_ERROR|INVALID_ARG_VALUE|FS_FILE_TOO_LARGE|STRING_TOO_LONG))$/.test(
    codeOf(error) ?? '',
  );

/** The code of a system call's error; anything else is a bug and is thrown on. */
export function errorCode(error: unknown): string {
  if (isSystemError(error)) return codeOf(error) ?? '';
  throw error;
}

/** Nothing is there: no such name, or a file where a folder above it would be. Whatever else a look fails with, something may be. */
export const isAbsent = (code: string | undefined): boolean => code === 'ENOENT' || code === 'ENOTDIR';

/** The same in /proc, where a process may also end between the opening of its file and the reading. */
export const isOfEndedProcess = (error: unknown): boolean => isAbsent(codeOf(error)) || codeOf(error) === 'ESRCH';

/** Something is there, and is not for us to see: the processes of others, where they are hidden. */
export const isHidden = (error: unknown): boolean => /^(EACCES|EPERM)$/.test(codeOf(error) ?? '');

/** Thrown when node looks up a user who is in no list of users: the system's own code stands in the message only. */
export const isUnknownUser = (error: unknown): boolean =>
  codeOf(error) === 'ERR_SYSTEM_ERROR' && /returned ENOENT/.test(error instanceof Error ? error.message : '');

/**
 * For changes, and for folders of our own: the name is not there, and can be made. A file in a folder's place (ENOTDIR)
 * is not that: nothing can be written there until a person has moved it, so it must be heard of.
 */
export const isMissing = (error: unknown): boolean => codeOf(error) === 'ENOENT';

/** The result of a read, or undefined if it failed. For looks in which any failure means "not known". */
export function tryRead<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (isSystemError(error)) return undefined;
    throw error;
  }
}
