import { shownBirth } from '../decide/born-proofs.js';
import type { Judged } from '../decide/plan.js';
import type { Identity } from '../model/identity.js';
import type { Outcome } from '../model/outcome.js';
import type { Fence } from '../model/record.js';
import { aftermath, outcomeReason } from './outcome.js';

/** What the log says about one server, without the time and on whose behalf. */
export interface Logged {
  readonly event: string;
  readonly id: string;
  readonly pid: number | undefined;
  readonly port: number | undefined;
  readonly workspace: string | undefined;
  readonly detail: string;
  /** The session whose end led to it, if it was one. */
  readonly session?: string | undefined;
  /** The plugin that started the server, by its record. */
  readonly plugin?: string | undefined;
  /** What each guard said of a server that was to be stopped, by its name. */
  readonly guards?: Readonly<Record<string, string>> | undefined;
}

export interface StopReason {
  /** The user named this server, so most guards did not count. */
  readonly named?: boolean | undefined;
  /** Why it was stopped, if not because a run found it stale. */
  readonly why?: string | undefined;
}

/** The line for a server that was judged, and stopped if it has an outcome. */
export function judgedLine(server: Judged, stopping: StopReason = {}): Logged {
  const { outcome, verdict } = server;
  const detail = outcome ? outcomeDetail(outcome, server, stopping) : verdictDetail(verdict);
  const line = lineOf(server, outcome?.kind ?? verdict.kind, detail);
  return outcome?.kind === 'stopped' || outcome?.kind === 'survived' ? { ...line, guards: saidBy(verdict) } : line;
}

const saidBy = ({ guards }: Judged['verdict']): Readonly<Record<string, string>> =>
  Object.fromEntries(guards.map(({ name, detail }) => [name, detail]));

/** The line for anything else that was done to a server. */
export function lineOf({ record, seen }: Pick<Judged, 'record' | 'seen'>, event: string, detail: string): Logged {
  const pid = seen.located.kind === 'present' ? seen.located.server.pid : record.spawned?.pid;
  const { id, port, workspace, plugin } = record;
  return { event, id, pid, port, workspace, plugin, detail };
}

/** The line for what was done about the fence of a run that died. */
export function finishedLine(
  { id, run, tree, port, record, recordIsBack }: Fence,
  ended: readonly Identity[] | 'lives',
): Logged {
  const pid = record?.server?.pid ?? record?.spawned?.pid ?? tree[0]?.pid;
  const died = recordIsBack
    ? `it ended after the run that was stopping it (pid ${run.pid})`
    : `the run that was stopping it has died (pid ${run.pid})`;
  const line = { id, pid, port, workspace: record?.workspace };
  if (ended === 'lives') return { ...line, event: 'resumed', detail: `${died}; it is judged again` };
  const what = ended.length > 0 ? `ended what was left: ${pids(ended.map((one) => one.pid))}` : 'nothing is left of it';
  return { ...line, event: 'finished', detail: `${died}; ${what}` };
}

/** About a server that was started and did not become ready. */
export const givenUpDetail = (error: string, isWhole: boolean, ended: readonly number[]): string =>
  [
    `it was being started: ${error}`,
    ...(ended.length > 0 ? [`ended: ${pids(ended)}`] : []),
    isWhole ? 'nothing is left of it' : 'it could not be ended, and stays recorded',
  ].join('; ');

function outcomeDetail(outcome: Outcome, { seen, verdict }: Judged, { named, why }: StopReason): string {
  if (outcome.kind !== 'stopped' && outcome.kind !== 'survived') return outcomeReason(outcome);
  const whose = shownBirth(seen);
  const how = `${named ? byHand(verdict) : 'after every guard passed'}${whose ? ` (${whose})` : ''}`;
  const what =
    outcome.kind === 'survived'
      ? `not ended ${how}; ${outcomeReason(outcome)}`
      : [
          `${outcome.signal} ${how}`,
          `gone in ${outcome.tookMs} ms: ${pids(outcome.processes)}`,
          ...aftermath(outcome),
        ].join('; ');
  return why === undefined ? what : `${why}: ${what}`;
}

/** A server that the user names is stopped against all guards but two; the guards that did not pass are listed. */
function byHand({ guards }: Judged['verdict']): string {
  const overridden = guards.filter(({ outcome }) => outcome !== 'pass');
  if (overridden.length === 0) return 'by hand, every guard passed';
  return `by hand, overriding ${overridden.map(({ name, detail }) => `${name}: ${detail}`).join('; ')}`;
}

function verdictDetail(verdict: Judged['verdict']): string {
  if (verdict.kind === 'gone') return verdict.because;
  if (verdict.kind === 'stale') return 'every guard passed';
  const named = verdict.guards.filter(({ name }) => verdict.reasons.includes(name));
  return named.map(({ name, detail }) => `${name}: ${detail}`).join('; ');
}

const pids = (all: readonly number[]): string => all.map((pid) => `pid ${pid}`).join(', ');
