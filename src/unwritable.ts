const UNWRITABLE = new Set([
  'EACCES',
  'EPERM',
  'EROFS',
  'ENOTDIR',
  'EEXIST',
  'ENOSPC',
  'EDQUOT',
  'ENAMETOOLONG',
  'ELOOP',
]);

/**
 * The sentence for an error of the file system, undefined for any other error. Reading copes with whatever it finds, so
 * it is a state folder that cannot be written, unless a program could not be run.
 */
export function unwritable(error: unknown): string | undefined {
  if (!(error instanceof Error && 'code' in error && UNWRITABLE.has(String(error.code)))) return undefined;
  if ('syscall' in error && /^(spawn|uv_cwd)/.test(String(error.syscall))) return undefined;
  const where = 'path' in error ? String(error.path) : 'the state folder';
  return `could not write ${where}: ${error.code}`;
}
