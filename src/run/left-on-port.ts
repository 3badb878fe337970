import { type Ending, endRest } from '../act/end-tree.js';
import { leftChildren } from '../decide/left-children.js';
import { identified } from '../decide/tree.js';
import type { Judgement } from './judge.js';
import type { World } from './world.js';

/**
 * Windows still lists a port under a server that has ended while a child that it left has its socket. Ends such children,
 * and returns the process that listens then; one that has ended is none.
 */
export async function freePortOf(
  port: number,
  { tree, survey }: Judgement,
  { platform }: World,
  ending: Ending,
): Promise<number | undefined> {
  platform.lookAnew?.();
  const table = (await platform.processes()) ?? new Map();
  const left = leftChildren(tree.members, survey.snapshot.at, table, Date.now());
  await endRest(identified(left), ending);
  const listener = (await platform.listener(port))?.pid;
  return listener !== undefined && table.has(listener) ? listener : undefined;
}
