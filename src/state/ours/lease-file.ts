import { isObject, type Json } from '../../common/json.js';
import type { Host, Identity } from '../../model/identity.js';
import type { Lease, Trust } from '../../model/record.js';
import { isoTime } from '../files/iso-time.js';
import { formatOurs, identity, machine, parseOurs, port, text, texts, time } from '../files/parse.js';

/** The lease in one of our files, or a sentence that says why it could not be understood. */
export function parseLease(file: string, content: string, _trust: Trust, modifiedAt: number): Lease | string {
  const json = parseOurs(content);
  if (typeof json === 'string') return json;
  const holder = isObject(json.holder) ? json.holder : undefined;
  const lease: Lease = {
    file,
    session: text(json.session),
    holder: holder && identity(holder.pid, holder.startToken),
    machine: holder && machine(holder.machine),
    path: text(json.cwd),
    port: port(json.port),
    servers: texts(json.servers),
    expiresAt: time(json.expiresAt),
    seenAt: Math.max(time(json.at) ?? 0, modifiedAt),
  };
  return coverIsClear(json, lease) ? lease : 'it does not say clearly what it covers';
}

/** A misread lease would cover nothing, and its server would look free. */
function coverIsClear({ cwd, port: number, servers }: Json, lease: Lease): boolean {
  const isRead = (said: unknown, read: unknown): boolean => said === undefined || said === null || read !== undefined;
  const isList = servers === undefined || (Array.isArray(servers) && servers.length === lease.servers.length);
  const coversSome = lease.path !== undefined || lease.port !== undefined || lease.servers.length > 0;
  return isRead(cwd, lease.path) && isRead(number, lease.port) && isList && coversSome;
}

/** What `leases/<holder>.json` holds. */
export interface NativeLease {
  readonly holder: (Identity & { readonly machine: Host }) | undefined;
  readonly session: string | undefined;
  /** Undefined, like the port, for a lease that only names servers. */
  readonly cwd: string | undefined;
  readonly port: number | undefined;
  readonly servers: readonly string[];
  /** Epoch milliseconds. */
  readonly at: number;
  /** Epoch milliseconds; undefined for a lease that lives as long as its holder. */
  readonly expiresAt: number | undefined;
}

export function formatLease({ at, expiresAt, ...lease }: NativeLease): string {
  return formatOurs({ ...lease, at: isoTime(at), expiresAt: expiresAt === undefined ? undefined : isoTime(expiresAt) });
}

/** What a lease covers in addition to the workspace and the usual port of its session, in a file of its own. */
export type Besides = { readonly port: number } | { readonly server: string };

/**
 * A lease is named after its holder, or after its session if the holder has no identity. Each additional thing that it
 * covers has a file of its own: two hooks or commands of one session may write at the same moment, and neither may undo
 * what the other has said.
 */
export function leaseName(
  holder: Identity | undefined,
  session: string | undefined,
  besides?: Besides,
  plain = distinct,
): string {
  const whose =
    holder?.startToken === undefined
      ? `session-${plain(session ?? 'unknown')}`
      : `${holder.pid}-${holder.startToken.replace(/\W/g, '_')}`;
  if (besides === undefined) return `${whose}.json`;
  return `${whose}.${'port' in besides ? `port-${besides.port}` : plain(besides.server)}.json`;
}

/** Whether a file belongs to that holder or session; under its `former` name it may also belong to another session. */
export const isLeaseOf = (
  name: string,
  holder: Identity | undefined,
  session: string | undefined,
  former = false,
): boolean => name.startsWith(leaseName(holder, session, undefined, former ? folded : distinct).replace(/json$/, ''));

const folded = (text: string): string => text.replace(/[^\w-]/g, '_').slice(0, 100);

/** Two texts that would be folded into the same name keep different names. */
function distinct(text: string): string {
  const plain = folded(text);
  if (plain === text) return plain;
  // Loading a real hash would cost the hook 7 ms.
  let hash = 0;
  for (const char of text) hash = (Math.imul(hash, 31) + (char.codePointAt(0) ?? 0)) >>> 0;
  return `${plain}-${hash.toString(36)}`;
}
