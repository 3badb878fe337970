import type { Birth } from '../model/birth.js';
import { compare, type Identity, type Sameness } from '../model/identity.js';
import {
  type Connection,
  childrenOf,
  descendants,
  type Process,
  type ProcessTable,
  type Sockets,
} from '../model/process.js';
import type { Lease, Ownership, ServerRecord, Trust } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { LiveRun, Unread, Written } from '../model/written.js';
import type { Activity } from './activity.js';
import { type Answer, isAlive } from './alive.js';
import { bornLeases, parentAtTerminal } from './born-leases.js';
import type { Candidate } from './candidate.js';
import { mayConcernNow } from './earlier-boot.js';
import { marksOn } from './keep-marks.js';
import { type CoveringLease, isLive, leasesOn, type ServerKeys, sessionsAbove, witnessed } from './leases.js';
import { type Located, type Present, processesOf } from './locate.js';
import { leadsMcpSession } from './mcp-sessions.js';
import { type Owner, ownerOf } from './owner.js';
import { quietMs } from './quiet.js';
import { type Apart, identified } from './tree.js';
import { jobsOn, pluginLeasesOn, type RunningJob } from './uses.js';
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
  /** How many connections were closed within the last minute; undefined where none are shown. */
  readonly lately: number | undefined;
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

export interface Client extends Connection {
  /** It belongs to another run, which may only be asking the server something. */
  readonly mayOnlyAsk: boolean;
}

/** Whether the process that the record leads to matches the one that was recorded. */
export interface Match {
  readonly user: Sameness;
  readonly command: 'serve' | 'other' | 'unknown';
  /** `unstated` when the record has no tag, `hidden` where no environment can be seen. */
  readonly tag: Sameness | 'unstated' | 'hidden';
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
      [...[...processes, ...recordedIn(keys)].map(({ pid }) => pid), ...keys.ports],
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
    clients: located.kind === 'present' ? clientsOf(candidate, written.runs, snapshot) : undefined,
    lately: usesLately(snapshot.sockets.get(record.id)?.lately, server?.ageMs),
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

const recordedIn = ({ records }: ServerKeys): Identity[] =>
  records.flatMap(({ spawned, server }) => [spawned ?? [], server ?? []].flat());

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

/**
 * A launcher needs no proof of its own where the server below it has one: what cannot be read of a launcher, or is
 * another's, makes it none. Where nothing but the spawned process was recorded, that is what ties the server to it.
 */
function matchOf(record: ServerRecord, { server, launcher }: Present, snapshot: Snapshot): Match {
  const spawned = record.spawned && snapshot.processes?.get(record.spawned.pid);
  const tie = launcher ?? (spawned?.command?.kind === 'other' ? undefined : spawned);
  const isShown = record.tag !== undefined && (snapshot.showsEnvironments || record.server !== undefined);
  const processes = tie === undefined || isShown ? [server] : [tie, server];
  const kinds = processes.map((process) => process.command?.kind ?? 'unknown');
  const users = processes.map((process) => compare(process.owner, snapshot.owner));
  return {
    user: worst(users),
    command: kinds.every((kind) => kind === 'serve') ? 'serve' : kinds.includes('unknown') ? 'unknown' : 'other',
    tag: tagOfAll(record.tag, processes, snapshot),
  };
}

function tagOfAll(tag: string | undefined, processes: readonly Process[], snapshot: Snapshot): Match['tag'] {
  if (tag === undefined) return 'unstated';
  return snapshot.showsEnvironments ? worst(processes.map((process) => tagOf(tag, process, snapshot))) : 'hidden';
}

/** An environment that can be read and has no tag counts as having a different one. */
function tagOf(tag: string | undefined, process: Process, snapshot: Snapshot): Sameness {
  const environment = snapshot.environments.get(process.pid);
  return environment === undefined ? 'unknown' : environment.tag === tag ? 'same' : 'different';
}

const worst = (all: readonly Sameness[]): Sameness =>
  all.includes('different') ? 'different' : all.includes('unknown') ? 'unknown' : 'same';

/** A session that has a lease and is also listed by Claude Code, or seen running, is one session. */
function coveringLeasesOf(
  keys: ServerKeys,
  server: Process | undefined,
  written: Written,
  snapshot: Snapshot,
): CoveringLease[] {
  const leases = [...leasesOn(keys, written.leases, snapshot), ...pluginLeasesOn(keys, written.uses, snapshot)];
  const live = new Set(leases.filter((hold) => hold.live === 'yes').map((hold) => hold.holderPid));
  const placed = placedByLease(written.leases, snapshot);
  const told = [...written.witnesses, ...snapshot.claudes].filter(
    ({ holder, path }) => path !== undefined || !placed.has(holder.pid),
  );
  const seen = witnessed(keys, told, snapshot);
  const born = keys.records.flatMap((record) => bornLeases(record, server, snapshot));
  for (const hold of [...sessionsAbove(server, snapshot), ...seen, ...born]) {
    if (live.has(hold.holderPid)) continue;
    if (hold.live === 'yes') live.add(hold.holderPid);
    leases.push(hold);
  }
  return leases;
}

/** Where no working directory of any process is shown, a session's own lease says where it works. */
function placedByLease(leases: readonly Lease[], snapshot: Snapshot): ReadonlySet<number> {
  const told = leases.filter((lease) => lease.path !== undefined && isLive(lease, snapshot) === 'yes');
  return new Set(snapshot.showsGroups === false ? told.flatMap(({ holder }) => holder?.pid ?? []) : []);
}

/**
 * An agent's tool may run a Claude, whose leases and lists then say that it uses the very server that runs it. A Claude
 * that only has the server's launcher above it counts: a script may have started both.
 */
function heldFromOutside(
  leases: readonly CoveringLease[],
  server: Process | undefined,
  { processes }: Snapshot,
): CoveringLease[] {
  const below = server && processes ? descendants(processes, server.pid) : [];
  const inside = new Set<number>(below.map(({ pid }) => pid));
  return leases.filter(({ live, holderPid }) => live !== 'yes' || holderPid === undefined || !inside.has(holderPid));
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
 * Connections from outside of the server's own tree (on Windows a server shows up connected to itself), except for our
 * own questions. A caller of the library may itself be connected to a server, and that counts.
 */
function clientsOf(candidate: Candidate, runs: readonly LiveRun[], snapshot: Snapshot): readonly Client[] | undefined {
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
function usesLately(ended: Sockets['lately'], ageMs: number | undefined): number | undefined {
  if (ended === undefined || ageMs === undefined) return ended?.length;
  const [first, ...others] = ended.filter((ms) => ms <= ageMs);
  if (first === undefined) return 0;
  return others.length === 0 && ageMs - first <= FIRST_MS ? 0 : others.length + 1;
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

/**
 * An agent's tool, a user's shell and a pty have sessions of their own, and so does anything that they or an MCP server
 * detached; MCP servers share the server's session, or have one that can be told from a tool's. Each session is
 * represented by the highest process in it.
 */
function ownSessionsBelow(server: Process, snapshot: Snapshot): readonly Process[] | undefined {
  const { processes, showsGroups } = snapshot;
  if (showsGroups === false) return terminalsBelow(server, processes ?? new Map());
  const below = descendants(processes ?? new Map(), server.pid);
  // A process whose group cannot be read may be in the group that the spawn created.
  const isHidden = [...(processes?.values() ?? [])].some(({ group }) => group === undefined);
  if (server.session === undefined || isHidden || below.some(({ session }) => session === undefined)) return undefined;
  const heads = below.filter(
    ({ session, parent }) => session !== server.session && session !== processes?.get(parent)?.session,
  );
  return heads.filter((head) => !leadsMcpSession(head, server, snapshot));
}

const mcpSessionsOf = (server: Process, snapshot: Snapshot): readonly Process[] =>
  childrenOf(snapshot.processes ?? new Map(), server.pid).filter((one) => leadsMcpSession(one, server, snapshot));

/**
 * On Windows a tool looks like an MCP server, and only the server itself says whether one runs. A terminal has a console
 * of its own kind, as a child of the server.
 */
function terminalsBelow(server: Process, table: ProcessTable): readonly Process[] | undefined {
  const consoles = childrenOf(table, server.pid).filter(({ consoleHost }) => consoleHost !== undefined);
  const isUnread = consoles.some(({ consoleHost }) => consoleHost === 'unknown');
  return isUnread ? undefined : consoles.filter(({ consoleHost }) => consoleHost === 'terminal');
}

function keptOf(candidate: Candidate, server: Process | undefined, written: Written, snapshot: Snapshot): Answer {
  const environment = server && snapshot.environments.get(server.pid);
  const marks = marksOn(candidate, written.kept, snapshot);
  if (marks.some(({ means }) => means === 'same') || environment?.keep) return 'yes';
  if (marks.length > 0) return 'unknown';
  if (server && environment === undefined && snapshot.showsEnvironments) return 'unknown';
  return written.unread.some((file) => file.kind === 'keep') ? 'unknown' : 'no';
}

/**
 * The processes that end with this server, each with its identity; empty when it was not found. Never ourselves, nor
 * anything above us.
 */
export const endingWith = ({ tree }: Candidate, { lineage }: Snapshot): Identity[] =>
  identified(tree.members).filter(({ pid }) => !lineage.has(pid));

/** The processes below it that stay when it is stopped. */
export const stayingAfter = ({ tree }: Candidate): Identity[] => identified(tree.left);
