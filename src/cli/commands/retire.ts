import { DEFAULTS } from '../../common/defaults.js';
import { openWorld } from '../../run/world.js';
import { ensureWatch } from '../../session/watch.js';

/**
 * What a server of an earlier version starts, by a plugin that it was given, once it has had nothing to do for long. It
 * keeps that plugin as long as it lives, and the watch looks after it now.
 */
export async function retireCommand(stateDir: string | undefined, program: string): Promise<number> {
  await ensureWatch(program, DEFAULTS.retireAfterMs, await openWorld(stateDir, process.env));
  return 0;
}
