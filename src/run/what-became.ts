import { mayBegin } from '../decide/find.js';
import { type ServerName, serverName } from '../decide/server-name.js';
import { parsePid } from '../model/identity.js';
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
  const places = placesOf(name).map(({ real }) => real);
  return ({ workspace }) => workspace !== undefined && places.includes(workspace);
}

/** As a server that is there goes by the start of its id. */
const isBegunBy = (word: string, id: string): boolean => mayBegin(word) && id.startsWith(word);

async function whatIsThere(name: ServerName, { platform }: World): Promise<Absence['instead']> {
  const port = name.kind === 'port' ? name.port : name.kind === 'word' ? name.number : undefined;
  const listener = port !== undefined && port < 65_536 ? await platform.listener(port) : undefined;
  if (port !== undefined && listener && listener !== 'nobody') {
    const pid = parsePid(listener.pid);
    const seen = pid === undefined ? 'unknown' : await platform.look(pid);
    const by = pid === undefined ? undefined : { pid, name: typeof seen === 'string' ? 'a process' : seen.name };
    return { what: 'port', number: port, by };
  }
  const pid = name.kind === 'word' ? parsePid(name.number) : undefined;
  const seen = pid === undefined ? 'gone' : await platform.look(pid);
  return pid === undefined || typeof seen === 'string'
    ? undefined
    : { what: 'pid', number: pid, by: { pid, name: seen.name } };
}
