import { count, duration } from '../common/text.js';
import { isHistory, type Judged, type Reaped } from '../decide/plan.js';
import { mayBeHandedOver } from '../decide/remedies.js';
import { outcomeReason } from './outcome.js';
import { clean, memory, type Paint, shorten, tilde } from './text.js';

export interface Page {
  readonly paint: Paint;
  /** Columns of the terminal; undefined where lines may have any length. */
  readonly width: number | undefined;
  readonly home: string | undefined;
  readonly verbose: boolean;
}

const HEADINGS = ['VERDICT', 'PID', 'PORT', 'AGE', 'MEMORY', 'WORKSPACE', 'REASON'];
const MAX_PATH = 40;

/**
 * One line per server: the verdict, which server, and why in words; if the reason does not fit, it gets a line of its
 * own.
 */
export function table(all: readonly Judged[], page: Page): string[] {
  const servers = shown(all, page);
  if (servers.length === 0) return [];
  const rows = [HEADINGS, ...servers.map((server) => cells(server, page))];
  const widths = HEADINGS.map((_, column) => Math.max(...rows.map((row) => row[column]?.length ?? 0)));
  const fits = page.width === undefined || widths.reduce((sum, width) => sum + width + GAP.length, 0) <= page.width;
  return rows.flatMap((row, at) => {
    const padded = row.slice(0, -1).map((cell, column) => cell.padEnd(widths[column] ?? 0));
    const reason = row.at(-1) ?? '';
    const [line = '', ...more] = fits ? [[...padded, reason].join(GAP)] : [padded.join(GAP).trimEnd(), GAP + reason];
    const server = servers[at - 1];
    return server ? [coloured(line, server, page.paint), ...more] : [page.paint.dim(line)];
  });
}

const GAP = '  ';

const shown = (all: readonly Judged[], { verbose }: Page): readonly Judged[] =>
  verbose ? all : all.filter((server) => !isHistory(server));

function cells(server: Judged, { home }: Page): string[] {
  const { record, seen } = server;
  const process = seen.located.kind === 'present' ? seen.located.server : undefined;
  return [
    state(server),
    String(process?.pid ?? record.spawned?.pid ?? '–'),
    String(record.port ?? '–'),
    process?.ageMs === undefined ? '–' : duration(process.ageMs),
    memory(process?.memoryBytes),
    record.workspace === undefined ? '–' : shorten(tilde(clean(record.workspace), home), MAX_PATH),
    clean(reason(server)),
  ];
}

/** The outcome if something was done, else the verdict. */
export const state = ({ verdict, outcome }: Judged): string => outcome?.kind ?? verdict.kind;

function coloured(line: string, server: Judged, paint: Paint): string {
  const word = state(server);
  return `${colourOf(word, paint)(word)}${line.slice(word.length)}`;
}

function colourOf(word: string, paint: Paint) {
  if (word === 'stale' || word === 'stopped') return paint.green;
  if (word === 'survived' || word === 'denied') return paint.red;
  return word === 'unsure' || word === 'withheld' ? paint.yellow : paint.dim;
}

export function reason({ verdict, outcome }: Judged): string {
  if (outcome) return outcomeReason(outcome);
  if (verdict.kind === 'gone') return verdict.because;
  if (verdict.kind === 'stale')
    return verdict.guards.find(({ name }) => name === 'idle')?.detail ?? 'every guard passed';
  const named = verdict.guards.filter(({ name }) => verdict.reasons.includes(name));
  return named.map(({ name, detail }) => `${name}: ${detail}`).join('; ');
}

/** The lines below the table: what was done, what was not looked at, and the next step. */
export function closing(reaped: Reaped, page: Page): string[] {
  const { home, verbose } = page;
  const elsewhere = reaped.staleElsewhere;
  return [
    summary({ ...reaped, servers: shown(reaped.servers, page) }),
    ...(elsewhere === 0 ? [] : [`${count(elsewhere, 'stale server')} in other workspaces: opencode-reap --all-stale`]),
    ...reaped.unrecorded.map((server) => clean(unrecorded(server, home))),
    ...(verbose ? reaped.skipped.map(({ file, because }) => clean(`skipped: ${file}: ${because}`)) : []),
  ];
}

function summary({ servers, dryRun }: Reaped): string {
  if (servers.length === 0) return 'no servers are recorded here';
  const tally = new Map<string, number>();
  for (const server of servers) tally.set(state(server), (tally.get(state(server)) ?? 0) + 1);
  const counted = [...tally].map(([word, n]) => `${n} ${word}`).join(', ');
  const stale = tally.get('stale');
  if (dryRun && stale)
    return `${counted}; nothing was changed; run without --dry-run to stop ${stale === 1 ? 'it' : 'them'}`;
  return dryRun ? `${counted}; nothing was changed` : counted;
}

/** Everything that helps the user to recognize it: only the user can tell whose it is. */
function unrecorded({ record, seen }: Judged, home: string | undefined): string {
  const process = seen.located.kind === 'present' ? seen.located.server : undefined;
  const pid = record.server?.pid;
  const known = [
    `pid ${pid}`,
    record.port === undefined ? '' : `port ${record.port}`,
    seen.ageMs === undefined ? '' : `${duration(seen.ageMs)} old`,
    process?.memoryBytes === undefined ? '' : memory(process.memoryBytes),
    process?.terminal ? 'at a terminal' : '',
    record.workspace === undefined ? '' : `in ${shorten(tilde(record.workspace, home), MAX_PATH)}`,
  ].filter((word) => word !== '');
  const ways = [
    `opencode-reap stop ${pid} ends it`,
    ...(mayBeHandedOver(seen) ? [`opencode-reap adopt ${pid} lets it be reaped`] : []),
  ];
  return `not recorded: ${known.join(', ')}; left alone (${ways.join(', ')})`;
}
