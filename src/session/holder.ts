import type { ClaudeRole } from '../model/claude-process.js';
import { type Identity, parsePid } from '../model/identity.js';

const NOT_CLAUDE = /^(sh|bash|dash|zsh|fish|ksh|ash|busybox|env)$/;
/** Far deeper than any chain of shells. */
const MAX_DEPTH = 64;

/**
 * The Claude process whose hook this is: CLAUDE_PID if that is an ancestor, else the nearest ancestor that is neither a
 * shell nor `env`. A client older than 2.1.214 sets no CLAUDE_PID, and inherits an outer session's; then the outer
 * session is the holder, which can only spare for longer. Undefined where processes cannot be examined.
 */
export function holderAbove(
  parent: number,
  claudePid: string | undefined,
  look: (pid: number) => Above,
  mayBe: (seen: Exclude<Above, string>) => boolean = ({ name }) => !NOT_CLAUDE.test(name),
): Identity | undefined {
  let nearest: Identity | undefined;
  let pid = parsePid(parent);
  for (let depth = 0; pid !== undefined && depth < MAX_DEPTH; depth += 1) {
    const seen = look(pid);
    if (typeof seen === 'string') break;
    const identity = { pid: seen.pid, startToken: seen.startToken };
    if (String(seen.pid) === claudePid) return identity;
    if (mayBe(seen)) nearest ??= identity;
    // Without a pid to look for, there is no need to look further up.
    if (nearest && !claudePid) break;
    pid = parsePid(seen.parent);
  }
  return nearest;
}

/**
 * The same for a plugin's own process: between it and the Claude process there may be shells, node and anything else.
 * The client's helpers are skipped; a spare that runs something has been claimed.
 */
export const claudeAbove = (
  parent: number,
  claudePid: string | undefined,
  look: (pid: number) => Above,
): Identity | undefined =>
  holderAbove(parent, claudePid, look, ({ claude }) => claude === 'session' || claude === 'spare');

type Above =
  | (Identity & { readonly name: string; readonly parent: number; readonly claude?: ClaudeRole | undefined })
  | 'gone'
  | 'unknown';
