import { named } from '../decide/find.js';
import type { GuardAnswer, Policy } from '../decide/guards.js';
import type { Judged } from '../decide/plan.js';
import { targetNamed } from '../decide/verdict.js';
import type { ServerRecord } from '../model/record.js';
import type { Unread } from '../model/written.js';
import { judgedLine } from '../report/log-line.js';
import { handsFor, type StopPolicy } from './hands.js';
import { finishDeadFences } from './housekeeping.js';
import { log, type Told } from './journal.js';
import { type Judgement, judgeAll, type Survey, survey, unrecordedServers } from './look.js';
import { stopServer } from './stop-server.js';
import type { World } from './world.js';

/** One server that somebody named, and what was seen of it. */
export interface Named {
  readonly kind: 'named';
  readonly server: Judgement;
  readonly sight: Survey;
}

export type Unnamed =
  | { readonly kind: 'missing'; readonly unread: readonly Unread[] }
  | { readonly kind: 'ambiguous'; readonly ids: readonly string[] };

export interface Naming extends Policy {
  /** It is about to be stopped. */
  readonly named?: boolean;
  /** The process with that pid or port is meant, whatever a record that does not fit it says. */
  readonly meansProcess?: boolean;
  /** What else may be meant where nothing has that name, if somebody is there to see which server it was. */
  readonly orElse?: (name: string, records: readonly ServerRecord[]) => readonly ServerRecord[];
}

/**
 * The one server with an id, pid or port, judged. A server that nothing was written down about is asked only when it is
 * about to be stopped: asking is not free for it.
 */
export async function findServer(name: string, policy: Naming, world: World): Promise<Named | Unnamed> {
  const sight = await survey(world);
  const unrecorded = (await unrecordedServers(sight, policy, world)).map(({ record }) => record);
  const known = [...sight.records, ...unrecorded];
  const whole = named(name, known, sight.written.kept, sight.snapshot);
  const all = whole.length > 0 ? whole : (policy.orElse?.(name, known) ?? []);
  const [record, ...others] = all;
  if (record === undefined) return { kind: 'missing', unread: sight.written.unread };
  if (others.length > 0) return { kind: 'ambiguous', ids: all.map(({ id }) => id) };
  const near = await survey(world, record);
  const [server] = await judgeAll(near, policy, world, policy.named || record.ownership !== 'unrecorded');
  if (server === undefined) return { kind: 'missing', unread: [] };
  const found =
    policy.meansProcess && !provesProcess(server) ? await itsProcess(server, sight, policy, world) : undefined;
  return found ?? { kind: 'named', server, sight: near };
}

const provesProcess = ({ seen, verdict }: Judgement): boolean =>
  seen.weak === undefined || verdict.guards.some(({ name, outcome }) => name === 'identity' && outcome === 'pass');

/** The process that a plugin's record leads to without proving it, as one that nothing was written down about. */
async function itsProcess(
  { record, seen }: Judgement,
  sight: Survey,
  policy: Naming,
  world: World,
): Promise<Named | undefined> {
  const pid = seen.located.kind === 'present' ? seen.located.server.pid : undefined;
  const others = { ...sight, records: sight.records.filter(({ id }) => id !== record.id) };
  const found = (await unrecordedServers(others, policy, world)).find((one) => one.record.server?.pid === pid);
  if (found === undefined) return undefined;
  const near = await survey(world, found.record);
  const [server] = await judgeAll(near, policy, world, policy.named);
  return server && { kind: 'named', server, sight: near };
}

/** The guard that forbids it even on a person's word; undefined when it may be stopped. */
export function forbidding({ server }: Named): GuardAnswer | undefined {
  const target = targetNamed(server.verdict, server.seen);
  return 'server' in target ? undefined : target;
}

export interface Stop extends StopPolicy {
  /** What the log says about it, where it is not that somebody asked for it. */
  readonly why?: string;
  readonly told?: Told | undefined;
}

/** Stops it and writes that down; `onWord`, whoever started it and whoever uses it. */
export async function stopNamed({ server, sight }: Named, stop: Stop, world: World): Promise<Judged> {
  stop.told?.begins(server);
  // Of a run that was interrupted while it was stopping this very server, which nobody else could stop until then.
  const deadFences = sight.deadFences.filter(({ id }) => id === server.record.id);
  await finishDeadFences([server], { ...sight, deadFences }, stop, world);
  const { hands, tree } = handsFor(server.record, sight, stop, world);
  const judged = { ...server, outcome: await stopServer(tree, hands) };
  log(world, [judgedLine(judged, stop)]);
  stop.told?.done(judged);
  return judged;
}
