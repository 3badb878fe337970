import { stopServer } from './act/stop-server.js';
import { named } from './decide/find.js';
import type { GuardAnswer, Policy } from './decide/guards.js';
import type { Judged } from './decide/plan.js';
import type { Unread } from './decide/record.js';
import { targetOnWord } from './decide/verdict.js';
import { handsFor, type Manner } from './hands.js';
import { writeLog } from './housekeeping.js';
import { type Judgement, judgeAll, lookAround, type Sight, unrecordedServers } from './look.js';
import type { World } from './world.js';

/** One server that somebody named, and what was seen of it. */
export interface Named {
  readonly kind: 'named';
  readonly server: Judgement;
  readonly sight: Sight;
}

export type Unnamed =
  | { readonly kind: 'missing'; readonly unread: readonly Unread[] }
  | { readonly kind: 'ambiguous'; readonly ids: readonly string[] };

/**
 * The one server with an id, pid or port, judged. A server that nothing was written down about is asked only when it is
 * about to be stopped: asking is not free for it.
 */
export async function findServer(
  name: string,
  policy: Policy & { readonly onWord?: boolean },
  world: World,
): Promise<Named | Unnamed> {
  const sight = await lookAround(world);
  const unrecorded = (await unrecordedServers(sight, policy, world)).map(({ record }) => record);
  const found = named(name, [...sight.records, ...unrecorded], sight.snapshot);
  const [record, ...others] = found;
  if (record === undefined) return { kind: 'missing', unread: sight.written.unread };
  if (others.length > 0) return { kind: 'ambiguous', ids: found.map(({ id }) => id) };
  const near = await lookAround(world, record);
  const [server] = await judgeAll(near, policy, world, policy.onWord || record.ownership !== 'unrecorded');
  return server ? { kind: 'named', server, sight: near } : { kind: 'missing', unread: [] };
}

/** The guard that forbids it even on a person's word; undefined when it may be stopped. */
export function forbidding({ server }: Named): GuardAnswer | undefined {
  const target = targetOnWord(server.verdict, server.seen);
  return 'server' in target ? undefined : target;
}

/** Stops it, whoever started it and whoever uses it, and writes that down. */
export async function stopOnWord({ server, sight }: Named, manner: Manner, world: World): Promise<Judged> {
  const { hands, tree } = handsFor(server.record, sight, manner, world);
  const judged = { ...server, outcome: await stopServer(tree, hands) };
  writeLog([judged], world);
  return judged;
}
