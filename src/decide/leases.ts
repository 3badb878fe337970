import { sameProcess } from '../model/identity.js';
import { lineage, type Process } from '../model/process.js';
import type { Lease, ServerRecord, Witness } from '../model/record.js';
import type { Place, Snapshot } from '../model/snapshot.js';
import { type Answer, isAlive, isAliveSince, UNSEEN_COUNTS_MS } from './alive.js';

/** A lease that covers, or may cover, a server. */
export interface CoveringLease {
  /** Where it was written down; undefined for a session that was only seen. */
  readonly file: string | undefined;
  readonly session: string | undefined;
  readonly holderPid: number | undefined;
  readonly live: Answer;
  readonly covers: Exclude<Answer, 'no'>;
}

/** What leases and uses are compared with: every record of one server, and the ports it listens on. */
export interface ServerKeys {
  readonly records: readonly ServerRecord[];
  readonly ports: readonly number[];
}

export function leasesOn(server: ServerKeys, leases: readonly Lease[], snapshot: Snapshot): CoveringLease[] {
  return leases.flatMap((lease) => {
    const covered = covers(lease, server, snapshot);
    if (covered === 'no') return [];
    const { file, session, holder } = lease;
    return [{ file, session, holderPid: holder?.pid, live: isLive(lease, snapshot), covers: covered }];
  });
}

/**
 * Live sessions that left no lease, matched by workspace. A listed session counts only for the process that it names;
 * if that cannot be compared, only if the process is a Claude. A live session whose working directory is hidden may
 * work anywhere.
 */
export function witnessed(server: ServerKeys, witnesses: readonly Witness[], snapshot: Snapshot): CoveringLease[] {
  const live = witnesses.filter(({ holder }) => {
    const seen = snapshot.processes?.get(holder.pid);
    const sameness = seen === undefined ? 'different' : sameProcess(holder, seen);
    return sameness === 'same' || (sameness === 'unknown' && (seen?.claude === 'session' || seen?.claude === 'spare'));
  });
  const placed = new Set<number>(live.filter(({ path }) => path !== undefined).map(({ holder }) => holder.pid));
  return live.flatMap(({ holder, session, path }) => {
    if (path === undefined && placed.has(holder.pid)) return [];
    const isNear = path === undefined ? 'unknown' : near(path, server, snapshot);
    const covers = isStartedIn(session, server) ? 'yes' : isNear;
    return covers === 'no' ? [] : [{ file: undefined, session, holderPid: holder.pid, live: 'yes', covers }];
  });
}

/**
 * The sessions that a server runs below. What a plugin does not detach may work elsewhere than its session, and has no
 * lease of its own.
 */
export function sessionsAbove(server: Process | undefined, { processes }: Snapshot): CoveringLease[] {
  const above = server && processes ? [...lineage(processes, server.parent)] : [];
  const isSession = (pid: number): boolean => ['session', 'spare'].includes(processes?.get(pid)?.claude ?? '');
  return above
    .filter(isSession)
    .map((pid) => ({ file: undefined, session: undefined, holderPid: pid, live: 'yes', covers: 'yes' }));
}

/** Whether a server was started in that session: then the session may use it, wherever it works by now. */
export const isStartedIn = (session: string | undefined, { records }: ServerKeys): boolean =>
  session !== undefined && records.some(({ birth }) => birth?.sessions.includes(session));

function covers(lease: Lease, server: ServerKeys, snapshot: Snapshot): Answer {
  if (isStartedIn(lease.session, server)) return 'yes';
  if (lease.servers.some((id) => server.records.some((record) => isIdOf(id, record)))) return 'yes';
  if (lease.port !== undefined && server.ports.includes(lease.port)) return 'yes';
  if (lease.path === undefined) return 'no';
  return near(lease.path, server, snapshot);
}

/** A plugin's record had another id while its launcher lived, which began with that one's pid. */
const isIdOf = (id: string, { id: now, source, spawned }: ServerRecord): boolean =>
  id === now || (source.format !== 'native' && spawned !== undefined && id.startsWith(`${spawned.pid}-`));

/**
 * A directory that was not looked at might be any directory, and so might an unknown workspace. A path on a mount that
 * does not answer is somewhere on that mount: a server whose own workspace could be resolved, and is elsewhere, works
 * on something else. Otherwise one dropped mount would spare every server of this user.
 */
function near(path: string, { records }: ServerKeys, { places }: Snapshot): Answer {
  const from = places.get(path);
  // A record may have no more of its workspace than the first digits of the SHA-256.
  const hashes = records.flatMap(({ workspaceHash }) => workspaceHash ?? []);
  if (from && hashes.some((hash) => from.hashes.some((whole) => whole.startsWith(hash)))) return 'yes';
  const found = records.flatMap(({ workspace }) => (workspace === undefined ? [] : [places.get(workspace)]));
  if (from && found.some((to) => to && related(from, to))) return 'yes';
  const mayBe = found.some(
    (to) => from === undefined || to === undefined || meetInSilence(from, to) || isOnNetwork(from) || isOnNetwork(to),
  );
  return mayBe || found.length === 0 ? 'unknown' : 'no';
}

const meetInSilence = ({ silent: some = [] }: Place, { silent: others = [] }: Place): boolean =>
  some.some((one) => others.some((other) => within(one, other) || within(other, one)));

/** Equal, one inside the other, or worktrees of one repository. */
export const related = (a: Place, b: Place): boolean =>
  within(a.real, b.real) ||
  within(b.real, a.real) ||
  (a.gitCommon !== undefined && isSamePath(a.gitCommon, b.gitCommon));

const isSamePath = (one: string, other: string | undefined): boolean =>
  other !== undefined && plain(one) === plain(other);

/** Whether `inner` is `outer` or inside of it, by whole path segments. */
export function within(inner: string, outer: string): boolean {
  const [one, other] = [plain(inner), plain(outer)];
  const fold = other.endsWith('/') ? other : `${other}/`;
  return one === other || one.startsWith(fold);
}

const WINDOWS = /^([a-z]:)?[\\/]{2}|^[a-z]:([\\/]|$)/i;

/** On Windows case does not count, and either slash will do; a path there begins with a drive or two slashes. */
function plain(path: string): string {
  if (!WINDOWS.test(path)) return path;
  const folded = path
    .replaceAll('\\', '/')
    .toLowerCase()
    .replace(/^\/\/[?.]\/(unc\/)?/, (_, unc) => (unc ? '//' : ''));
  return folded.replace(/\/+$/, '');
}

/** The same folder may be a drive letter, a name or an address: none of these says that two paths are not one. */
const isOnNetwork = ({ real }: Place): boolean => plain(real).startsWith('//');

/** A lease lives exactly as long as its holder; one without a holder, until it expires. */
export function isLive(lease: Lease, snapshot: Snapshot): Answer {
  const seen = isAliveSince(lease.holder, lease.machine, lease.seenAt, snapshot);
  return lease.holder === undefined ? untilItExpires(lease, snapshot) : seen;
}

/** Whether it can be removed: one that cannot be examined from here may hold a server elsewhere, on a shared home. */
export function leaseHasEnded(lease: Lease, snapshot: Snapshot): boolean {
  const seen = isAlive(lease.holder, lease.machine, snapshot);
  return (lease.holder === undefined ? untilItExpires(lease, snapshot) : seen) === 'no';
}

const untilItExpires = ({ expiresAt, seenAt }: Lease, { at }: Snapshot): Answer =>
  (expiresAt ?? seenAt + UNSEEN_COUNTS_MS) < at ? 'no' : 'unknown';
