import { begunBy } from '../decide/find.js';
import { type FindPolicy, findServer, type Named } from '../run/find-server.js';
import type { World } from '../run/world.js';
import { complain, complainAboutUnread } from './output.js';

export type Chosen = Named;

/** The one server that the user named, judged; otherwise prints why it is not one server and returns undefined. */
export async function choose(name: string, policy: FindPolicy, world: World): Promise<Chosen | undefined> {
  const found = await findServer(name, { ...policy, orElse: begunBy }, world);
  if (found.kind === 'named') return found;
  if (found.kind === 'missing') {
    complainAboutUnread(found.unread);
    complain(`no known server has the id, pid or port ${name}`, 'opencode-reap list --all shows every server');
  } else complain(`${name} names ${found.ids.length} servers`, `choose one: ${found.ids.join(', ')}`);
  return undefined;
}
