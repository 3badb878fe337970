import { inScope, isHistory, type Judged, planStops, type Reaped, type Scope } from './decide/plan.js';
import type { Outcome } from './model/outcome.js';
import { judgedLine } from './report/log-line.js';
import { handsFor } from './run/hands.js';
import { finishDeadFences, tidyUp } from './run/housekeeping.js';
import { log, type Told } from './run/journal.js';
import { type Judgement, judgeAll, registerThisRun, type Survey, survey, unrecordedServers } from './run/look.js';
import { stopServer } from './run/stop-server.js';
import type { World } from './run/world.js';

export interface Request {
  readonly dryRun: boolean;
  readonly scope: Scope;
  readonly olderThanMs: number;
  readonly graceMs: number;
  readonly limit: number;
  readonly endStrays: boolean;
  /** Only the watch waits for this. */
  readonly quietForMs?: number | undefined;
  readonly told?: Told | undefined;
}

/** Reads what was written down, looks at the machine, judges, plans, stops and reports. */
export async function reap(request: Request, world: World): Promise<Reaped> {
  const at = Date.now();
  const sight = await survey(world);
  const unregister = registerThisRun(world, sight, request.dryRun);
  try {
    const judged = await judgeAll(sight, request, world);
    const servers = judged.filter(({ record }) => inScope(request.scope, record, sight.snapshot.places));
    const done = request.dryRun ? untouched(servers) : await carryOut(servers, sight, request, world);
    return {
      dryRun: request.dryRun,
      at,
      scope: request.scope,
      policy: request,
      servers: done,
      unread: sight.written.unread,
      skipped: sight.written.skipped,
      unrecorded: untouched(await unrecordedServers(sight, request, world)),
      staleElsewhere: judged.filter((one) => one.verdict.kind === 'stale' && !servers.includes(one)).length,
    };
  } finally {
    unregister();
  }
}

const untouched = (servers: readonly Judgement[]): Judged[] =>
  servers.map((server) => ({ ...server, outcome: undefined }));

/** The only step that a dry run leaves out. */
async function carryOut(
  servers: readonly Judgement[],
  sight: Survey,
  request: Request,
  world: World,
): Promise<Judged[]> {
  await finishDeadFences(servers, sight, request, world);
  const judged = untouched(servers);
  const { stop, refused } = planStops(judged, request.limit);
  const done = await Promise.all(
    judged.map((server) => (stop.includes(server) ? stopOne(server, sight, request, world) : spare(server, refused))),
  );
  await tidyUp(servers, sight, world);
  // What the watch spares, it finds again every few minutes.
  const news = request.quietForMs === undefined ? done.filter((server) => isNews(server, refused)) : [];
  log(
    world,
    news.map((server) => judgedLine(server)),
  );
  return done;
}

const spare = (server: Judged, refused: Outcome | undefined): Judged =>
  server.verdict.kind === 'stale' ? { ...server, outcome: refused } : server;

/** What was to be stopped is in the log by now. */
const isNews = (server: Judged, refused: Outcome | undefined): boolean =>
  !isHistory(server) && (server.verdict.kind !== 'stale' || refused !== undefined);

/** Said and written down at once, since the run may not live to its end. */
async function stopOne(server: Judged, sight: Survey, request: Request, world: World): Promise<Judged> {
  request.told?.begins(server);
  const { hands, tree } = handsFor(server.record, sight, request, world);
  const done = { ...server, outcome: await stopServer(tree, hands) };
  log(world, [judgedLine(done, { why: request.quietForMs === undefined ? undefined : 'retired' })]);
  request.told?.done(done);
  return done;
}
