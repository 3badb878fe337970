import { fstatSync, writeSync } from 'node:fs';
import { isSystemError } from '../common/errors.js';
import type { Variables } from '../common/variables.js';
import type { Judged, Reaped } from '../decide/plan.js';
import { noticeLine } from '../report/notice.js';
import type { StateFolder } from '../state/folders.js';
import { addNotice, takeNotice } from '../state/ours/notice.js';

/** What a run that no one watched did is noted for whoever begins the next session. */
export function noteForNext({ servers }: Reaped, folder: StateFolder): void {
  const stopped = servers.flatMap((server) =>
    server.outcome?.kind === 'stopped' ? { ...server, outcome: server.outcome } : [],
  );
  const left = servers.filter(isLeft).flatMap(pidOf);
  if (stopped.length + left.length === 0) return;
  const news = {
    stopped: stopped.length,
    bytes: stopped.reduce((sum, server) => sum + bytesOf(server), 0),
    ports: stopped.flatMap(({ record, outcome }) => (outcome.successor === undefined ? (record.port ?? []) : [])),
    left,
  };
  addNotice(
    folder,
    news,
    stopped.flatMap(({ outcome }) => outcome.processes),
  );
}

/** What has come into use meanwhile is withheld as well, and is no failure. */
const isLeft = ({ outcome }: Judged): boolean =>
  outcome?.kind === 'survived' ||
  outcome?.kind === 'denied' ||
  (outcome?.kind === 'withheld' && outcome.overLimit === true);

const pidOf = ({ seen: { located } }: Judged): number[] => (located.kind === 'present' ? [located.server.pid] : []);

const bytesOf = ({ seen: { located } }: Judged): number =>
  located.kind === 'present' ? (located.server.memoryBytes ?? 0) : 0;

/**
 * Tells the person who has begun a session, once. Of what a hook prints at the start, Claude Code shows `systemMessage`
 * and keeps it from the model (measured with 2.1.117 and 2.1.330). `descriptor` is where the line that calls us says
 * that this leads: a node in between may print anything. A session that a program drives has no one to tell.
 */
export function tellNotice(descriptor: number | undefined, env: Variables, folder: StateFolder): void {
  const isOff = env.OPENCODE_REAP_NOTICE === 'off' || env.CLAUDE_CODE_ENTRYPOINT?.startsWith('sdk');
  if (descriptor === undefined || isOff) return;
  try {
    // On Windows, a shell hands on no more than the three that every program has.
    const stat = fstatSync(descriptor);
    if (!stat.isSocket() && !stat.isFIFO() && !stat.isFile()) return;
    const notice = takeNotice(folder);
    const systemMessage = notice && noticeLine(notice);
    if (systemMessage !== undefined) writeSync(descriptor, `${JSON.stringify({ systemMessage })}\n`);
  } catch (error) {
    // Nobody reads it, or it cannot be taken.
    if (!isSystemError(error)) throw error;
  }
}
