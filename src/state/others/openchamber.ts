import { join } from 'node:path';
import type { Variables } from '../../common/variables.js';
import { parsePid } from '../../model/identity.js';
import type { Registration } from '../../model/owner.js';
import { parseObject, port, time } from '../files/parse.js';
import { jsonNames, modifiedAt, readSmall } from '../files/read.js';
import { homeOf } from '../folders.js';
import { UNSAID } from './unsaid.js';

/** More than anyone has servers of OpenChamber, which removes the files of those that have ended. */
const MOST_FILES = 256;
/** An entry has six short fields. */
const MOST_BYTES = 16 * 1024;

const RUNTIMES = ['web', 'desktop', 'vscode', 'ssh-remote'];

export const openChamberFolder = (env: Variables): string =>
  env.OPENCHAMBER_MANAGED_PROCESS_REGISTRY?.trim() || join(homeOf(env), '.config', 'openchamber', 'managed-opencode');

/**
 * OpenChamber's list of the servers that it started, a file for each: `<pid>.json` with `pid`, `ownerPid`, `port`,
 * `binary`, `runtime` and `startedAt`.
 */
export function openChambers(folder: string): Registration[] {
  const listed = jsonNames(folder);
  if (listed.kind === 'unread') return [{ ...EMPTY, file: folder, doubt: listed.error }];
  const names = listed.names.filter((name) => /^\d{1,10}\.json$/.test(name));
  const more = names.length > MOST_FILES ? [{ ...EMPTY, file: folder, doubt: `more than ${MOST_FILES} files` }] : [];
  return [...names.slice(0, MOST_FILES).flatMap((name) => registered(join(folder, name), name)), ...more];
}

const EMPTY = { ...UNSAID, by: 'OpenChamber' } as const;

function registered(file: string, name: string): Registration[] {
  const named = parsePid(Number.parseInt(name, 10));
  const read = readSmall(file, MOST_BYTES);
  if (read.kind === 'absent' || named === undefined) return [];
  const json = read.kind === 'text' ? parseObject(read.text) : read.error;
  const unclear = { ...EMPTY, file, pid: named, seenAt: modifiedAt(file) };
  if (typeof json === 'string') return [{ ...unclear, doubt: json }];
  const owner = parsePid(json.ownerPid);
  if (parsePid(json.pid) !== named || owner === undefined) return [{ ...unclear, doubt: 'it does not say whose' }];
  const trust = read.kind === 'text' && read.trust.kind !== 'trusted' ? read.trust.because : undefined;
  return [
    {
      ...unclear,
      variant: RUNTIMES.find((runtime) => runtime === json.runtime),
      port: port(json.port),
      holders: [owner],
      // It is written right after the start, by the owner; a time in the future would let any later process be that.
      seenAt: Math.min(time(json.startedAt) ?? unclear.seenAt, unclear.seenAt),
      doubt: trust,
    },
  ];
}
