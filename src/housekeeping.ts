import { endRest } from './act/end-tree.js';
import { isGone } from './act/signal.js';
import { type Identity, sameProcess } from './decide/identity.js';
import { isLive } from './decide/leases.js';
import { lives } from './decide/lives.js';
import { isHistory, type Judged } from './decide/plan.js';
import type { Fence, LiveRun } from './decide/record.js';
import { restOf } from './decide/tree.js';
import type { Manner } from './hands.js';
import { type Judgement, type Sight, selfIn } from './look.js';
import { environmentsOf } from './observe/snapshot.js';
import { liftFence } from './state/fences.js';
import { appendLog, type LogLine } from './state/log.js';
import { forgetRecord } from './state/registry.js';
import { tidy } from './state/tidy.js';
import type { World } from './world.js';

/**
 * Finishes what a run began before it died. A server that still lives gets its record back and is judged like any
 * other, since much may have happened meanwhile; of one that is gone, the rest of the noted tree is ended.
 */
export async function finishDeadFences(
  servers: readonly Judgement[],
  sight: Sight,
  manner: Manner,
  world: World,
): Promise<void> {
  const run = selfIn(sight.snapshot);
  if (run === undefined) return;
  for (const fence of sight.deadFences) {
    const server = servers.find(({ record }) => record.id === fence.id);
    // Out of scope: whoever looks there finishes it.
    if (server === undefined && (fence.record !== undefined || stillServes(fence, sight))) continue;
    const isGone = server === undefined || server.verdict.kind === 'gone';
    if (isGone) await endRest(leftBy(fence, sight, world), endingFor(sight, manner, world));
    liftFence(fence, !isGone, { run, machine: sight.snapshot.machine });
  }
}

/** A plugin's record is not in its fence, so only the noted processes can tell. */
const stillServes = ({ tree }: Fence, { snapshot }: Sight): boolean =>
  tree.some((member) => {
    const seen = snapshot.processes?.get(member.pid);
    return seen?.command?.kind === 'serve' && sameProcess(member, seen) !== 'different';
  });

function leftBy(fence: Fence, { snapshot }: Sight, { eyes }: World): Identity[] {
  const environments = environmentsOf(
    fence.tree.map(({ pid }) => pid),
    eyes,
  );
  return restOf(fence, snapshot, environments, eyes.listens);
}

function endingFor({ snapshot }: Sight, { graceMs }: Manner, { eyes }: World) {
  return { look: eyes.look, lineage: snapshot.lineage, graceMs };
}

/** Takes away what ended: records of servers that are no more, leases, and what killed runs left behind. */
export async function tidyUp(
  servers: readonly Judgement[],
  { written, snapshot }: Sight,
  { leaseFolders, eyes }: World,
): Promise<void> {
  forgetGone(servers);
  const ended = written.leases.filter((lease) => isLive(lease, snapshot) === 'no');
  const dead: LiveRun[] = [];
  for (const run of written.runs) {
    // A run may have begun since the processes were listed.
    if (lives(run.holder, run.machine, snapshot) === 'no' && (await isGone(run.holder, eyes.look))) dead.push(run);
  }
  tidy(leaseFolders, ended, dead);
}

function forgetGone(servers: readonly Judgement[]): void {
  for (const { record, verdict } of servers) if (verdict.kind === 'gone') forgetRecord(record);
}

export function writeLog(servers: readonly Judged[], { folder }: World, areRetiring = false): void {
  const lines = servers.filter((server) => !isHistory(server)).map(lineFor);
  appendLog(folder, areRetiring ? lines.map(asRetired) : lines);
}

const asRetired = (line: LogLine): LogLine =>
  line.event === 'stopped' ? { ...line, detail: `retired: ${line.detail}` } : line;

function lineFor({ record, seen, verdict, outcome }: Judged): LogLine {
  const pid = seen.located.kind === 'present' ? seen.located.server.pid : record.spawned?.pid;
  const detail = outcome ? outcomeDetail(outcome) : verdictDetail(verdict);
  const event = outcome?.kind ?? verdict.kind;
  return {
    at: new Date().toISOString(),
    event,
    id: record.id,
    pid,
    port: record.port,
    workspace: record.workspace,
    detail,
  };
}

function outcomeDetail(outcome: NonNullable<Judged['outcome']>): string {
  if (outcome.kind === 'stopped') return `${outcome.signal} after every guard passed, ${outcome.tookMs} ms`;
  return outcome.kind === 'withheld' ? outcome.because : '';
}

function verdictDetail(verdict: Judged['verdict']): string {
  if (verdict.kind === 'gone') return verdict.because;
  if (verdict.kind === 'stale') return 'every guard passed';
  const named = verdict.guards.filter(({ name }) => verdict.reasons.includes(name));
  return named.map(({ name, detail }) => `${name}: ${detail}`).join('; ');
}
