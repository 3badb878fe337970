import type { Judged } from '../decide/plan.js';
import { judgedLine } from '../report/log-line.js';
import { finishCrashed, finishEnding } from './finish-crashed.js';
import { log, type Told } from './journal.js';
import type { Judgement } from './judge.js';
import { type Step, type StopPolicy, stopServer } from './stop-server.js';
import type { World } from './world.js';

export interface Stop extends StopPolicy {
  /** Why, for the log, if not because the user asked for it. */
  readonly why?: string | undefined;
  readonly told?: Told | undefined;
}

/** Reports and logs at once, since the run may not survive to its end. */
export async function stopAndLog(server: Judgement, stop: Stop, world: World): Promise<Judged> {
  const { told } = stop;
  told?.begins(server);
  const step = told && ((next: Step) => told.step?.(server, next));
  const judged = { ...server, outcome: await stopServer(server, { ...stop, step }, world) };
  log(world, [judgedLine(judged, stop)]);
  told?.done(judged);
  return judged;
}

/** Stops one server outside of a run over all of them; with `named`, no matter what started it or uses it. */
export async function stopNamed(server: Judgement, stop: Stop, world: World): Promise<Judged> {
  const { survey, record } = server;
  // The fence of a run that was interrupted while it was stopping this very server, which no other run could stop until
  // now.
  const fences = survey.deadFences.filter(({ id }) => id === record.id);
  const ending = await finishCrashed(fences, [server], survey, stop.graceMs, world);
  const judged = await stopAndLog(server, stop, world);
  await finishEnding(ending, stop, world);
  return judged;
}
