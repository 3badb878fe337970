import { begunBy } from '../decide/find.js';
import { type FindPolicy, findServer, type Named } from '../run/find-server.js';
import type { World } from '../run/world.js';
import { complain, complainAboutUnread } from './output.js';

export type Chosen = Named;

/** The one server that a person named, judged; otherwise says which it cannot be, and returns undefined. */
export async function choose(name: string, policy: FindPolicy, world: World): Promise<Chosen | undefined> {
  const found = await findServer(name, { ...policy, orElse: begunBy }, world);
  if (found.kind === 'named') return found;
  if (found.kind === 'missing') {
    complainAboutUnread(found.unread);
    complain(`no server is known by the id, pid or port ${name}`, 'opencode-reap list --all shows them');
  } else complain(`${name} names ${found.ids.length} servers`, `say which: ${found.ids.join(', ')}`);
  return undefined;
}
