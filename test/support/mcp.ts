import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('mcp-server.mjs', import.meta.url));

/**
 * `polite` ends when its stdin does; `stubborn` ignores that and SIGTERM, as some real ones do; `listening` is one on a
 * port.
 */
export type McpKind = 'polite' | 'stubborn' | 'listening';

export interface LocalMcp {
  readonly type: 'local';
  readonly command: readonly string[];
  readonly enabled: true;
}

/** An entry for the `mcp` section of an opencode config, by name. */
export const mcpConfig = (kind: McpKind): Record<string, LocalMcp> => ({
  [kind]: { type: 'local', command: [process.execPath, SCRIPT, kind], enabled: true },
});

/** An MCP server that starts a command in a session of its own, as MCP servers do for what they share. */
export const detachingMcp = (name: string, ...command: readonly string[]): Record<string, LocalMcp> => ({
  [name]: { type: 'local', command: [process.execPath, SCRIPT, 'detaching', ...command], enabled: true },
});
