import { childrenOf, descendants, type Process, type ProcessTable } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';
import { leadsMcpSession } from './mcp-sessions.js';

/**
 * An agent's tool, a user's shell and a pty have sessions of their own, and so does anything that they or an MCP server
 * detached; MCP servers share the server's session, or have one that can be told from a tool's. Each session is
 * represented by the highest process in it.
 */
export function ownSessionsBelow(server: Process, snapshot: Snapshot): readonly Process[] | undefined {
  const { processes, showsGroups } = snapshot;
  if (showsGroups === false) return terminalsBelow(server, processes ?? new Map());
  const below = descendants(processes ?? new Map(), server.pid);
  // A process whose group cannot be read may be in the group that the spawn created.
  const isHidden = [...(processes?.values() ?? [])].some(({ group }) => group === undefined);
  if (server.session === undefined || isHidden || below.some(({ session }) => session === undefined)) return undefined;
  const heads = below.filter(
    ({ session, parent }) => session !== server.session && session !== processes?.get(parent)?.session,
  );
  return heads.filter((head) => !leadsMcpSession(head, server, snapshot));
}

export const mcpSessionsOf = (server: Process, snapshot: Snapshot): readonly Process[] =>
  childrenOf(snapshot.processes ?? new Map(), server.pid).filter((one) => leadsMcpSession(one, server, snapshot));

/**
 * On Windows a tool looks like an MCP server, and only the server itself says whether one runs. A terminal has a console
 * of its own kind, as a child of the server.
 */
function terminalsBelow(server: Process, table: ProcessTable): readonly Process[] | undefined {
  const consoles = childrenOf(table, server.pid).filter(({ consoleHost }) => consoleHost !== undefined);
  const isUnread = consoles.some(({ consoleHost }) => consoleHost === 'unknown');
  return isUnread ? undefined : consoles.filter(({ consoleHost }) => consoleHost === 'terminal');
}
