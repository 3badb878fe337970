import { isObject } from '../../common/json.js';
import { type Pid, parsePid } from '../../model/identity.js';
import type { Secret } from '../../model/secret.js';
import { type Address, ask, type Question, type Reply } from './http.js';

/**
 * What an OpenCode 2 says about itself at `/api/info`. `ready` comes with the pid of the process that answers;
 * `starting` may also be stopping; `locked` wants a password, or another one, and says so even before it is ready;
 * `other` is not an OpenCode 2.
 */
export type Info =
  | { readonly kind: 'ready'; readonly pid: Pid }
  | { readonly kind: 'starting' | 'locked' | 'silent' | 'other' };

export const INFO = '/api/info';

type How = Pick<Question, 'deadlineMs' | 'ofStranger'>;

export const askInfo = async (address: Address, how: How): Promise<Info> =>
  infoIn(await ask(address, { path: INFO, ...how }));

/** A refusal has an empty body, or JSON, and a realm or none: that changed from release to release. */
function infoIn(reply: Reply): Info {
  if (reply.kind === 'silent' || reply.kind === 'refused') return { kind: 'silent' };
  if (reply.status === 401) return { kind: 'locked' };
  if (reply.kind !== 'json') return { kind: 'other' };
  if (reply.status === 503) return { kind: 'starting' };
  const pid = reply.status === 200 && isObject(reply.body) ? parsePid(reply.body.pid) : undefined;
  return pid === undefined ? { kind: 'other' } : { kind: 'ready', pid };
}

/** Let in by that password; by undefined if it asks for none. */
export type Entered =
  | (Extract<Info, { kind: 'ready' }> & { readonly password: Secret | undefined })
  | Exclude<Info, { kind: 'ready' }>;

/** Tries without a password first, then these, and stops at the first answer that is not a refusal. */
export async function enter(
  at: Pick<Address, 'host' | 'port'>,
  passwords: readonly Secret[],
  how: How,
): Promise<Entered> {
  for (const password of [undefined, ...passwords]) {
    // The user is always `opencode`; OPENCODE_SERVER_USERNAME is OpenCode 1's.
    const info = await askInfo({ ...at, username: undefined, password }, how);
    if (info.kind !== 'locked') return info.kind === 'ready' ? { ...info, password } : info;
  }
  return { kind: 'locked' };
}
