import type { Secret } from '../../model/secret.js';
import { HEALTH, isHealthy } from './health.js';
import { type Address, ask, type Question, type Reply } from './http.js';
import { askInfo } from './info.js';

/**
 * Who answers on a port. An `opencode` is OpenCode 1; `locked` wants a password in OpenCode's way, which is also that of
 * a common web framework. An `opencode 2` may not be ready, and wants a password that nobody said; a program that
 * refuses `/api/info` for reasons of its own looks like one. `silent` may be a server that is only starting, or one that
 * is stuck.
 */
export type Answering = 'opencode' | 'locked' | 'opencode 2' | 'stranger' | 'silent' | 'nobody';

/** Early requests hang forever, so a probe gets this long, and the next one a connection of its own. */
export const PROBE_MS = 1_500;

/** `isOurs` says that it is a server that we have started: being asked by its starter is no use of it. */
export async function whoAnswers(
  host: string,
  port: number,
  deadlineMs = PROBE_MS,
  isOurs = false,
): Promise<Answering> {
  const address: Address = { host, port, username: undefined, password: undefined };
  const health = await ask(address, { path: HEALTH, deadlineMs, ofStranger: !isOurs });
  if (health.kind === 'silent') return 'silent';
  if (health.kind === 'refused') return health.code === 'ECONNREFUSED' ? 'nobody' : 'silent';
  if (isHealthy(health)) return 'opencode';
  if (health.realm === 'Secure Area') return 'locked';
  // OpenCode 2 answers unknown paths with its web page.
  const info = await askInfo(address, { deadlineMs, ofStranger: !isOurs });
  if (info.kind === 'silent') return 'silent';
  return info.kind === 'other' ? 'stranger' : 'opencode 2';
}

/** What is behind a lock, if one of these passwords opens it: 1.18 and OpenCode 2 up to 2.0.16 refuse us alike. */
export async function whoIsBehind(
  at: Pick<Address, 'host' | 'port'>,
  passwords: readonly Secret[],
  how: Pick<Question, 'deadlineMs' | 'ofStranger'>,
): Promise<'opencode' | 'opencode 2' | 'locked' | 'silent'> {
  for (const password of passwords) {
    const health = await ask({ ...at, username: undefined, password }, { path: HEALTH, ...how });
    if (!('status' in health)) return 'silent';
    if (health.status !== 401) return isHealthy(health) ? 'opencode' : 'opencode 2';
  }
  return 'locked';
}

/** Whether an OpenCode 1 keeps out whoever does not say its password, and lets in who does. */
export async function lockOn(host: string, port: number, password: Secret): Promise<'locked' | 'open' | 'unclear'> {
  const health = (known: Secret | undefined): Promise<Reply> =>
    ask({ host, port, username: undefined, password: known }, { path: HEALTH, deadlineMs: PROBE_MS });
  const stranger = await health(undefined);
  if (isHealthy(stranger)) return 'open';
  return 'status' in stranger && stranger.status === 401 && isHealthy(await health(password)) ? 'locked' : 'unclear';
}
