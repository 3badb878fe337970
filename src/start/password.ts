import { randomBytes } from 'node:crypto';
import { OWN_PASSWORD } from './spawn-environment.js';

/** For one server alone. Its record holds it, and so does its environment; nothing else does. */
export const newPassword = (): string => OWN_PASSWORD + randomBytes(24).toString('base64url');

/** A user name of the caller's would be another way in; without one the server's is `opencode`. */
export function withPassword(env: Record<string, string>, password: string | undefined): Record<string, string> {
  if (password === undefined) return env;
  const { OPENCODE_SERVER_USERNAME: _, ...rest } = env;
  return { ...rest, OPENCODE_SERVER_PASSWORD: password };
}
