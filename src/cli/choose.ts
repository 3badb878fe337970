import type { Candidate } from '../decide/candidate.js';
import { begunBy } from '../decide/find.js';
import { noSuchServer, serverName } from '../decide/server-name.js';
import type { Unread } from '../model/written.js';
import { becameOf } from '../report/past.js';
import { type FindPolicy, findServer, type Named } from '../run/find-server.js';
import { type Absence, whatBecame } from '../run/what-became.js';
import type { World } from '../run/world.js';
import { complain, complainAboutUnread } from './output.js';

export type Chosen = Named;

/** What a script may want to tell from a failure: it named a server that is not there. */
const NOT_FOUND = 4;

/** The one server that the user named, judged; otherwise prints why it is not one server and returns the exit code. */
export async function choose(name: string, policy: FindPolicy, world: World): Promise<Chosen | number> {
  const found = await findServer(name, { ...policy, orElse: begunBy }, world);
  if (found.kind === 'named') return found;
  if (found.kind === 'missing') return missing(name, found.unread, world);
  complain(`${name} names ${found.servers.length} servers`, `choose one: ${found.servers.map(described).join(', ')}`);
  return 1;
}

/** Prints that no server has that name, and returns the exit code. */
export async function missing(name: string, unread: readonly Unread[], world: World): Promise<number> {
  complainAboutUnread(unread);
  const { error, hint } = absent(name, await whatBecame(name, world));
  complain(error, hint);
  // What could not be read may be about it.
  return unread.length > 0 ? 1 : NOT_FOUND;
}

/** By what names it alone, and by what its user knows it. */
function described({ record, located }: Candidate): string {
  const pid = located.kind === 'present' ? located.server.pid : (record.server ?? record.spawned)?.pid;
  const known = [pid === undefined ? [] : `pid ${pid}`, record.port === undefined ? [] : `port ${record.port}`].flat();
  return known.length === 0 ? record.id : `${record.id} (${known.join(', ')})`;
}

/** From the log, and from what has that pid or port now. */
function absent(name: string, { past, instead }: Absence): { readonly error: string; readonly hint: string } {
  const hint = 'opencode-reap list --all shows every server';
  const now = instead && heldBy(instead);
  if (past) return { error: becameOf(past, Date.now()), hint: now === undefined ? hint : `${now} now; ${hint}` };
  return { error: noSuchServer(serverName(name)) + (now === undefined ? '' : `: ${now}`), hint };
}

function heldBy({ what, number, by }: NonNullable<Absence['instead']>): string {
  if (what === 'pid') return `pid ${number} is ${by?.name}`;
  return `port ${number} is held by ${by === undefined ? 'a process that cannot be seen' : `${by.name}, pid ${by.pid}`}`;
}

/** The same about a server whose record is still there, such as a plugin's, though it has ended. */
export async function afterItsEnd(name: string, world: World): Promise<string[]> {
  const { past, instead } = await whatBecame(name, world);
  return [...(past ? [becameOf(past, Date.now())] : []), ...(instead ? [`${heldBy(instead)} now`] : [])];
}

/** Does the same with each server that was named, one after the other. A failure outranks one that is not there. */
export async function forEach(
  names: readonly string[],
  act: (name: string, before: number) => Promise<number>,
): Promise<number> {
  const codes: number[] = [];
  for (const [at, name] of [...new Set(names)].entries()) codes.push(await act(name, at));
  return codes.includes(1) ? 1 : Math.max(0, ...codes);
}
