import { compare, type Identity, type Sameness } from '../model/identity.js';
import { type Process, passwordsIn, perhapsServing } from '../model/process.js';
import { MAY_START_AFTER_MS, MAY_START_BEFORE_MS, type ServerRecord } from '../model/record.js';
import { sameSecret } from '../model/secret.js';
import type { Snapshot } from '../model/snapshot.js';
import { givenPassword, isByPassword } from './given-password.js';
import { launcherOf, mayServe, servingBelow, topAbove } from './launcher.js';
import { whyIncomparable } from './start-tokens.js';

/**
 * Where a record's processes are now. `gone` is claimed only after a complete look; `unknown` covers everything that
 * could not be read.
 */
export type Located = Present | { readonly kind: 'gone'; readonly because: string } | Unknown;

export interface Unknown {
  readonly kind: 'unknown';
  readonly because: string;
  /** The process that was recorded is there, for all that is known, and does not look like a server. */
  readonly unlike?: Process;
}

export interface Present {
  readonly kind: 'present';
  /** Undefined also when the spawned process runs more than the server. */
  readonly launcher: Process | undefined;
  readonly server: Process;
  readonly proof: Proof;
}

/**
 * What ties the process to the record: its start token; the tag, which only one spawn ever had; or only that it started
 * when the record says, which needs other evidence in addition.
 */
export type Proof = 'start token' | 'tag' | 'start time';

export const processesOf = (located: Located): readonly Process[] =>
  located.kind !== 'present' ? [] : located.launcher ? [located.launcher, located.server] : [located.server];

export function locate(record: ServerRecord, snapshot: Snapshot): Located {
  if (snapshot.processes === undefined) return unknown('the processes could not be listed');
  if (record.provenBy === 'start time') return locateByTime(record, snapshot);
  const spawned = find(record.spawned, snapshot);
  const server = find(record.server, snapshot);
  if (server.kind === 'unknown' || spawned.kind === 'unknown') return unknown(whyIncomparable(record, snapshot));
  const top = spawned.kind === 'same' ? spawned.process : undefined;
  const bare = isPlugins(record) && spawned.kind === 'absent';
  // A plugin's record does not name a listener: this one was found earlier in this run, by the proof used then.
  if (server.kind === 'same') return present(top, server.process, bare ? 'start time' : 'start token', snapshot);
  if (top) return below(top, top, 'start token', record, snapshot);
  return bare && server.kind === 'absent' ? leftBehind(record, snapshot) : byTag(record, snapshot);
}

/** Our records have a tag and the machine; plugins' records have neither. */
const isPlugins = ({ source, machine }: ServerRecord): boolean => source.format !== 'native' && machine === undefined;

/**
 * A record with a bare pid, or only a port. The process that it leads to must still be compared with what the record
 * says.
 */
function locateByTime(record: ServerRecord, snapshot: Snapshot): Located {
  const server = find(record.server, snapshot);
  const recorded = isByPassword(record) ? givenPassword(record, snapshot) : recordedProcess(record, snapshot);
  if (typeof recorded === 'string') return unknown(recorded);
  // Found earlier in this run, so known by its start token from now on.
  if (server.kind === 'same') return present(recorded, server.process, 'start time', snapshot);
  if (server.kind === 'unknown') return unknown(whyIncomparable(record, snapshot));
  if (recorded) {
    const top = topAbove(recorded, snapshot);
    // What was found by the port that it listens on is the server itself, and not what it has launched.
    const isListener = record.spawned === undefined && !isByPassword(record);
    return isListener
      ? present(top, recorded, 'start time', snapshot)
      : below(recorded, top, 'start time', record, snapshot);
  }
  if (isByPassword(record)) return { kind: 'gone', because: 'no `opencode serve` was given its password' };
  const left = leftBehind(record, snapshot);
  const unlike = left.kind === 'gone' ? unlikeServer(record, snapshot) : undefined;
  const because = `process ${unlike?.pid} is running, but does not look like a server`;
  return unlike ? { kind: 'unknown', because, unlike } : left;
}

/** What the recorded process left in its group, or on its port. Only its start time ties it to the record. */
function leftBehind(record: ServerRecord, snapshot: Snapshot): Located {
  const left = record.spawned ? remains(record, snapshot) : [];
  const top = topmost(left, record) ?? (record.spawned && leftOnPort(record, snapshot));
  if (top === undefined) {
    const because = whyMaybeLeft(record, snapshot);
    return because
      ? unknown(because)
      : { kind: 'gone', because: record.spawned ? 'its process has ended' : NOBODY_LISTENS };
  }
  if (top === 'several') return unknown(SEVERAL);
  if (!isClear(top, snapshot)) return unknown(`process ${top.pid} may be the server, but cannot be examined`);
  return below(top, top, 'start time', record, snapshot);
}

/**
 * Where there are no groups, a chain of parents may be broken in the middle: Git Bash starts everything anew, and each
 * launcher may be gone. What listens on the recorded port, and started when the record says, may then be its server.
 */
function leftOnPort(record: ServerRecord, snapshot: Snapshot): Process | undefined {
  const process = snapshot.showsGroups === false ? onPort(record.port, snapshot) : undefined;
  return process && startedAsLeft(process, record, snapshot) ? process : undefined;
}

/** The process that is seen to listen on a port. */
function onPort(port: number | undefined, { listeners, processes }: Snapshot): Process | undefined {
  const pid = port === undefined ? undefined : listeners.get(port);
  return pid === undefined || pid === 'nobody' ? undefined : processes?.get(pid);
}

/** One whose parent lives was not left behind: a person may have started it by hand, moments before the plugin tried. */
function startedAsLeft(process: Process, { startedAt }: ServerRecord, snapshot: Snapshot): boolean {
  if (process.orphanOf === undefined || !mayServe(process, snapshot) || startedAt === undefined) return false;
  const after = startsAfterMs(process, startedAt, snapshot);
  return !(after < -MAY_START_BEFORE_MS || after > MAY_START_AFTER_MS);
}

/**
 * Why it cannot be said that nothing is left of a server whose own processes are not found; undefined when it can. Who
 * listens on its port may not be known; and where a chain of parents may be broken and no port was recorded, any server
 * that was left behind and started then may be it.
 */
function whyMaybeLeft(record: ServerRecord, snapshot: Snapshot): string | undefined {
  const { spawned, port } = record;
  if (spawned !== undefined && snapshot.showsGroups !== false) return undefined;
  if (port !== undefined) return snapshot.listeners.has(port) ? undefined : 'cannot tell who listens on its port';
  if (snapshot.showsGroups !== false) return undefined;
  // A command line that may not be read is most often that of a service.
  const isServer = ({ command, name }: Process): boolean => command?.kind === 'serve' || /^opencode/i.test(name);
  const other = [...(snapshot.processes?.values() ?? [])].find(
    (one) => isServer(one) && isOurs(one, snapshot) && startedAsLeft(one, record, snapshot),
  );
  return other && maybe(other);
}

const maybe = ({ pid }: Process): string => `process ${pid} may be the server, but nothing proves it`;

const SEVERAL = 'several servers were started together, and it may be any of them';

/** Several servers of one spawn can be told apart only by the port that each was given. */
function oneOf(servers: readonly Process[], { port }: ServerRecord): Process | 'several' | undefined {
  if (servers.length < 2) return servers[0];
  const onPort = servers.filter(({ command }) => command?.kind === 'serve' && command.port === port);
  return port !== undefined && onPort.length === 1 ? onPort[0] : 'several';
}

const topmost = (processes: readonly Process[], record: ServerRecord): Process | 'several' | undefined =>
  oneOf(
    processes.filter((process) => !processes.some((other) => other.pid === process.parent)),
    record,
  );

const NOBODY_LISTENS = 'no `opencode serve` listens on its port';

/** Undefined when the pid is free, or certainly belongs to another program by now. */
function recordedProcess({ spawned, port, startedAt }: ServerRecord, snapshot: Snapshot): Process | undefined {
  const process = spawned ? snapshot.processes?.get(spawned.pid) : onPort(port, snapshot);
  const isLater = spawned !== undefined && compare(spawned.startToken, process?.startToken) === 'different';
  if (process === undefined || isLater) return undefined;
  if (process.command === undefined || process.command.kind === 'serve') return process;
  // A shell or a task runner that was there when the record was written may have spawned the server; what only listens on
  // the recorded port has spawned none.
  const isSpawned = spawned !== undefined && wasThere(process, startedAt, snapshot);
  return isSpawned && servingBelow(process, snapshot).length > 0 ? process : undefined;
}

const wasThere = (process: Process, when: number | undefined, snapshot: Snapshot): boolean =>
  !(startsAfterMs(process, when, snapshot) > MAY_START_AFTER_MS);

/** From that time to the start of a process; no number if either is not known, and then it fits any time. */
const startsAfterMs = ({ ageMs = Number.NaN }: Process, when = Number.NaN, { at }: Snapshot): number =>
  at - ageMs - when;

/**
 * A pid that nobody has had since is the recorded one's, whatever that runs or is called by now. Where no time was written
 * down, a password may tell it from another; where neither was, its looks alone decide.
 */
function unlikeServer({ spawned, startedAt, password }: ServerRecord, snapshot: Snapshot): Process | undefined {
  const process = spawned && snapshot.processes?.get(spawned.pid);
  if (process === undefined || compare(spawned?.startToken, process.startToken) === 'different') return undefined;
  if (startedAt !== undefined) return wasThere(process, startedAt, snapshot) ? process : undefined;
  const its = snapshot.environments.get(process.pid);
  if (password === undefined) return undefined;
  return its === undefined || passwordsIn(its).some((one) => sameSecret(one, password)) ? process : undefined;
}

type Found =
  | { readonly kind: 'same'; readonly process: Process }
  | { readonly kind: Exclude<Sameness, 'same'> | 'absent' };

function find(recorded: Identity | undefined, snapshot: Snapshot): Found {
  if (recorded === undefined) return { kind: 'absent' };
  const process = snapshot.processes?.get(recorded.pid);
  if (process === undefined) return { kind: 'absent' };
  const sameness = compare(recorded.startToken, process.startToken);
  return sameness === 'same' ? { kind: 'same', process } : { kind: sameness };
}

/**
 * Finds the server among what was spawned: the process that listens on the recorded port, else the server below it, at
 * the end of a chain of launchers, else the process itself.
 */
function below(from: Process, top: Process, proof: Proof, record: ServerRecord, snapshot: Snapshot): Located {
  const listener = listenerOf(record, snapshot);
  if (listener) return present(top, listener, proof, snapshot);
  const seen = new Set<Process>();
  for (let at = from; !seen.has(at); ) {
    seen.add(at);
    // Another user's process counts as well: then neither it nor its launcher is a server of ours.
    const serving = servingBelow(at, snapshot);
    const doubtful = serving.find((child) => !isClear(child, snapshot));
    if (doubtful) return unknown(`process ${doubtful.pid} may be the server, but cannot be examined`);
    const next = oneOf(serving, record);
    if (next === 'several') return unknown(SEVERAL);
    if (next === undefined && isOnlyLauncher(at, snapshot)) return elsewhere(at, record, snapshot);
    if (next === undefined) return present(top, at, proof, snapshot);
    at = next;
  }
  return unknown('its process tree has a loop');
}

/** Where a chain of parents may be broken, a shell or a script without a server below it is not the server itself. */
const isOnlyLauncher = ({ pid, command }: Process, { showsGroups, listens }: Snapshot): boolean =>
  showsGroups === false && command?.kind === 'serve' && command.interpreted && listens.get(pid) !== true;

function elsewhere(launcher: Process, record: ServerRecord, snapshot: Snapshot): Located {
  const server = leftOnPort(record, snapshot);
  if (server === undefined) return unknown(`process ${launcher.pid} launched it, and its server was not found`);
  if (!isClear(server, snapshot)) return unknown(`process ${server.pid} may be it, but cannot be examined`);
  return present(undefined, server, 'start time', snapshot);
}

function listenerOf(record: ServerRecord, { sockets, processes }: Snapshot): Process | undefined {
  const listening = sockets.get(record.id)?.listening.find(({ port }) => port === record.port);
  return listening && processes?.get(listening.pid);
}

/** Both recorded processes are gone, or none was recorded: look for a process that has the tag. */
function byTag(record: ServerRecord, snapshot: Snapshot): Located {
  const starter = find(record.starter, snapshot).kind;
  if (record.spawned === undefined && (starter === 'same' || starter === 'unknown')) {
    return unknown('it is still being started');
  }
  const left = remains(record, snapshot);
  // A tag proves nothing about a process that may be outside of the group.
  const tagged = left.filter((process) => isClear(process, snapshot) && hasTag(process, record, snapshot));
  const top = topmost(tagged, record);
  if (top === 'several') return unknown(SEVERAL);
  if (top) return below(top, top, 'tag', record, snapshot);
  const hidesTag = ({ pid }: Process): boolean => record.tag === undefined || !snapshot.environments.has(pid);
  const doubtful =
    left.find((process) => hidesTag(process) || !isClear(process, snapshot)) ?? leftOnPort(record, snapshot);
  if (doubtful) return unknown(maybe(doubtful));
  const unread = snapshot.showsGroups === false && record.server === undefined && whyMaybeLeft(record, snapshot);
  if (unread) return unknown(unread);
  return { kind: 'gone', because: record.spawned ? 'its process has ended' : 'it was never started' };
}

const hasTag = (process: Process, record: ServerRecord, snapshot: Snapshot): boolean =>
  record.tag !== undefined && snapshot.environments.get(process.pid)?.tag === record.tag;

/**
 * With a recorded pid, the server can only be in the group that it left behind, or where there are no groups, still say
 * that this was its parent's pid; without one, it may be any server of ours.
 */
function remains(record: ServerRecord, snapshot: Snapshot): Process[] {
  const all = snapshot.processes ? perhapsServing(snapshot.processes) : [];
  const group = record.spawned?.pid;
  // A tool's server has inherited the tag, and OpenCode 2 says no more of it than that it is a tool's.
  const isTools = ({ pid }: Process): boolean => snapshot.environments.get(pid)?.inTerminal === true;
  const isLeft = (process: Process): boolean =>
    snapshot.showsGroups === false
      ? process.orphanOf === group
      : process.group === undefined || process.group === group;
  const pool = all.filter((process) => group === undefined || isLeft(process));
  return pool.filter((process) => isOurs(process, snapshot) && mayServe(process, snapshot) && !isTools(process));
}

/** Ours, for all that is known. */
const isOurs = ({ owner }: Process, snapshot: Snapshot): boolean =>
  owner === undefined || snapshot.owner === undefined || owner === snapshot.owner;

const isClear = ({ pid, command, owner, group }: Process, { environments, showsGroups }: Snapshot): boolean =>
  command !== undefined &&
  owner !== undefined &&
  (showsGroups === false || (group !== undefined && environments.has(pid)));

function present(top: Process | undefined, server: Process, proof: Proof, snapshot: Snapshot): Present {
  const launcher = top && launcherOf(server, top, snapshot);
  return { kind: 'present', launcher, server, proof };
}

const unknown = (because: string): Located => ({ kind: 'unknown', because });
