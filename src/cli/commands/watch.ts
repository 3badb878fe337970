import { openWorld } from '../../run/world.js';
import type { BackgroundPolicy } from '../../session/background.js';
import { lookOnce, stay, WATCH_ENDS } from '../../session/watch.js';
import { write } from '../streams.js';

/** One look of the watch, for the shell that is the watch. Prints in how many seconds the next look is due. */
export async function watchCommand(
  token: string,
  {
    stateDir,
    stay: stays = false,
    ...policy
  }: BackgroundPolicy & { readonly stateDir?: string; readonly stay?: boolean },
  program: string,
): Promise<number> {
  const world = await openWorld(stateDir, process.env, 'watch');
  if (stays) {
    await stay(token, policy, program, world);
    return 0;
  }
  const nextMs = await lookOnce(token, policy, program, world);
  if (nextMs === undefined) return WATCH_ENDS;
  write('stdout', `${Math.max(1, Math.ceil(nextMs / 1000))}\n`);
  return 0;
}
