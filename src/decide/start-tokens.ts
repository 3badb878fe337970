import type { Host, Identity } from '../model/identity.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Written } from '../model/written.js';

/*
 * The start of a process is shown relative to the time namespace of the process that looks (time_namespaces(7)), so a
 * token that was recorded in another namespace says nothing: it is neither the same nor different.
 */

/** The namespace that every Linux boots with; the number is fixed in the kernel. */
const INITIAL = 'time:[4026531834]';

/**
 * Identifies the time namespace, to tell whether two start tokens can be compared. A namespace without an offset counts
 * as the initial one. The offsets are asked for only where there may be some: a hook has no time for more than the link.
 */
export function timeNamespaceFrom(link: string | undefined, offsets: () => string | undefined): string | undefined {
  if (link === undefined || link === INITIAL) return link;
  const offset = /^boottime\s+(-?\d+)\s+(\d+)$/m.exec(offsets() ?? '')?.slice(1);
  // The number alone is reused, and then with another offset.
  return offset === undefined
    ? link
    : offset.every((part) => Number(part) === 0)
      ? INITIAL
      : [link, ...offset].join(' ');
}

/** Earlier versions and plugins do not record it: taken for the initial one, as is a kernel without time namespaces. */
export const sharesTime = (a: string | undefined, b: string | undefined): boolean => (a ?? INITIAL) === (b ?? INITIAL);

export const isOfOurTime = (where: Pick<Host, 'timeNamespace'> | undefined, here: Host): boolean =>
  sharesTime(where?.timeNamespace, here.timeNamespace);

/**
 * Everything that was recorded, without the start tokens that mean nothing here; for holders of leases and runs,
 * `isAlive` decides.
 */
export function comparable<T extends Pick<Written, 'records' | 'uses' | 'witnesses' | 'fences' | 'kept'>>(
  written: T,
  here: Host,
): T {
  const known = <I extends Identity | undefined>(who: I, where: Host | undefined): I =>
    who && !isOfOurTime(where, here) ? { ...who, startToken: undefined } : who;
  const record = (one: ServerRecord): ServerRecord => ({
    ...one,
    spawned: known(one.spawned, one.machine),
    server: known(one.server, one.machine),
    starter: known(one.starter, one.machine),
  });
  return {
    ...written,
    records: written.records.map(record),
    uses: written.uses.map((use) => ({ ...use, holder: known(use.holder, undefined) })),
    witnesses: written.witnesses.map((witness) => ({ ...witness, holder: known(witness.holder, undefined) })),
    fences: written.fences.map((fence) => ({
      ...fence,
      tree: fence.tree.map((member) => known(member, fence.machine)),
      record: fence.record && record(fence.record),
    })),
    kept: written.kept.map((mark) => ({
      ...mark,
      processes: mark.processes.map((one) => known(one, mark.machine)),
    })),
  };
}

/** Why a process with a recorded pid cannot be compared with the recorded one. */
export const whyIncomparable = ({ machine }: ServerRecord, snapshot: Snapshot): string =>
  isOfOurTime(machine, snapshot.machine)
    ? 'its start token could not be read'
    : 'its start token was recorded in another time namespace';
