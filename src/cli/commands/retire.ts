import { openWorld } from '../../run/world.js';
import { ensureWatch } from '../../session/watch.js';

/**
 * Servers of an earlier version call this, through a plugin that was injected into them, once they have long been idle.
 * They keep that plugin as long as they live; the watch looks after them now.
 */
export async function retireCommand(stateDir: string | undefined, program: string): Promise<number> {
  await ensureWatch(program, undefined, await openWorld(stateDir, process.env));
  return 0;
}
