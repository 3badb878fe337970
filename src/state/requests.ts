import { join } from 'node:path';
import type { Identity, Machine } from '../decide/identity.js';
import { removeUnchanged, replaceFile } from './files.js';
import type { StateFolder } from './folders.js';
import { identity, isObject, type Json, parseOurs, SCHEMA, text, time, wholeNumber } from './parse.js';
import { readFolder } from './read-folder.js';

/** A process, and what its start token is relative to. */
export type Ending = Identity & Pick<Machine, 'timeNamespace'>;

/** "A session began or ended, or a server has had nothing to do for long: look again." */
export interface SweepRequest {
  /** Epoch milliseconds. */
  readonly at: number;
  readonly event: string;
  /** The one server to look at, which asks for it itself; undefined means all of them. */
  readonly server?: string | undefined;
  readonly session: string | undefined;
  /** The Claude process that ends; undefined when it could not be told, or when nothing ends. */
  readonly ending: Ending | undefined;
  /** Claude Code's own folder, as the session saw it. */
  readonly configDir: string | undefined;
  /** The data folder of the plugin whose hook this was. */
  readonly dataDir: string | undefined;
  /** What stands in for `plugins` in Claude Code's own folder, where the session had it elsewhere. */
  readonly pluginsDir?: string | undefined;
  /** Where the session's sandboxed commands have their temporary files. */
  readonly tmpDir?: string | undefined;
  readonly lingerMs: number;
  /** Undefined leaves it to whoever looks. */
  readonly olderThanMs: number | undefined;
}

export interface StoredRequest extends SweepRequest {
  readonly file: string;
  readonly content: string;
}

export function leaveRequest(folder: StateFolder, request: SweepRequest): void {
  const content = `${JSON.stringify({ schema: SCHEMA, ...request, at: new Date(request.at).toISOString() }, null, 2)}\n`;
  // One process leaves one request at a time, so the name is its own.
  const name = `${request.at}-${process.pid}-${process.hrtime.bigint()}.json`;
  replaceFile(join(folder.requests, name), content, 'until reboot');
}

/** Every request that can be understood; what cannot is reported by whoever reads the whole registry. */
export function pendingRequests(folder: StateFolder): StoredRequest[] {
  return readFolder('request', folder.requests, parseRequest, []);
}

export function parseRequest(file: string, content: string): StoredRequest | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const at = time(json.at);
  if (at === undefined) return 'it has no time';
  return {
    file,
    content,
    at,
    event: text(json.event) ?? 'unknown',
    server: text(json.server),
    session: text(json.session),
    ending: isObject(json.ending) ? endingIn(json.ending) : undefined,
    configDir: text(json.configDir),
    dataDir: text(json.dataDir),
    pluginsDir: text(json.pluginsDir),
    tmpDir: text(json.tmpDir),
    lingerMs: wholeNumber(json.lingerMs) ?? 0,
    olderThanMs: wholeNumber(json.olderThanMs),
  };
}

function endingIn({ pid, startToken, timeNamespace }: Json): Ending | undefined {
  const who = identity(pid, startToken);
  return who && { ...who, timeNamespace: text(timeNamespace) };
}

/** After its run is done, so that a run that dies loses none. */
export const closeRequest = ({ file, content }: StoredRequest): boolean => removeUnchanged(file, content);
