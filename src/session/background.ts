import { setTimeout as sleep } from 'node:timers/promises';
import { isAlive } from '../decide/alive.js';
import type { Judged, Reaped } from '../decide/plan.js';
import { isOfOurTime } from '../decide/start-tokens.js';
import { sinceThen } from '../model/boot-time.js';
import { sameProcess } from '../model/identity.js';
import { takeSnapshot } from '../observe/snapshot.js';
import { reap } from '../reap.js';
import type { Told } from '../run/journal.js';
import { selfIn } from '../run/survey.js';
import type { World } from '../run/world.js';
import { type Claim, claimBackgroundRun, isVoid } from '../state/ours/claims.js';
import { noteFailure } from '../state/ours/log.js';
import { closeRequest, pendingRequests, type StoredRequest } from '../state/ours/requests.js';
import { noteForNext } from './notice.js';
import { endWatchIfOver, ensureWatch, leftToWatch, retireAfterIn } from './watch.js';

/*
 * The background run: what Claude Code's hooks ask for, done after they have returned. It looks once the session is
 * over, and again while a server is spared only because it is too young or busy. Then it ends.
 */

export interface BackgroundPolicy {
  readonly olderThanMs: number;
  readonly graceMs: number;
  readonly limit: number;
  readonly told?: Told | undefined;
}

/** A client that does not end within this time is no longer waited for; its lease still covers what it uses. */
const ENDING_MS = 90_000;
const FIRST_AGAIN_MS = 30_000;
const LONGEST_AGAIN_MS = 10 * 60_000;
/** A look takes this long, and a server that is about to be old enough should be so by then. */
const SOONEST_AGAIN_MS = 1_000;
/**
 * If a server can become stale only later than this, it is left to the watch: its shell takes a fiftieth of the memory
 * of this run.
 */
const LEFT_TO_WATCH_MS = 5 * 60_000;
const ALTOGETHER_MS = 6 * 3_600_000;
/** How often it checks for new requests; reading an empty folder costs nothing. */
const TICK_MS = 500;
const RENEW_MS = 60_000;
/** Long enough for a busy machine to renew the claim late. */
const CLAIM_HOLDS_MS = 5 * RENEW_MS;

type OurClaim = Extract<Claim, { kind: 'ours' }>;

/** `program` is a file that node can run, for the watch that takes over; undefined if there is none. */
export async function runInBackground(policy: BackgroundPolicy, world: World, program?: string): Promise<void> {
  try {
    await serveAll(policy, world, program);
  } catch (error) {
    noteFailure(world.folder, 'background run failed', error instanceof Error ? error.message : String(error));
    throw error;
  }
}

/**
 * One run per user. It gives up its claim before its last look, so a request that came too late for it starts another
 * run.
 */
async function serveAll(policy: BackgroundPolicy, world: World, program: string | undefined): Promise<void> {
  do {
    const claim = await claimRun(world);
    if (claim === undefined) return;
    const renewing = setInterval(claim.renew, RENEW_MS).unref();
    try {
      if ((await serve(policy, claim, world, program)) === 'no longer ours') return;
    } finally {
      clearInterval(renewing);
      claim.release();
    }
  } while (pendingRequests(world.folder).length > 0);
}

async function claimRun(world: World): Promise<OurClaim | undefined> {
  const { folder, clock } = world;
  const { snapshot } = await takeSnapshot([], [], world);
  const { machine } = snapshot;
  const holder = selfIn(snapshot);
  if (holder === undefined) return undefined;
  // Twice: once to find that the last run died or hangs, once to follow it.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const claimed = claimBackgroundRun(folder, { holder, machine, holdsMs: CLAIM_HOLDS_MS, clock });
    if (claimed.kind === 'ours') return claimed;
    if (claimed.kind === 'unread') return undefined;
    const { by } = claimed;
    if (!isVoid(by, isAlive(by.holder, by.machine, snapshot), { boot: machine.boot, ms: clock() })) return undefined;
    claimed.takeAway();
  }
  return undefined;
}

/**
 * Looks whenever a request is due or a server may have become stale, until there is nothing left to wait for.
 * Everything goes by the boot clock: when its time is up, even after a night's suspend, it takes a last look at what it
 * still waits for.
 */
async function serve(
  policy: BackgroundPolicy,
  claim: OurClaim,
  world: World,
  program: string | undefined,
): Promise<'done' | 'no longer ours'> {
  const { clock, folder } = world;
  const until = clock() + ALTOGETHER_MS;
  const seen: FirstSeen = new Map();
  let again: Again | undefined;
  let places = world;
  let session: string | undefined;
  for (;;) {
    const isOver = clock() >= until;
    const pending = pendingRequests(folder);
    places = withPlacesOf(pending, places);
    for (const request of pending.filter(isRetiring)) await handToWatch(request, program, world);
    const due = await dueOf(
      pending.filter((request) => !isRetiring(request)),
      seen,
      world,
    );
    // A run that was frozen for long is no longer the one: another has done its work.
    if (!claim.isOurs()) return 'no longer ours';
    if (due.length > 0 || (again && (isOver || again.at <= clock()))) {
      session = due.length > 0 ? onlySessionOf(due) : session;
      const reaped = await look(due, policy, { ...places, session });
      for (const request of due) closeRequest(request);
      again = nextLook(reaped, due.length > 0 ? undefined : again?.delayMs, clock());
      const isWatched = await leaveToWatch(reaped, program, places);
      if (again && isWatched && again.at - clock() > LEFT_TO_WATCH_MS) again = undefined;
    } else if (pending.length === 0 && again === undefined) return 'done';
    if (isOver) return 'done';
    await sleep(TICK_MS);
  }
}

/** If several ended at once, it cannot be told whose end led to what is found. */
function onlySessionOf(due: readonly StoredRequest[]): string | undefined {
  const [session, ...others] = new Set(due.flatMap((request) => request.session ?? []));
  return others.length === 0 ? session : undefined;
}

/**
 * The folders in which the plugins of the requesting sessions keep their state, which this run cannot know otherwise.
 * They count in every look from then on, for every session: a job found there spares a server of any of them.
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

interface Again {
  /** By the boot clock. */
  readonly at: number;
  /** How long it waits while servers are busy; doubled each time. */
  readonly delayMs: number;
}

/** When a server that is spared now may be stale: a young one when it is old enough, a busy one at an unknown time. */
function nextLook({ servers, policy }: Reaped, lastMs: number | undefined, now: number): Again | undefined {
  const waiting = servers.filter(mayBecomeStale);
  if (waiting.length === 0) return undefined;
  const delayMs = lastMs === undefined ? FIRST_AGAIN_MS : Math.min(lastMs * 2, LONGEST_AGAIN_MS);
  const young = waiting.flatMap(({ verdict, seen }) => (isOnlyYoung(verdict) ? (seen.ageMs ?? []) : []));
  const oldEnough = young.map((ageMs) => Math.max(policy.olderThanMs - ageMs, SOONEST_AGAIN_MS));
  return { at: now + Math.min(delayMs, ...oldEnough), delayMs };
}

/** A server of an earlier version asks only for itself, so that is not a reason to look at others. */
const isRetiring = ({ event }: StoredRequest): boolean => event === 'retire';

async function handToWatch(request: StoredRequest, program: string | undefined, world: World): Promise<void> {
  closeRequest(request);
  await ensureWatch(program, undefined, world);
}

/** Whether the watch looks after whatever this look has left. It ends with the last server, and so does its claim. */
async function leaveToWatch(reaped: Reaped, program: string | undefined, world: World): Promise<boolean> {
  const left = leftToWatch(reaped, world);
  if (left.length === 0) {
    await endWatchIfOver(program, world);
    return false;
  }
  const soonestMs = Math.min(...left.map(({ seen }) => seen.retireAfterMs ?? retireAfterIn(world)));
  const isThere = await ensureWatch(program, soonestMs, world);
  return isThere && reaped.servers.filter(mayBecomeStale).every((server) => left.includes(server));
}

/** When this run first saw a request, by the boot clock, for requests that do not say since when they wait. */
type FirstSeen = Map<string, number>;

/** Requests that have lingered, and whose session's process is gone or has had its time. */
async function dueOf(
  pending: readonly StoredRequest[],
  seen: FirstSeen,
  { platform, clock }: World,
): Promise<StoredRequest[]> {
  const { boot } = await platform.host();
  const now = { boot, ms: clock() };
  const due: StoredRequest[] = [];
  for (const request of pending) {
    const firstSeen = seen.get(request.file) ?? now.ms;
    seen.set(request.file, firstSeen);
    // A request of another boot was left behind by a power failure, and one of an earlier version may be of any boot.
    const waitedMs = sinceThen(request.since, now) ?? now.ms - firstSeen;
    if (waitedMs < request.lingerMs) continue;
    if (waitedMs < ENDING_MS && (await stillThere(request, platform))) continue;
    due.push(request);
  }
  return due;
}

async function stillThere({ ending }: StoredRequest, platform: World['platform']): Promise<boolean> {
  const seen = ending && (await (platform.recent ?? platform.look)(ending.pid));
  if (ending === undefined || seen === undefined || typeof seen === 'string') return false;
  // A token of another time namespace cannot tell, so any process with that pid is waited for.
  if (!isOfOurTime(ending, await platform.host())) return true;
  // Windows' hook may know the pid alone.
  return sameProcess(ending, seen) === 'same' || (ending.startToken === undefined && seen.claude !== undefined);
}

async function look(due: readonly StoredRequest[], policy: BackgroundPolicy, world: World): Promise<Reaped> {
  const ages = due.flatMap(({ olderThanMs }) => olderThanMs ?? []);
  const olderThanMs = ages.length > 0 ? Math.min(...ages) : policy.olderThanMs;
  const request = {
    ...policy,
    olderThanMs,
    dryRun: false,
    endStrays: false,
    scope: { kind: 'all', port: undefined },
  } as const;
  const reaped = await reap(request, world);
  noteForNext(reaped, world.folder);
  return reaped;
}

/** Spared only because it is too young or busy, or because it is just waking up: time alone may change that. */
function mayBecomeStale({ verdict, outcome }: Judged): boolean {
  if (outcome?.kind === 'withheld' && !outcome.overLimit) return true;
  const waiting = verdict.kind === 'spared' || verdict.kind === 'unsure';
  return waiting && verdict.reasons.every((name) => name === 'aged' || name === 'idle');
}

const isOnlyYoung = (verdict: Judged['verdict']): boolean =>
  verdict.kind === 'spared' && verdict.reasons.every((name) => name === 'aged');
