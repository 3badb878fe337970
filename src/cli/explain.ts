import { VERSION } from '../common/version.js';
import { unwritable } from '../report/unwritable.js';

/** What to print for an unexpected error, so that no user has to read a stack. */
export function explain(error: unknown): { readonly error: string; readonly hint: string } {
  const sentence = unwritable(error);
  if (sentence !== undefined)
    return { error: sentence, hint: 'make it writable, or choose another folder with --state-dir' };
  if (error instanceof Error && /^Cannot find module '\.\//.test(error.message))
    return { error: 'opencode-reap was replaced or removed while it ran', hint: 'run it again' };
  if (!(error instanceof Error && 'syscall' in error)) return bug(error);
  if (error.syscall === 'uv_cwd')
    return {
      error: 'the current directory no longer exists',
      hint: 'change to another one, or name one with --workspace',
    };
  return { error: error.message, hint: 'opencode-reap doctor shows more' };
}

const bug = (error: unknown) => ({
  error: `this is a bug in opencode-reap ${VERSION}: ${error instanceof Error ? `${error.name}: ${error.message}` : String(error)}`,
  hint: 'run it again with OPENCODE_REAP_DEBUG=1 to see where, and report it',
});
