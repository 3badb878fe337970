import { inScope, type Judged, type Reaped } from './decide/plan.js';
import { type Judgement, judgeAll, judgeUnrecorded } from './run/judge.js';
import type { RunPolicy } from './run/policy.js';
import { outdated, registerThisRun, survey } from './run/survey.js';
import type { World } from './run/world.js';

/** Surveys what was recorded and what the machine shows, judges, plans, stops, tidies up and reports. */
export async function reap(policy: RunPolicy, world: World): Promise<Reaped> {
  const at = Date.now();
  world.platform.lookAnew?.();
  const around = await survey(world);
  const unregister = registerThisRun(world, around, policy.dryRun);
  try {
    const judged = await judgeAll(around, policy, world);
    const servers = judged.filter(({ record }) => inScope(policy.scope, record, around.snapshot.places));
    // Plans, stops and tidies up. A dry run does not even load it.
    const done = policy.dryRun
      ? servers.map(notStopped)
      : await (await import('./run/carry-out.js')).carryOut(servers, around, policy, world);
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
