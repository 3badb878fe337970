import { named } from '../decide/find.js';
import type { Policy } from '../decide/guards.js';
import type { ServerRecord } from '../decide/record.js';
import { type Judgement, judgeAll, lookAround, type Sight, unrecordedServers } from '../look.js';
import type { World } from '../world.js';
import { complain, complainAboutUnread } from './output.js';

export interface Chosen {
  readonly server: Judgement;
  readonly sight: Sight;
}

/**
 * The one server that a person named, judged; otherwise says which it cannot be, and returns undefined. A server that
 * nothing was written down about is asked only when it is about to be stopped: asking is not free for it.
 */
export async function choose(
  name: string,
  policy: Policy & { readonly onWord?: boolean },
  world: World,
): Promise<Chosen | undefined> {
  const sight = await lookAround(world);
  const unrecorded = (await unrecordedServers(sight, policy, world)).map(({ record }) => record);
  const found = named(name, [...sight.records, ...unrecorded], sight.snapshot);
  const [record, ...others] = found;
  if (record === undefined) {
    complainAboutUnread(sight.written.unread);
    return missing(name);
  }
  if (others.length > 0) return ambiguous(name, found);
  const near = await lookAround(world, record);
  const [server] = await judgeAll(near, policy, world, policy.onWord || record.ownership !== 'unrecorded');
  return server ? { server, sight: near } : missing(name);
}

function missing(name: string): undefined {
  complain(`no server is known by the id, pid or port ${name}`, 'opencode-reap list --all shows them');
}

function ambiguous(name: string, found: readonly ServerRecord[]): undefined {
  complain(`${name} names ${found.length} servers`, `say which: ${found.map(({ id }) => id).join(', ')}`);
}
