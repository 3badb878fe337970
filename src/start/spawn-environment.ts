import type { Variables } from '../common/variables.js';

/**
 * Variables that a server must not inherit. It outlives the Claude session that starts it, whose pid, sockets and
 * tokens would mislead everything below it; and if it was started from another server's tool, it would pass for that
 * server's child. It does inherit where the session's plugins keep their state, so that its own environment shows that.
 */
const SESSION =
  /^(CLAUDECODE|CLAUDE_PID|CLAUDE_EFFORT|CLAUDE_ENV_FILE|CLAUDE_PROJECT_DIR|CLAUDE_CODE_(?!TMPDIR$|PLUGIN_CACHE_DIR$).*|CLAUDE_PLUGIN_.*|AI_AGENT)$/;
const OUTER_SERVER =
  /^(OPENCODE|AGENT|OPENCODE_PID|OPENCODE_RUN_ID|OPENCODE_PROCESS_ROLE|OPENCODE_TERMINAL|OPENCODE_REAP_TAG|OPENCODE_REAP_RETIRE)$/;

/**
 * Prefix of the passwords that we create for one server. The user's own password does not have it, and is inherited.
 */
export const OWN_PASSWORD = 'opencode-reap-';

/** The environment of a server: the caller's, without what belongs only to the caller, and with the tag. */
export function spawnEnvironment(callers: Variables, tag: string): Record<string, string> {
  const isNested = isBelowSecond(callers);
  const kept = Object.entries(callers).filter(
    ([name, value]) => !SESSION.test(name) && !OUTER_SERVER.test(name) && !isOuterPassword(name, value, isNested),
  );
  const strings = kept.flatMap(([name, value]) => (value === undefined ? [] : [[name, value] as const]));
  return { ...Object.fromEntries(strings), OPENCODE_REAP_TAG: tag };
}

/**
 * OpenCode 2 hands its password down to its tools, whoever it is from: a server that a plugin started has that plugin's.
 * A new one gets its own. OpenCode 1 has no password that is not the user's, unless it is one of ours.
 */
const isOuterPassword = (name: string, value: string | undefined, isNested: boolean): boolean =>
  /^OPENCODE_(SERVER_)?PASSWORD$/.test(name) && (isNested || `${value}`.startsWith(OWN_PASSWORD));

/** The tools and terminals of OpenCode 2 have nothing else of its own; those of OpenCode 1 have these two as well. */
const isBelowSecond = ({ OPENCODE_TERMINAL, OPENCODE, OPENCODE_PID }: Variables): boolean =>
  Boolean(OPENCODE_TERMINAL) && OPENCODE === undefined && OPENCODE_PID === undefined;
