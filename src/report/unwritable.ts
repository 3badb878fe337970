/** The calls that change files. Reads handle their own errors. */
const CHANGES = new Set(['open', 'write', 'fsync', 'close', 'link', 'rename', 'unlink', 'mkdir', 'utime', 'futime']);

/**
 * The codes with which file systems without hard links refuse to make one: FAT, some of FUSE, network and phone
 * storage.
 */
const NO_LINKS = new Set(['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK']);

/** The sentence for a file system error; undefined for any other error. */
export function unwritable(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error && 'syscall' in error)) return undefined;
  const { code, syscall } = error;
  if (!CHANGES.has(String(syscall)) || code === 'EPIPE') return undefined;
  const where = 'dest' in error ? error.dest : 'path' in error ? error.path : 'the state folder';
  // Without hard links, two runs could not agree which of them may stop or start a server.
  if (syscall === 'link' && NO_LINKS.has(String(code)))
    return `could not write ${where}: hard links are not supported there`;
  return `could not write ${where}: ${code}`;
}
