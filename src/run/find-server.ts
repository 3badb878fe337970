import { named } from '../decide/find.js';
import type { GuardAnswer, Policy } from '../decide/guards.js';
import { targetNamed } from '../decide/verdict.js';
import type { ServerRecord } from '../model/record.js';
import type { Unread } from '../model/written.js';
import { type Judgement, judgeAnew } from './judge.js';
import { type Survey, survey, surveyUnrecorded } from './survey.js';
import type { World } from './world.js';

/** One server that somebody named, judged. */
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
  /** The process with that pid or port is meant, whatever a record that does not fit it says. */
  readonly meansProcess?: boolean;
  /** What else may be meant where nothing has that name, if somebody is there to see which server it was. */
  readonly orElse?: (name: string, records: readonly ServerRecord[]) => readonly ServerRecord[];
}

/**
 * The one server with an id, pid or port, judged. A server that nothing was written down about is asked only when it is
 * about to be stopped: asking is not free for it.
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

/** The process that a plugin's record leads to without proving it, as one that nothing was written down about. */
async function itsProcess({ record, located }: Judgement, around: Survey, world: World) {
  const pid = located.kind === 'present' ? located.server.pid : undefined;
  const others = around.candidates.filter((candidate) => candidate.record.id !== record.id);
  const { candidates } = await surveyUnrecorded({ ...around, candidates: others }, world);
  return candidates.find((candidate) => candidate.record.server?.pid === pid)?.record;
}

/** The guard that forbids it even on a person's word; undefined when it may be stopped. */
export function forbidding({ server }: Named): GuardAnswer | undefined {
  const target = targetNamed(server.verdict, server.seen);
  return 'server' in target ? undefined : target;
}
