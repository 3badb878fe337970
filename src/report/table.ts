import { duration } from '../common/text.js';
import { shownBirth } from '../decide/born-proofs.js';
import { whose } from '../decide/owner.js';
import { isHistory, type Judged } from '../decide/plan.js';
import { cpuShare } from '../model/process.js';
import { columns, type Row } from './columns.js';
import { outcomeReason } from './outcome.js';
import { clean, memory, type Paint, percent, tilde } from './text.js';

export interface Page {
  readonly paint: Paint;
  /** Columns of the terminal; undefined where lines may have any length. */
  readonly width: number | undefined;
  readonly home: string | undefined;
  readonly verbose: boolean;
  /** The share of a core that each process uses at this moment, where that was measured. */
  readonly cpuNow?: ReadonlyMap<number, number>;
}

const HEADINGS: Row = {
  cells: ['VERDICT', 'PID', 'PORT', 'AGE', 'CPU', 'MEMORY'],
  path: 'WORKSPACE',
  notes: ['WHOSE', 'REASON'],
};

/**
 * One line per server, the largest first: the verdict, which server, whose it is, and why in words; what does not fit
 * gets a line of its own.
 */
export function table(all: readonly Judged[], page: Page): string[] {
  const servers = largestFirst(shown(all, page));
  const { heading, rows } = layOut(servers, page, HEADINGS.notes.length);
  return servers.length === 0 ? [] : [...heading, ...rows.flat()];
}

/** The same without the reasons, in the order of the servers: the lines of the heading, and those of each server. */
export const choices = (servers: readonly Judged[], page: Page): Layout => layOut(servers, page, 1);

interface Layout {
  readonly heading: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

function layOut(servers: readonly Judged[], page: Page, notes: number): Layout {
  const isShared = sharedIn(servers);
  const all = [headings(HEADINGS, page), ...servers.map((server) => row(server, isShared(server), page))];
  const few = all.map((one) => ({ ...one, notes: one.notes.slice(0, notes) }));
  const [heading = [], ...rows] = columns(few, page.width);
  return {
    heading: heading.map((line) => page.paint.dim(line)),
    rows: servers.map((server, at) => {
      const [line = '', ...more] = rows[at] ?? [];
      return [coloured(line, server, page.paint), ...more];
    }),
  };
}

const UNRECORDED_HEADINGS: Row = {
  cells: ['PID', 'PORT', 'AGE', 'CPU', 'MEMORY'],
  path: 'WORKSPACE',
  notes: ['WHOSE'],
};

/** Servers that are not recorded, which all have the same verdict: what helps their user to recognize them. */
export function unrecordedTable(all: readonly Judged[], page: Page): string[] {
  if (all.length === 0) return [];
  const rows = largestFirst(all).map((server) => ({
    cells: cells(server, page),
    path: pathOf(server.record.workspace, page),
    notes: [clean(whose(server.seen.owner))],
  }));
  const [first = [], ...lines] = columns([headings(UNRECORDED_HEADINGS, page), ...rows], page.width);
  return [...first.map((line) => page.paint.dim(line)), ...lines.flat()];
}

const memoryOf = ({ seen: { located } }: Judged): number =>
  located.kind === 'present' ? (located.server.memoryBytes ?? 0) : 0;

/** Those of the same size, and those whose size is not known, stay in their order. */
export const largestFirst = (servers: readonly Judged[]): readonly Judged[] =>
  [...servers].sort((one, other) => memoryOf(other) - memoryOf(one));

export const shown = (all: readonly Judged[], { verbose }: Page): readonly Judged[] =>
  verbose ? all : all.filter((server) => !isHistory(server));

function row(server: Judged, needsId: boolean, page: Page): Row {
  const { record, seen } = server;
  const id = needsId ? ` (id ${record.id})` : '';
  return {
    cells: [state(server), ...cells(server, page)],
    path: pathOf(record.workspace, page),
    notes: [clean(whose(seen.owner)), clean(`${reason(server)}${id}`)],
  };
}

/** Whether neither its pid nor its port is shown, or other rows have both: with a thousand rows, each is counted once. */
function sharedIn(all: readonly Judged[]): (server: Judged) => boolean {
  const marks = [pidOf, ({ record }: Judged) => record.port].map((of) => ({ of, counts: countsOf(all.map(of)) }));
  return (server) =>
    marks.every(({ of, counts }) => {
      const mark = of(server);
      return mark === undefined || counts.get(mark) !== 1;
    });
}

function countsOf(values: readonly (number | undefined)[]): ReadonlyMap<number | undefined, number> {
  const counts = new Map<number | undefined, number>();
  for (const value of values) counts.set(value, (counts.get(value) ?? 0) + 1);
  return counts;
}

const pidOf = ({ record, seen }: Judged): number | undefined =>
  seen.located.kind === 'present' ? seen.located.server.pid : record.spawned?.pid;

const isNow = ({ cpuNow }: Page): boolean => cpuNow !== undefined && cpuNow.size > 0;

/** What the figures are of, if not of a whole life. */
const headings = (row: Row, page: Page): Row => ({
  ...row,
  cells: row.cells.map((cell) => (cell === 'CPU' && isNow(page) ? 'CPU NOW' : cell)),
});

function cells(server: Judged, page: Page): string[] {
  const { record, seen } = server;
  const process = seen.located.kind === 'present' ? seen.located.server : undefined;
  return [
    String(pidOf(server) ?? '–'),
    String(record.port ?? '–'),
    process?.ageMs === undefined ? '–' : duration(process.ageMs),
    percent(process && (isNow(page) ? page.cpuNow?.get(process.pid) : cpuShare(process))),
    memory(process?.memoryBytes),
  ];
}

export const pathOf = (path: string | undefined, { home }: Page): string =>
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
