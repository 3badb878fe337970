import { join } from 'node:path';
import type { Identity } from '../model/identity.js';
import type { Witness } from '../model/record.js';
import { identity, parseObject, text } from './files/parse.js';
import { jsonNames, readSmall } from './files/read.js';

/**
 * Claude Code's own list of live sessions, `<config>/sessions/<pid>.json` (seen in 2.1.330, undocumented). It works
 * without our hooks, so it covers the sessions of people who have not installed them. It can only spare: a missing
 * entry means nothing, and an entry that is not understood means that a Claude with that pid may work anywhere. The
 * `.key` files next to it are secrets and are never read.
 */
export function readClaudeSessions(configDirs: readonly string[]): Witness[] {
  return [...new Set(configDirs)].flatMap((configDir) => listedSessions(configDir) ?? []);
}

/** Undefined when the list exists and cannot be read. */
export function listedSessions(configDir: string): Witness[] | undefined {
  const folder = join(configDir, 'sessions');
  const listed = jsonNames(folder);
  if (listed.kind !== 'names') return undefined;
  return listed.names.filter((name) => /^\d+\.json$/.test(name)).flatMap((name) => witnessIn(folder, name));
}

function witnessIn(folder: string, name: string): Witness[] {
  const read = readSmall(join(folder, name));
  if (read.kind === 'absent') return [];
  const json = read.kind === 'text' ? parseObject(read.text) : read.error;
  if (typeof json === 'string') return witness(identity(Number.parseInt(name, 10), undefined), undefined, undefined);
  // The daemon's own entry, if it ever writes one, is not a session's.
  if (json.kind === 'daemon') return [];
  return witness(identity(json.pid, ticks(json.procStart)), text(json.sessionId), text(json.cwd));
}

const witness = (holder: Identity | undefined, session: string | undefined, path: string | undefined): Witness[] =>
  holder ? [{ holder, session, path }] : [];

/** On platforms other than Linux the client writes a date, which is not one of our start tokens. */
const ticks = (value: unknown): string | undefined =>
  (typeof value === 'string' || typeof value === 'number') && /^\d+$/.test(String(value)) ? String(value) : undefined;
