import { DEFAULTS } from '../common/defaults.js';
import { whoAnswers } from '../observe/server/who-answers.js';
import { findServer } from '../run/find-server.js';
import { stopNamed } from '../run/stop-and-log.js';
import type { World } from '../run/world.js';
import { attach } from '../session/attach.js';
import { endWatchIfOver, ensureWatch } from '../session/watch.js';
import { jsonNames } from '../state/files/read.js';
import { ensureServer } from './ensure-server.js';
import type { Refused, Started, Wanted } from './request.js';

const ATTEMPTS = 3;

/**
 * A server, and the session's lease on it: asking for a server is enough to hold it. Without a session there is no end
 * to wait for, so there is no lease either.
 */
export async function ensureForSession(
  wanted: Wanted,
  claudePid: string | undefined,
  world: World,
): Promise<Started | Refused> {
  let isHad = false;
  try {
    const started = await ensureHeld(wanted, claudePid, world);
    isHad = started.kind === 'started';
    return started;
  } finally {
    // The watch was started before the server.
    if (!isHad) await endWatchIfOver(wanted.program, world);
  }
}

async function ensureHeld(wanted: Wanted, claudePid: string | undefined, world: World): Promise<Started | Refused> {
  for (let attempt = 1; ; attempt += 1) {
    const started = await ensureServer(wanted, world);
    if (started.kind === 'refused') return started;
    if (wanted.sessionId === undefined) return watched(wanted, started, world);
    const port = Number(new URL(started.url).port);
    const { sessionId: session, workspace } = wanted;
    try {
      await attach({ session, claudePid, workspace, port, server: started.id }, world);
    } catch (error) {
      await stopUnheld(started, world);
      throw error;
    }
    // A run that had already raised its fence may not have seen the lease; one that raises it later looks once more.
    if (attempt === ATTEMPTS || !(isFenced(started, world) || (await isOver(wanted.hostname, port)))) {
      return watched(wanted, started, world);
    }
  }
}

/**
 * A reused server keeps the settings of its starter; for a server that we started, the watch is already taken care of.
 */
async function watched({ program }: Wanted, started: Started, world: World): Promise<Started> {
  if (started.alreadyRunning && started.id !== undefined) await ensureWatch(program, undefined, world);
  return started;
}

/** The run may even be done by now, and have taken its fence down. */
const isOver = async (host: string, port: number): Promise<boolean> =>
  (await whoAnswers(host, port, undefined, true)) === 'nobody';

/** If no lease can be written, the caller gets no server, but another caller may have been given it by now. */
async function stopUnheld({ id, alreadyRunning }: Started, world: World): Promise<void> {
  if (id === undefined || alreadyRunning) return;
  const policy = {
    olderThanMs: 0,
    graceMs: DEFAULTS.graceMs,
    endStrays: false,
    why: 'no lease could be written for it',
  };
  const found = await findServer(id, policy, world);
  if (found.kind === 'named' && found.server.verdict.kind === 'stale') await stopNamed(found.server, policy, world);
}

function isFenced({ id }: Started, { folder }: World): boolean {
  const fences = jsonNames(folder.closing);
  return fences.kind === 'names' && fences.names.includes(`${id}.json`);
}
