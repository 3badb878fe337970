import { count } from '../common/text.js';
import { wrap } from '../report/columns.js';
import { choices, type Page } from '../report/table.js';
import { memory, paintFor } from '../report/text.js';
import { why } from '../report/why.js';
import { type Choice, chosenIn, current, type Picking, visible } from './picking.js';

/** The lines of a terminal with so many rows. */
export function pickPage(picking: Picking, page: Page, rows: number): string[] {
  return picking.why === undefined ? list(picking, page, rows) : guards(picking, picking.why, page, rows);
}

const HELP = 'arrows move, space chooses, enter stops, / or a digit filters, w why, q leaves';
const TYPING_HELP = 'type a port, pid, folder, owner or verdict; enter keeps it, esc clears it';
const WHY_HELP = 'w goes back to the list';

function list(picking: Picking, page: Page, rows: number): string[] {
  const { paint, width } = page;
  const { isTyping, servers } = picking;
  const filter = isTyping || picking.filter !== '' ? [`filter: ${picking.filter}${isTyping ? '_' : ''}`] : [];
  const shown = visible(picking);
  const below = [
    '',
    ...wrap(summary(picking, shown), width, ''),
    ...wrap(isTyping ? TYPING_HELP : HELP, width, '').map((line) => paint.dim(line)),
  ];
  const table = choices(
    shown.map(({ server }) => server),
    { ...page, width: width === undefined ? undefined : width - MARGIN.length },
  );
  const above = [...filter, ...(shown.length > 0 ? table.heading.map((line) => `${MARGIN}${line}`) : [])];
  const blocks = shown.map((choice, at) => block(choice, table.rows[at] ?? [], picking, page));
  const now = shown.findIndex(({ key }) => key === current(picking)?.key);
  const fitting = around(now, blocks, rows - 1 - above.length - below.length);
  const [from = 0, to = 0] = [fitting[0], fitting.at(-1)];
  const isCut = fitting.length < blocks.length;
  const title = isCut ? `choose what to stop: ${from + 1} to ${to + 1} of ${blocks.length}` : 'choose what to stop';
  const none = servers === undefined ? ['looking'] : ['no server of yours runs here'];
  const empty = picking.filter === '' || servers?.length === 0 ? none : ['nothing fits the filter'];
  return [
    paint.bold(title),
    ...above,
    ...(blocks.length > 0 ? fitting.flatMap((at) => blocks[at] ?? []) : empty),
    ...below,
  ];
}

const MARGIN = ' '.repeat('> [x] '.length);

/** A row with its marks: what the next key is about, and whether it is chosen. */
function block({ key }: Choice, lines: readonly string[], picking: Picking, { paint }: Page): string[] {
  const pointer = current(picking)?.key === key ? paint.bold('>') : ' ';
  const box = picking.chosen.has(key) ? paint.bold('[x]') : '[ ]';
  return lines.map((line, at) => (at === 0 ? `${pointer} ${box} ${line}` : `${MARGIN}${line}`));
}

/** The rows that fit, the current one and what is above it first. */
function around(now: number, blocks: readonly (readonly string[])[], room: number): number[] {
  const height = (at: number): number => blocks[at]?.length ?? 0;
  let left = room - height(now);
  let [from, to] = [now, now];
  while (from > 0 && left >= height(from - 1)) left -= height(--from);
  while (to < blocks.length - 1 && left >= height(to + 1)) left -= height(++to);
  return blocks.flatMap((_, at) => (at >= from && at <= to ? [at] : []));
}

/** What enter would do now, hidden rows included. */
function summary(picking: Picking, shown: readonly Choice[]): string {
  const chosen = chosenIn(picking);
  const bytes = chosen.flatMap(({ server: { seen } }) =>
    seen.located.kind === 'present' ? (seen.located.server.memoryBytes ?? []) : [],
  );
  const held = bytes.length === 0 ? '' : `, ${memory(bytes.reduce((sum, one) => sum + one, 0))}`;
  const hidden = chosen.filter((one) => !shown.includes(one)).length;
  const where = hidden === 0 ? '' : `, ${hidden} of them not shown`;
  const what = chosen.length === 0 ? 'nothing chosen' : `${count(chosen.length, 'server')} chosen${held}${where}`;
  return picking.said === '' ? what : `${what}; ${picking.said}`;
}

function guards(picking: Picking, scrolled: number, page: Page, rows: number): string[] {
  const furthest = furthestIn(picking, page, rows);
  const above = Math.min(scrolled, furthest);
  const help = furthest > 0 ? `${WHY_HELP}; arrows move` : WHY_HELP;
  return [...guardLines(picking, page).slice(above, above + roomFor(rows)), page.paint.dim(help)];
}

/** How many lines of the guards of the current server can be scrolled away. */
export const furthestIn = (picking: Picking, page: Page, rows: number): number =>
  Math.max(0, guardLines(picking, page).length - roomFor(rows));

const roomFor = (rows: number): number => Math.max(1, rows - 1);

/** Without colors: they are not kept where a page is drawn again. */
function guardLines(picking: Picking, page: Page): string[] {
  const row = current(picking);
  const lines = row === undefined ? [] : why(row.server, { ...page, paint: paintFor(false, false, {}) });
  return lines.flatMap((line) => pieces(line, page.width ?? Infinity));
}

/** This screen cuts what is too long, such as a path, where a terminal would go on below. */
const pieces = (line: string, width: number): string[] =>
  line.length <= width ? [line] : [line.slice(0, width), ...pieces(line.slice(width), width)];
