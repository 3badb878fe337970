import { basename } from 'node:path';
import { isObject, type Json } from '../../common/json.js';
import type { Host, Identity } from '../../model/identity.js';
import type { ServerRecord, Trust } from '../../model/record.js';
import { secret } from '../../model/secret.js';
import { isoTime } from '../files/iso-time.js';
import { formatOurs, identity, machine, parseOurs, port, text, time, wholeNumber } from '../files/parse.js';

/** What `servers/<id>.json` holds. Undefined fields are left out of the file. */
export interface NativeRecord {
  readonly id: string;
  readonly startedByPlugin: boolean;
  readonly adopted?: true;
  readonly plugin: string;
  readonly tag: string | undefined;
  readonly starter: Identity;
  readonly spawned?: Identity | undefined;
  readonly server?: Identity | undefined;
  readonly machine: Host;
  readonly uid: number | undefined;
  readonly hostname: string;
  readonly port: number | undefined;
  readonly command: readonly string[];
  readonly workspace: string;
  readonly startedBySession: string | undefined;
  readonly startedAt: number;
  readonly state: ServerRecord['state'];
  /**
   * The password of a server that was started with one of its own. From this file it goes only to the server's
   * environment and to callers.
   */
  readonly password?: string | undefined;
  readonly retireAfterMs?: number | undefined;
}

export function formatRecord(record: NativeRecord): string {
  const { spawned, server, startedAt, ...rest } = record;
  return formatOurs({
    ...rest,
    pid: spawned?.pid,
    startToken: spawned?.startToken,
    serverPid: server?.pid,
    serverStartToken: server?.startToken,
    url: record.port === undefined ? undefined : urlOf(record.hostname, record.port),
    startedAt: isoTime(startedAt),
  });
}

export const urlOf = (hostname: string, port: number): string =>
  `http://${hostname.includes(':') ? `[${hostname}]` : hostname}:${port}`;

/** The record in one of our files, or a sentence that says why it could not be understood. */
export function parseRecord(file: string, content: string, trust: Trust): ServerRecord | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const id = text(json.id);
  if (id === undefined || basename(file) !== `${id}.json`) return 'its id does not match its file name';
  const state = json.state;
  if (state !== 'spawning' && state !== 'starting' && state !== 'ready') return 'its state is unknown';
  if (typeof json.startedByPlugin !== 'boolean' && json.adopted !== true)
    return 'it does not say who started the server';
  const here = machine(json.machine);
  if (here === undefined) return 'it does not say which machine it is from';
  const spawned = identity(json.pid, json.startToken);
  if (spawned?.startToken === undefined && state !== 'spawning') return 'it does not name a process';
  return { ...described(json), id, state, spawned, machine: here, source: { format: 'native', file }, trust };
}

function described(json: Json) {
  return {
    ownership: json.adopted === true ? 'adopted' : json.startedByPlugin === true ? 'plugin' : 'user',
    plugin: text(json.plugin),
    tag: text(json.tag),
    server: identity(json.serverPid, json.serverStartToken),
    starter: isObject(json.starter) ? identity(json.starter.pid, json.starter.startToken) : undefined,
    uid: wholeNumber(json.uid),
    hostname: text(json.hostname),
    port: port(json.port),
    portIsStated: true,
    url: text(json.url),
    workspace: text(json.workspace),
    workspaceHash: undefined,
    startedBySession: text(json.startedBySession),
    startedAt: time(json.startedAt),
    retireAfterMs: wholeNumber(json.retireAfterMs),
    password: text(json.password) === undefined ? undefined : secret(String(json.password)),
    provenBy: 'start token',
    alsoIn: [],
  } as const;
}
