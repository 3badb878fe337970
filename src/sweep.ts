import { setTimeout as sleep } from 'node:timers/promises';
import { sameProcess } from './decide/identity.js';
import { lives } from './decide/lives.js';
import type { Reaped } from './decide/plan.js';
import { isOfOurTime } from './decide/start-tokens.js';
import type { Told } from './journal.js';
import { selfIn } from './look.js';
import { takeSnapshot } from './observe/snapshot.js';
import { reap } from './reap.js';
import { type Claim, claimSweep, isVoid } from './state/claims.js';
import { noteFailure } from './state/log.js';
import { closeRequest, pendingRequests, type StoredRequest } from './state/requests.js';
import type { World } from './world.js';

/*
 * The background run: what Claude Code's hooks ask for, done after they have returned. It looks once the session is
 * over, and again while a server is spared only because it is too young or busy. A server that asks for itself is
 * looked at once: it asks again. The run ends by itself.
 */

export interface SweepPolicy {
  readonly olderThanMs: number;
  readonly graceMs: number;
  readonly limit: number;
  readonly told?: Told | undefined;
}

/** A client that does not end within this is no longer waited for; its lease still holds what it uses. */
const ENDING_MS = 90_000;
const FIRST_AGAIN_MS = 30_000;
const LONGEST_AGAIN_MS = 10 * 60_000;
const ALTOGETHER_MS = 6 * 3_600_000;
/** How soon a new request is seen; reading an empty folder costs nothing. */
const TICK_MS = 500;
const RENEW_MS = 60_000;
/** Long enough for a machine that is not quiet to renew the claim late. */
const CLAIM_HOLDS_MS = 5 * RENEW_MS;

export async function sweep(policy: SweepPolicy, world: World): Promise<void> {
  try {
    await serveAll(policy, world);
  } catch (error) {
    noteFailure(world.folder, 'background run failed', error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/** One run per user. It gives up its claim before its last look, so a request that came too late for it starts another. */
async function serveAll(policy: SweepPolicy, world: World): Promise<void> {
  do {
    const release = await claimRun(world);
    if (release === undefined) return;
    try {
      await serve(policy, world);
    } finally {
      release();
    }
  } while (pendingRequests(world.folder).length > 0);
}

async function claimRun(world: World): Promise<(() => void) | undefined> {
  const snapshot = await takeSnapshot([], [], world.eyes);
  const holder = selfIn(snapshot);
  if (holder === undefined) return undefined;
  // Twice: once to find that the last run died, once to follow it.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const claimed = claimSweep(world.folder, { holder, machine: snapshot.machine, holdsMs: CLAIM_HOLDS_MS });
    if (claimed.kind === 'ours') return keepUp(claimed);
    if (claimed.kind === 'unread') return undefined;
    if (!isVoid(claimed.by, lives(claimed.by.holder, claimed.by.machine, snapshot))) return undefined;
    claimed.takeAway();
  }
  return undefined;
}

/** For runs that cannot tell whether this one lives. */
function keepUp({ renew, release }: Extract<Claim, { kind: 'ours' }>): () => void {
  const timer = setInterval(renew, RENEW_MS).unref();
  return () => {
    clearInterval(timer);
    release();
  };
}

/** Looks whenever a request is due or a server may have become stale, until there is nothing more to wait for. */
async function serve(policy: SweepPolicy, world: World): Promise<void> {
  const until = Date.now() + ALTOGETHER_MS;
  let again: { readonly at: number; readonly delayMs: number } | undefined;
  let places = world;
  while (Date.now() < until) {
    const pending = pendingRequests(world.folder);
    places = withPlacesOf(pending, places);
    const requested = await dueOf(pending, world);
    for (const request of requested.filter(({ server }) => server !== undefined)) await retire(request, policy, places);
    const due = requested.filter(({ server }) => server === undefined);
    if (due.length > 0 || (again && again.at <= Date.now())) {
      const reaped = await look(due, policy, places);
      for (const request of due) closeRequest(request);
      again = mayBecomeStale(reaped) ? nextLook(due.length > 0 ? undefined : again?.delayMs) : undefined;
    } else if (pending.length === 0 && again === undefined) return;
    await sleep(TICK_MS);
  }
}

/**
 * Where the sessions that asked keep what they write down, which this run cannot know otherwise. They count in every
 * look from then on, of whichever session: a job there spares a server of all.
 */
function withPlacesOf(requests: readonly StoredRequest[], world: World): World {
  const also = (known: readonly string[], which: 'configDir' | 'dataDir' | 'pluginsDir' | 'tmpDir'): string[] => [
    ...new Set([...known, ...requests.flatMap((request) => request[which] ?? [])]),
  ];
  return {
    ...world,
    configDirs: also(world.configDirs, 'configDir'),
    dataDirs: also(world.dataDirs, 'dataDir'),
    pluginsDirs: also(world.pluginsDirs, 'pluginsDir'),
    tmpDirs: also(world.tmpDirs, 'tmpDir'),
  };
}

function nextLook(lastMs: number | undefined): { at: number; delayMs: number } {
  const delayMs = lastMs === undefined ? FIRST_AGAIN_MS : Math.min(lastMs * 2, LONGEST_AGAIN_MS);
  return { at: Date.now() + delayMs, delayMs };
}

/** Requests that have lingered, and whose session's process is gone or has had its time. */
async function dueOf(pending: readonly StoredRequest[], { eyes }: World): Promise<StoredRequest[]> {
  const due: StoredRequest[] = [];
  for (const request of pending) {
    const waitedMs = Date.now() - request.at;
    // A clock that was set back must not keep a request for ever.
    if (waitedMs >= 0 && waitedMs < request.lingerMs) continue;
    if (waitedMs >= 0 && waitedMs < ENDING_MS && (await stillThere(request, eyes))) continue;
    due.push(request);
  }
  return due;
}

async function stillThere({ ending }: StoredRequest, eyes: World['eyes']): Promise<boolean> {
  const seen = ending && (await eyes.look(ending.pid));
  if (ending === undefined || seen === undefined || typeof seen === 'string') return false;
  // A token of another time namespace cannot tell, so whatever has that pid is waited for.
  return !isOfOurTime(ending, eyes.machine()) || sameProcess(ending, seen) === 'same';
}

/** Only the server that asks, since what it knows about itself says nothing about others. */
async function retire(request: StoredRequest, policy: SweepPolicy, world: World): Promise<void> {
  await look([request], policy, world);
  closeRequest(request);
}

async function look(due: readonly StoredRequest[], policy: SweepPolicy, world: World): Promise<Reaped> {
  const ages = due.flatMap(({ olderThanMs }) => olderThanMs ?? []);
  const olderThanMs = ages.length > 0 ? Math.min(...ages) : policy.olderThanMs;
  const request = {
    ...policy,
    olderThanMs,
    dryRun: false,
    endStrays: false,
    retiring: due[0]?.server,
    scope: { kind: 'all', port: undefined },
  } as const;
  return reap(request, world);
}

/** Spared only because it is too young or busy, or because it is just now waking up: time alone may change that. */
function mayBecomeStale({ servers }: Reaped): boolean {
  return servers.some(({ verdict, outcome }) => {
    if (outcome?.kind === 'withheld' && !outcome.overLimit) return true;
    const waiting = verdict.kind === 'spared' || verdict.kind === 'unsure';
    return waiting && verdict.reasons.every((name) => name === 'aged' || name === 'idle');
  });
}
