import { join } from 'node:path';
import { isObject, type Json } from '../../common/json.js';
import type { BootTime } from '../../model/boot-time.js';
import type { Host, Identity } from '../../model/identity.js';
import { isoTime } from '../files/iso-time.js';
import { formatOurs, identity, parseOurs, text, time, wholeNumber } from '../files/parse.js';
import { readFolder } from '../files/read-folder.js';
import { removeUnchanged, replaceFile } from '../files/write.js';
import type { StateFolder } from '../folders.js';

/** A process, and what its start token is relative to. */
export type Ending = Identity & Pick<Host, 'timeNamespace'>;

/** "A session began or ended: look again." */
export interface BackgroundRequest {
  /** Epoch milliseconds, for display only: that clock may be set while the request waits. */
  readonly at: number;
  /** The same by the boot clock; undefined for requests of earlier versions. */
  readonly since: BootTime | undefined;
  readonly event: string;
  readonly session: string | undefined;
  /** The Claude process that ends; undefined when it could not be determined, or when nothing ends. */
  readonly ending: Ending | undefined;
  /** Claude Code's config folder, as the session saw it. */
  readonly configDir: string | undefined;
  /** The data folder of the plugin whose hook this was. */
  readonly dataDir: string | undefined;
  /** The folder that replaces `plugins` in Claude Code's config folder, if the session had it elsewhere. */
  readonly pluginsDir?: string | undefined;
  /** The folder for temporary files of the session's sandboxed commands. */
  readonly tmpDir?: string | undefined;
  readonly lingerMs: number;
  /** Undefined leaves it to the run. */
  readonly olderThanMs: number | undefined;
}

export interface StoredRequest extends BackgroundRequest {
  readonly file: string;
  readonly content: string;
}

export function leaveRequest(folder: StateFolder, { since, ...request }: BackgroundRequest): void {
  const when = { at: isoTime(request.at), boot: since?.boot, bootMs: since?.ms };
  const content = formatOurs({ ...request, ...when });
  // One process leaves one request at a time, so the name is unique.
  const name = `${request.at}-${process.pid}-${process.hrtime.bigint()}.json`;
  replaceFile(join(folder.requests, name), content, 'until reboot');
}

/** Every request that can be understood; the others are reported when the whole registry is read. */
export function pendingRequests(folder: StateFolder): StoredRequest[] {
  return readFolder('request', folder.requests, parseRequest, []);
}

export function parseRequest(file: string, content: string): StoredRequest | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const at = time(json.at);
  if (at === undefined) return 'it has no timestamp';
  const bootMs = wholeNumber(json.bootMs);
  return {
    file,
    content,
    at,
    since: bootMs === undefined ? undefined : { boot: text(json.boot), ms: bootMs },
    event: text(json.event) ?? 'unknown',
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

/** Called after its run is done, so that a run that dies loses no request. */
export const closeRequest = ({ file, content }: StoredRequest): boolean => removeUnchanged(file, content);
