import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('mcp-server.mjs', import.meta.url));

/** `polite` ends when its stdin does; `stubborn` heeds neither that nor SIGTERM, as some real ones do; `listening` does on a port. */
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

/** One that starts a command in a session of its own, as MCP servers do with what they share between them. */
export const detachingMcp = (name: string, ...command: readonly string[]): Record<string, LocalMcp> => ({
  [name]: { type: 'local', command: [process.execPath, SCRIPT, 'detaching', ...command], enabled: true },
});
