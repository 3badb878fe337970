import type { Evidence } from './evidence.js';
import type { GuardName } from './guards.js';

/** What would change a veto or an unknown, for whoever asks `why`. Apart from the guards, whose vendored copy says none. */
export const REMEDIES: Readonly<Record<GuardName, (seen: Evidence) => string>> = {
  owned: howToOwn,
  local: () =>
    'run opencode-reap on the machine or in the container that started it; if that has gone, remove the record',
  identity: howToIdentify,
  unleased: howToRelease,
  idle: howToQuiet,
  aged: () => 'wait, or lower --older-than',
  unkept: () => '`opencode-reap unkeep`, or start it without OPENCODE_REAP=keep',
};

/**
 * A person has nothing to hand over where a record that counts says that it may be reaped. A second record of ours would
 * have another id, and whatever names the first one would no longer spare the server.
 */
export const mayBeHandedOver = ({ ownership, isOurs, trust, sharedDaemon }: Evidence): boolean =>
  sharedDaemon !== 'yes' && !isOurs && ownership !== 'adopted' && !(ownership === 'plugin' && trust.kind === 'trusted');

function howToIdentify({ match }: Evidence): string {
  if (match?.user === 'different') return 'the user whose process it is can stop it';
  if (match?.command === 'other') return 'nothing needs to be done: the process that was recorded has ended';
  return 'only a person can tell: `opencode-reap adopt` hands the process over, `opencode-reap stop` ends it';
}

/** A session that cannot be examined from here may be over, and its user is the one who knows. */
function howToRelease({ holds, leasesUnread, waitingStarter }: Evidence): string {
  const [yes, doubtful] = [holds.filter(({ live }) => live === 'yes'), holds.filter(({ live }) => live === 'unknown')];
  const files = [...new Set(doubtful.flatMap(({ file }) => file ?? []))];
  if (yes.length > 0) return 'end the session that holds it';
  if (files.length > 0)
    return `remove ${files.join(', ')} if that session has ended; it counts until 24 h after its last sign of life`;
  if (waitingStarter !== undefined) return 'wait until it has started';
  return leasesUnread ? 'mend or remove the lease that `opencode-reap doctor` names' : 'end the session that holds it';
}

function howToQuiet({ usesUnread, jobs, activity, clients, ownSessions, apart, lately }: Evidence): string {
  const isUsed = Boolean(clients?.length || ownSessions?.length || apart.length || lately || activity.kind === 'busy');
  if (isUsed) return 'wait until its work is done, or disconnect its clients';
  const doubtful = jobs.flatMap(({ live, file }) => (live === 'unknown' ? file : []));
  if (doubtful.length > 0) return `mend or remove ${[...new Set(doubtful)].join(', ')} if that job is over`;
  if (jobs.length > 0) return 'wait until its work is done, or disconnect its clients';
  if (usesUnread) return 'mend or remove the list that `opencode-reap doctor` names';
  if (activity.kind === 'unknown') return 'if nothing uses it any more, `opencode-reap stop` ends it';
  return 'wait until its work is done, or disconnect its clients';
}

function howToOwn(seen: Evidence): string {
  if (mayBeHandedOver(seen))
    return 'a server that no plugin started is never stopped by itself; `opencode-reap adopt` hands one over';
  if (seen.isOurs && seen.ownership === 'user') return 'a server of your own is ended by `opencode-reap stop` alone';
  if (seen.sharedDaemon === 'yes') return 'a shared daemon is stopped by `opencode-reap stop` alone';
  if (seen.alsoUnread.length > 0) return `mend ${seen.alsoUnread.join(', ')}, or remove it if it is nobody’s`;
  return 'see that nobody else can write the record';
}
