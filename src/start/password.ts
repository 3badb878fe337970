import { randomBytes } from 'node:crypto';
import type { Variables } from '../common/variables.js';
import { type Secret, sameSecret, secret } from '../model/secret.js';
import { OWN_PASSWORD, spawnEnvironment } from './spawn-environment.js';

/*
 * OpenCode 2 always wants a password: OPENCODE_PASSWORD, else OPENCODE_SERVER_PASSWORD, else one that it makes up and
 * prints where nobody reads it. OpenCode 1 wants OPENCODE_SERVER_PASSWORD if that is set, and does not know the other
 * variable (1.14.41 and 1.18.33 do not even contain its name). So a password in OPENCODE_PASSWORD alone is one
 * for OpenCode 2 only, and nobody has to find out before the spawn which of the two it is: `opencode --version` would
 * take half a second of every start, and what a version manager puts on the PATH may answer differently from one
 * directory to the next; a server that is found out afterwards would have to be ended and started again.
 */

/** A password for one server only. It is in the server's record and environment, and with its callers. */
const newPassword = (): string => OWN_PASSWORD + randomBytes(24).toString('base64url');

/**
 * The password that a new server is given; undefined if it inherits the user's own, which then stays out of its record.
 * Without `secure` it is known only after the start whether the server wants it.
 */
export const passwordFor = (callers: Variables, secure: boolean | undefined): string | undefined =>
  secure || passwordsFrom(spawnEnvironment(callers, '')).length === 0 ? newPassword() : undefined;

/**
 * A server's environment with the password that it is given. With `secure` it is for both, and a user name from the
 * caller's environment would be another credential to OpenCode 1: without one, that is `opencode`.
 */
export function withPassword(
  env: Readonly<Record<string, string>>,
  password: string | undefined,
  secure: boolean | undefined,
): Record<string, string> {
  if (password === undefined) return env;
  if (!secure) return { ...env, OPENCODE_PASSWORD: password };
  const { OPENCODE_SERVER_USERNAME: _, ...rest } = env;
  return { ...rest, OPENCODE_PASSWORD: password, OPENCODE_SERVER_PASSWORD: password };
}

/** The passwords that a caller's environment has for OpenCode 2, the one that it prefers first. An empty one is none. */
export const passwordsFrom = ({ OPENCODE_PASSWORD, OPENCODE_SERVER_PASSWORD }: Variables): readonly Secret[] =>
  unique([OPENCODE_PASSWORD, OPENCODE_SERVER_PASSWORD].flatMap((text) => (text ? [secret(text)] : [])));

export const unique = (passwords: readonly Secret[]): readonly Secret[] =>
  passwords.filter((one, at) => passwords.findIndex((other) => sameSecret(one, other)) === at);
