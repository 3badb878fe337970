import type { Candidate } from '../decide/candidate.js';
import { named } from '../decide/find.js';
import type { GuardAnswer, Policy } from '../decide/guards.js';
import { type ServerName, serverName } from '../decide/server-name.js';
import { targetNamed } from '../decide/verdict.js';
import type { ServerRecord } from '../model/record.js';
import type { Unread } from '../model/written.js';
import { workspaceOf } from '../observe/directories.js';
import { hashedPlaceOf } from '../observe/hashed-directory.js';
import { type Asks, type Judgement, judgeAnew } from './judge.js';
import { type Survey, survey, surveyUnrecorded } from './survey.js';
import type { World } from './world.js';

/** One server that the user named, judged. */
export interface Named {
  readonly kind: 'named';
  readonly server: Judgement;
}

export type Unnamed =
  | { readonly kind: 'missing'; readonly unread: readonly Unread[] }
  | { readonly kind: 'ambiguous'; readonly servers: readonly Candidate[] };

export interface FindPolicy extends Policy {
  /** It is about to be stopped. */
  readonly named?: boolean;
  /** Whether it is in use has been answered by the person who named it, so the server is not asked. */
  readonly unasked?: boolean;
  /** The process with that pid or port is meant, even if a record that does not match it says otherwise. */
  readonly meansProcess?: boolean;
  /** Other servers that may be meant if none has that name, for callers that show the user which server it was. */
  readonly orElse?: (name: string, records: readonly ServerRecord[]) => readonly ServerRecord[];
}

/**
 * The one server with an id, pid, port, URL or folder, judged. An unrecorded server is asked only when it is about to be
 * stopped: asking costs it something.
 */
export async function findServer(name: string, policy: FindPolicy, world: World): Promise<Named | Unnamed> {
  const around = await survey(world);
  const known = [...around.candidates, ...(await surveyUnrecorded(around, world)).candidates];
  const said = serverName(name);
  const exact = named(said, placesOf(said), known, around.written.kept, around.snapshot);
  const records = known.map(({ record }) => record);
  const all = exact.length > 0 ? exact : (policy.orElse?.(name, records) ?? []);
  const [record, ...others] = all;
  if (record === undefined) return { kind: 'missing', unread: around.written.unread };
  if (others.length > 0) return { kind: 'ambiguous', servers: known.filter((one) => all.includes(one.record)) };
  const judged = (one: ServerRecord): Promise<Judgement> => judgeAnew(one, policy, world, asksOf(one, policy));
  const server = await judged(record);
  const process = policy.meansProcess && !provesProcess(server) ? await itsProcess(server, around, world) : undefined;
  return { kind: 'named', server: process ? await judged(process) : server };
}

const asksOf = ({ ownership }: ServerRecord, { unasked, named }: FindPolicy): Asks =>
  unasked ? 'none' : named || ownership !== 'unrecorded' ? 'all' : 'undecided';

/** The folder itself, and the workspace that it lies in. */
export const placesOf = (name: ServerName) =>
  name.kind === 'folder' ? [name.path, workspaceOf(name.path)].map(hashedPlaceOf) : [];

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
