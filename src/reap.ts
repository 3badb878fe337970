import { stopServer } from './act/stop-server.js';
import type { Outcome } from './decide/outcome.js';
import { inScope, type Judged, planStops, type Reaped, type Scope } from './decide/plan.js';
import { handsFor } from './hands.js';
import { finishDeadFences, tidyUp, writeLog } from './housekeeping.js';
import { announce, type Judgement, judgeAll, lookAround, type Sight, unrecordedServers } from './look.js';
import type { World } from './world.js';

export interface Request {
  readonly dryRun: boolean;
  readonly scope: Scope;
  readonly olderThanMs: number;
  readonly graceMs: number;
  readonly limit: number;
  readonly endStrays: boolean;
  /** Only the watch waits for this. */
  readonly quietForMs?: number | undefined;
}

/** Reads what was written down, looks at the machine, judges, plans, stops and reports. */
export async function reap(request: Request, world: World): Promise<Reaped> {
  const at = Date.now();
  const sight = await lookAround(world);
  const unannounce = announce(world, sight, request.dryRun);
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
    unannounce();
  }
}

const untouched = (servers: readonly Judgement[]): Judged[] =>
  servers.map((server) => ({ ...server, outcome: undefined }));

/** The only step that a dry run leaves out. */
async function carryOut(
  servers: readonly Judgement[],
  sight: Sight,
  request: Request,
  world: World,
): Promise<Judged[]> {
  await finishDeadFences(servers, sight, request, world);
  const plan = planStops(untouched(servers), request.limit);
  const outcomes = new Map<string, Outcome>();
  await Promise.all(
    plan.stop.map(async (server) => outcomes.set(server.record.id, await stopOne(server, sight, request, world))),
  );
  const done = servers.map((server) => ({
    ...server,
    outcome: outcomes.get(server.record.id) ?? refusal(server, plan.refused),
  }));
  await tidyUp(servers, sight, world);
  // The watch finds the same of every server every few minutes.
  const isWatch = request.quietForMs !== undefined;
  writeLog(isWatch ? done.filter(({ outcome }) => outcome) : done, world, isWatch);
  return done;
}

const refusal = ({ verdict }: Judgement, refused: Outcome | undefined): Outcome | undefined =>
  verdict.kind === 'stale' ? refused : undefined;

async function stopOne({ record }: Judged, sight: Sight, request: Request, world: World): Promise<Outcome> {
  const { hands, tree } = handsFor(record, sight, request, world);
  return stopServer(tree, hands);
}
