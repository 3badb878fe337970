import { realpathSync } from 'node:fs';
import { dirname } from 'node:path';
import { tryRead } from '../common/errors.js';
import { BORN, birthOf, mayBeBorn } from '../decide/born.js';
import { companionIn, hookIn, pluginRootOf } from '../decide/born-proofs.js';
import { locate } from '../decide/locate.js';
import { NO_TREE } from '../decide/tree.js';
import { unrecordedIn } from '../decide/unrecorded.js';
import type { Origin, Traces } from '../model/birth.js';
import { compare, type Sameness } from '../model/identity.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { answers } from '../observe/directories.js';
import type { BirthMarks } from '../observe/platform.js';
import { homeOf } from '../state/folders.js';
import { readPlugin, readStarter } from '../state/plugins/installed.js';
import { jobThatAsked } from '../state/plugins/job-logs.js';
import type { KnownFolders } from '../state/plugins/plugin-folders.js';
import { givesToAll } from '../state/plugins/session-settings.js';
import { type World, withNotedFolders } from './world.js';

/**
 * The servers that no record leads to and that a plugin started, or may have, as records. Only a server with the very
 * command line that plugins use is looked at, so a machine without one pays nothing.
 */
export async function bornBeside(
  records: readonly ServerRecord[],
  snapshot: Snapshot,
  world: World,
): Promise<ServerRecord[]> {
  const like = unrecordedIn([], snapshot).filter((record) => mayBeBorn(record, snapshot));
  if (like.length === 0) return [];
  const located = records.map((record) => ({ record, located: locate(record, snapshot), tree: NO_TREE }));
  const unrecorded = new Set(unrecordedIn(located, snapshot).map(({ server }) => server?.pid));
  const born = await Promise.all(
    like
      .filter(({ server }) => unrecorded.has(server?.pid))
      .map(async (record) => {
        const birth = await lookAtBirth(record, snapshot, world);
        return birth === undefined ? [] : [{ ...record, ...asPlugins(record, birth), birth }];
      }),
  );
  return born.flat();
}

/** Such a server as it is now: it counts only as long as something proves whose it is. */
export async function bornAsItStands(known: ServerRecord, snapshot: Snapshot, world: World): Promise<ServerRecord> {
  const birth = await lookAtBirth(known, snapshot, world);
  return birth === undefined ? { ...known, ownership: 'withdrawn' } : { ...known, birth };
}

function asPlugins({ spawned }: ServerRecord, { proof }: NonNullable<ServerRecord['birth']>) {
  const { plugin }: { readonly kind: string; readonly plugin?: string } = proof;
  return {
    // As that of a plugin's record: if the plugin records it after all, it is still one server.
    id: `${spawned?.pid}-${spawned?.startToken ?? 'unknown'}`,
    source: { format: BORN, file: '' },
    ownership: 'plugin' as const,
    plugin,
  };
}

async function lookAtBirth(record: ServerRecord, snapshot: Snapshot, world: World): Promise<ServerRecord['birth']> {
  if (!world.platform.shows.births) return undefined;
  const traces = await tracesOf(record, snapshot, world);
  return traces && birthOf(record, traces, snapshot);
}

async function tracesOf(
  { spawned, server }: ServerRecord,
  { processes, environments, machine }: Snapshot,
  world: World,
): Promise<Traces | undefined> {
  const top = spawned && processes?.get(spawned.pid);
  if (top === undefined || server === undefined) return undefined;
  const pids = [...new Set<number>([top.pid, server.pid])];
  const details = await world.platform.details({ birth: [...pids, top.parent], cwd: [top.pid] });
  const marksOf = (pid: number): BirthMarks | undefined => {
    const marks = details.get(pid)?.birth;
    const process = processes?.get(pid);
    // The first process of all, which we may not be shown, has no other in its place.
    const isIt = pid === 1 || compare(marks?.startToken, process?.startToken) === 'same';
    return isIt ? marks : undefined;
  };
  const birth = marksOf(top.pid);
  const { cwd } = details.get(top.pid) ?? {};
  const parent = marksOf(top.parent)?.argv;
  const script = companionIn(parent);
  const { origin } = environments.get(top.pid) ?? {};
  const here = { ...withNotedFolders(world, []), answers, startTokens: world.platform.shows.startTokens };
  return {
    commandLines: pids.map((pid) => marksOf(pid)?.argv),
    pidNamespace: compare(birth?.pidNamespace, machine.pidNamespace),
    home: origin === undefined ? 'unknown' : sameFolder(origin.home, homeOf(world.env)),
    streams: birth?.streams ?? [],
    parent,
    parentPlugin: script === undefined ? parent && 'none' : readPlugin(pluginRootOf(script), here),
    hookPlugin: origin && pluginOfHook(origin, cwd, here),
    job: script === undefined && mayBeSocket(birth) ? jobBefore(cwd, birth?.startedAt, here) : 'none',
  };
}

/** The plugin whose hook an environment is of. A relative path means something to its own process alone. */
function pluginOfHook(origin: Origin, cwd: string | undefined, here: KnownFolders): Traces['hookPlugin'] {
  const { pluginRoot, envFile = '' } = origin;
  if (!pluginRoot?.startsWith('/') || hookIn(envFile) === undefined) return 'none';
  const plugin = readStarter(pluginRoot, here);
  if (typeof plugin !== 'object') return plugin;
  // `<config folder>/session-env/<session>/<file>`
  const configDir = dirname(dirname(dirname(envFile)));
  const isForAll = cwd === undefined ? undefined : givesToAll(configDir, cwd, here);
  return isForAll === undefined ? undefined : isForAll ? 'none' : plugin;
}

const mayBeSocket = (birth: BirthMarks | undefined): boolean => [undefined, 'socket'].includes(birth?.streams[1]);

const jobBefore = (cwd: string | undefined, startedAt: number | undefined, known: KnownFolders) =>
  cwd === undefined || startedAt === undefined ? undefined : jobThatAsked(cwd, startedAt, known);

function sameFolder(one: string | undefined, other: string): Sameness {
  if (one === undefined) return 'different';
  const isSame = one === other || (answers(one) && realOf(one) === realOf(other));
  return isSame ? 'same' : 'different';
}

const realOf = (path: string): string => tryRead(() => realpathSync.native(path)) ?? path;
