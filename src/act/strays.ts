import type { Stray } from '../model/outcome.js';
import type { Process } from '../model/process.js';
import { type Ending, endRest } from './end-tree.js';

/** Ends those strays that may be ended, and says for each whether it was ended. */
export async function endStrays(
  strays: readonly Process[],
  mayGo: readonly Process[],
  ending: Ending,
): Promise<readonly Stray[]> {
  const left = await endRest(mayGo, ending);
  const ended = (stray: Process): boolean => mayGo.includes(stray) && !left.includes(stray);
  return strays.map((stray) => ({ pid: stray.pid, name: stray.name, ended: ended(stray) }));
}
