import type { Refused, Started, Wanted } from './launch.js';
import { attach } from './session.js';
import { ensureServer } from './start.js';
import { jsonNames } from './state/files.js';
import type { World } from './world.js';

const ATTEMPTS = 3;

/**
 * A server, and the session's lease on it: whoever only asks for a server holds it, too. Without a session nobody's end
 * is waited for, so there is no lease either.
 */
export async function ensureForSession(
  wanted: Wanted,
  claudePid: string | undefined,
  world: World,
): Promise<Started | Refused> {
  for (let attempt = 1; ; attempt += 1) {
    const started = await ensureServer(wanted, world);
    if (started.kind === 'refused' || wanted.sessionId === undefined) return started;
    const port = Number(new URL(started.url).port);
    const { sessionId: session, workspace } = wanted;
    await attach({ session, claudePid, workspace, port, server: started.id }, world);
    // A run that had raised its fence by now may not have seen the lease; one that raises it later looks once more.
    if (attempt === ATTEMPTS || !isFenced(started, world)) return started;
  }
}

function isFenced({ id }: Started, { folder }: World): boolean {
  const fences = jsonNames(folder.closing);
  return fences.kind === 'names' && fences.names.includes(`${id}.json`);
}
