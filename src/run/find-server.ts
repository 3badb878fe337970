import { named } from '../decide/find.js';
import type { GuardAnswer, Policy } from '../decide/guards.js';
import { targetNamed } from '../decide/verdict.js';
import type { ServerRecord } from '../model/record.js';
import type { Unread } from '../model/written.js';
import { type Judgement, judgeAnew } from './judge.js';
import { type Survey, survey, surveyUnrecorded } from './survey.js';
import type { World } from './world.js';

/** One server that the user named, judged. */
export interface Named {
  readonly kind: 'named';
  readonly server: Judgement;
}

export type Unnamed =
  | { readonly kind: 'missing'; readonly unread: readonly Unread[] }
  | { readonly kind: 'ambiguous'; readonly ids: readonly string[] };

export interface FindPolicy extends Policy {
  /** It is about to be stopped. */
  readonly named?: boolean;
  /** The process with that pid or port is meant, even if a record that does not match it says otherwise. */
  readonly meansProcess?: boolean;
  /** Other servers that may be meant if none has that name, for callers that show the user which server it was. */
  readonly orElse?: (name: string, records: readonly ServerRecord[]) => readonly ServerRecord[];
}

/**
 * The one server with an id, pid or port, judged. An unrecorded server is asked only when it is about to be stopped:
 * asking costs it something.
 */
export async function findServer(name: string, policy: FindPolicy, world: World): Promise<Named | Unnamed> {
  const around = await survey(world);
  const known = [...around.candidates, ...(await surveyUnrecorded(around, world)).candidates];
  const exact = named(name, known, around.written.kept, around.snapshot);
  const records = known.map(({ record }) => record);
  const all = exact.length > 0 ? exact : (policy.orElse?.(name, records) ?? []);
  const [record, ...others] = all;
  if (record === undefined) return { kind: 'missing', unread: around.written.unread };
  if (others.length > 0) return { kind: 'ambiguous', ids: all.map(({ id }) => id) };
  const server = await judgeAnew(record, policy, world, policy.named || record.ownership !== 'unrecorded');
  const process = policy.meansProcess && !provesProcess(server) ? await itsProcess(server, around, world) : undefined;
  return { kind: 'named', server: process ? await judgeAnew(process, policy, world, policy.named) : server };
}

const provesProcess = ({ seen, verdict }: Judgement): boolean =>
  seen.weak === undefined || verdict.guards.some(({ name, outcome }) => name === 'identity' && outcome === 'pass');

/** The process that a plugin's record leads to without proving it, as an unrecorded server. */
async function itsProcess({ record, located }: Judgement, around: Survey, world: World) {
  const pid = located.kind === 'present' ? located.server.pid : undefined;
  const others = around.candidates.filter((candidate) => candidate.record.id !== record.id);
  const { candidates } = await surveyUnrecorded({ ...around, candidates: others }, world);
  return candidates.find((candidate) => candidate.record.server?.pid === pid)?.record;
}

/** The guard that forbids stopping it even when the user names it; undefined when it may be stopped. */
export function forbidding({ server }: Named): GuardAnswer | undefined {
  const target = targetNamed(server.verdict, server.seen);
  return 'server' in target ? undefined : target;
}
