import { begunBy } from '../../decide/find.js';
import { serverName } from '../../decide/server-name.js';
import { wrap } from '../../report/columns.js';
import { logTable, logTotals } from '../../report/log-table.js';
import type { Past } from '../../report/past.js';
import { clean } from '../../report/text.js';
import { findServer } from '../../run/find-server.js';
import { isAbout } from '../../run/what-became.js';
import { openWorld } from '../../run/world.js';
import { readLog } from '../../state/ours/log.js';
import { missing } from '../choose.js';
import { type Common, pageFor, print } from '../output.js';

export interface LogOptions extends Common {
  /** 0 for all. */
  readonly lines: number;
  readonly since?: number;
  readonly utc?: boolean;
}

/** What was stopped or spared, and why, newest last. */
export async function logCommand(server: string | undefined, options: LogOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const ever = readLog(world.folder).filter(server === undefined ? () => true : isAbout(serverName(server)));
  if (server !== undefined && ever.length === 0) {
    // A server may be there with which nothing has been done yet; a name that nothing ever had is mistyped.
    const found = await findServer(server, { olderThanMs: 0, unasked: true, orElse: begunBy }, world);
    if (found.kind === 'missing') return missing(server, found.unread, world);
  }
  const all = ever.filter(since(options.since));
  const lines = all.slice(options.lines === 0 ? 0 : -options.lines);
  // One object a line, so that `grep` and `jq` can follow a log of any length.
  if (options.json) print(lines.map((line) => clean(JSON.stringify(line))));
  else if (!options.quiet) print(lines.length === 0 ? [nothing(server, options)] : said(lines, all, options));
  return 0;
}

function since(ms: number | undefined): (line: Past) => boolean {
  const from = ms === undefined ? undefined : Date.now() - ms;
  return ({ at }) => from === undefined || Date.parse(at) >= from;
}

const nothing = (server: string | undefined, { since }: LogOptions): string =>
  server === undefined && since === undefined
    ? 'nothing has been stopped or spared yet'
    : `nothing in the log${server === undefined ? '' : clean(` is about ${server}`)}${since === undefined ? '' : ' since then'}`;

function said(lines: readonly Past[], all: readonly Past[], options: LogOptions): string[] {
  const page = pageFor(options);
  const left = all.length - lines.length;
  const cut = left === 0 ? '' : `; ${left} older not shown: --lines 0`;
  return [...logTable(lines, options.utc === true, page), ...wrap(`${logTotals(all)}${cut}`, page.width, '')];
}
