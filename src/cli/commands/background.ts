import { DEFAULTS } from '../../common/defaults.js';
import { openWorld } from '../../run/world.js';
import { runInBackground } from '../../session/background.js';
import { follow } from '../course.js';
import type { Common } from '../output.js';

/** The background run that the hooks start. It prints nothing: there is no reader. */
export async function backgroundCommand(
  options: Common & { readonly olderThan: number; readonly grace: number },
): Promise<number> {
  const world = await openWorld(options.stateDir, process.env, 'background run');
  const course = follow(world, { ...options, quiet: true });
  const { olderThan: olderThanMs, grace: graceMs } = options;
  const policy = { olderThanMs, graceMs, limit: DEFAULTS.limit, told: course.told };
  await runInBackground(policy, world, process.argv[1]).finally(course.end);
  return 0;
}
