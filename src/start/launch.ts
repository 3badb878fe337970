import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { endTree } from '../act/end-tree.js';
import { type Spawned, spawnDetached } from '../act/spawn.js';
import { treeAt } from '../decide/evidence.js';
import { locate } from '../decide/locate.js';
import type { ServerRecord } from '../decide/record.js';
import type { Snapshot } from '../decide/snapshot.js';
import { spawnEnvironment } from '../decide/spawn-environment.js';
import { targetOfSpawn } from '../decide/verdict.js';
import { loadPlugins } from '../observe/answers.js';
import { isDirectory } from '../observe/places.js';
import { takeSnapshot } from '../observe/snapshot.js';
import { retirement } from '../retire/retirement.js';
import { type NativeRecord, urlOf } from '../state/record-file.js';
import { asServerRecord, dropRecord, writeRecord } from '../state/registry.js';
import type { World } from '../world.js';
import { newPassword, withPassword } from './password.js';
import { endedEarly, PROBE_EVERY_MS, passwordOf, waitReady } from './ready.js';
import { argsFor, type Refused, refused, type Started, unlisted, type Wanted } from './wanted.js';

/** Starts a server, with its record written before it exists, and stops and forgets what does not become ready. */
export async function launch(wanted: Wanted, world: World): Promise<Started | Refused> {
  if (!isDirectory(wanted.workspace))
    return refused(`the workspace ${wanted.workspace} is no directory`, 'name one that exists');
  const began = await takeSnapshot([], [], world.eyes);
  const spawning = newRecord(wanted, began);
  if (spawning === undefined) return unlisted();
  writeRecord(world.folder, spawning);
  const retiring = retirement(spawning.id, wanted, world.folder);
  const environment = { ...withPassword(spawnEnvironment(wanted.env, spawning.tag), spawning.password), ...retiring };
  const spawned = await spawnDetached({
    command: wanted.command,
    args: argsFor(wanted),
    cwd: wanted.workspace,
    env: environment,
  });
  if (typeof spawned === 'string') {
    dropRecord(world.folder, spawning.id);
    return refused(`${wanted.command} could not be started: ${spawned}`, 'install OpenCode, or put it on the PATH');
  }
  const seen = await world.eyes.look(spawned.pid);
  if (typeof seen === 'string') return unseen(seen, spawning, spawned, wanted, world);
  const starting: NativeRecord = {
    ...spawning,
    state: 'starting',
    spawned: { pid: spawned.pid, startToken: seen.startToken },
  };
  writeRecord(world.folder, starting);
  const ready = await waitReady(starting, spawned, wanted, world);
  if (typeof ready === 'string') return giveUp(ready, starting, wanted, world);
  writeRecord(world.folder, ready);
  if (Object.keys(retiring).length > 0) await loadPlugins(ready.hostname, ready.port ?? 0, environment);
  spawned.unref();
  return {
    kind: 'started',
    url: urlOf(ready.hostname, ready.port ?? 0),
    pid: ready.server?.pid,
    alreadyRunning: false,
    startedByPlugin: true,
    id: ready.id,
    password: passwordOf(ready),
  };
}

function newRecord(
  wanted: Wanted,
  { machine, uid, processes, self }: Snapshot,
): (NativeRecord & { readonly tag: string }) | undefined {
  const us = processes?.get(self);
  if (us?.startToken === undefined) return undefined;
  return {
    id: randomBytes(5).toString('hex'),
    startedByPlugin: true,
    plugin: wanted.plugin,
    tag: randomBytes(16).toString('hex'),
    starter: { pid: us.pid, startToken: us.startToken },
    machine,
    uid,
    hostname: wanted.hostname,
    port: wanted.port === 0 ? undefined : wanted.port,
    command: [wanted.command, ...argsFor(wanted)],
    workspace: wanted.workspace,
    startedBySession: wanted.sessionId,
    startedAt: Date.now(),
    state: 'spawning',
    password: wanted.secure ? newPassword() : undefined,
  };
}

/** What has ended already is forgotten; what cannot be seen keeps its record, whose tag leads to it. */
async function unseen(
  seen: 'gone' | 'unknown',
  { id }: NativeRecord,
  spawned: Spawned,
  wanted: Wanted,
  { folder }: World,
): Promise<Refused> {
  if (seen === 'unknown') return refused(`process ${spawned.pid} cannot be seen`, 'npx opencode-reap doctor says more');
  await sleep(PROBE_EVERY_MS);
  dropRecord(folder, id);
  return refused(endedEarly(wanted, spawned.ended() ?? 'its end was not seen'), toSeeWhy(wanted));
}

/** Whatever did not become ready is ended with all it started, and forgotten; what would not end keeps its record. */
async function giveUp(error: string, record: NativeRecord, wanted: Wanted, world: World): Promise<Refused> {
  const parsed: ServerRecord = asServerRecord(world.folder, record);
  const snapshot = await takeSnapshot([parsed], [], world.eyes);
  const located = locate(parsed, snapshot);
  const target = targetOfSpawn(located);
  const { look } = world.eyes;
  const ended = target
    ? await endTree(target, treeAt(parsed, snapshot), { look, lineage: snapshot.lineage, graceMs: 5_000 })
    : located;
  const stays = ended.kind !== 'ended' && ended.kind !== 'gone' && ended.kind !== 'replaced';
  if (stays) return refused(`${error}, and could not be ended`, `npx opencode-reap why ${record.id} says more`);
  dropRecord(world.folder, record.id);
  return refused(error, toSeeWhy(wanted));
}

const toSeeWhy = (wanted: Wanted): string =>
  `run it yourself to see why: ${[wanted.command, ...argsFor(wanted)].join(' ')}`;
