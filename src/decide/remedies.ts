import type { Evidence } from './evidence.js';
import type { GuardName } from './guards.js';
import { sparesByOwner } from './owner.js';

/**
 * What would change a veto or an unknown, for `why`. Kept out of guards.ts so that the vendored file does not carry
 * them.
 */
export const REMEDIES: Readonly<Record<GuardName, (seen: Evidence) => string>> = {
  owned: howToOwn,
  local: () =>
    'run opencode-reap on the machine or in the container that started it; if that no longer exists, remove the record',
  identity: howToIdentify,
  unleased: howToRelease,
  idle: howToQuiet,
  aged: () => 'wait, or lower --older-than',
  unkept: () => '`opencode-reap unkeep`, or start it without OPENCODE_REAP=keep',
};

/**
 * Adopting makes no sense where a record that counts already says that the server may be reaped. A second record of
 * ours would have another id, and whatever names the first one would no longer spare the server.
 */
export const mayBeHandedOver = ({ ownership, isOurs, trust, sharedDaemon, birth }: Evidence): boolean => {
  const isClaimed = ownership === 'plugin' && trust.kind === 'trusted' && birth === undefined;
  return sharedDaemon !== 'service' && sharedDaemon !== 'stdio' && !isOurs && ownership !== 'adopted' && !isClaimed;
};

function howToIdentify({ match, located }: Evidence): string {
  if (located.kind === 'unknown' && located.unlike)
    return `nothing to do unless it is a server: then end it yourself (kill ${located.unlike.pid})`;
  if (match?.user === 'different') return 'the user who owns the process can stop it';
  if (match?.command === 'other')
    return 'nothing to do unless it is a server: then end it yourself, and its record goes with it';
  return 'only you can tell: `opencode-reap adopt` lets the process be reaped, `opencode-reap stop` ends it';
}

/** A session that cannot be examined from here may be over, and its user is the one who knows. */
function howToRelease({ coveringLeases, leasesUnread, waitingStarter, parentAtTerminal }: Evidence): string {
  const [yes, doubtful] = [
    coveringLeases.filter(({ live }) => live === 'yes'),
    coveringLeases.filter(({ live }) => live === 'unknown'),
  ];
  const files = [...new Set(doubtful.flatMap(({ file }) => file ?? []))];
  if (yes.length > 0) return 'end the session that may use it';
  if (files.length > 0)
    return `remove ${files.join(', ')} if that session has ended; it counts for at most a day after its last sign of life`;
  if (parentAtTerminal && parentAtTerminal.is !== 'no') return `end its parent, pid ${parentAtTerminal.pid}`;
  if (waitingStarter !== undefined) return 'wait until it has started';
  return leasesUnread ? 'fix or remove the lease that `opencode-reap doctor` names' : 'end the session that may use it';
}

function howToQuiet({ usesUnread, jobs, activity, clients, ownSessions, apart, wasUsedLately }: Evidence): string {
  const isUsed = Boolean(
    clients?.length || ownSessions?.length || apart.length || wasUsedLately || activity.kind === 'busy',
  );
  if (isUsed) return 'wait until its work is done, or disconnect its clients';
  const doubtful = jobs.flatMap(({ live, file }) => (live === 'unknown' ? file : []));
  if (doubtful.length > 0) return `fix or remove ${[...new Set(doubtful)].join(', ')} if that job is over`;
  if (jobs.length > 0) return 'wait until its work is done, or disconnect its clients';
  if (usesUnread) return 'fix or remove the list that `opencode-reap doctor` names';
  if (activity.kind === 'not asked') return 'it was not asked: change the rest first, then it is';
  if (activity.kind === 'unknown' || activity.kind === 'silent')
    return 'if nothing uses it anymore, `opencode-reap stop` ends it';
  return 'wait until its work is done, or disconnect its clients';
}

function howToOwn(seen: Evidence): string {
  const { owner } = seen;
  if (seen.ownership === 'plugin' && owner.kind === 'program' && !owner.isSure)
    return `fix or remove what ${owner.name} wrote down; \`opencode-reap stop\` ends the server`;
  if (seen.ownership === 'plugin' && sparesByOwner(owner) !== 'no' && owner.kind !== 'daemon')
    return '`opencode-reap stop` ends it all the same';
  if (mayBeHandedOver(seen))
    return 'a server that no plugin started is never reaped automatically; `opencode-reap adopt` allows it';
  if (seen.isOurs && seen.ownership === 'user')
    return 'a server that you started is stopped only by `opencode-reap stop`';
  if (seen.sharedDaemon === 'service')
    return 'a shared daemon is stopped only by `opencode service stop` or `opencode-reap stop`';
  if (seen.sharedDaemon === 'stdio') return 'end what started it; `opencode-reap stop` ends it too';
  if (seen.alsoUnread.length > 0) return `fix ${seen.alsoUnread.join(', ')}, or remove it if nothing uses it`;
  return 'make sure that no one else can write to the record';
}
