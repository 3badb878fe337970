import { GUARD_NAMES, GUARDS } from '../decide/guards.js';
import { whose } from '../decide/owner.js';
import type { Judged } from '../decide/plan.js';
import { REMEDIES } from '../decide/remedies.js';
import { type Page, reason } from './table.js';
import { clean, type Paint } from './text.js';

const WIDEST = Math.max(...GUARD_NAMES.map((name) => name.length));
const MARKS = { pass: '✓', veto: '✗', unknown: '?' } as const;

/** Every guard with what was seen, and what would change the verdict. */
export function why(server: Judged, paint: Paint): string[] {
  const { record, seen, verdict } = server;
  const colour = { pass: paint.green, veto: paint.red, unknown: paint.yellow };
  const name = record.source.file === '' ? `pid ${record.server?.pid}` : record.id;
  const open = verdict.guards.filter(({ outcome }) => outcome !== 'pass');
  return [
    `${paint.bold(clean(name))} is ${verdict.kind}${verdict.kind === 'gone' ? `: ${clean(reason(server))}` : ''}`,
    ...(record.source.file === '' ? [] : [`recorded in ${clean(record.source.file)}`]),
    ...record.alsoIn.map(({ source }) => `and in ${clean(source.file)}`),
    `whose: ${clean(whose(seen.owner))}`,
    ...verdict.guards.map(
      ({ name: guard, outcome, detail }) =>
        `  ${colour[outcome](`${MARKS[outcome]} ${guard.padEnd(WIDEST)}`)}  ${GUARDS[guard].asks}  ${paint.dim(clean(detail))}`,
    ),
    ...(verdict.kind === 'stale' ? ['every guard passed: the next run stops it'] : []),
    ...(verdict.kind === 'stale' || verdict.kind === 'gone'
      ? []
      : open.map(({ name: guard }) => `to change ${guard}: ${clean(REMEDIES[guard](seen))}`)),
  ];
}

/** The same of many servers, for `--verbose` below their table. */
export const everyGuard = (servers: readonly Judged[], { verbose, paint }: Page): string[] =>
  verbose ? servers.flatMap((server) => ['', ...why(server, paint)]) : [];
