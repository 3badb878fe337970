import { count, duration } from '../common/text.js';
import { shownBirth } from '../decide/born-proofs.js';
import { whose } from '../decide/owner.js';
import { isHistory, type Judged, type Reaped } from '../decide/plan.js';
import { mayBeHandedOver } from '../decide/remedies.js';
import { columns, GAP, type Row, wrap } from './columns.js';
import { outcomeReason } from './outcome.js';
import { clean, memory, type Paint, tilde } from './text.js';

export interface Page {
  readonly paint: Paint;
  /** Columns of the terminal; undefined where lines may have any length. */
  readonly width: number | undefined;
  readonly home: string | undefined;
  readonly verbose: boolean;
}

const HEADINGS: Row = {
  cells: ['VERDICT', 'PID', 'PORT', 'AGE', 'MEMORY'],
  path: 'WORKSPACE',
  notes: ['WHOSE', 'REASON'],
};

/**
 * One line per server: the verdict, which server, whose it is, and why in words; what does not fit gets a line of its
 * own.
 */
export function table(all: readonly Judged[], page: Page): string[] {
  const servers = shown(all, page);
  if (servers.length === 0) return [];
  const rows = columns([HEADINGS, ...servers.map((server) => row(server, page))], page.width);
  return rows.flatMap(([line = '', ...more], at) => {
    const server = servers[at - 1];
    return server ? [coloured(line, server, page.paint), ...more] : [line, ...more].map((one) => page.paint.dim(one));
  });
}

const shown = (all: readonly Judged[], { verbose }: Page): readonly Judged[] =>
  verbose ? all : all.filter((server) => !isHistory(server));

function row(server: Judged, page: Page): Row {
  const { record, seen } = server;
  return {
    cells: [state(server), ...cells(server)],
    path: pathOf(record.workspace, page),
    notes: [clean(whose(seen.owner)), clean(reason(server))],
  };
}

function cells({ record, seen }: Judged): string[] {
  const process = seen.located.kind === 'present' ? seen.located.server : undefined;
  return [
    String(process?.pid ?? record.spawned?.pid ?? '–'),
    String(record.port ?? '–'),
    process?.ageMs === undefined ? '–' : duration(process.ageMs),
    memory(process?.memoryBytes),
  ];
}

const pathOf = (path: string | undefined, { home }: Page): string =>
  path === undefined ? '–' : tilde(clean(path), home);

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

export function reason({ seen, verdict, outcome }: Judged): string {
  if (outcome) return outcomeReason(outcome);
  if (verdict.kind === 'gone') return verdict.because;
  if (verdict.kind === 'stale') {
    const idle = verdict.guards.find(({ name }) => name === 'idle')?.detail ?? 'every guard passed';
    // No file says whose it is.
    return [idle, shownBirth(seen)].filter(Boolean).join('; ');
  }
  const named = verdict.guards.filter(({ name }) => verdict.reasons.includes(name));
  return named.map(({ name, detail }) => `${name}: ${detail}`).join('; ');
}

/** The lines below the table: what was done, what was not looked at, and the next step. */
export function closing(reaped: Reaped, page: Page): string[] {
  const { verbose } = page;
  const elsewhere = reaped.staleElsewhere;
  return [
    summary({ ...reaped, servers: shown(reaped.servers, page) }),
    ...(elsewhere === 0 ? [] : [`${count(elsewhere, 'stale server')} in other workspaces: opencode-reap --all-stale`]),
    ...unrecorded(reaped.unrecorded, page),
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

/** Everything that helps the user to recognize them, and what the user can do about each. */
function unrecorded(all: readonly Judged[], page: Page): string[] {
  if (all.length === 0) return [];
  const rows = all.map((server) => ({
    cells: cells(server),
    path: pathOf(server.record.workspace, page),
    notes: [clean(whose(server.seen.owner))],
  }));
  const width = page.width === undefined ? undefined : page.width - GAP.length;
  const lines = columns([UNRECORDED_HEADINGS, ...rows], width).flat();
  const named = all.length === 1 ? `${all[0]?.record.server?.pid}` : 'PID';
  const ways = [
    `opencode-reap stop ${named} ends ${all.length === 1 ? 'it' : 'one'}`,
    ...(all.some(({ seen }) => mayBeHandedOver(seen)) ? [`opencode-reap adopt ${named} lets it be reaped`] : []),
  ];
  return [
    `${count(all.length, 'server')} not recorded, and left alone:`,
    ...lines.map((line) => `${GAP}${line}`),
    ...wrap(`${ways.join('; ')}`, page.width, ''),
  ];
}

const UNRECORDED_HEADINGS: Row = { cells: ['PID', 'PORT', 'AGE', 'MEMORY'], path: 'WORKSPACE', notes: ['WHOSE'] };
