import type { Identity } from '../../src/model/identity.js';
import type { Process, Sockets } from '../../src/model/process.js';
import type { ServerRecord } from '../../src/model/record.js';
import type { Snapshot } from '../../src/model/snapshot.js';
import { everythingBelow, INITIAL, isOnWindows } from './oracle.js';

/** A process that may be the one that a record is about; undefined for one that cannot be told from others. */
export interface Suspect {
  readonly process: Process | undefined;
  /** The process above it that the record names, if that is another one. */
  readonly launcher?: Process | undefined;
  /** What `identity` says of it. */
  readonly says: readonly ('veto' | 'doubt' | 'veto or doubt' | 'fine or veto' | 'fine or doubt')[];
}

export interface Suspects {
  readonly suspects: readonly Suspect[];
  /** Whether the recorded server may be called gone. */
  readonly ended: 'yes' | 'no' | 'may be';
}

const nobody: Suspect = { process: undefined, says: ['doubt'] };
const doubtful: Suspects = { suspects: [nobody], ended: 'no' };

export function suspectsOf(record: ServerRecord, snapshot: Snapshot, sockets: Sockets | undefined): Suspects {
  if (snapshot.processes === undefined) return doubtful;
  return record.provenBy === 'start time'
    ? byTheirStart(record, snapshot, sockets)
    : byTheirToken(record, snapshot, sockets);
}

type Sameness = 'yes' | 'no' | 'unknown' | 'nobody';

/** Whether a recorded process is still there: by pid and start token, never by pid alone. */
function isThere(who: Identity | undefined, record: ServerRecord, { processes, machine: here }: Snapshot): Sameness {
  const now = who && processes?.get(who.pid);
  if (who === undefined || now === undefined) return 'nobody';
  const isShared = (record.machine?.timeNamespace ?? INITIAL) === (here.timeNamespace ?? INITIAL);
  if (!isShared || who.startToken === undefined || now.startToken === undefined) return 'unknown';
  return now.startToken === who.startToken ? 'yes' : 'no';
}

function byTheirToken(record: ServerRecord, snapshot: Snapshot, sockets: Sockets | undefined): Suspects {
  const { server, spawned, tag } = record;
  const [its, above] = [isThere(server, record, snapshot), isThere(spawned, record, snapshot)];
  const at = (who: Identity | undefined): Process | undefined => who && snapshot.processes?.get(who.pid);
  if (its === 'unknown' || above === 'unknown') return doubtful;
  const launcher = above === 'yes' ? at(spawned) : undefined;
  const listener = at(server);
  if (its === 'yes' && listener) return { suspects: [proven(listener, launcher, record, snapshot)], ended: 'no' };
  if (launcher) return under(launcher, record, snapshot, sockets, (one) => proven(one, launcher, record, snapshot));
  // Only a tag, which no other spawn ever had, still proves anything; for a plugin's record, when it started.
  const isPlugins = record.source.format !== 'native' && record.machine === undefined;
  const left = [...(snapshot.processes?.values() ?? [])].filter((one) => mayBeLeft(one, record, snapshot));
  if (isPlugins && above === 'nobody' && its === 'nobody') return byGroup(left, record, snapshot, sockets);
  if (spawned === undefined && isStarting(record, snapshot)) return doubtful;
  const clear = left.filter((one) => isClear(one, snapshot) && snapshot.environments.has(one.pid));
  const tagged = clear.filter(({ pid }) => tag !== undefined && snapshot.environments.get(pid)?.tag === tag);
  const hidden = left.some((one) => tag === undefined || !clear.includes(one));
  const highest = tagged.filter(({ parent }) => !tagged.some(({ pid }) => pid === parent));
  if (tagged.length === 0) {
    const onPort = onItsPort(record, snapshot, sockets);
    const isOpen = hidden || onPort.length > 0 || (server === undefined && mayBeAnywhere(record, snapshot));
    return isOpen ? { suspects: [...onPort, nobody], ended: 'may be' } : { suspects: [], ended: 'yes' };
  }
  const found = highest.flatMap(
    (one) => under(one, record, snapshot, sockets, (found) => proven(found, one, record, snapshot)).suspects,
  );
  return { suspects: highest.length > 1 ? [...found, nobody] : found, ended: 'no' };
}

/** On Windows, where a launcher may have ended: on a port that nobody could look at, or on none that is written down. */
function mayBeAnywhere(record: ServerRecord, snapshot: Snapshot): boolean {
  if (!isOnWindows(snapshot)) return false;
  if (record.port !== undefined) return !snapshot.listeners.has(record.port);
  return [...(snapshot.processes?.values() ?? [])].some(
    (one) =>
      one.orphanOf !== undefined &&
      (one.command === undefined ? /^opencode/i.test(one.name) : one.command.kind === 'serve') &&
      (one.owner === undefined || snapshot.owner === undefined || one.owner === snapshot.owner) &&
      record.startedAt !== undefined &&
      fitsTime(one.ageMs, record, snapshot) !== 'off',
  );
}

const isStarting = (record: ServerRecord, snapshot: Snapshot): boolean =>
  ['yes', 'unknown'].includes(isThere(record.starter, record, snapshot));

/** In the group that the spawn created, or, if its pid was never written down, anywhere. */
function mayBeLeft(one: Process, { spawned }: ServerRecord, snapshot: Snapshot): boolean {
  const { group, owner, command, pid, orphanOf } = one;
  // Where there are no groups, a process still says which pid its parent had.
  const isFrom = isOnWindows(snapshot) ? orphanOf === spawned?.pid : group === undefined || group === spawned?.pid;
  const isIn = spawned === undefined || isFrom;
  const isOurs = owner === undefined || snapshot.owner === undefined || owner === snapshot.owner;
  const isServer = command === undefined || command.kind === 'serve';
  const its = snapshot.environments.get(pid);
  // Whatever runs in an OpenCode has inherited its tag, and is never taken for it.
  return isIn && isOurs && isServer && its?.opencodePid === undefined && !its?.inTerminal;
}

const isClear = ({ pid, owner, command, group }: Process, snapshot: Snapshot): boolean =>
  owner !== undefined &&
  command !== undefined &&
  (isOnWindows(snapshot) || (group !== undefined && snapshot.environments.has(pid)));

/** The server may be the process itself or below it; which of several is open, and then so is whether it can be told. */
function under(
  top: Process,
  record: ServerRecord,
  snapshot: Snapshot,
  sockets: Sockets | undefined,
  as: (one: Process) => Suspect,
): Suspects {
  // What listens is the server itself, and has launched nothing.
  if (top.command?.kind === 'serve' && snapshot.listens.get(top.pid)) return { suspects: [as(top)], ended: 'no' };
  const own = [top, ...everythingBelow(top, snapshot)];
  const listening = sockets?.listening.find(
    ({ port, pid }) => port === record.port && own.some((one) => one.pid === pid),
  );
  const listener = listening && snapshot.processes?.get(listening.pid);
  const below = everythingBelow(top, snapshot).filter(
    ({ pid, command }) =>
      (command === undefined || command.kind === 'serve') && snapshot.environments.get(pid)?.opencodePid === undefined,
  );
  const its = listener && snapshot.environments.get(listener.pid);
  const isInside =
    its?.opencodePid !== undefined ||
    its?.inTerminal === true ||
    its?.inOpencode !== snapshot.environments.get(top.pid)?.inOpencode;
  const isPlain = listener?.command?.kind === 'serve' && !isInside;
  // What cannot be examined may be anything, and of several servers that were started together it may be any.
  const others = below.filter((one) => one !== listener);
  const isAlone =
    listener !== undefined && [top, listener].every((one) => isClear(one, snapshot)) && others.length === 0;
  // A process that runs `opencode serve` itself is a server, whatever else listens below it.
  const isServer = top.command?.kind === 'serve' && !top.command.interpreted;
  const also = (isServer || !isAlone) && top !== listener ? [as(top)] : [];
  if (isPlain)
    return { suspects: [as(listener), ...also, ...(isAlone ? [] : [...others.map(as), nobody])], ended: 'no' };
  // What listens does not look like a server, or says that another server started it: then what was spawned may be it.
  if (listener) return { suspects: [as(listener), as(top), ...others.map(as), nobody], ended: 'no' };
  // Where the chain of parents may be broken, a shell or a script is not the server itself.
  if (below.length === 0 && isOnWindows(snapshot) && top.command?.kind === 'serve' && top.command.interpreted)
    return { suspects: [...onItsPort(record, snapshot, sockets), nobody], ended: 'no' };
  if (below.length === 0) return { suspects: [as(top)], ended: 'no' };
  return { suspects: [...below.map(as), as(top), nobody], ended: 'no' };
}

/** Where the chain of parents is broken: by the port that the record names, and the time. What has a parent is another's. */
function onItsPort(record: ServerRecord, snapshot: Snapshot, sockets: Sockets | undefined): Suspect[] {
  const pid = record.port === undefined ? undefined : snapshot.listeners.get(record.port);
  const found = typeof pid === 'number' ? snapshot.processes?.get(pid) : undefined;
  if (!isOnWindows(snapshot) || found?.orphanOf === undefined) return [];
  if (found.command !== undefined && found.command.kind !== 'serve') return [];
  if (fitsTime(found.ageMs, record, snapshot) === 'off') return [];
  return [isClear(found, snapshot) ? fitted(found, undefined, record, snapshot, sockets) : nobody];
}

/** Our own user, an `opencode … serve`, and the recorded tag. */
function proven(server: Process, top: Process | undefined, record: ServerRecord, snapshot: Snapshot): Suspect {
  const says: Suspect['says'][number][] = [];
  const launcher = top === server ? undefined : top;
  const tag = tagOf(server, record, snapshot);
  says.push(...looks(server, snapshot), ...(tag === 'fine' ? [] : [tag]));
  // Without a tag, what was spawned ties the server to the record, so it has to be ours as well.
  const isTied = record.tag !== undefined && (snapshot.showsEnvironments || record.server !== undefined);
  if (launcher && !isTied) says.push(...looks(launcher, snapshot).map(eased(launcher)));
  // Of two processes that are looked at, a doubt about one may hide what the other one says.
  const isCloudy = launcher !== undefined && says.includes('doubt');
  return {
    process: server,
    launcher,
    says: isCloudy ? says.map((one) => (one === 'veto' ? 'veto or doubt' : one)) : says,
  };
}

/** A shell or a script that was spawned leads to the server below it, whatever it is itself. */
const eased =
  ({ command }: Process) =>
  (said: Suspect['says'][number]): Suspect['says'][number] =>
    command?.kind === 'other' ? (said === 'veto' ? 'fine or veto' : 'fine or doubt') : said;

function looks({ owner, command }: Process, snapshot: Snapshot): Suspect['says'][number][] {
  const says: Suspect['says'][number][] = [];
  if (owner === undefined || snapshot.owner === undefined) says.push('doubt');
  else if (owner !== snapshot.owner) says.push('veto');
  if (command === undefined) says.push('doubt');
  else if (command.kind !== 'serve') says.push('veto');
  return says;
}

function tagOf({ pid }: Process, { tag }: ServerRecord, { environments, showsEnvironments }: Snapshot) {
  if (tag === undefined || !showsEnvironments) return 'fine' as const;
  const its = environments.get(pid);
  return its === undefined ? ('doubt' as const) : its.tag === tag ? ('fine' as const) : ('veto' as const);
}

/** A bare pid, or a port: everything else that the record says must also fit. */
function byTheirStart(record: ServerRecord, snapshot: Snapshot, sockets: Sockets | undefined): Suspects {
  const { spawned, server, port, startedAt, password } = record;
  if (spawned === undefined && server === undefined && port === undefined && password !== undefined)
    return byPassword(record, snapshot, sockets);
  const known = isThere(server, record, snapshot);
  const found = server && snapshot.processes?.get(server.pid);
  const listener = port === undefined ? undefined : snapshot.listeners.get(port);
  const named = spawned?.pid ?? (listener === 'nobody' ? undefined : listener);
  const process = named === undefined ? undefined : snapshot.processes?.get(named);
  if (known === 'yes' && found) return { suspects: [fitted(found, process, record, snapshot, sockets)], ended: 'no' };
  if (known === 'unknown') return doubtful;
  // Nobody could say who listens there.
  if (spawned === undefined && port !== undefined && listener === undefined) return doubtful;
  const isLater =
    spawned?.startToken !== undefined && process?.startToken !== undefined && spawned.startToken !== process.startToken;
  const group = (): Suspects => {
    const left = [...(snapshot.processes?.values() ?? [])].filter((one) => spawned && mayBeLeft(one, record, snapshot));
    return byGroup(left, record, snapshot, sockets);
  };
  if (process === undefined || isLater) return group();
  const { command, ageMs } = process;
  if (command === undefined || command.kind === 'serve')
    return under(process, record, snapshot, sockets, (one) => fitted(one, process, record, snapshot, sockets));
  // It runs something else. Only where it has come since the record was written is it certainly another process.
  const began = !isKnown(ageMs) ? undefined : snapshot.at - ageMs;
  if (began !== undefined && startedAt !== undefined && began > startedAt + 5_000) return group();
  const below = under(process, record, snapshot, sockets, (one) => fitted(one, process, record, snapshot, sockets));
  const serving = below.suspects.filter((one) => one.process !== undefined && one.process !== process);
  // What only listens on the recorded port has spawned nothing.
  if (spawned === undefined) return { suspects: [nobody], ended: 'may be' };
  if (serving.length > 0) return { suspects: [...serving, nobody], ended: 'no' };
  // What it may have left in its group fits or does not, like any other.
  if (startedAt !== undefined) return { suspects: [...group().suspects, nobody], ended: 'no' };
  // Nothing says when: a password may still tell it from another one.
  return password === undefined
    ? { suspects: group().suspects, ended: 'may be' }
    : { suspects: [nobody], ended: 'may be' };
}

/** The one server that was given the password, and that no server's tool has started. */
function byPassword(record: ServerRecord, snapshot: Snapshot, sockets: Sockets | undefined): Suspects {
  const servers = [...(snapshot.processes?.values() ?? [])].filter(({ command }) => command?.kind === 'serve');
  const given = servers.filter(({ pid }) => {
    const its = snapshot.environments.get(pid);
    const isTools = its?.opencodePid !== undefined || its?.inTerminal;
    return (
      !isTools && [its?.password, its?.passwordOfSecond].some((one) => one?.reveal() === record.password?.reveal())
    );
  });
  const hidden = servers.some(({ pid }) => !snapshot.environments.has(pid));
  if (given.length === 0) return hidden ? { suspects: [nobody], ended: 'may be' } : { suspects: [], ended: 'yes' };
  // As the plugin gives it: to a detached server, with a name, by OpenCode 1's variables. A person may give it in another way.
  const isTheirs = ({ pid, session, terminal }: Process): boolean => {
    const its = snapshot.environments.get(pid);
    return session === pid && terminal === false && its?.username === 'opencode' && its.password !== undefined;
  };
  if (!given.some(isTheirs)) return { suspects: [nobody], ended: 'may be' };
  const found = given.flatMap(
    (top) => under(top, record, snapshot, sockets, (one) => fitted(one, top, record, snapshot, sockets)).suspects,
  );
  const isUnclear = given.length > 1 || hidden || given.some(({ owner }) => owner !== snapshot.owner);
  return isUnclear ? { suspects: [...found, nobody], ended: 'may be' } : { suspects: found, ended: 'no' };
}

function byGroup(
  left: readonly Process[],
  record: ServerRecord,
  snapshot: Snapshot,
  sockets: Sockets | undefined,
): Suspects {
  if (left.length === 0) {
    const onPort = onItsPort(record, snapshot, sockets);
    if (onPort.length === 0 && mayBeAnywhere(record, snapshot)) return doubtful;
    return { suspects: onPort, ended: onPort.length === 0 ? 'yes' : 'may be' };
  }
  const found = left.flatMap((one) =>
    isClear(one, snapshot)
      ? under(one, record, snapshot, sockets, (found) => fitted(found, one, record, snapshot, sockets)).suspects
      : [nobody],
  );
  // Another process with the recorded pid may be taken for one that launched it.
  const isTaken = record.spawned !== undefined && snapshot.processes?.has(record.spawned.pid);
  return { suspects: left.length > 1 || isTaken ? [...found, nobody] : found, ended: 'no' };
}

/** From 120 s before to 5 s after the record's time; its port; a password, which is as good as a start token. */
function fitted(
  server: Process,
  top: Process | undefined,
  record: ServerRecord,
  snapshot: Snapshot,
  sockets: Sockets | undefined,
): Suspect {
  const named = top === server ? undefined : top;
  // The record may name the server itself, and something may have launched it.
  const launcher = named ?? launching(server, snapshot);
  const says: Suspect['says'][number][] = [...looks(server, snapshot)];
  if (named) says.push(...looks(named, snapshot).map(eased(named)));
  const environment = snapshot.environments.get(server.pid);
  const { password } = record;
  const given = [environment?.password, environment?.passwordOfSecond].map((one) => one?.reveal());
  const isProved = password !== undefined && given.includes(password.reveal());
  const isConfigured =
    record.pluginConfig === true && environment?.pluginConfig === true && environment.opencodePid === undefined;
  if (password !== undefined && snapshot.showsEnvironments && !isProved) says.push('doubt');
  const above = launcher && snapshot.environments.get(launcher.pid);
  const isAbove = [above?.password, above?.passwordOfSecond].some((one) => one?.reveal() === password?.reveal());
  // Where a launcher was spawned, it was given the password as well.
  if (password !== undefined && snapshot.showsEnvironments && launcher && !isAbove) says.push('fine or doubt');
  const times = [server, ...(launcher ? [launcher] : [])].map(({ ageMs }) => fitsTime(ageMs, record, snapshot));
  // Where a launcher was spawned, which of both the time is compared with is open.
  const isTimeless = (isProved || isConfigured) && !times.includes('off');
  if (!times.includes('fits') && !isTimeless)
    says.push((isProved || isConfigured) && times.includes('unknown') ? 'fine or doubt' : 'doubt');
  else if (times.some((one) => one !== 'fits') && !isTimeless) says.push('fine or doubt');
  if (record.port !== undefined && record.portIsStated) {
    const isOrdered = [server, launcher].some(
      (one) => one?.command?.kind === 'serve' && one.command.port === record.port,
    );
    const own = [server, ...(launcher ? [launcher] : [])].flatMap((one) => [one, ...everythingBelow(one, snapshot)]);
    const listens = sockets?.listening.some(
      ({ port, pid }) => port === record.port && own.some((one) => one.pid === pid),
    );
    if (!isOrdered && !listens) says.push('doubt');
  }
  return { process: server, launcher, says };
}

/** What is no number tells nothing, as what is not there. */
const isKnown = (ageMs: number | undefined): ageMs is number => ageMs !== undefined && !Number.isNaN(ageMs);

function fitsTime(
  ageMs: number | undefined,
  { startedAt }: ServerRecord,
  { at }: Snapshot,
): 'fits' | 'off' | 'unknown' {
  if (!isKnown(ageMs) || startedAt === undefined) return 'unknown';
  const after = at - ageMs - startedAt;
  return after < -120_000 || after > 5_000 ? 'off' : 'fits';
}

function launching({ parent, group }: Process, snapshot: Snapshot): Process | undefined {
  const above = snapshot.processes?.get(parent);
  const isBeside = isOnWindows(snapshot) || (group !== undefined && above?.group === group);
  return above?.command?.kind === 'serve' && isBeside ? above : undefined;
}
