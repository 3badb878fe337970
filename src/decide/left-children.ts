import type { Process, ProcessTable } from '../model/process.js';

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
