import { join } from 'node:path';
import { isOfOtherPids, tokenOfProcStart } from '../decide/claude-list.js';
import type { Host, Identity, StartTokens } from '../model/identity.js';
import type { Witness } from '../model/record.js';
import { identity, parseObject, text } from './files/parse.js';
import { jsonNames, readSmall } from './files/read.js';

/**
 * Claude Code's own list of live sessions, `<config>/sessions/<pid>.json` (seen in 2.1.330, undocumented). It works
 * without our hooks, so it covers the sessions of people who have not installed them. It can only spare: a missing
 * entry means nothing, and an entry that is not understood means that a Claude with that pid may work anywhere. The
 * `.key` files next to it are secrets and are never read.
 */
export function readClaudeSessions(configDirs: readonly string[], here: Here): Witness[] {
  return [...new Set(configDirs)].flatMap((configDir) => listedSessions(configDir, here) ?? []);
}

/** Whose pids and start tokens they are compared with. */
export interface Here {
  readonly host: Host;
  readonly startTokens: StartTokens;
}

/** Undefined when the list exists and cannot be read. */
export function listedSessions(configDir: string, here: Here): Witness[] | undefined {
  const folder = join(configDir, 'sessions');
  const listed = jsonNames(folder);
  if (listed.kind !== 'names') return undefined;
  return listed.names.filter((name) => /^\d+\.json$/.test(name)).flatMap((name) => witnessIn(folder, name, here));
}

function witnessIn(folder: string, name: string, { host, startTokens }: Here): Witness[] {
  const read = readSmall(join(folder, name));
  if (read.kind === 'absent') return [];
  const json = read.kind === 'text' ? parseObject(read.text) : read.error;
  if (typeof json === 'string') return witness(identity(Number.parseInt(name, 10), undefined), undefined, undefined);
  // The daemon's own entry, if it ever writes one, is not a session's.
  if (json.kind === 'daemon' || isOfOtherPids(json.pidDomain, host)) return [];
  return witness(
    identity(json.pid, tokenOfProcStart(json.procStart, startTokens)),
    text(json.sessionId),
    text(json.cwd),
  );
}

const witness = (holder: Identity | undefined, session: string | undefined, path: string | undefined): Witness[] =>
  holder ? [{ holder, session, path }] : [];
