import type { Registration } from '../model/owner.js';
import type { Process } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Answer } from './alive.js';
import { isOfEarlierBoot } from './earlier-boot.js';
import type { Owned } from './owner.js';
import { MARGIN_MS } from './uses.js';

/** What another program wrote down about a server, and whether that program still runs. */
export interface Claim {
  readonly registration: Registration;
  readonly live: Answer;
  readonly holder: number | undefined;
}

/** The one that says most; undefined if none is about this server. */
export function claimOf(
  { processes, ports, registrations }: Omit<Owned, 'record'>,
  snapshot: Snapshot,
): Claim | undefined {
  const claims = registrations
    .filter((registration) => mayBeAbout(registration, processes, ports, snapshot))
    .map((registration) => ({ registration, ...liveHolder(registration, snapshot) }))
    .filter(({ registration: { seenAt }, live }) => live !== 'no' || isOlder(processes, seenAt, snapshot));
  return (['yes', 'unknown', 'no'] as const).flatMap((answer) => claims.find(({ live }) => live === answer) ?? [])[0];
}

/** What is in doubt and was last written before this boot is about no process of now. */
function mayBeAbout(
  { pid, port, doubt, seenAt }: Registration,
  processes: readonly Process[],
  ports: readonly number[],
  snapshot: Snapshot,
): boolean {
  if (processes.length === 0 || (doubt !== undefined && isOfEarlierBoot(seenAt, snapshot))) return false;
  if (pid !== undefined) return processes.some((process) => process.pid === pid);
  return port === undefined ? doubt !== undefined : ports.includes(port);
}

/** A process that started after its entry was written has only the pid or the port of an earlier one. */
const isOlder = (processes: readonly Process[], seenAt: number | undefined, snapshot: Snapshot): boolean =>
  processes.some((process) => startedBefore(process, seenAt, snapshot) !== 'no');

/** One that lives, else one that may. A list without any says that the program has ended. */
function liveHolder(registration: Registration, snapshot: Snapshot): Pick<Claim, 'live' | 'holder'> {
  const { holders, doubt } = registration;
  const all = holders.map((holder) => ({ holder, live: isLive(holder, registration, snapshot) }));
  const sure = all.find(({ live }) => live === 'yes');
  if (sure) return doubt === undefined ? sure : { ...sure, live: 'unknown' };
  const unsure = all.find(({ live }) => live === 'unknown');
  if (unsure || (doubt !== undefined && holders.length === 0)) return { live: 'unknown', holder: unsure?.holder };
  return { live: 'no', holder: holders[0] };
}

/**
 * A bare pid is no identity: whoever has it now may have started long after the program ended. But times in files are of
 * the wall clock, and where that was set forward since (in a virtual machine, whenever its host wakes up), everything
 * seems to have started later than it did. So only its name says that a younger process is another one.
 */
function isLive(pid: number, { seenAt, holdersName }: Registration, snapshot: Snapshot): Answer {
  const { processes, owner } = snapshot;
  if (processes === undefined) return 'unknown';
  const seen = processes.get(pid);
  if (seen === undefined || (seen.owner !== undefined && owner !== undefined && seen.owner !== owner)) return 'no';
  const isOld = startedBefore(seen, seenAt, snapshot);
  const isCalledSo = holdersName === undefined || holdersName.test(seen.name);
  if (isOld === 'yes') return isCalledSo ? 'yes' : 'unknown';
  return isOld === 'no' && !isCalledSo ? 'no' : 'unknown';
}

function startedBefore({ ageMs }: Process, seenAt: number | undefined, { at }: Snapshot): Answer {
  if (ageMs === undefined || seenAt === undefined || !Number.isFinite(seenAt)) return 'unknown';
  return at - ageMs <= seenAt + MARGIN_MS ? 'yes' : 'no';
}
