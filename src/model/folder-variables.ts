/** The variables that say where Claude Code and the plugins keep what they write down, and whose it is. */
export const FOLDER_VARIABLES = [
  'HOME',
  'XDG_STATE_HOME',
  'TMPDIR',
  'CLAUDE_CONFIG_DIR',
  'CLAUDE_CODE_PLUGIN_CACHE_DIR',
  'CLAUDE_CODE_TMPDIR',
  'CLAUDE_PLUGIN_DATA',
  'CLAUDE_PLUGIN_ROOT',
  'OPENCODE_CONFIG_DIR',
  'OPENCODE_COMPANION_DATA_DIR',
  'OPENCODE_COMPANION_PLUGIN_DATA',
  'OPENCODE_COMPANION_DATA',
  'OPENCODE_COMPANION_STATE_DIR',
  'OPC_DATA_DIR',
  'KUSABI_STATE_DIR',
  'OPENCODE_PLUGIN_STATE_DIR',
  'OPENCODE_PLUGIN_DIR',
  'OPENCODE_SERVER_STATE_DIR',
  'OPENCODE_JOBS_DIR',
] as const;

/** Those that one process has. */
export type Folders = Readonly<Partial<Record<(typeof FOLDER_VARIABLES)[number], string>>>;

/** Folders that a process named when it was started, which it may have set to anything. */
export interface NamedFolders {
  readonly pid: number;
  readonly folders: Folders;
  /** The directory that it works in. */
  readonly cwd?: string | undefined;
  /** A session's plugins may have started any server; a server speaks for itself alone. */
  readonly of: 'session' | 'server';
}
