import type { Birth } from './birth.js';
import type { Host, Identity } from './identity.js';
import type { Secret } from './secret.js';

/** Whether anyone else could have written a file. Only a trusted file can make a server ours. */
export type Trust =
  | { readonly kind: 'trusted' }
  | { readonly kind: 'untrusted'; readonly because: string }
  | { readonly kind: 'unexamined'; readonly because: string };

/**
 * `unmarked`: the record lacks the mark that the plugin's own records have for servers that it started. `withdrawn`:
 * the record was there when the run began and no longer leads to the server.
 */
export type Ownership = 'plugin' | 'adopted' | 'user' | 'unmarked' | 'withdrawn' | 'unrecorded';

/** What can tie a process to a record: its start token, or, if it has none, what the file says about the start. */
export type ProvenBy = 'start token' | 'start time';

/** What a state file says about a server: evidence, not truth. Undefined means that the file does not say. */
export interface ServerRecord {
  readonly id: string;
  readonly source: { readonly format: string; readonly file: string };
  readonly trust: Trust;
  readonly ownership: Ownership;
  readonly plugin: string | undefined;
  readonly tag: string | undefined;
  /** The process that was spawned; the launcher if that is not the one that listens. */
  readonly spawned: Identity | undefined;
  readonly server: Identity | undefined;
  /** The process that wrote the record and waits for the server to answer. */
  readonly starter: Identity | undefined;
  readonly machine: Host | undefined;
  readonly uid: number | undefined;
  readonly hostname: string | undefined;
  readonly port: number | undefined;
  /** False when the port was only observed: then it proves nothing. */
  readonly portIsStated: boolean;
  readonly url: string | undefined;
  readonly workspace: string | undefined;
  /** A prefix of the SHA-256 of the workspace's path, if only that was recorded. */
  readonly workspaceHash: string | undefined;
  /** Epoch milliseconds. */
  readonly startedAt: number | undefined;
  readonly state: 'spawning' | 'starting' | 'ready';
  readonly password: Secret | undefined;
  /** How long it must be quiet before the watch stops it; 0 for never, undefined if not recorded. */
  readonly retireAfterMs?: number | undefined;
  readonly provenBy: ProvenBy;
  /** Its plugin has its servers read the plugin's own configuration. */
  readonly pluginConfig?: true | undefined;
  /** Its plugin does not detach it: it shares the terminal and the group of its session. */
  readonly isAttached?: true | undefined;
  /** Of a server that is in no file: how it is known to be a plugin's. */
  readonly birth?: Birth | undefined;
  /** Other files that are about the same server. What they say can spare it. */
  readonly alsoIn: readonly ServerRecord[];
}

/** What a record of a server that was handed over has in the place of a plugin. */
export const ADOPTED_BY = 'opencode-reap adopt';

/** Every process that the records name, with what each says of it. */
export const recordedIn = (records: readonly ServerRecord[]): Identity[] =>
  records.flatMap(({ spawned, server }) => [spawned ?? [], server ?? []].flat());

/** A plugin writes its record once the server answers, or once its own timeout, at most a minute or two, has passed. */
export const MAY_START_BEFORE_MS = 120_000;
/** A record may be written before the process exists; clocks and their resolution account for the rest. */
export const MAY_START_AFTER_MS = 5_000;

/** "This Claude process may use that server." It lives exactly as long as its holder. */
export interface Lease {
  readonly file: string;
  readonly session: string | undefined;
  readonly holder: Identity | undefined;
  readonly machine: Host | undefined;
  readonly path: string | undefined;
  readonly port: number | undefined;
  readonly servers: readonly string[];
  /** Epoch milliseconds; undefined means that it never expires. */
  readonly expiresAt: number | undefined;
  /** Its last sign of life, epoch milliseconds: what it says itself, or when its file was written. */
  readonly seenAt: number;
}

/**
 * A job or a lease in a plugin's own list: what may be using which server. A plugin does not record the machine; a
 * server on a loopback address is used from its own machine, so it is taken to be this one.
 */
export interface Use {
  readonly kind: 'job' | 'lease';
  readonly file: string;
  /** Its name in the list. */
  readonly name: string;
  /** The Claude session that it belongs to. */
  readonly session: string | undefined;
  readonly covers: Coverage;
  /** Its process; without a start token if the list has only a pid. */
  readonly holder: Identity | undefined;
  /** Epoch milliseconds of its last sign of life. */
  readonly seenAt: number | undefined;
  /** When the file was last written, epoch milliseconds; undefined where that cannot be told. */
  readonly modifiedAt: number | undefined;
  /** How long it counts after `seenAt`, if no process can tell. */
  readonly countsForMs: number;
  /** The directories that it works in. */
  readonly directories: readonly string[];
}

/**
 * Which servers a use may be about: one record's, a plugin's in one workspace, one port's, or all of some plugins and
 * ports.
 */
export type Coverage =
  | { readonly kind: 'record'; readonly file: string }
  | { readonly kind: 'workspace'; readonly format: string; readonly hash: string }
  | { readonly kind: 'port'; readonly port: number }
  | { readonly kind: 'plugins'; readonly formats: readonly string[]; readonly ports: readonly number[] };

/** A live session that another program recorded, or a live Claude process. It can only spare. */
export interface Witness {
  readonly holder: Identity;
  readonly session: string | undefined;
  /** Undefined for a process whose working directory is hidden from us. */
  readonly path: string | undefined;
}

/** A server that a run is stopping, or was stopping when it died. */
export interface Fence {
  readonly id: string;
  readonly file: string;
  readonly run: Identity;
  readonly machine: Host;
  readonly tree: readonly Identity[];
  readonly port: number | undefined;
  /** Our own record, which the fence replaced; undefined for a plugin's, which stays where it is. */
  readonly record: ServerRecord | undefined;
  /** The record's file as it was, for putting it back; undefined for a plugin's. */
  readonly original: string | undefined;
  /** The server was seen alive after its run had died, so its record is in its place again, and is what counts. */
  readonly recordIsBack: boolean;
  /** The fence file as it was read. */
  readonly content: string;
  /** When it was last written, epoch milliseconds. */
  readonly seenAt: number;
}

/** "The user wants this server left alone." */
export interface KeepMark {
  readonly file: string;
  /** The server's id at that time. */
  readonly id: string;
  /** The processes that it had then, each with its start token; empty if the mark does not say. */
  readonly processes: readonly Identity[];
  readonly machine: Host | undefined;
}
