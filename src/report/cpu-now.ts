import type { Judged, Reaped } from '../decide/plan.js';
import { sameProcess } from '../model/identity.js';
import { cpuShare, type Process } from '../model/process.js';

/** By pid, the share of a core that each server has used between two looks; those that were in both. */
export function cpuNow(before: Reaped | undefined, now: Reaped | undefined): ReadonlyMap<number, number> {
  const earlier = new Map(processesOf(before).map((process) => [process.pid as number, process]));
  return new Map(
    processesOf(now).flatMap((process) => {
      const share = shareSince(earlier.get(process.pid), process);
      return share === undefined ? [] : [[process.pid, share] as const];
    }),
  );
}

function shareSince(before: Process | undefined, now: Process): number | undefined {
  if (before === undefined || sameProcess(before, now) !== 'same') return undefined;
  return cpuShare({
    cpuMs: minus(now.cpuMs, before.cpuMs),
    ageMs: minus(now.ageMs, before.ageMs),
  });
}

const minus = (one: number | undefined, other: number | undefined): number | undefined =>
  one === undefined || other === undefined ? undefined : one - other;

const processesOf = (reaped: Reaped | undefined): Process[] =>
  [...(reaped?.servers ?? []), ...(reaped?.unrecorded ?? [])].flatMap(({ seen: { located } }: Judged) =>
    located.kind === 'present' ? located.server : [],
  );
