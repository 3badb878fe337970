import type { Evidence } from './evidence.js';
import type { GuardName } from './guards.js';

/**
 * What would change a veto or an unknown, for `why`. Kept out of guards.ts so that the vendored file does not carry
 * them.
 */
export const REMEDIES: Readonly<Record<GuardName, (seen: Evidence) => string>> = {
  owned: howToOwn,
  local: () => 'run opencode-reap on the machine or in the container that started it',
  identity: () => 'only you can tell: `opencode-reap adopt` lets the process be reaped, `opencode-reap stop` ends it',
  unleased: () => 'end the session that may use it',
  idle: () => 'wait until its work is done, or disconnect its clients',
  aged: () => 'wait, or lower --older-than',
  unkept: () => '`opencode-reap unkeep`, or start it without OPENCODE_REAP=keep',
};

/**
 * Adopting makes no sense where a record that counts already says that the server may be reaped. A second record of
 * ours would have another id, and whatever names the first one would no longer spare the server.
 */
export const mayBeHandedOver = ({ ownership, isOurs, trust, sharedDaemon }: Evidence): boolean =>
  sharedDaemon !== 'yes' && !isOurs && ownership !== 'adopted' && !(ownership === 'plugin' && trust.kind === 'trusted');

function howToOwn(seen: Evidence): string {
  if (mayBeHandedOver(seen))
    return 'a server that no plugin started is never reaped automatically; `opencode-reap adopt` allows it';
  if (seen.isOurs && seen.ownership === 'user')
    return 'a server that you started is stopped only by `opencode-reap stop`';
  if (seen.sharedDaemon === 'yes') return 'a shared daemon is stopped only by `opencode-reap stop`';
  if (seen.alsoUnread.length > 0) return `fix ${seen.alsoUnread.join(', ')}, or remove it if nothing uses it`;
  return 'make sure that no one else can write the record';
}
