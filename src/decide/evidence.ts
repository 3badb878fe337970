import type { Birth } from '../model/birth.js';
import { compare, type Sameness } from '../model/identity.js';
import type { Process } from '../model/process.js';
import { type Ownership, recordedIn, type ServerRecord, type Trust } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Unread, Written } from '../model/written.js';
import type { Activity } from './activity.js';
import type { Answer } from './alive.js';
import { parentAtTerminal } from './born-leases.js';
import type { Candidate } from './candidate.js';
import { type Client, clientsOf, wasUsedLately } from './clients.js';
import { coveringLeasesOf, heldFromOutside } from './covering-leases.js';
import { mayConcernNow } from './earlier-boot.js';
import { marksOn } from './keep-marks.js';
import type { CoveringLease } from './leases.js';
import { type Located, processesOf } from './locate.js';
import { type Match, matchOf } from './match.js';
import { mcpSessionsOf, ownSessionsBelow } from './own-sessions.js';
import { type Owner, ownerOf } from './owner.js';
import { quietMs } from './quiet.js';
import type { Apart } from './tree.js';
import { jobsOn, type RunningJob } from './uses.js';
import { type WeakProof, weakProofOf } from './weak-proof.js';

/** Everything that the guards look at, for one server. Nothing is read later; what could not be read is `unknown`. */
export interface Evidence {
  readonly ownership: Ownership;
  /** Recorded by us, so it has an id that leases and marks can name. */
  readonly isOurs: boolean;
  readonly plugin: string | undefined;
  readonly owner: Owner;
  /** Of a server that is in no file. */
  readonly birth: Birth | undefined;
  readonly trust: Trust;
  /** Records that could not be read, that may be about this server, and that may say who started it. */
  readonly alsoUnread: readonly string[];
  /** Somebody's daemon, whatever a record says of it. */
  readonly sharedDaemon: 'service' | 'stdio' | 'no' | 'unknown';
  /** Undefined when the record does not say where it was written. */
  readonly where: { readonly machine: Sameness; readonly boot: Sameness; readonly pidNamespace: Sameness } | undefined;
  readonly located: Located;
  /** Undefined when the process was not found. */
  readonly match: Match | undefined;
  /** Undefined when a start token or a tag ties the process to the record. */
  readonly weak: WeakProof | undefined;
  readonly coveringLeases: readonly CoveringLease[];
  /** A lease that could not be read might cover this server. */
  readonly leasesUnread: boolean;
  readonly jobs: readonly RunningJob[];
  /** A plugin's list that could not be read might hold a job or a session. */
  readonly usesUnread: boolean;
  /** The process that still waits for this server to answer for the first time. */
  readonly waitingStarter: number | undefined;
  /** The plugin's program that started it waits at a terminal, so a person looks after it; undefined without one. */
  readonly parentAtTerminal: { readonly pid: number; readonly is: Answer } | undefined;
  readonly clients: readonly Client[] | undefined;
  /** A connection was closed within the last minute; undefined where none are shown. */
  readonly wasUsedLately: boolean | undefined;
  readonly ownSessions: readonly Process[] | undefined;
  /** What leads a session of its own and is an MCP server if this is an OpenCode 2, and else a tool. */
  readonly mcpSessions: readonly Process[];
  /** Processes that run below it and are not its own. */
  readonly apart: readonly Apart[];
  /** This very command was started by the server. */
  readonly runsUs: boolean;
  readonly activity: Activity;
  readonly ageMs: number | undefined;
  /** How long it has been unused, as far as the watch knows. */
  readonly quietMs: number | undefined;
  /** How long it must be quiet before the watch stops it; 0 for never, undefined if no record says. */
  readonly retireAfterMs: number | undefined;
  readonly kept: Answer;
}

export function evidenceOf(candidate: Candidate, written: Written, snapshot: Snapshot, activity: Activity): Evidence {
  const { record, located, tree } = candidate;
  const server = located.kind === 'present' ? located.server : undefined;
  const processes = processesOf(located);
  const unread = written.unread.filter((file) => mayConcernNow(file, snapshot));
  const keys = { records: [record, ...record.alsoIn], ports: portsOf(record, processes, snapshot) };
  return {
    ownership: ownershipOf(record),
    isOurs: record.source.format === 'native',
    plugin: record.plugin,
    owner: ownerOf({ record, processes, ports: keys.ports, registrations: written.registrations ?? [] }, snapshot),
    birth: record.birth,
    trust: record.trust,
    alsoUnread: mentioning(
      [...[...processes, ...recordedIn(keys.records)].map(({ pid }) => pid), ...keys.ports],
      record,
      unread,
    ),
    sharedDaemon: server?.command?.kind === 'serve' ? (server.command.sharedDaemon ?? 'no') : 'unknown',
    where: whereFrom(record, snapshot),
    located,
    match: located.kind === 'present' ? matchOf(record, located, snapshot) : undefined,
    weak: weakProofOf(record, located, snapshot),
    coveringLeases: heldFromOutside(coveringLeasesOf(keys, server, written, snapshot), server, snapshot),
    leasesUnread: unread.some((file) => file.kind === 'lease'),
    jobs: jobsOn(keys, written.uses, snapshot),
    usesUnread: unread.some((file) => file.kind === 'use'),
    waitingStarter: waitingStarter(record, snapshot),
    parentAtTerminal: parentAtTerminal(record, snapshot),
    clients: clientsOf(candidate, written.runs, snapshot),
    wasUsedLately: wasUsedLately(snapshot.sockets.get(record.id)?.lately, server?.ageMs),
    ownSessions: located.kind === 'present' ? ownSessionsBelow(located.server, snapshot) : undefined,
    mcpSessions: server ? mcpSessionsOf(server, snapshot) : [],
    apart: tree.apart,
    runsUs: server !== undefined && snapshot.lineage.has(server.pid),
    activity,
    ageMs: server?.ageMs,
    quietMs: server && quietMs(server, activity, written.lastUses ?? new Map(), snapshot),
    retireAfterMs: retireAfterOf(record),
    kept: keptOf(candidate, server, written, snapshot),
  };
}

/** If any record says never, never wins. */
function retireAfterOf(record: ServerRecord): number | undefined {
  const said = [record, ...record.alsoIn].flatMap(({ retireAfterMs }) => retireAfterMs ?? []);
  return said.includes(0) ? 0 : said[0];
}

function whereFrom({ machine }: ServerRecord, snapshot: Snapshot): Evidence['where'] {
  if (machine === undefined) return undefined;
  const boot = compare(machine.boot, snapshot.machine.boot);
  const id = compare(machine.id, snapshot.machine.id);
  return {
    // A boot id is random: with the same one, a container without a machine id is still this machine.
    machine: id === 'unknown' && boot === 'same' ? 'same' : id,
    boot,
    pidNamespace: compare(machine.pidNamespace, snapshot.machine.pidNamespace),
  };
}

/** A server that we recorded has no second record of ours; but a plugin's record may say that the user started it. */
function mentioning(numbers: readonly number[], { source }: ServerRecord, unread: readonly Unread[]): string[] {
  const mayMean = ({ kind, mentions }: Unread): boolean => {
    if (kind !== 'server' && kind !== 'native') return false;
    return mentions ? numbers.some((one) => mentions.has(one)) : kind === 'server' || source.format !== 'native';
  };
  return unread.filter(mayMean).map(({ file }) => file);
}

/**
 * A record that says that no plugin started the server is believed, unless the user has adopted this very process
 * since.
 */
function ownershipOf({ ownership, alsoIn }: ServerRecord): Ownership {
  const said = [ownership, ...alsoIn.map((other) => other.ownership)];
  const sparing = (['user', 'unmarked'] as const).find((one) => said.includes(one));
  return ownership === 'adopted' ? ownership : (sparing ?? ownership);
}

/** Whatever says a port counts: by its ports a server can only be spared. One that hangs may not listen on its own. */
function portsOf(record: ServerRecord, processes: readonly Process[], snapshot: Snapshot): number[] {
  const seen = snapshot.sockets.get(record.id)?.listening.map((socket) => socket.port) ?? [];
  const told = processes.flatMap(({ command }) => (command?.kind === 'serve' ? (command.port ?? []) : []));
  return [...[record, ...record.alsoIn].flatMap(({ port }) => port ?? []), ...seen, ...told];
}

/** A starter that still waits for a server to answer will end it if it does not. */
export function waitingStarter({ state, starter }: ServerRecord, { processes }: Snapshot): number | undefined {
  const seen = state === 'ready' || starter === undefined ? undefined : processes?.get(starter.pid);
  return seen && compare(starter?.startToken, seen.startToken) !== 'different' ? seen.pid : undefined;
}

/**
 * The same evidence without what a question may cause, which is over in a moment: another run's connection, and what
 * the server has started in a session of its own since it was asked (a status makes 1.18 run `git`, which has the
 * server's command line until it becomes `git`).
 */
export function withoutQuestions(seen: Evidence, askedForMs: number): Evidence {
  const isOlder = ({ ageMs }: Process): boolean => (ageMs ?? Number.POSITIVE_INFINITY) > askedForMs;
  return {
    ...seen,
    clients: seen.clients?.filter(({ mayOnlyAsk }) => !mayOnlyAsk),
    ownSessions: seen.ownSessions?.filter(isOlder),
    mcpSessions: seen.mcpSessions.filter(isOlder),
    apart: seen.apart.filter(({ process }) => isOlder(process)),
  };
}

function keptOf(candidate: Candidate, server: Process | undefined, written: Written, snapshot: Snapshot): Answer {
  const environment = server && snapshot.environments.get(server.pid);
  const marks = marksOn(candidate, written.kept, snapshot);
  if (marks.some(({ means }) => means === 'same') || environment?.keep) return 'yes';
  if (marks.length > 0) return 'unknown';
  if (server && environment === undefined && snapshot.showsEnvironments) return 'unknown';
  return written.unread.some((file) => file.kind === 'keep') ? 'unknown' : 'no';
}
