import { createHash } from 'node:crypto';
import { lstatSync, readdirSync } from 'node:fs';
import { basename, join } from 'node:path';
import { errorCode, isAbsent, tryRead } from '../../common/errors.js';
import { isSoonAfter } from '../../decide/born-proofs.js';
import type { AskingJob } from '../../model/birth.js';
import { isForeign, modifiedAt, readHead } from '../files/read.js';
import { foldersOf, type KnownFolders } from './plugin-folders.js';

/*
 * The line of tasict writes a log for each job, `<hash of the folder>/jobs/<job>.log`, and says in it that it asks for a
 * server; if there is none on its port, it starts one at once.
 */

const ASKS =
  /^\[([0-9TZ:.-]+)\] \[starting\] (?:Connecting to OpenCode server|Background worker connecting to OpenCode)\.\.\.\r?\n/m;

/**
 * A job can do nothing before it asks for a server, so the line is among the first: hundreds of bytes into the log at
 * most, or thousands if a prompt was noted before it. What a model said comes later, and may be megabytes.
 */
const HEAD_BYTES = 64 * 1024;
/** The line may be this much older than the server (see `isSoonAfter`), and its log is written after it. */
const OLDEST_MS = 4_500;

/**
 * The job that asked for a server in that folder just before one started, by a log that only we could have written;
 * `none` if there is none, undefined if a log that may say so cannot be read. Times are in epoch milliseconds.
 */
export function jobThatAsked(cwd: string, startedAt: number, known: KnownFolders): AskingJob | 'none' | undefined {
  const hash = createHash('sha256').update(cwd).digest('hex').slice(0, 16);
  const found = foldersOf(known).perWorkspace.flatMap((place) => {
    const folder = join(place, hash, 'jobs');
    // As no record is read through a link, or in a folder of another user's.
    const isKept = [join(place, hash), folder].every((path) => !isLink(path) && !isForeign(path)) && !isForeign(place);
    return isKept ? asking(folder, startedAt) : [];
  });
  const jobs = found.filter((one) => one !== undefined);
  const [nearest] = jobs.sort((one, other) => one.afterMs - other.afterMs);
  return nearest ?? (found.length > 0 ? undefined : 'none');
}

const isLink = (path: string): boolean => tryRead(() => lstatSync(path).isSymbolicLink()) ?? false;

/** Undefined stands for a log that cannot be read. */
function asking(folder: string, startedAt: number): (AskingJob | undefined)[] {
  const logs = logsIn(folder);
  if (logs === undefined) return [undefined];
  return logs.filter((file) => modifiedAt(file) >= startedAt - OLDEST_MS).flatMap((file) => askingIn(file, startedAt));
}

function askingIn(file: string, startedAt: number): (AskingJob | undefined)[] {
  const read = readHead(file, HEAD_BYTES);
  if (read.kind === 'absent' || isForeign(file)) return [];
  if (read.kind === 'unread') return [undefined];
  if (read.trust.kind !== 'trusted') return [];
  // What a model said is in the log as well, and could look like that line: the first one is the plugin's own.
  const [, at = ''] = ASKS.exec(read.text) ?? [];
  const afterMs = startedAt - Date.parse(at);
  return isSoonAfter(afterMs) ? [{ name: basename(file, '.log').slice(0, 80), afterMs }] : [];
}

function logsIn(folder: string): string[] | undefined {
  try {
    return readdirSync(folder).flatMap((name) => (name.endsWith('.log') ? [join(folder, name)] : []));
  } catch (error) {
    return isAbsent(errorCode(error)) ? [] : undefined;
  }
}
