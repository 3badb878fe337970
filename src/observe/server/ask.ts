import {
  type Activity,
  activityOfSilence,
  activityWithoutListener,
  loopbackOf,
  SILENCE_COUNTS_AFTER_MS,
  silentWith,
} from '../../decide/activity.js';
import type { Candidate } from '../../decide/candidate.js';
import { sameProcess } from '../../model/identity.js';
import type { Sockets } from '../../model/process.js';
import type { SilentSince } from '../../model/silence.js';
import type { Snapshot } from '../../model/snapshot.js';
import { bootMs } from '../boot-clock.js';
import type { Platform } from '../platform.js';
import { socketsNow } from '../snapshot.js';
import { askActivity, askToDispose, askWorkplace, listenForSilence } from './activity.js';
import type { Address } from './http.js';

/** What the server says, through a socket that has just been seen to be its own. */
export async function askServer(
  candidate: Candidate,
  directories: readonly string[],
  before: SilentSince | undefined,
  snapshot: Snapshot,
  platform: Platform,
): Promise<Activity> {
  const { record, located } = candidate;
  if (located.kind !== 'present') return { kind: 'not asked' };
  const { ageMs, pid } = located.server;
  const askedMs = Math.round(bootMs());
  const since = silentWith(before, askedMs);
  const changed = await changeOf(candidate, platform);
  const sockets = await socketsNow(candidate, platform);
  const mute = activityWithoutListener(ageMs, sockets, since, askedMs);
  if (mute) return mute;
  const address = changed ?? addressIn(sockets, candidate, snapshot);
  if (typeof address === 'string') return { kind: 'unknown', because: address };
  const startedAt = Math.min(snapshot.at - (ageMs ?? 0), record.startedAt ?? Number.POSITIVE_INFINITY);
  const passwordOfSecond = record.password ?? snapshot.environments.get(pid)?.passwordOfSecond;
  const activity = await askActivity(address, { startedAt, directories, pid, passwordOfSecond });
  // A record may have no more of it than a hash, and Windows does not show it.
  const isUnplaced = record.workspace === undefined && platform.shows.groups === false;
  if (activity.kind === 'idle' && !activity.isSecond && isUnplaced)
    return { ...activity, worksIn: await askWorkplace(address) };
  if (activity.kind !== 'silent') return activity;
  const tooYoung = ageMs === undefined || ageMs < SILENCE_COUNTS_AFTER_MS;
  const silence = tooYoung
    ? { probes: 1, answered: false, spanMs: 0, onTime: true }
    : { ...(await listenForSilence(address, activity.at)), isPartial: activity.at !== undefined };
  const nowMs = Math.round(bootMs());
  return activityOfSilence(silence, ageMs, await socketsNow(candidate, platform), silentWith(before, nowMs), nowMs);
}

/** Asks a server to end its sessions, tools and MCP servers; what it answers decides nothing. */
export async function dispose(candidate: Candidate, snapshot: Snapshot, platform: Platform): Promise<void> {
  const address = await addressOf(candidate, snapshot, platform);
  if (typeof address !== 'string') await askToDispose(address);
}

/** Where to ask, or a sentence that says why nobody is asked. */
const addressOf = async (candidate: Candidate, snapshot: Snapshot, platform: Platform): Promise<Address | string> =>
  (await changeOf(candidate, platform)) ?? addressIn(await socketsNow(candidate, platform), candidate, snapshot);

/** Undefined as long as the process is the one that was judged. */
async function changeOf({ located }: Candidate, platform: Platform): Promise<string | undefined> {
  if (located.kind !== 'present') return 'its process was not found';
  const now = await (platform.recent ?? platform.look)(located.server.pid);
  const isSame = typeof now === 'object' && sameProcess(located.server, now) === 'same';
  return isSame ? undefined : 'its process has changed';
}

function addressIn(sockets: Sockets | undefined, { record, located }: Candidate, snapshot: Snapshot): Address | string {
  if (!sockets?.ourNetwork) return 'it listens in another network namespace';
  const hosts = sockets.listening.flatMap(({ host, port }) => {
    const loopback = loopbackOf(host);
    return loopback === undefined ? [] : [{ host: loopback, port }];
  });
  const at = hosts.find(({ port }) => port === record.port) ?? hosts[0];
  if (at === undefined) return 'it does not listen on a loopback address';
  const environment = located.kind === 'present' ? snapshot.environments.get(located.server.pid) : undefined;
  return { ...at, username: environment?.username, password: record.password ?? environment?.password };
}
