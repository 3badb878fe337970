import { duration } from '../common/text.js';
import type { Logged } from './log-line.js';

/** A line of the log, with the time and on whose behalf. */
export interface Past extends Omit<Logged, 'event'> {
  readonly at: string;
  readonly by?: string | undefined;
  readonly event: string;
}

/** After these, the server is no longer there. */
const ENDS: Readonly<Record<string, string>> = {
  stopped: 'was stopped',
  // When it ended is not known: only when that was seen.
  gone: 'had ended when it was looked at',
  replaced: 'had ended when it was looked at',
  finished: 'was stopped',
  'given up': 'did not become ready',
};

/** The newest line that says how a server with that id, pid, port or folder came to its end. */
export const lastEnd = (lines: readonly Past[], isIt: (line: Past) => boolean): Past | undefined =>
  lines.findLast((line) => Object.hasOwn(ENDS, line.event) && isIt(line));

/** "pid 66 on port 4196 was stopped 3 min ago by the hook of session 1b2c, because …", in one line. */
export function becameOf({ at, by, event, pid, port, session, detail, guards }: Past, now: number): string {
  const ago = now - Date.parse(at);
  const named = `pid ${pid ?? '–'}${port === undefined ? '' : ` on port ${port}`}`;
  const when = Number.isFinite(ago) ? ` ${duration(Math.max(0, ago))} ago` : '';
  const whom = event === 'stopped' ? whomOf(by, session) : '';
  const because = [guards?.unleased, guards?.idle].filter((one) => one !== undefined).join(', ');
  const why =
    because === '' || event !== 'stopped' || detail.includes(' by hand') ? `: ${detail}` : `, because ${because}`;
  return `${named} ${ENDS[event] ?? event}${when}${whom}${why}`;
}

function whomOf(by: string | undefined, session: string | undefined): string {
  if (by === 'background run') return session === undefined ? ' by a hook' : ` by the hook of session ${session}`;
  if (by === 'person') return ' by you';
  return by === 'library' ? ' by a plugin' : by === undefined ? '' : ` by the ${by}`;
}
