import { mayBegin } from '../decide/find.js';
import { type ServerName, serverName } from '../decide/server-name.js';
import { type Pid, parsePid } from '../model/identity.js';
import type { Platform } from '../observe/platform.js';
import { lastEnd, type Past } from '../report/past.js';
import { readLog } from '../state/ours/log.js';
import { placesOf } from './find-server.js';
import type { World } from './world.js';

/** What is known of a name that no server has now. */
export interface Absence {
  /** How the last server with that name came to its end. */
  readonly past: Past | undefined;
  /** What has that pid or port instead. The process is undefined if it cannot be seen. */
  readonly instead:
    | { readonly what: 'pid' | 'port'; readonly number: number; readonly by: Other | undefined }
    | undefined;
}

interface Other {
  readonly pid: number;
  readonly name: string;
}

export async function whatBecame(text: string, world: World): Promise<Absence> {
  const name = serverName(text);
  return { past: lastEnd(readLog(world.folder), isAbout(name)), instead: await whatIsThere(name, world) };
}

/** What a line of the log is about. What it says was read from a file, so its fields may be anything. */
export function isAbout(name: ServerName): (line: Past) => boolean {
  if (name.kind === 'port') return ({ port }) => port === name.port;
  if (name.kind === 'word')
    return ({ id, pid, port }) =>
      id === name.word || isBegunBy(name.word, id) || (name.number !== undefined && [pid, port].includes(name.number));
  const places = placesOf(name);
  return ({ workspace }) => places.some(({ real }) => real === workspace);
}

/** As a server that is there goes by the start of its id. */
const isBegunBy = (word: string, id: string): boolean => mayBegin(word) && id.startsWith(word);

async function whatIsThere(name: ServerName, { platform }: World): Promise<Absence['instead']> {
  const { port, number }: { readonly kind: string; readonly port?: number; readonly number?: number | undefined } =
    name;
  return (await whatIsOnPort(port ?? number, platform)) ?? (await whatHasPid(parsePid(number), platform));
}

async function whatIsOnPort(port: number | undefined, platform: Platform): Promise<Absence['instead']> {
  if (port === undefined || port > 65_535) return undefined;
  const listener = await platform.listener(port);
  if (listener === undefined || listener === 'nobody') return undefined;
  const pid = parsePid(listener.pid);
  const by = pid && { pid, name: (await nameOf(pid, platform)) ?? 'a process' };
  return { what: 'port', number: port, by };
}

async function whatHasPid(pid: Pid | undefined, platform: Platform): Promise<Absence['instead']> {
  const name = pid && (await nameOf(pid, platform));
  return pid && name !== undefined ? { what: 'pid', number: pid, by: { pid, name } } : undefined;
}

/** Undefined when it is gone, or cannot be looked at. */
async function nameOf(pid: Pid, { look }: Platform): Promise<string | undefined> {
  const seen = await look(pid);
  return typeof seen === 'string' ? undefined : seen.name;
}
