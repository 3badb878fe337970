import type { Identity } from '../model/identity.js';
import type { Evidence } from './evidence.js';
import { answer, GUARD_NAMES, type GuardAnswer, type GuardName, type Policy } from './guards.js';
import type { Located } from './locate.js';

export type Verdict =
  | { readonly kind: 'stale'; readonly target: Target; readonly guards: readonly GuardAnswer[] }
  | { readonly kind: 'spared'; readonly reasons: readonly GuardName[]; readonly guards: readonly GuardAnswer[] }
  | { readonly kind: 'unsure'; readonly reasons: readonly GuardName[]; readonly guards: readonly GuardAnswer[] }
  | { readonly kind: 'gone'; readonly because: string; readonly guards: readonly GuardAnswer[] };

declare const targetBrand: unique symbol;

/**
 * Proof that a server was judged and may be stopped. Only this file can create one, so nothing is ever stopped by pid.
 */
export interface Target {
  readonly [targetBrand]: never;
  readonly server: Identity;
  readonly launcher: Identity | undefined;
  /** It does not answer, so it is not asked to dispose either. */
  readonly hung: boolean;
}

/** Asks every guard, so that `why` can show them all; the order of the checks is the definition of a verdict. */
export function judge(seen: Evidence, policy: Policy): Verdict {
  const guards = GUARD_NAMES.map((name) => answer(name, seen, policy));
  const named = (outcome: GuardAnswer['outcome']) =>
    guards.filter((guard) => guard.outcome === outcome).map(({ name }) => name);
  if (isEarlierBoot(seen)) return { kind: 'gone', because: 'this machine has rebooted since', guards };
  if (named('veto').includes('local')) return { kind: 'spared', reasons: named('veto'), guards };
  // When the record's machine cannot be determined, the server may be running there.
  const isHere = !named('unknown').includes('local');
  if (seen.located.kind === 'gone' && isHere) return { kind: 'gone', because: seen.located.because, guards };
  if (named('veto').length > 0) return { kind: 'spared', reasons: named('veto'), guards };
  if (named('unknown').length > 0) return { kind: 'unsure', reasons: named('unknown'), guards };
  const target = targetFrom(seen);
  return target ? { kind: 'stale', target, guards } : { kind: 'unsure', reasons: ['identity'], guards };
}

/**
 * When the user names a server, it may be stopped even if it is busy, leased, young, kept or unrecorded, but not if it
 * is not this user's `opencode serve`, or not here. Returns the guard that forbids it instead.
 */
export function targetNamed(verdict: Verdict, seen: Evidence): Target | GuardAnswer {
  const forbidding = verdict.guards.find(
    ({ name, outcome }) => (name === 'identity' || name === 'local') && outcome !== 'pass',
  );
  if (forbidding) return forbidding;
  return targetFrom(seen) ?? { name: 'identity', outcome: 'unknown', detail: 'its start token cannot be read' };
}

/** A server that we just spawned and have not handed to a caller yet may be ended without a verdict. */
export const targetOfSpawn = (located: Located): Target | undefined => targetAt(located, false);

const isEarlierBoot = ({ where }: Evidence): boolean => where?.machine === 'same' && where.boot === 'different';

const targetFrom = ({ located, activity }: Evidence): Target | undefined => targetAt(located, activity.kind === 'hung');

function targetAt(located: Located, hung: boolean): Target | undefined {
  if (located.kind !== 'present' || located.server.startToken === undefined) return undefined;
  const identity = ({ pid, startToken }: Identity): Identity => ({ pid, startToken });
  return { server: identity(located.server), launcher: located.launcher && identity(located.launcher), hung } as Target;
}
