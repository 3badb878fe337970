import type { Stream } from '../model/birth.js';
import type { Environment, Process } from '../model/process.js';
import { type Secret, sameSecret } from '../model/secret.js';
import type { Snapshot } from '../model/snapshot.js';

/**
 * Between fork and exec, a tool still has its server's environment, and so no mark; by then it has.
 */
const HAS_ITS_OWN_MS = 1_000;
/**
 * A wrapper may start another program and then turn into the server. It takes no longer than this; a server needs twice
 * that before it can start anything.
 */
const TURNED_INTO_IT_MS = 300;

/**
 * Whether a process leads a session that OpenCode 2 made for an MCP server, or for its daemon of terminals, which is
 * none of its work. OpenCode 1 marks everything that it starts, and starts no MCP server in a session of its own;
 * OpenCode 2 marks its tools and terminals, and all that either starts inherits the environment. What a plugin inside of
 * it detaches has no mark either; but an MCP server is spoken to through its standard input. In doubt it is a tool.
 */
export function leadsMcpSession(process: Process, server: Process, { environments, inputs }: Snapshot): boolean {
  if (process.parent !== server.pid || process.session !== process.pid) return false;
  const its = environments.get(process.pid);
  const own = environments.get(server.pid);
  if (its === undefined || own === undefined || process.ageMs === undefined) return false;
  const isUnmarked = its.opencodePid === own.opencodePid && its.inOpencode === own.inOpencode && !its.inTerminal;
  const isLater = laterByMs(process, server) >= TURNED_INTO_IT_MS;
  const isIts = inputs === undefined || isHeld(inputs.get(process.pid)) || TERMINALS.test(process.name);
  return isUnmarked && hasInherited(its, own) && process.ageMs >= HAS_ITS_OWN_MS && isLater && isIts;
}

/** Bun makes a pair of sockets where it is asked for a pipe. */
const isHeld = (input: Stream | undefined): boolean => input === 'pipe' || input === 'socket';

/** Its daemon of terminals, which it gives no input: a program of its own, `opencode-pty daemon`. */
const TERMINALS = /^opencode-pty/;

/** A tool that was given an environment of its own may lack the mark as well. */
const hasInherited = (its: Environment, own: Environment): boolean =>
  its.tag === own.tag && isSame(its.password, own.password) && isSame(its.passwordOfSecond, own.passwordOfSecond);

const isSame = (one: Secret | undefined, other: Secret | undefined): boolean =>
  one && other ? sameSecret(one, other) : one === other;

/** Whether a child was there before its parent became the server. */
export const precedes = (process: Process, server: Process): boolean => laterByMs(process, server) < TURNED_INTO_IT_MS;

/** No number where an age is not known: then it is neither later nor before. */
const laterByMs = ({ ageMs = Number.NaN }: Process, { ageMs: servers = Number.NaN }: Process): number =>
  servers - ageMs;
