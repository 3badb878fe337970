import type { Judged } from '../decide/plan.js';
import { judgedLine } from '../report/log-line.js';
import { finishCrashed } from './finish-crashed.js';
import { log, type Told } from './journal.js';
import type { Judgement } from './judge.js';
import { type StopPolicy, stopServer } from './stop-server.js';
import type { World } from './world.js';

export interface Stop extends StopPolicy {
  /** What the log says about it, where it is not that somebody asked for it. */
  readonly why?: string | undefined;
  readonly told?: Told | undefined;
}

/** Said and written down at once, since the run may not live to its end. */
export async function stopAndLog(server: Judgement, stop: Stop, world: World): Promise<Judged> {
  stop.told?.begins(server);
  const judged = { ...server, outcome: await stopServer(server, stop, world) };
  log(world, [judgedLine(judged, stop)]);
  stop.told?.done(judged);
  return judged;
}

/** Stops one server outside a run over all of them; `named`, whoever started it and whoever uses it. */
export async function stopNamed(server: Judgement, stop: Stop, world: World): Promise<Judged> {
  const { survey, record } = server;
  // Of a run that was interrupted while it was stopping this very server, which nobody else could stop until then.
  const fences = survey.deadFences.filter(({ id }) => id === record.id);
  await finishCrashed(fences, [server], survey, stop.graceMs, world);
  return stopAndLog(server, stop, world);
}
