import { jsonServer } from '../../report/json.js';
import { clean } from '../../report/text.js';
import { why } from '../../report/why.js';
import { openWorld } from '../../run/world.js';
import { afterItsEnd, choose } from '../choose.js';
import { type Common, pageFor, print, printJson } from '../output.js';

export async function whyCommand(name: string, options: Common & { readonly olderThan: number }): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const chosen = await choose(name, { olderThanMs: options.olderThan }, world);
  if (typeof chosen === 'number') return chosen;
  const judged = { ...chosen.server, outcome: undefined };
  if (options.json) printJson(jsonServer(judged));
  else if (!options.quiet) {
    const isGone = judged.verdict.kind === 'gone';
    print([...why(judged, pageFor(options)), ...(isGone ? await afterItsEnd(name, world) : []).map(clean)]);
  }
  return 0;
}
