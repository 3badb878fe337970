import { createHash } from 'node:crypto';
import type { Json } from '../../common/json.js';
import { parsePid, type StartTokens } from '../../model/identity.js';
import { lstartParts } from '../../model/lstart.js';
import {
  MAY_START_AFTER_MS,
  MAY_START_BEFORE_MS,
  type Ownership,
  type ServerRecord,
  type Trust,
  type Use,
} from '../../model/record.js';
import { type Secret, secret } from '../../model/secret.js';
import { port, text, wholeNumber } from '../files/parse.js';
import { urlOf } from '../ours/record-file.js';

/** How one plugin records its servers and their uses. A file is recognized as the plugin's by its content. */
export interface Format {
  readonly name: string;
  /** The plugin's name for people. */
  readonly plugin: string;
  /** What a server record of this format says; undefined if the file is not one. */
  readonly serverIn?: (source: Source) => Said | undefined;
  /** The jobs and leases in a file of this format; undefined if the file is not of this format. */
  readonly usesIn?: (source: Source) => readonly Use[] | undefined;
}

/** What a plugin's record says, or why it (or a file that it needs) cannot be used, or that it holds no server. */
export type Said = Server | Failure | string | 'no server';

export interface Failure {
  readonly file: string;
  readonly error: string;
}

/** A file as it was read: undefined if it does not exist or is not ours, a sentence if it could not be read. */
export type Read = Source | string | undefined;

export const jsonOf = (read: Read): Json | undefined => (typeof read === 'object' ? read.json : undefined);

export interface Server {
  readonly ownership: Ownership;
  readonly pid?: unknown;
  /** Only if the format has one in this platform's own form. */
  readonly startToken?: string | undefined;
  readonly port?: number | undefined;
  readonly workspace?: string | undefined;
  readonly workspaceHash?: string | undefined;
  readonly startedAt: number | undefined;
  readonly password?: Secret | undefined;
  /** Only set by formats without pids: the process that listens on the port is then the server. */
  readonly byPort?: true;
  /** The same, where the server is whatever `opencode serve` was given the password. */
  readonly byPassword?: true;
  readonly pluginConfig?: true;
  /** The plugin does not detach its server. */
  readonly isAttached?: true;
}

/** One file, read and parsed; its neighbors on demand, each once. */
export interface Source {
  readonly file: string;
  readonly name: string;
  /** The name of its folder. */
  readonly folder: string;
  readonly text: string;
  /** Undefined if it is not a JSON object. */
  readonly json: Json | undefined;
  readonly trust: Trust;
  /** What start tokens are here. */
  readonly startTokens: StartTokens;
  /** The path of a file, given relative to this one's folder. */
  readonly pathOf: (path: string) => string;
  readonly near: (path: string) => Read;
  /** When such a file, or this one, was last written, in epoch milliseconds; undefined if it does not exist. */
  readonly touchedAt: (path?: string) => number | undefined;
}

export function recordFrom({ name, plugin }: Format, source: Source, said: Server): ServerRecord | string {
  const pid = parsePid(said.pid);
  if (pid === undefined && !said.byPort && !said.byPassword) return 'it does not name a process';
  return {
    // Until its process is known, its id comes from the file's path, which is unique.
    id: `${name}-${createHash('sha256').update(source.file).digest('hex').slice(0, 10)}`,
    source: { format: name, file: source.file },
    trust: source.trust,
    ownership: said.ownership,
    plugin,
    tag: undefined,
    spawned: pid && { pid, startToken: said.startToken },
    server: undefined,
    starter: undefined,
    machine: undefined,
    uid: undefined,
    hostname: undefined,
    port: said.port,
    portIsStated: said.port !== undefined,
    url: said.port === undefined ? undefined : urlOf('127.0.0.1', said.port),
    workspace: said.workspace,
    workspaceHash: said.workspaceHash,
    startedAt: said.startedAt,
    state: 'ready',
    password: said.password,
    pluginConfig: said.pluginConfig,
    isAttached: said.isAttached,
    provenBy: said.startToken === undefined ? 'start time' : 'start token',
    alsoIn: [],
  };
}

/** Plugins start their own servers on a loopback address; any other URL is not about those. */
const ownPortIn = (url: unknown): number | undefined =>
  typeof url === 'string' && /^http:\/\/(127\.\d+\.\d+\.\d+|localhost|\[::1?\]|0\.0\.0\.0)(:|\/|$)/i.test(url)
    ? portIn(url)
    : undefined;

/** The port in a URL, whatever its host: this machine has many names. */
export function portIn(url: unknown): number | undefined {
  if (typeof url !== 'string' || !URL.canParse(url)) return undefined;
  const { protocol, port: named } = new URL(url);
  return protocol === 'http:' ? port(Number(named || '80')) : undefined;
}

/** A server whose record names its port. */
export function onPort(value: unknown, server: Server): Said {
  const number = port(value);
  return number === undefined ? 'it does not name a port' : { ...server, port: number };
}

/** A server whose record names its URL. */
export function atUrl(url: unknown, server: Server): Said {
  const number = ownPortIn(url);
  return number === undefined ? 'its URL does not name a port on this machine' : { ...server, port: number };
}

export const passwordIn = (value: unknown): Secret | undefined => {
  const password = text(value);
  return password === undefined ? undefined : secret(password);
};

/** The hash at the end of a workspace folder's name: `<hash>` or `<slug>-<hash>`. */
export const hashIn = (folder: string): string | undefined =>
  /(?:^|-)([0-9a-f]{12}(?:[0-9a-f]{4})?)$/.exec(folder)?.[1];

/** On Linux, plugins write down ticks, as a number or a string. */
export function tickToken({ startTokens }: Source, value: unknown): string | undefined {
  const ticks = typeof value === 'string' ? value.replace(/^linux:/, '') : wholeNumber(value)?.toString();
  return startTokens === 'ticks' && ticks !== undefined && /^\d+$/.test(ticks) ? ticks : undefined;
}

/**
 * On macOS they write `ps -o lstart=`, which is in whatever time zone and language the plugin had. Epoch milliseconds,
 * taken for our own time zone, so that it may be hours off; undefined for any other text, and elsewhere.
 */
export function lstartIn({ startTokens }: Source, value: unknown): number | undefined {
  const text = startTokens === 'seconds' && typeof value === 'string' ? value.replace(/^darwin:/, '') : '';
  const parts = lstartParts(text);
  return parts && new Date(...parts).getTime();
}

/**
 * The start token of a recorded server. A date counts only if the time of the record, which is in UTC, confirms it: with
 * another time zone it would be another process's.
 */
export function serverToken(source: Source, value: unknown, startedAt: number | undefined): string | undefined {
  const at = lstartIn(source, value);
  const isConfirmed =
    at !== undefined &&
    startedAt !== undefined &&
    at >= startedAt - MAY_START_BEFORE_MS &&
    at <= startedAt + MAY_START_AFTER_MS;
  return isConfirmed ? String(at / 1000) : tickToken(source, value);
}
