import { begunBy } from '../decide/find.js';
import { type FindPolicy, findServer, type Named } from '../run/find-server.js';
import type { World } from '../run/world.js';
import { complain, complainAboutUnread } from './output.js';

export type Chosen = Named;

/** What a script may want to tell from a failure: it named a server that is not there. */
const NOT_FOUND = 4;

/** The one server that the user named, judged; otherwise prints why it is not one server and returns the exit code. */
export async function choose(name: string, policy: FindPolicy, world: World): Promise<Chosen | number> {
  const found = await findServer(name, { ...policy, orElse: begunBy }, world);
  if (found.kind === 'named') return found;
  if (found.kind === 'missing') {
    complainAboutUnread(found.unread);
    complain(`no known server has the id, pid or port ${name}`, 'opencode-reap list --all shows every server');
    // What could not be read may be about it.
    return found.unread.length > 0 ? 1 : NOT_FOUND;
  }
  complain(`${name} names ${found.ids.length} servers`, `choose one: ${found.ids.join(', ')}`);
  return 1;
}
