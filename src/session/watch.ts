import { randomBytes } from 'node:crypto';
import { existsSync, realpathSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { endRest } from '../act/end-tree.js';
import { isGone, signal } from '../act/signal.js';
import { startWatch, WATCH_ENDS } from '../act/start-watch.js';
import { DEFAULTS } from '../common/defaults.js';
import { parseDuration } from '../common/duration.js';
import { isSystemError, tryRead } from '../common/errors.js';
import { type Answer, isAlive } from '../decide/alive.js';
import type { Judged, Reaped } from '../decide/plan.js';
import { nextUse } from '../decide/quiet.js';
import { installedBuild } from '../install/paths.js';
import { takeSnapshot } from '../observe/snapshot.js';
import { reap } from '../reap.js';
import { type World, withNotedFolders } from '../run/world.js';
import { jsonNames } from '../state/files/read.js';
import { attempt, removeFile } from '../state/files/write.js';
import { type Claim, claimWatch, type Held, isVoid, watchClaim, watcher, watchFile } from '../state/ours/claims.js';
import { readLastUses, writeLastUses } from '../state/ours/last-uses.js';
import { noteFailure } from '../state/ours/log.js';
import { folderFiles, noteFolders, type SessionFolders } from '../state/ours/session-folders.js';
import type { BackgroundPolicy } from './background.js';
import { noteForNext } from './notice.js';

/*
 * The watch: while any recorded server is alive (except those that are never to be stopped), one tiny process per user
 * has everything looked at from time to time, and what has been quiet for long is stopped. It is for the day on which
 * no hook fires.
 */

export { WATCH_ENDS };

const EVERY_MS = 10 * 60_000;
/** No look is sooner than this, however soon a server may retire: a look takes a tenth of a second of CPU time. */
const SOONEST_MS = 10_000;
/** The longest that a look may take, with servers that are silent or slow to end. */
const LOOKING_MS = 60_000;
const STARTING_MS = 10_000;

/** The longest time between two looks: a variable, so that a test or an impatient user need not wait ten minutes. */
function everyMs({ env }: World): number {
  const said = parseDuration(env.OPENCODE_REAP_WATCH_EVERY ?? '');
  return said === undefined || said === 0 ? EVERY_MS : Math.min(said, EVERY_MS);
}

/** How long a server must be quiet if its record does not say; 0 for never. */
export const retireAfterIn = ({ env }: World): number =>
  parseDuration(env.OPENCODE_REAP_RETIRE_AFTER ?? '') ?? DEFAULTS.retireAfterMs;

/**
 * Makes sure that a watch is running. Of several callers at the same time, one starts it. `program` is a file that node
 * can run for a look; if there is none, as in a program that the library was bundled into, the installed copy is used.
 * `retireAfterMs` is that of the server which it is for, and 0 asks for no watch; undefined is for whatever is there.
 * Returns false if no watch will look.
 */
export async function ensureWatch(
  program: string | undefined,
  retireAfterMs: number | undefined,
  world: World,
): Promise<boolean> {
  try {
    return retireAfterMs !== 0 && (await ensure(programsFor(program, world), retireAfterMs, world));
  } catch (error) {
    // A full disk, or a folder that cannot be written: the caller gets its server anyway.
    if (isSystemError(error)) return false;
    throw error;
  }
}

async function ensure(programs: readonly string[], retireAfterMs: number | undefined, world: World): Promise<boolean> {
  // When bundled into another program there is no file of ours, and then only an installed copy can look.
  if (!programs.some((program) => existsSync(program))) return false;
  noteFolders(world.folder, foldersNamedHere(world));
  // Twice: once to find that the last watch died or finds nothing to run, once to follow it.
  for (let attempt = 0; attempt < 2; attempt += 1) {
    const held = watcher(world.folder);
    if (held && !(await isOver(held, world))) return true;
    const claimed = await claimNow(world);
    if (claimed === undefined || claimed.kind === 'unread') return false;
    if (claimed.kind === 'ours') return begin(claimed, programs, retireAfterMs, world);
    const { by } = claimed;
    // Another process is about to start it.
    if (!(await isOver(by, world))) return true;
    claimed.takeAway();
  }
  return false;
}

async function isOver(held: Held, world: World): Promise<boolean> {
  const { boot } = await world.platform.host();
  return isVoid(held, await aliveNow(held, world), { boot, ms: world.clock() });
}

/** Looks at that one process only, since most often the watch is there. */
async function aliveNow({ holder, machine }: Held, { platform }: World): Promise<Answer> {
  const seen = await platform.look(holder.pid);
  if (seen === 'unknown') return 'unknown';
  return isAlive(holder, machine, {
    machine: await platform.host(),
    processes: new Map(seen === 'gone' ? [] : [[seen.pid, seen]]),
  });
}

type OurClaim = Extract<Claim, { kind: 'ours' }>;
type WatchClaim = Claim & { readonly token: string };

async function claimNow({ folder, platform, clock }: World): Promise<WatchClaim | undefined> {
  const us = await platform.look(process.pid);
  if (typeof us === 'string') return undefined;
  const token = randomBytes(8).toString('hex');
  const holder = { pid: us.pid, startToken: us.startToken };
  const claimant = { holder, machine: await platform.host(), holdsMs: STARTING_MS, clock, token };
  return { ...claimWatch(folder, claimant), token };
}

async function begin(
  claim: Extract<WatchClaim, { kind: 'ours' }>,
  programs: readonly string[],
  retireAfterMs: number | undefined,
  world: World,
): Promise<boolean> {
  const { folder, env, platform } = world;
  const every = everyMs(world);
  // A user's 0 is for servers that do not say otherwise, so it is no reason to hurry, nor one not to look.
  const firstMs = Math.min(every, Math.max(SOONEST_MS, retireAfterMs ?? (retireAfterIn(world) || every)));
  const { token } = claim;
  const watching = { token, claim: watchFile(folder), stateDir: folder.root, everyMs: every, firstMs, programs };
  const pid = await startWatch(watching, env);
  const seen = pid && (await platform.look(pid));
  const isBegun =
    typeof seen === 'object' && claim.handOver({ pid: seen.pid, startToken: seen.startToken }, 3 * every + LOOKING_MS);
  if (!isBegun) claim.release();
  return isBegun;
}

/**
 * The program as it was called, and the copy that `install` makes: a file in a cache of npx or a plugin manager
 * disappears one day.
 */
function programsFor(program: string | undefined, { env }: World): string[] {
  const real = program && tryRead(() => realpathSync(program));
  return [...new Set([real ?? [], installedBuild(env).program].flat())];
}

/** The folders that this process knows from its session's environment, which the watch does not have. */
function foldersNamedHere({ env, configDirs, dataDirs, pluginsDirs, tmpDirs }: World): SessionFolders {
  const { CLAUDE_CONFIG_DIR, CLAUDE_PLUGIN_DATA, CLAUDE_CODE_PLUGIN_CACHE_DIR, CLAUDE_CODE_TMPDIR } = env;
  const isDefault = (folder: string): boolean => !CLAUDE_CONFIG_DIR && folder === configDirs[0];
  return {
    configDirs: configDirs.filter((folder) => !isDefault(folder)),
    dataDirs: [...new Set([CLAUDE_PLUGIN_DATA || [], dataDirs].flat())],
    pluginsDirs: [...new Set([CLAUDE_CODE_PLUGIN_CACHE_DIR || [], pluginsDirs].flat())],
    tmpDirs: [...new Set([CLAUDE_CODE_TMPDIR || [], tmpDirs].flat())],
  };
}

/** One look of the watch. Returns in how many milliseconds the next one is due; undefined when the watch ends. */
export async function lookOnce(
  token: string,
  policy: BackgroundPolicy,
  program: string,
  world: World,
): Promise<number | undefined> {
  const { folder, clock } = world;
  const claim = watchClaim(folder, token, clock);
  if (claim === undefined) return undefined;
  claim.renew();
  // Its end removes what was noted, and whoever follows needs it.
  const looking = withNotedFolders(world, []);
  try {
    const reaped = await lookQuietly(policy, looking);
    claim.renew();
    const left = leftToWatch(reaped, world);
    if (left.length > 0 || mayBeMore(reaped, world)) return nextLookMs(left, world);
  } catch (error) {
    noteFailure(folder, 'watch failed', error instanceof Error ? error.message : String(error));
    return everyMs(world);
  }
  await end(claim, program, looking);
  return undefined;
}

/**
 * Ends the watch when nothing is left for it, after a run that has stopped something: otherwise it would end only at
 * its next look. This look asks no server.
 */
export async function endWatchIfOver(program: string | undefined, world: World): Promise<void> {
  const { folder, clock, platform } = world;
  if (!existsSync(watchFile(folder))) return removeNotes(world);
  const held = watcher(folder);
  const claim = held?.token === undefined ? undefined : watchClaim(folder, held.token, clock);
  if (held === undefined || claim === undefined || (await somethingIsLeft(world))) return;
  const { lineage } = (await takeSnapshot([], [], world)).snapshot;
  await end(claim, program, world);
  if ((await aliveNow(held, world)) !== 'yes') return;
  const { look, runScript } = platform;
  if (runScript) {
    await endRest([held.holder], { look, lineage, graceMs: 0, runScript });
    return;
  }
  await signal(held.holder, 'SIGTERM', look, lineage);
  for (let tries = 0; tries < 20 && !(await isGone(held.holder, platform.look)); tries += 1) await sleep(25);
}

/**
 * Gives up the claim first, and then looks once more: a process that recorded a server while the claim was still there
 * has started no watch, and has written down places that the next one needs.
 */
async function end(claim: Pick<OurClaim, 'release'>, program: string | undefined, world: World): Promise<void> {
  const notes = notesIn(world);
  claim.release();
  if (await somethingIsLeft(world)) {
    await ensureWatch(program, undefined, world);
    return;
  }
  for (const file of notes) attempt(() => removeFile(file));
}

/** What a watch has noted that was killed between the two: the next one would remove it, and may never come. */
async function removeNotes(world: World): Promise<void> {
  const notes = notesIn(world);
  if (notes.length === 0 || (await somethingIsLeft(world))) return;
  for (const file of notes) attempt(() => removeFile(file));
}

const notesIn = ({ folder }: World): string[] => [
  ...[folder.lastUses].filter((file) => existsSync(file)),
  ...folderFiles(folder),
];

/** No server is old enough to be asked anything. */
async function somethingIsLeft(world: World): Promise<boolean> {
  const nothing = { olderThanMs: Number.MAX_SAFE_INTEGER, graceMs: 0, limit: 0, dryRun: true };
  const reaped = await reap({ ...LOOKING, ...nothing }, world);
  return leftToWatch(reaped, world).length > 0 || mayBeMore(reaped, world);
}

/**
 * A server that a run is just stopping, or was when it died, has no record; and a file that cannot be read may be a
 * record.
 */
function mayBeMore({ unread }: Reaped, { folder }: World): boolean {
  const fences = jsonNames(folder.closing);
  const isFenced = fences.kind === 'unread' || fences.names.length > 0;
  return isFenced || unread.some(({ kind }) => kind === 'native' || kind === 'fence');
}

const LOOKING = { endStrays: false, scope: { kind: 'all', port: undefined } } as const;

/** Like the background run, but stops only what has been quiet for long, and writes down what it saw in use. */
async function lookQuietly(policy: BackgroundPolicy, world: World): Promise<Reaped> {
  const { boot } = await world.platform.host();
  const uses = readLastUses(world.folder, boot);
  const request = { ...LOOKING, ...policy, dryRun: false, quietForMs: retireAfterIn(world) };
  const reaped = await reap(request, world);
  noteForNext(reaped, world.folder);
  const now = { at: Date.now(), bootMs: world.clock() };
  const next = leftToWatch(reaped, world).map(({ seen }) => nextUse(seen, uses, now));
  writeLastUses(world.folder, boot, new Map(next.filter((entry) => entry !== undefined)));
  return reaped;
}

/** Recorded servers that live here, and that the watch may stop one day. */
export function leftToWatch({ servers }: Reaped, world: World): Judged[] {
  const otherwise = retireAfterIn(world);
  return servers.filter((server) => isLeft(server) && (server.seen.retireAfterMs ?? otherwise) !== 0);
}

const isLeft = ({ record, seen, verdict, outcome }: Judged): boolean =>
  seen.located.kind !== 'gone' &&
  // What does not look like a server is never stopped.
  !(seen.located.kind === 'unknown' && seen.located.unlike) &&
  verdict.kind !== 'gone' &&
  outcome?.kind !== 'stopped' &&
  outcome?.kind !== 'gone' &&
  (record.ownership === 'plugin' || record.ownership === 'adopted') &&
  verdict.guards.every(({ name, outcome: said }) => name !== 'local' || said !== 'veto');

/** Sooner than usual for a server that will have been quiet for long enough by then. */
function nextLookMs(servers: readonly Judged[], world: World): number {
  const every = everyMs(world);
  const left = servers.map(({ seen }) => (seen.retireAfterMs ?? retireAfterIn(world)) - (seen.quietMs ?? 0));
  return Math.min(every, Math.max(SOONEST_MS, Math.min(...left.filter((ms) => ms > 0), every)));
}

/** Where there is no shell to sleep in, one process makes all the looks, and that process is the watch. */
export async function stay(token: string, policy: BackgroundPolicy, program: string, world: World): Promise<void> {
  for (let waitMs: number | undefined = everyMs(world); waitMs !== undefined; ) {
    await sleep(waitMs);
    waitMs = await lookOnce(token, policy, program, world);
  }
}
