import { fileURLToPath } from 'node:url';

const SCRIPT = fileURLToPath(new URL('mcp-server.mjs', import.meta.url));

/** `polite` ends when its stdin does; `stubborn` heeds neither that nor SIGTERM, as some real ones do. */
export type McpKind = 'polite' | 'stubborn';

export interface LocalMcp {
  readonly type: 'local';
  readonly command: readonly string[];
  readonly enabled: true;
}

/** An entry for the `mcp` section of an opencode config, by name. */
export const mcpConfig = (kind: McpKind): Record<string, LocalMcp> => ({
  [kind]: { type: 'local', command: [process.execPath, SCRIPT, kind], enabled: true },
});
