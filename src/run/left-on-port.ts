import { type Ending, endRest } from '../act/end-tree.js';
import { leftChildren, mayEndLeft } from '../decide/left-children.js';
import { identified } from '../decide/tree.js';
import { descendants } from '../model/process.js';
import type { Judgement } from './judge.js';
import { surveyOne } from './survey.js';
import type { World } from './world.js';

/**
 * Windows still lists a port under a server that has ended while a child that it left has its socket. Ends such children
 * as are nobody else's, by a look of their own, and returns the process that listens then; one that has ended is none.
 */
export async function freePortOf(
  port: number,
  { record, tree, survey }: Judgement,
  world: World,
  ending: Ending,
): Promise<number | undefined> {
  const { platform } = world;
  platform.lookAnew?.();
  const { written, snapshot } = await surveyOne(world, record);
  const table = snapshot.processes ?? new Map();
  const left = leftChildren(tree.members, survey.snapshot.at, table, snapshot.at);
  const all = left.flatMap((child) => [child, ...descendants(table, child.pid)]).map(({ pid }) => pid);
  const details = await platform.details({ listens: all });
  const mayGo = mayEndLeft(left, tree, (pid) => details.get(pid)?.listens, written, snapshot);
  await endRest(identified(mayGo), ending);
  const found = await platform.listener(port);
  const listener = found === 'nobody' ? undefined : found?.pid;
  return listener !== undefined && table.has(listener) ? listener : undefined;
}
