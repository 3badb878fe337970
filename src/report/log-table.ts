import { whose } from '../decide/owner.js';
import { ADOPTED_BY } from '../model/record.js';
import { columns, type Row, wrap } from './columns.js';
import type { Past } from './past.js';
import { type Page, pathOf } from './table.js';
import { clean } from './text.js';

const HEADINGS: Row = {
  cells: ['WHEN', 'WHO', 'EVENT', 'PID', 'PORT'],
  path: 'WORKSPACE',
  notes: ['WHOSE', 'DETAIL'],
};

/** On whose behalf, in one word. What a background run does, a hook has asked for. */
const WHO: Readonly<Record<string, string>> = { 'background run': 'hook', library: 'plugin' };

/** The log for a person, in local time unless `utc`, and below each stop what the guards said. */
export function logTable(lines: readonly Past[], utc: boolean, page: Page): string[] {
  if (lines.length === 0) return [];
  const rows = columns([HEADINGS, ...lines.map((line) => row(line, utc, page))], page.width);
  return rows.flatMap((row, at) => {
    const line = lines[at - 1];
    if (line === undefined) return row.map((one) => page.paint.dim(one));
    return [...row, ...guardsOf(line, page).map((one) => page.paint.dim(one))];
  });
}

function row({ at, by, event, pid, port, workspace, plugin, detail, session }: Past, utc: boolean, page: Page): Row {
  const ofSession = session === undefined ? '' : ` (session ${session})`;
  return {
    cells: [when(at, utc), WHO[by ?? ''] ?? by ?? '–', event, `${pid ?? '–'}`, `${port ?? '–'}`].map(clean),
    path: pathOf(workspace, page),
    notes: [clean(whoseBy(plugin)), clean(`${detail}${ofSession}`)],
  };
}

/** In the words of the other tables, as far as the record said. */
function whoseBy(plugin: string | undefined): string {
  if (plugin === ADOPTED_BY) return whose({ kind: 'adopted' });
  return plugin === undefined ? '–' : whose({ kind: 'plugin', name: plugin });
}

const guardsOf = ({ guards = {} }: Past, { width }: Page): string[] =>
  wrap(
    Object.entries(guards)
      .map(([name, said]) => clean(`${name}: ${said}`))
      .join('; '),
    width,
    '  ',
  );

/** To the second, since two runs may follow each other closely; what is no time is shown as it was written. */
export function when(at: string, utc: boolean): string {
  const date = new Date(at);
  if (Number.isNaN(date.getTime())) return at;
  if (utc) return `${date.toISOString().slice(0, 19).replace('T', ' ')}Z`;
  const local = new Date(date.getTime() - date.getTimezoneOffset() * 60_000);
  return local.toISOString().slice(0, 19).replace('T', ' ');
}

/** How often each thing happened, the most frequent first. */
export function logTotals(lines: readonly Past[]): string {
  const counts = new Map<string, number>();
  for (const { event } of lines) counts.set(event, (counts.get(event) ?? 0) + 1);
  return [...counts]
    .sort(([, one], [, other]) => other - one)
    .map(([event, n]) => clean(`${n} ${event}`))
    .join(', ');
}
