import { isObject } from '../../common/json.js';
import type { Reply } from './http.js';

/** Where an OpenCode 1 says that it can answer. */
export const HEALTH = '/global/health';

export const isHealthy = (reply: Reply): boolean =>
  reply.kind === 'json' && reply.status === 200 && isObject(reply.body) && reply.body.healthy === true;
