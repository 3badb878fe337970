import type { Sameness } from './identity.js';

/**
 * What shows that a plugin started a server which it did not write down: the plugin's own program is its parent; it
 * carries what Claude Code gives to that plugin's hook alone; or the plugin's own log says so at that very moment.
 */
export type BornProof =
  | { readonly kind: 'parent'; readonly pid: number; readonly script: string; readonly plugin: string }
  | { readonly kind: 'hook'; readonly plugin: string; readonly session: string }
  | { readonly kind: 'log'; readonly job: string; readonly afterMs: number };

/** How a server that no record leads to came to be. */
export interface Birth {
  /** `unknown` where something that could show it could not be read. */
  readonly proof: BornProof | { readonly kind: 'unknown'; readonly because: string };
  /** The Claude sessions that it was started in, by their ids; usually one. */
  readonly sessions: readonly string[];
  /** The Claude Code process that it was started in. A bare pid, so it may be another process by now. */
  readonly clientPid: number | undefined;
}

/** What the environment of a server says about who started it. Undefined: the variable is not set. */
export interface Origin {
  readonly home: string | undefined;
  /** OpenCode, or another agent, has started it. */
  readonly inAgent: boolean;
  readonly aiAgent: string | undefined;
  readonly claudeCode: string | undefined;
  readonly gitEditor: string | undefined;
  readonly envFile: string | undefined;
  readonly pluginRoot: string | undefined;
  readonly pluginData: string | undefined;
  readonly clientPid: number | undefined;
  readonly session: string | undefined;
}

/** Where a standard stream leads. Who opened `/dev/null` shows in how: node for both, a shell's redirection for one. */
export type Stream = 'null, to read' | 'null, to write' | 'null, for both' | 'socket' | 'pipe' | 'other';

/** A plugin of Claude Code, by what its own `plugin.json` says. */
export interface Plugin {
  readonly name: string;
  readonly version: string | undefined;
}

/**
 * A job whose log says that it asked for a server, so long before that server started. Rounding by the system can make
 * it some milliseconds less than none.
 */
export interface AskingJob {
  readonly name: string;
  readonly afterMs: number;
}

/**
 * What is looked at to tell whether a plugin started a server. Undefined could not be read; `none` was looked for and is
 * not there.
 */
export interface Traces {
  /** The arguments of the spawned process and, if that is only a launcher, of the server. */
  readonly commandLines: readonly (readonly string[] | undefined)[];
  /** Whether it has the pids that we have. */
  readonly pidNamespace: Sameness;
  /** Whether it has the home that we have. */
  readonly home: Sameness;
  /** Its three standard streams. */
  readonly streams: readonly (Stream | undefined)[];
  /** The arguments of its parent. */
  readonly parent: readonly string[] | undefined;
  /** The plugin that its parent's script belongs to. */
  readonly parentPlugin: Plugin | 'none' | undefined;
  /**
   * The plugin in the folder that its environment names, if that plugin starts servers from its hook; none where settings
   * name that folder to everything.
   */
  readonly hookPlugin: Plugin | 'none' | undefined;
  /** Not looked for where a script of a plugin's is the parent, since then no log proves more. */
  readonly job: AskingJob | 'none' | undefined;
}
