import { randomBytes } from 'node:crypto';
import { OWN_PASSWORD } from './spawn-environment.js';

/** For one server only. It is in the server's record and environment, and nowhere else. */
export const newPassword = (): string => OWN_PASSWORD + randomBytes(24).toString('base64url');

/**
 * A user name from the caller's environment would be another credential; without one, the server's user name is
 * `opencode`.
 */
export function withPassword(env: Record<string, string>, password: string | undefined): Record<string, string> {
  if (password === undefined) return env;
  const { OPENCODE_SERVER_USERNAME: _, ...rest } = env;
  return { ...rest, OPENCODE_SERVER_PASSWORD: password };
}
