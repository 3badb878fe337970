import { GUARD_NAMES, GUARDS, type GuardAnswer } from '../decide/guards.js';
import { whose } from '../decide/owner.js';
import type { Judged } from '../decide/plan.js';
import { REMEDIES } from '../decide/remedies.js';
import { wrap } from './columns.js';
import { type Page, reason } from './table.js';
import { clean } from './text.js';

const WIDEST = Math.max(...GUARD_NAMES.map((name) => name.length));
const MARKS = { pass: '✓', veto: '✗', unknown: '?' } as const;

/** Every guard with what was seen, and what would change the verdict. */
export function why(server: Judged, page: Page): string[] {
  const { record, seen, verdict } = server;
  const name = record.source.file === '' ? `pid ${record.server?.pid}` : record.id;
  const open = verdict.guards.filter(({ outcome }) => outcome !== 'pass');
  return [
    `${page.paint.bold(clean(name))} is ${verdict.kind}${verdict.kind === 'gone' ? `: ${clean(reason(server))}` : ''}`,
    ...(record.source.file === '' ? [] : hanging(`recorded in ${clean(record.source.file)}`, page)),
    ...record.alsoIn.flatMap(({ source }) => hanging(`and in ${clean(source.file)}`, page)),
    ...hanging(`whose: ${clean(whose(seen.owner))}`, page),
    ...verdict.guards.flatMap((guard) => answered(guard, page)),
    ...(verdict.kind === 'stale' ? ['every guard passed: the next run stops it'] : []),
    ...(verdict.kind === 'stale' || verdict.kind === 'gone'
      ? []
      : open.flatMap(({ name: guard }) => hanging(`to change ${guard}: ${clean(REMEDIES[guard](seen))}`, page))),
  ];
}

/** A question and its answer, below each other where they do not fit beside each other. */
function answered({ name, outcome, detail }: GuardAnswer, { paint, width }: Page): string[] {
  const colour = { pass: paint.green, veto: paint.red, unknown: paint.yellow }[outcome];
  const head = `  ${colour(`${MARKS[outcome]} ${name.padEnd(WIDEST)}`)}  `;
  const room = width === undefined ? undefined : width - HEAD;
  const [asks, said] = [GUARDS[name].asks, clean(detail)];
  if (room === undefined || asks.length + said.length + 2 <= room) return [`${head}${asks}  ${paint.dim(said)}`];
  const lines = [...wrap(asks, room, ''), ...wrap(said, room, '').map((line) => paint.dim(line))];
  return lines.map((line, at) => `${at === 0 ? head : ' '.repeat(HEAD)}${line}`);
}

/** Two blanks, the mark and a blank before a guard's name, and two blanks behind it. */
const HEAD = WIDEST + 6;

const hanging = (text: string, { width }: Page): string[] =>
  wrap(text, width === undefined ? undefined : width - 2, '').map((line, at) => (at === 0 ? line : `  ${line}`));

/** The same of many servers, for `--verbose` below their table. */
export const everyGuard = (servers: readonly Judged[], page: Page): string[] =>
  page.verbose ? servers.flatMap((server) => ['', ...why(server, page)]) : [];
