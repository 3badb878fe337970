import { join } from 'node:path';
import type { Witness } from '../decide/record.js';
import { jsonNames, readSmall } from './files.js';
import { identity, parseObject, text } from './parse.js';

/**
 * Claude Code's own list of live sessions, `<config>/sessions/<pid>.json` (seen in 2.1.330, undocumented). It needs no
 * hook of ours, so it speaks for sessions of people who installed none. It can only spare: what is missing or not
 * understood means nothing. The `.key` files beside it are secrets and are never read.
 */
export function readClaudeSessions(configDirs: readonly string[]): Witness[] {
  return [...new Set(configDirs)].flatMap((configDir) => {
    const folder = join(configDir, 'sessions');
    const listed = jsonNames(folder);
    const names = listed.kind === 'names' ? listed.names.filter((name) => /^\d+\.json$/.test(name)) : [];
    return names.flatMap((name) => witnessIn(join(folder, name)));
  });
}

function witnessIn(file: string): Witness[] {
  const read = readSmall(file);
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  if (typeof json !== 'object') return [];
  const holder = identity(json.pid, json.procStart);
  const path = text(json.cwd);
  return holder && path ? [{ holder, session: text(json.sessionId), path }] : [];
}
