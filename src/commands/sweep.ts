import { DEFAULTS } from '../defaults.js';
import { sweep } from '../sweep.js';
import { openWorld } from '../world.js';
import type { Common } from './output.js';

/** The background run that the hooks start. It prints nothing: nobody listens. */
export async function sweepCommand(
  options: Common & { readonly olderThan: number; readonly grace: number },
): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  await sweep(
    { olderThanMs: options.olderThan, graceMs: options.grace, limit: DEFAULTS.limit },
    world,
    process.argv[1],
  );
  return 0;
}
