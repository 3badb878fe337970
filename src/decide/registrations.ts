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
    .filter((registration) => isAbout(registration, processes, ports, snapshot))
    .map((registration) => ({ registration, ...liveHolder(registration, snapshot) }));
  return (['yes', 'unknown', 'no'] as const).flatMap((answer) => claims.find(({ live }) => live === answer) ?? [])[0];
}

/** A process that started after it was written down is another one, with a pid or a port that was free again. */
function isAbout(
  { pid, port, doubt, seenAt }: Registration,
  processes: readonly Process[],
  ports: readonly number[],
  snapshot: Snapshot,
): boolean {
  if (isOfEarlierBoot(seenAt, snapshot) || processes.length === 0) return false;
  if (pid === undefined && port === undefined) return doubt !== undefined;
  const named = processes.filter((process) => process.pid === pid);
  const meant =
    port !== undefined && ports.includes(port) && named.length === 0 && pid === undefined ? processes : named;
  return meant.some((process) => startedBefore(process, seenAt, snapshot) !== 'no');
}

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

/** A bare pid is no identity: whoever has it now may have started long after the program ended. */
function isLive(pid: number, { seenAt, holdersName }: Registration, snapshot: Snapshot): Answer {
  const { processes, owner } = snapshot;
  if (processes === undefined) return 'unknown';
  const seen = processes.get(pid);
  if (seen === undefined || (seen.owner !== undefined && owner !== undefined && seen.owner !== owner)) return 'no';
  const isOld = startedBefore(seen, seenAt, snapshot);
  return isOld === 'yes' && holdersName?.test(seen.name) === false ? 'unknown' : isOld;
}

function startedBefore({ ageMs }: Process, seenAt: number | undefined, { at }: Snapshot): Answer {
  if (ageMs === undefined || seenAt === undefined || !Number.isFinite(seenAt)) return 'unknown';
  return at - ageMs <= seenAt + MARGIN_MS ? 'yes' : 'no';
}
