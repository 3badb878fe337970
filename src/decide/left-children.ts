import { sameProcess } from '../model/identity.js';
import { descendants, type Process, type ProcessTable } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';
import { namedIn, type Written } from '../model/written.js';
import type { Tree } from './tree.js';

/** When a process began, by the snapshot that shows it; undefined when its age is unknown. */
const beganAt = ({ ageMs }: Process, at: number): number | undefined => (ageMs === undefined ? undefined : at - ageMs);

/**
 * What a tree that has ended left behind, where a child keeps the pid of its parent: it has its parent's listening socket
 * as well, which accepts connections and never answers. `members` were seen at `notedAt`, `table` now. A process that is
 * older than the member with that pid had an earlier one for its parent. A server is judged or left alone.
 */
export function leftChildren(
  members: readonly Process[],
  notedAt: number,
  table: ProcessTable,
  now: number,
): Process[] {
  const began = new Map(members.map((member) => [member.pid as number, beganAt(member, notedAt)]));
  return [...table.values()].filter((process) => {
    const parentBegan = process.orphanOf === undefined ? undefined : began.get(process.orphanOf);
    const itBegan = beganAt(process, now);
    const isYounger = parentBegan !== undefined && itBegan !== undefined && itBegan >= parentBegan;
    return isYounger && process.command?.kind === 'other';
  });
}

/**
 * Those of them that are nobody else's by now: what waits for others itself, or stayed when the tree ended, is left alone,
 * and so is whatever a keep mark, a record, a lease or a job names, or a Claude Code, with everything that has one of these
 * below it. What could not be read might name any.
 */
export function mayEndLeft(
  left: readonly Process[],
  { left: stays }: Pick<Tree, 'left'>,
  listens: (pid: number) => boolean | undefined,
  written: Written,
  { processes }: Pick<Snapshot, 'processes'>,
): Process[] {
  const { leases, witnesses, uses, runs, fences, kept, unread } = written;
  // A mark that could not be read names no process.
  const isUnread = unread.length > 0 || kept.some((mark) => mark.processes.length === 0);
  if (processes === undefined || isUnread) return [];
  const holders = [
    ...[...leases, ...witnesses, ...uses, ...runs].flatMap(({ holder }) => holder ?? []),
    ...fences.map(({ run }) => run),
    ...namedIn(written),
    ...stays,
  ];
  const isOthers = (process: Process): boolean =>
    process.claude !== undefined ||
    process.command?.kind !== 'other' ||
    listens(process.pid) !== false ||
    holders.some((one) => sameProcess(one, process) !== 'different');
  return left.filter((child) => ![child, ...descendants(processes, child.pid)].some(isOthers));
}
