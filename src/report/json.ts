import { type Owner, whose } from '../decide/owner.js';
import type { Judged, Reaped } from '../decide/plan.js';
import { cpuShare } from '../model/process.js';

export const REPORT_SCHEMA = 'opencode-reap/1';

/**
 * What `--json` prints; docs/report.schema.json describes it. It never contains a password, a token or an environment.
 */
export function jsonReport(reaped: Reaped, version: string) {
  const { olderThanMs, graceMs, limit } = reaped.policy;
  return {
    schema: REPORT_SCHEMA,
    version,
    dryRun: reaped.dryRun,
    at: iso(reaped.at),
    scope:
      reaped.scope.kind === 'all' ? { kind: 'all' } : { kind: 'workspace', workspace: reaped.scope.workspace.real },
    policy: { olderThanMs, graceMs, limit },
    servers: reaped.servers.map(jsonServer),
    unrecorded: reaped.unrecorded.map(({ record, seen }) => ({
      pid: record.server?.pid ?? null,
      port: record.port ?? null,
      ageMs: rounded(seen.ageMs),
      memoryBytes: (seen.located.kind === 'present' ? seen.located.server.memoryBytes : undefined) ?? null,
      cpu: jsonCpu(seen),
      workspace: record.workspace ?? null,
      owner: jsonOwner(seen.owner),
    })),
    staleElsewhere: reaped.staleElsewhere,
    unread: reaped.unread.map(({ file, error }) => ({ file, error })),
    skipped: reaped.skipped,
    summary: summary(reaped.servers),
  };
}

/** One server, also printed by `why --json` and `stop --json`. */
export function jsonServer({ record, seen, verdict, outcome }: Judged) {
  const located = seen.located.kind === 'present' ? seen.located : undefined;
  return {
    id: record.id,
    source: record.source,
    alsoIn: record.alsoIn.map(({ source }) => source),
    plugin: record.plugin ?? null,
    owner: jsonOwner(seen.owner),
    pid: located?.launcher?.pid ?? record.spawned?.pid ?? null,
    serverPid: located?.server.pid ?? record.server?.pid ?? null,
    port: record.port ?? null,
    url: record.url ?? null,
    workspace: record.workspace ?? null,
    startedAt: record.startedAt === undefined ? null : iso(record.startedAt),
    ageMs: rounded(seen.ageMs),
    memoryBytes: located?.server.memoryBytes ?? null,
    cpu: jsonCpu(seen),
    verdict: verdict.kind,
    reasons: verdict.kind === 'spared' || verdict.kind === 'unsure' ? verdict.reasons : [],
    guards: verdict.guards,
    leases: seen.coveringLeases.map(({ session, holderPid, live }) => ({
      session: session ?? null,
      holderPid: holderPid ?? null,
      live: live === 'unknown' ? null : live === 'yes',
    })),
    outcome:
      outcome === undefined
        ? null
        : outcome.kind === 'stopped'
          ? { ...outcome, successor: outcome.successor ?? null }
          : outcome,
  };
}

/** To a thousandth: more is noise. */
function jsonCpu({ located }: Judged['seen']): number | null {
  const share = located.kind === 'present' ? cpuShare(located.server) : undefined;
  return share === undefined ? null : Math.round(share * 1000) / 1000;
}

const jsonOwner = (owner: Owner) => ({ kind: owner.kind, says: whose(owner) });

function summary(servers: readonly Judged[]) {
  const verdicts = (kind: Judged['verdict']['kind']) => servers.filter(({ verdict }) => verdict.kind === kind).length;
  return {
    stale: verdicts('stale'),
    spared: verdicts('spared'),
    unsure: verdicts('unsure'),
    gone: verdicts('gone'),
    stopped: servers.filter(({ outcome }) => outcome?.kind === 'stopped').length,
    failed: servers.filter(outlived).length,
  };
}

/**
 * Whether a stale server is still there: it could not be ended, or the limit forbade it. A server that came back into
 * use is not stale.
 */
export const outlived = ({ outcome }: Judged): boolean =>
  outcome?.kind === 'denied' ||
  outcome?.kind === 'survived' ||
  (outcome?.kind === 'withheld' && outcome.overLimit === true);

const iso = (ms: number): string => new Date(ms).toISOString();
const rounded = (ms: number | undefined): number | null => (ms === undefined ? null : Math.round(ms));
