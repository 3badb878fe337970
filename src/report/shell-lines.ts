import type { Secret } from '../model/secret.js';
import { clean } from './text.js';

/**
 * Lines that a shell evaluates, so that clients find the server and are let in: what they are called, by OpenCode and by
 * its plugins. A sentence if that cannot be said in one line each.
 */
export function shellLines(url: string, password: Secret | undefined): readonly string[] | string {
  const values = { OPENCODE_SERVER_URL: url, ...(password && variablesOf(password.reveal())) };
  const lines = Object.entries(values).map(([name, value]) => `export ${name}=${quoted(value)}`);
  // A password of the user's own may be anything; a terminal would obey it.
  return lines.some((line) => clean(line) !== line) ? 'its password has control characters in it' : lines;
}

const variablesOf = (password: string) => ({ OPENCODE_PASSWORD: password, OPENCODE_SERVER_PASSWORD: password });

/** Between single quotes nothing has a meaning to a POSIX shell but their end. */
const quoted = (value: string): string => `'${value.replaceAll("'", "'\\''")}'`;
