import { isHistory, type Judged, planStops } from '../decide/plan.js';
import type { Outcome } from '../model/outcome.js';
import { judgedLine } from '../report/log-line.js';
import { finishCrashed, finishEnding } from './finish-crashed.js';
import { log } from './journal.js';
import type { Judgement } from './judge.js';
import type { RunPolicy } from './policy.js';
import { noteSilences } from './silences.js';
import { stopAndLog } from './stop-and-log.js';
import type { Survey } from './survey.js';
import { tidy } from './tidy.js';
import type { World } from './world.js';

/**
 * The only step that a dry run leaves out: finishes what runs that died had begun, plans, stops, tidies up, and logs what is
 * news.
 */
export async function carryOut(
  servers: readonly Judgement[],
  around: Survey,
  policy: RunPolicy,
  world: World,
): Promise<Judged[]> {
  const ending = await finishCrashed(around.deadFences, servers, around, policy.graceMs, world);
  const { stop, overLimit } = planStops(servers, policy.limit);
  // The watch says why it stopped a server that no session's end led to.
  const stopping = { ...policy, why: policy.quietForMs === undefined ? undefined : 'retired' };
  const done = await Promise.all(
    servers.map((server) =>
      stop.includes(server) ? stopAndLog(server, stopping, world) : leaveAlone(server, overLimit),
    ),
  );
  await finishEnding(ending, policy, world);
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
