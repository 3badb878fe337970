import { compare } from '../model/identity.js';
import type { Use } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Answer } from './alive.js';
import { isOfEarlierBoot } from './earlier-boot.js';
import { type CoveringLease, isStartedIn, type ServerKeys } from './leases.js';

/** A job of a plugin that may be running on a server. */
export interface RunningJob {
  readonly file: string;
  readonly name: string;
  readonly holderPid: number | undefined;
  readonly live: Exclude<Answer, 'no'>;
}

/** The jobs that are, or may be, in flight on a server. */
export function jobsOn(server: ServerKeys, uses: readonly Use[], snapshot: Snapshot): RunningJob[] {
  return usesOf(server, uses, 'job').flatMap((use) => {
    const live = isInUse(use, snapshot);
    return live === 'no' ? [] : [{ file: use.file, name: use.name, holderPid: use.holder?.pid, live }];
  });
}

/** The leases in plugins' own lists of sessions. */
export const pluginLeasesOn = (server: ServerKeys, uses: readonly Use[], snapshot: Snapshot): CoveringLease[] =>
  usesOf(server, uses, 'lease').map((use) => ({
    file: use.file,
    session: use.session,
    holderPid: use.holder?.pid,
    live: isInUse(use, snapshot),
    covers: 'yes',
  }));

export const usesOf = (server: ServerKeys, uses: readonly Use[], kind: Use['kind']): Use[] =>
  uses.filter(
    (use) => use.kind === kind && (covers(use, server) || (kind === 'lease' && isStartedIn(use.session, server))),
  );

function covers({ covers: coverage }: Use, { records, ports }: ServerKeys): boolean {
  switch (coverage.kind) {
    case 'record':
      return records.some(({ source }) => source.file === coverage.file);
    case 'workspace':
      return records.some(
        ({ source, workspaceHash }) => source.format === coverage.format && workspaceHash === coverage.hash,
      );
    case 'port':
      return ports.includes(coverage.port);
    case 'plugins':
      return (
        records.some(({ source }) => coverage.formats.includes(source.format)) ||
        coverage.ports.some((port) => ports.includes(port))
      );
  }
}

/**
 * Two clocks never differ by more than this. A process that started this much later than the last sign of life is
 * another process, and a sign this far in the future does not count.
 */
export const MARGIN_MS = 5_000;

/** What cannot be told of a list that was last written before this boot is over. */
function isInUse(use: Use, snapshot: Snapshot): Answer {
  const live = isInUseBySigns(use, snapshot);
  return live === 'unknown' && isOfEarlierBoot(use.modifiedAt, snapshot) ? 'no' : live;
}

function isInUseBySigns(
  { kind, holder, seenAt, countsForMs }: Use,
  { at, processes, setForwardMs = 0 }: Snapshot,
): Answer {
  if (holder === undefined) {
    if (!isPast(seenAt, at)) return 'unknown';
    if (at - seenAt >= countsForMs) return 'no';
    // A job without a process may be queued; a session without one may have ended long ago.
    return kind === 'job' ? 'yes' : 'unknown';
  }
  if (processes === undefined) return 'unknown';
  const seen = processes.get(holder.pid);
  if (seen === undefined) return 'no';
  if (holder.startToken !== undefined) {
    const sameness = compare(holder.startToken, seen.startToken);
    return sameness === 'same' ? 'yes' : sameness === 'different' ? 'no' : 'unknown';
  }
  if (!isPast(seenAt, at) || seen.ageMs === undefined) return 'unknown';
  const afterMs = at - seen.ageMs - seenAt - MARGIN_MS;
  if (afterMs <= 0) return 'yes';
  // If the clock was set forward since, the process seems to have started as much later than it did.
  return afterMs <= setForwardMs ? 'unknown' : 'no';
}

const isPast = (sign: number | undefined, now: number): sign is number => sign !== undefined && sign <= now + MARGIN_MS;
