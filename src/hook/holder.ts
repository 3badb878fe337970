import { type Identity, parsePid } from '../decide/identity.js';
import type { Process, Seen } from '../decide/process.js';

const NOT_CLAUDE = /^(sh|bash|dash|zsh|fish|ksh|ash|busybox|env)$/;
/** Far deeper than any chain of shells; a bound all the same. */
const MAX_DEPTH = 64;

/**
 * The Claude process whose hook this is: CLAUDE_PID where that is above us, else the nearest process above us that is
 * neither a shell nor `env`. A client older than 2.1.214 sets no CLAUDE_PID, and inherits an outer session's; then
 * the outer session is the holder, which can only spare for longer. Undefined where processes cannot be looked at.
 */
export function holderAbove(
  parent: number,
  claudePid: string | undefined,
  look: (pid: number) => Seen,
): Identity | undefined {
  const above = ancestors(parent, look);
  const named = above.find(({ pid }) => String(pid) === claudePid);
  const holder = named ?? above.find(({ name }) => !NOT_CLAUDE.test(name));
  return holder && { pid: holder.pid, startToken: holder.startToken };
}

function ancestors(parent: number, look: (pid: number) => Seen): Process[] {
  const found: Process[] = [];
  for (let pid = parsePid(parent); pid !== undefined && found.length < MAX_DEPTH; ) {
    const seen = look(pid);
    if (typeof seen === 'string') return found;
    found.push(seen);
    pid = parsePid(seen.parent);
  }
  return found;
}
