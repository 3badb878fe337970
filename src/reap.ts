import { inScope, isHistory, type Judged, planStops, type Reaped, type Scope } from './decide/plan.js';
import type { Outcome } from './model/outcome.js';
import { judgedLine } from './report/log-line.js';
import { finishCrashed } from './run/finish-crashed.js';
import { log, type Told } from './run/journal.js';
import { type Judgement, judgeAll, judgeUnrecorded } from './run/judge.js';
import { noteSilences } from './run/silences.js';
import { stopAndLog } from './run/stop-and-log.js';
import { outdated, registerThisRun, type Survey, survey } from './run/survey.js';
import { tidy } from './run/tidy.js';
import type { World } from './run/world.js';

export interface RunPolicy {
  readonly dryRun: boolean;
  readonly scope: Scope;
  readonly olderThanMs: number;
  readonly graceMs: number;
  readonly limit: number;
  readonly endStrays: boolean;
  /** Set only by the watch. */
  readonly quietForMs?: number | undefined;
  readonly told?: Told | undefined;
}

/** Surveys what was recorded and what the machine shows, judges, plans, stops, tidies up and reports. */
export async function reap(policy: RunPolicy, world: World): Promise<Reaped> {
  const at = Date.now();
  world.platform.lookAnew?.();
  const around = await survey(world);
  const unregister = registerThisRun(world, around, policy.dryRun);
  try {
    const judged = await judgeAll(around, policy, world);
    const servers = judged.filter(({ record }) => inScope(policy.scope, record, around.snapshot.places));
    const done = policy.dryRun ? servers.map(notStopped) : await carryOut(servers, around, policy, world);
    const unrecorded = await judgeUnrecorded(hasActed(done) ? outdated(around) : around, policy, world);
    return {
      dryRun: policy.dryRun,
      at,
      scope: policy.scope,
      policy,
      servers: done,
      unread: around.written.unread,
      skipped: around.written.skipped,
      unrecorded: unrecorded.map(notStopped),
      staleElsewhere: judged.filter((one) => one.verdict.kind === 'stale' && !servers.includes(one)).length,
    };
  } finally {
    unregister();
  }
}

const hasActed = (servers: readonly Judged[]): boolean => servers.some(({ outcome }) => outcome !== undefined);

const notStopped = (server: Judgement): Judged => ({ ...server, outcome: undefined });

/** The only step that a dry run leaves out. */
async function carryOut(
  servers: readonly Judgement[],
  around: Survey,
  policy: RunPolicy,
  world: World,
): Promise<Judged[]> {
  await finishCrashed(around.deadFences, servers, around, policy.graceMs, world);
  const { stop, overLimit } = planStops(servers, policy.limit);
  // The watch says why it stopped a server that no session's end led to.
  const stopping = { ...policy, why: policy.quietForMs === undefined ? undefined : 'retired' };
  const done = await Promise.all(
    servers.map((server) =>
      stop.includes(server) ? stopAndLog(server, stopping, world) : leaveAlone(server, overLimit),
    ),
  );
  noteSilences(servers, around, world);
  await tidy(servers, around, world);
  // What the watch spares, it finds again every few minutes.
  const news = policy.quietForMs === undefined ? done.filter((server) => isNews(server, overLimit)) : [];
  log(
    world,
    news.map((server) => judgedLine(server)),
  );
  return done;
}

const leaveAlone = (server: Judgement, overLimit: Outcome | undefined): Judged => ({
  ...server,
  outcome: server.verdict.kind === 'stale' ? overLimit : undefined,
});

/** What was to be stopped is already in the log. */
const isNews = (server: Judged, overLimit: Outcome | undefined): boolean =>
  !isHistory(server) && (server.verdict.kind !== 'stale' || overLimit !== undefined);
