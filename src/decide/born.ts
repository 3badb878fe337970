import type { Birth, Traces } from '../model/birth.js';
import { classify } from '../model/command-line.js';
import { compare } from '../model/identity.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Answer } from './alive.js';
import { all, byHook, byLog, byParent, hookIn, ifSame, type Sight, told } from './born-proofs.js';

/*
 * Some plugins write nothing down about the servers they start. A server is taken for one of theirs if everything about
 * it is as they start it, and one thing proves it. What it looks like and what its environment says are never proof: a
 * script that a person had the agent start looks the same.
 */

/** The format of a record that is not in any file, of a server whose birth shows whose it is. */
export const BORN = 'born';

/** The port that all of these plugins use. */
const PORT = 4096;
const ARGUMENTS = ['serve', '--port', String(PORT)];

type Condition<Of = Sight> = readonly [what: string, answer: (sight: Of) => Answer];
type Listed = Omit<Sight, 'traces'>;

/** What the list of processes shows. */
const BY_THE_LIST: readonly Condition<Listed>[] = [
  ['its command line', ({ server: { command } }) => told(command, (it) => it.kind === 'serve' && it.port === PORT)],
  ['whose process it is', ({ top, snapshot }) => ifSame(compare(top.owner, snapshot.owner))],
  ['its process session', ({ top }) => told(top.session, (session) => session === top.pid)],
  ['its process group', ({ top }) => told(top.group, (group) => group === top.pid)],
  ['its terminal', ({ top }) => told(top.terminal, (terminal) => !terminal)],
];

/** What takes a closer look. All of it has to be true of any server that a plugin started. */
const BY_A_CLOSER_LOOK: readonly Condition[] = [
  ['its command line', ({ traces }) => all(traces.commandLines, isAsPluginsStartIt)],
  ['which container it is in', ({ traces }) => ifSame(traces.pidNamespace)],
  ['its environment', ({ traces }) => ifSame(traces.home)],
  ['its environment', (sight) => all(originsOf(sight), ({ inAgent }) => !inAgent)],
  ['its environment', (sight) => all(environmentsOf(sight), ({ tag }) => tag === undefined)],
];

/** Whether it is worth a closer look: nothing in the list of processes says that no plugin started it. */
export function mayBeBorn(record: ServerRecord, snapshot: Snapshot): boolean {
  const listed = listedOf(record, snapshot);
  return listed !== undefined && BY_THE_LIST.every(([, answer]) => answer(listed) !== 'no');
}

/** How a server came to be, if a plugin started it or may have; undefined if nothing proves that one did. */
export function birthOf(record: ServerRecord, traces: Traces, snapshot: Snapshot): Birth | undefined {
  const listed = listedOf(record, snapshot);
  if (listed === undefined) return undefined;
  const sight = { ...listed, traces };
  const conditions = [...BY_THE_LIST, ...BY_A_CLOSER_LOOK].map(([what, answer]) => ({ what, is: answer(sight) }));
  if (conditions.some(({ is }) => is === 'no')) return undefined;
  const proofs = [byParent(sight), byHook(sight), byLog(sight)].filter((one) => one !== 'no');
  const best = proofs.find(({ kind }) => kind !== 'unknown') ?? proofs[0];
  if (best === undefined) return undefined;
  const unread = conditions.find(({ is }) => is === 'unknown')?.what;
  const doubt = unread ?? (best.kind === 'unknown' ? best.because : undefined);
  const origin = snapshot.environments.get(sight.top.pid)?.origin;
  const sessions = [origin?.session, hookIn(origin?.envFile)].filter((id) => id !== undefined);
  const because = `cannot tell whether a plugin started it: ${doubt} cannot be read`;
  return {
    proof: doubt === undefined ? best : { kind: 'unknown', because },
    sessions: [...new Set(sessions)],
    clientPid: origin?.clientPid,
  };
}

function listedOf({ spawned, server: its }: ServerRecord, snapshot: Snapshot): Listed | undefined {
  const top = spawned && snapshot.processes?.get(spawned.pid);
  const server = its && snapshot.processes?.get(its.pid);
  return top && server && { top, server, snapshot };
}

/** Exactly `opencode serve --port 4096`, as the plugins spell it, or what npm's launcher makes of that. */
function isAsPluginsStartIt(argv: readonly string[]): boolean {
  const program = argv.slice(0, -ARGUMENTS.length);
  const ends = argv.slice(-ARGUMENTS.length);
  const last = program.at(-1);
  return (
    last !== undefined &&
    program.length <= 2 &&
    ends.length === ARGUMENTS.length &&
    ends.every((word, at) => word === ARGUMENTS[at]) &&
    classify([last, ...ends]).kind === 'serve' &&
    classify(argv).kind === 'serve'
  );
}

const environmentsOf = ({ top, server, snapshot }: Sight) =>
  [top, server].map(({ pid }) => snapshot.environments.get(pid));

const originsOf = (sight: Sight) => environmentsOf(sight).map((environment) => environment?.origin);
