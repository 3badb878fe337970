import { count } from '../common/text.js';
import type { Judged, Reaped } from '../decide/plan.js';
import { mayBeHandedOver } from '../decide/remedies.js';
import { wrap } from './columns.js';
import { type Page, shown, state, unrecordedTable } from './table.js';
import { clean, memory } from './text.js';

/** The lines below the table of a run: what was done, what was not looked at, and the next step. */
export function closing(reaped: Reaped, page: Page): string[] {
  const { dryRun, policy, servers, staleElsewhere } = reaped;
  const stale = servers.filter((server) => state(server) === 'stale').length;
  const next = [
    ...(dryRun && servers.length > 0 ? ['nothing was changed'] : []),
    ...(dryRun && stale > 0 ? [howToStop(stale, policy.limit)] : []),
  ];
  return [
    ...wrap([totals(shown(servers, page)), ...next].join('; '), page.width, ''),
    ...(staleElsewhere === 0
      ? []
      : wrap(
          `${count(staleElsewhere, 'stale server')} in other workspaces: opencode-reap --all-stale`,
          page.width,
          '',
        )),
    ...more(reaped, page),
    ...skipped(reaped, page),
  ];
}

const howToStop = (stale: number, limit: number): string =>
  stale > limit
    ? `a run would stop none, since more than --limit ${limit} are stale: --limit ${stale} lets it`
    : `run without --dry-run to stop ${stale === 1 ? 'it' : 'them'}`;

/** The lines below the table of a list; with `all`, what is not recorded is listed too. */
export function listClosing(reaped: Reaped, all: boolean, page: Page): string[] {
  const { unrecorded } = reaped;
  const servers = shown(reaped.servers, page);
  if (!all) return [...wrap(totals(servers), page.width, ''), ...more(reaped, page)];
  if (servers.length + unrecorded.length === 0) return ['no opencode server of yours runs here, and none is recorded'];
  if (unrecorded.length === 0) return wrap(totals(servers), page.width, '');
  return [
    ...wrap(totals(servers), page.width, ''),
    `${count(unrecorded.length, 'server')} not recorded${held(unrecorded, ', ')}, and left alone:`,
    ...unrecordedTable(unrecorded, page),
    ...wrap(ways(unrecorded).join('; '), page.width, ''),
  ];
}

const skipped = ({ skipped: all }: Reaped, { verbose }: Page): string[] =>
  verbose ? all.map(({ file, because }) => clean(`skipped: ${file}: ${because}`)) : [];

/** How many there are of each kind; what the stale ones hold, and what the stopped ones have given back. */
export function totals(servers: readonly Judged[]): string {
  if (servers.length === 0) return 'no servers are recorded here';
  const kinds = new Map<string, Judged[]>();
  for (const server of servers) kinds.set(state(server), [...(kinds.get(state(server)) ?? []), server]);
  // What was done, or could be, before what stays as it is.
  const order = ['stopped', 'stale', ...kinds.keys()];
  return [...new Set(order)].flatMap((kind) => (kinds.has(kind) ? total(kind, kinds.get(kind) ?? []) : [])).join('; ');
}

function total(kind: string, servers: readonly Judged[]): string {
  const counted = `${servers.length} ${kind}`;
  if (kind === 'stale') return `${counted}${held(servers, servers.length === 1 ? ' holds ' : ' hold ')}`;
  return kind === 'stopped' ? `${counted}${givenBack(servers)}` : counted;
}

function givenBack(servers: readonly Judged[]): string {
  const free = servers.flatMap(({ record, outcome }) =>
    outcome?.kind === 'stopped' && outcome.successor === undefined ? (record.port ?? []) : [],
  );
  const ports = free.length === 0 ? '' : `port${free.length === 1 ? '' : 's'} ${free.join(', ')}`;
  const all = [held(servers, ''), ports].filter((one) => one !== '');
  return all.length === 0 ? '' : `, ${all.join(' and ')} given back`;
}

/** Their memory together, behind that word; empty if none of it could be read. */
function held(servers: readonly Judged[], word: string): string {
  const known = servers.flatMap(({ seen: { located } }) =>
    located.kind === 'present' ? (located.server.memoryBytes ?? []) : [],
  );
  return known.length === 0 ? '' : `${word}${memory(known.reduce((sum, one) => sum + one, 0))}`;
}

/** What is not recorded, in one line. What its user keeps needs no mention at every run. */
function more({ servers, unrecorded }: Reaped, page: Page): string[] {
  const unkept = unrecorded.filter(({ seen }) => seen.kept !== 'yes');
  if (unkept.length === 0) return [];
  const what = shown(servers, page).length > 0 ? `${unkept.length} more` : count(unkept.length, 'server');
  const are = unkept.length === 1 ? 'that is' : 'that are';
  return wrap(`${what} ${are} not recorded${held(unkept, ', ')}: opencode-reap list --all`, page.width, '');
}

/** What the user can do about each of them. */
function ways(unrecorded: readonly Judged[]): string[] {
  const isOne = unrecorded.length === 1;
  const named = isOne ? `${unrecorded[0]?.record.server?.pid}` : 'PID';
  return [
    `opencode-reap stop ${named} ends ${isOne ? 'it' : 'one'}`,
    ...(unrecorded.some(({ seen }) => mayBeHandedOver(seen)) ? [`opencode-reap adopt ${named} lets it be reaped`] : []),
  ];
}
