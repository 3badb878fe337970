import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { endRest, endTree } from '../act/end-tree.js';
import { type Spawned, spawnDetached } from '../act/spawn.js';
import { DEFAULTS } from '../common/defaults.js';
import { endingWith } from '../decide/candidate.js';
import { leftOfSpawn } from '../decide/tree.js';
import { targetOfSpawn } from '../decide/verdict.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import { isDirectory } from '../observe/directories.js';
import type { Startable } from '../observe/platform.js';
import { environmentsOf, lookAtRecord, takeSnapshot } from '../observe/snapshot.js';
import { givenUpDetail } from '../report/log-line.js';
import { log } from '../run/journal.js';
import type { World } from '../run/world.js';
import { ensureWatch } from '../session/watch.js';
import { type NativeRecord, urlOf } from '../state/ours/record-file.js';
import { asServerRecord, dropRecord, writeRecord } from '../state/ours/registry.js';
import { passwordFor, withPassword } from './password.js';
import { endedEarly, PROBE_EVERY_MS, waitReady } from './ready.js';
import { argsFor, type Refused, refused, type Started, unlisted, type Wanted } from './request.js';
import { spawnEnvironment } from './spawn-environment.js';

/**
 * Starts a server, with its record written before it exists; stops and forgets one that does not become ready. A
 * process that was frozen on the way here may no longer start one.
 */
export async function launch(wanted: Wanted, world: World, mayStart = () => true): Promise<Started | Refused> {
  if (!isDirectory(wanted.workspace))
    return refused(`the workspace ${wanted.workspace} is not a directory`, 'name one that exists');
  const whose = belongsToOthers(wanted);
  if (whose !== undefined) return refused(whose, 'leave that argument out');
  const { snapshot: began } = await takeSnapshot([], [], world);
  const spawning = newRecord(wanted, began);
  if (spawning === undefined) return unlisted();
  const startable = startableFrom(wanted, world);
  if (startable === undefined)
    return refused(`${wanted.command} was not found`, 'install OpenCode, or put it on the PATH');
  writeRecord(world.folder, spawning);
  // Before there is a server, so that it is looked after whatever happens to us.
  await ensureWatch(wanted.program, wanted.retireAfterMs, world);
  if (!mayStart()) {
    dropRecord(world.folder, spawning.id);
    return refused('another process is starting a server there', 'try again');
  }
  const spawned = await spawnDetached({
    ...startable,
    cwd: wanted.workspace,
    env: withPassword(spawnEnvironment(wanted.env, spawning.tag), spawning.password, wanted.secure),
  });
  if (typeof spawned === 'string') {
    dropRecord(world.folder, spawning.id);
    return refused(`${wanted.command} could not be started: ${spawned}`, 'install OpenCode, or put it on the PATH');
  }
  spawned.unref();
  const seen = await world.platform.look(spawned.pid);
  if (typeof seen === 'string') return unseen(seen, spawning, spawned, wanted, world);
  const starting: NativeRecord = {
    ...spawning,
    state: 'starting',
    spawned: { pid: spawned.pid, startToken: seen.startToken },
  };
  const ready = await recorded(starting, spawned, wanted, world);
  if (typeof ready === 'string') return giveUp(ready, starting, wanted, world);
  return {
    kind: 'started',
    url: urlOf(ready.record.hostname, ready.record.port ?? 0),
    pid: ready.record.server?.pid,
    alreadyRunning: false,
    startedByPlugin: true,
    id: ready.record.id,
    major: ready.major,
    password: ready.password,
  };
}

/** Neither would be ended: the clients of OpenCode 2 share the one, and the other ends with its standard input. */
function belongsToOthers({ args }: Wanted): string | undefined {
  const mode = args.find((arg) => /^--(service|stdio)(=|$)/.test(arg));
  return mode && `opencode serve ${mode} is not a server that can be reaped later`;
}

function startableFrom(wanted: Wanted, { platform }: World): Startable | undefined {
  const [command, args] = [wanted.command, argsFor(wanted)];
  return platform.startable ? platform.startable(command, args, wanted.env) : { command, args, isLine: false };
}

function newRecord(
  wanted: Wanted,
  { machine, processes, self }: Snapshot,
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
    uid: process.getuid?.(),
    hostname: wanted.hostname,
    port: wanted.port,
    command: [wanted.command, ...argsFor(wanted)],
    workspace: wanted.workspace,
    startedBySession: wanted.sessionId,
    startedAt: Date.now(),
    state: 'spawning',
    password: passwordFor(wanted.env, wanted.secure),
    retireAfterMs: wanted.retireAfterMs,
  };
}

/** The server once it is ready, and its record on disk; one that cannot be recorded is ended. */
async function recorded(starting: NativeRecord, spawned: Spawned, wanted: Wanted, world: World) {
  try {
    writeRecord(world.folder, starting);
    const ready = await waitReady(starting, spawned, wanted, world);
    if (typeof ready !== 'string') writeRecord(world.folder, ready.record);
    return ready;
  } catch (error) {
    await giveUp('its record could not be written', starting, wanted, world);
    throw error;
  }
}

/** A process that has already ended is forgotten; one that cannot be seen keeps its record, whose tag leads to it. */
async function unseen(
  seen: 'gone' | 'unknown',
  record: NativeRecord,
  spawned: Spawned,
  wanted: Wanted,
  world: World,
): Promise<Refused> {
  const { systemFolder } = world.platform;
  // A tag that no environment shows leads nowhere, so that server could never be told from others.
  if (seen === 'unknown' && systemFolder !== undefined) {
    await spawned.takeBack(systemFolder);
    dropRecord(world.folder, record.id);
  }
  if (seen === 'unknown')
    return refused(`process ${spawned.pid} cannot be seen`, 'npx opencode-reap doctor shows more');
  await sleep(PROBE_EVERY_MS);
  const error = endedEarly(wanted, spawned.ended() ?? 'how it ended was not seen');
  const left = await endLeft(spawned.pid, record.tag, world);
  return forget(error, { ...record, spawned: { pid: spawned.pid, startToken: undefined } }, left, wanted, world);
}

/**
 * A server that did not become ready is ended with everything it started, and forgotten; one that could not be ended
 * keeps its record.
 */
async function giveUp(error: string, record: NativeRecord, wanted: Wanted, world: World): Promise<Refused> {
  const parsed: ServerRecord = asServerRecord(world.folder, record);
  const { snapshot, candidate } = await lookAtRecord(parsed, world);
  const { located } = candidate;
  const target = targetOfSpawn(located);
  const { look, runScript } = world.platform;
  const tree = endingWith(candidate, snapshot);
  const ended = target
    ? await endTree(target, tree, { look, lineage: snapshot.lineage, graceMs: DEFAULTS.graceMs, runScript })
    : located;
  const isEnded = ended.kind === 'ended' || ended.kind === 'gone' || ended.kind === 'replaced';
  const left = isEnded ? await endLeft(record.spawned?.pid, record.tag, world) : NOT_ENDED;
  const first = ended.kind === 'ended' ? tree.map(({ pid }) => pid) : [];
  return forget(error, record, { ...left, pids: [...first, ...left.pids] }, wanted, world);
}

/** What was ended after a failed start, and whether nothing of it is left. */
interface Cleanup {
  readonly isWhole: boolean;
  readonly pids: readonly number[];
}

const NOT_ENDED: Cleanup = { isWhole: false, pids: [] };

/** A command that exited may have left something running that is recorded nowhere else. */
async function endLeft(group: number | undefined, tag: string | undefined, world: World): Promise<Cleanup> {
  const { snapshot } = await takeSnapshot([], [], world);
  const { processes: table = new Map(), lineage } = snapshot;
  const environments = await environmentsOf([...table.keys()], world.platform);
  const left = leftOfSpawn(group, tag, table, environments);
  const { look, runScript } = world.platform;
  const stubborn = await endRest(left, { look, lineage, graceMs: DEFAULTS.graceMs, runScript });
  return { isWhole: stubborn.length === 0, pids: left.filter((one) => !stubborn.includes(one)).map(({ pid }) => pid) };
}

function forget(error: string, record: NativeRecord, ended: Cleanup, wanted: Wanted, world: World): Refused {
  const { id, spawned, port, workspace } = record;
  // A command that exited without our help is only reported to the caller.
  if (ended.pids.length > 0 || !ended.isWhole) {
    const detail = givenUpDetail(error, ended.isWhole, ended.pids);
    log(world, [{ event: 'given up', id, pid: spawned?.pid, port, workspace, detail }]);
  }
  if (!ended.isWhole) return refused(`${error}, and could not be ended`, `npx opencode-reap why ${id} shows more`);
  dropRecord(world.folder, id);
  return refused(error, toSeeWhy(wanted));
}

const toSeeWhy = (wanted: Wanted): string =>
  `run it yourself to see why: ${[wanted.command, ...argsFor(wanted)].join(' ')}`;
