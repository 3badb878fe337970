import type { Identity } from './identity.js';
import { descendants, type Environment, inGroup, type Process, type ProcessTable } from './process.js';
import type { Snapshot } from './snapshot.js';

/**
 * Everything that ends with a server: launcher, server, their descendants, and what else is in the group that the
 * spawn created. A group is not a tree (tools and shells have sessions of their own) and a tree is not a group
 * (children outlive a launcher that died), so it takes both.
 */
export function treeOf(
  launcher: Process | undefined,
  server: Process,
  spawnGroup: number | undefined,
  snapshot: Snapshot,
): Process[] {
  const table = snapshot.processes ?? new Map<number, Process>();
  const members = new Map<number, Process>();
  const add = (process: Process): unknown => members.set(process.pid, process);
  for (const root of [server, ...(launcher ? [launcher] : [])]) {
    add(root);
    descendants(table, root.pid).forEach(add);
  }
  // Only while the verified server is in it is that group known to be the one that the spawn created.
  if (spawnGroup !== undefined && server.group === spawnGroup) {
    for (const process of inGroup(table, spawnGroup)) {
      add(process);
      descendants(table, process.pid).forEach(add);
    }
  }
  return [...members.values()];
}

/**
 * What is still in the group that a spawn created. Its own process is no more, so only the tag tells that group from a
 * later one with the same number.
 */
export function leftOfSpawn(
  group: number | undefined,
  tag: string | undefined,
  table: ProcessTable,
  environments: ReadonlyMap<number, Environment>,
): Identity[] {
  if (group === undefined || tag === undefined) return [];
  return identified(inGroup(table, group).filter(({ pid }) => environments.get(pid)?.tag === tag));
}

/** Members that can be told from a later process with the same pid; the others are never signalled. */
export const identified = (tree: readonly Identity[]): Identity[] =>
  tree.filter((process) => process.startToken !== undefined).map(({ pid, startToken }) => ({ pid, startToken }));
