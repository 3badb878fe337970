import type { Connection, Sockets } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';
import type { LiveRun } from '../model/written.js';
import { isAlive } from './alive.js';
import { type Candidate, endingWith } from './candidate.js';

export interface Client extends Connection {
  /** It belongs to another run, which may only be asking the server something. */
  readonly mayOnlyAsk: boolean;
}

/**
 * Connections from outside of the server's own tree (on Windows a server shows up connected to itself), except for our
 * own questions. A caller of the library may itself be connected to a server, and that counts.
 */
export function clientsOf(
  candidate: Candidate,
  runs: readonly LiveRun[],
  snapshot: Snapshot,
): readonly Client[] | undefined {
  const sockets = snapshot.sockets.get(candidate.record.id);
  if (sockets === undefined) return undefined;
  const tree = new Set<number>(endingWith(candidate, snapshot).map(({ pid }) => pid));
  const live = runs.filter((run) => isAlive(run.holder, run.machine, snapshot) === 'yes');
  const reapers = new Set<number>(live.map(({ holder }) => holder.pid).filter((pid) => pid !== snapshot.self));
  const isQuestion = ({ clientPid, clientPort }: Connection): boolean =>
    clientPid === snapshot.self && clientPort !== undefined && snapshot.questions.has(clientPort);
  const outside = sockets.inbound.filter(({ clientPid }) => clientPid === undefined || !tree.has(clientPid));
  return outside
    .filter((connection) => !isQuestion(connection))
    .map((connection) => ({ ...connection, mayOnlyAsk: reapers.has(connection.clientPid ?? 0) }));
}

/**
 * A server is ready within this time. A server that is judged is never this young, unless the user says `--older-than
 * 0s`.
 */
const FIRST_MS = 2_000;

/**
 * A connection that ended before the server started belonged to the previous holder of its port, and the one connection
 * by which its starter checked that it listens is not a use.
 */
export function wasUsedLately(ended: Sockets['lately'], ageMs: number | undefined): boolean | undefined {
  if (ended === undefined || ageMs === undefined) return ended && ended.length > 0;
  const [first, ...others] = ended.filter((ms) => ms <= ageMs);
  return first !== undefined && (others.length > 0 || ageMs - first > FIRST_MS);
}
