import type { LastUse, LastUses } from '../model/last-use.js';
import type { Process } from '../model/process.js';
import type { Activity } from './activity.js';
import type { Evidence } from './evidence.js';
import { answer } from './guards.js';

/** One moment by both clocks: epoch milliseconds, and milliseconds since boot. */
export interface Moment {
  readonly at: number;
  readonly bootMs: number;
}

export const useKey = ({ pid, startToken }: Pick<Process, 'pid' | 'startToken'>): string => `${pid}-${startToken}`;

/** Far more than clock corrections add up to in half an hour, unless the clock was set. */
const STEADY_MS = 10_000;

/**
 * How long a server has been unused: since the watch last saw it in use, and since the server's own last activity. The
 * latter is by the wall clock, so after the clock was set, any activity that is new to the watch counts as happening
 * now.
 */
export function quietMs(server: Process, activity: Activity, uses: LastUses, { at, bootMs }: Partial<Moment>): number {
  const last = uses.get(useKey(server));
  // A server seen for the first time may just have been used.
  if (last === undefined || bootMs === undefined || at === undefined) return 0;
  if (last.busy && activity.kind === 'idle') return 0;
  const seenMs = Math.max(0, Math.min(bootMs - last.ms, server.ageMs ?? 0));
  const activeAt = activeAtOf(activity);
  if (activeAt === undefined || activeAt === last.activeAt) return seenMs;
  const isSteady = Math.abs(at - bootMs - last.aheadMs) < STEADY_MS;
  return isSteady ? Math.max(0, Math.min(seenMs, at - activeAt)) : 0;
}

/** Where it cannot be told, a guard says so. */
const activeAtOf = (activity: Activity): number | undefined =>
  activity.kind !== 'idle' || activity.lastActiveAt === 'unknown' ? undefined : activity.lastActiveAt;

/** What the watch remembers about a server after it was judged. */
export function nextUse(seen: Evidence, uses: LastUses, { at, bootMs }: Moment): [string, LastUse] | undefined {
  if (seen.located.kind !== 'present') return undefined;
  const key = useKey(seen.located.server);
  const last = uses.get(key);
  const { activity } = seen;
  const activeAt = activeAtOf(activity) ?? last?.activeAt;
  const busy = activity.kind === 'busy' || (activity.kind === 'not asked' && last?.busy) ? true : undefined;
  if (last === undefined || isInUse(seen)) return [key, { ms: bootMs, aheadMs: at - bootMs, activeAt, busy }];
  if (activity.kind !== 'idle') return [key, last];
  return [key, { ms: Math.max(last.ms, bootMs - (seen.quietMs ?? 0)), aheadMs: at - bootMs, activeAt }];
}

/**
 * Whether a silence that was noted before is over: the server has answered, or something else spared it, so that it was
 * not asked. A look that leaves it alone for its age, its owner or the watch's patience says nothing about it.
 */
export const endsSilence = (seen: Evidence): boolean => seen.activity.kind !== 'not asked' || isInUse(seen);

/**
 * A session, a client, a job or a tool of the server, or anything that might be one. Silence alone is no sign of use:
 * what is counted towards ten minutes of it would otherwise never be asked again in time.
 */
function isInUse(seen: Evidence): boolean {
  const saysNothing = seen.activity.kind === 'not asked' || 'silent' in seen.activity;
  // What may be an MCP server is taken to be one: if it were a tool, the server would have said that it is busy.
  const activity: Activity = saysNothing ? { kind: 'idle', directories: 0, isSecond: true } : seen.activity;
  const asOthers = { olderThanMs: 0 };
  return (['unleased', 'idle'] as const).some(
    (name) => answer(name, { ...seen, activity }, asOthers).outcome !== 'pass',
  );
}
