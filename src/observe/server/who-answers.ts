import type { Secret } from '../../model/secret.js';
import { type Address, ask, type Reply } from './http.js';

/**
 * Who answers on a port. `locked` wants a password in OpenCode's way, which is also that of a common web framework;
 * `silent` may be a server that is only starting, or one that is stuck.
 */
export type Answering = 'opencode' | 'locked' | 'stranger' | 'silent' | 'nobody';

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
  const health = await ask(address, { path: '/global/health', deadlineMs, ofStranger: !isOurs });
  if (health.kind === 'silent') return 'silent';
  if (health.kind === 'refused') return health.code === 'ECONNREFUSED' ? 'nobody' : 'silent';
  if (isHealthy(health)) return 'opencode';
  if (health.realm === 'Secure Area') return 'locked';
  // OpenCode 2 answers unknown paths with its web page.
  const info = await ask(address, { path: '/api/info', deadlineMs, ofStranger: !isOurs });
  const second = info.kind === 'json' && (info.status === 401 || (info.status === 200 && hasVersion(info.body)));
  return second ? 'opencode' : 'stranger';
}

/** Whether a server keeps out whoever does not say its password, and lets in who does. */
export async function lockOn(host: string, port: number, password: Secret): Promise<'locked' | 'open' | 'unclear'> {
  const health = (known: Secret | undefined): Promise<Reply> =>
    ask({ host, port, username: undefined, password: known }, { path: '/global/health', deadlineMs: PROBE_MS });
  const stranger = await health(undefined);
  if (isHealthy(stranger)) return 'open';
  return 'status' in stranger && stranger.status === 401 && isHealthy(await health(password)) ? 'locked' : 'unclear';
}

const isHealthy = (reply: Reply): boolean =>
  reply.kind === 'json' &&
  reply.status === 200 &&
  typeof reply.body === 'object' &&
  reply.body !== null &&
  'healthy' in reply.body &&
  reply.body.healthy === true;

const hasVersion = (body: unknown): boolean => typeof body === 'object' && body !== null && 'version' in body;
