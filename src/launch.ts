import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { endTree } from './act/end-tree.js';
import { type Spawned, spawnDetached } from './act/spawn.js';
import { treeAt } from './decide/evidence.js';
import type { Identity } from './decide/identity.js';
import { locate } from './decide/locate.js';
import type { ServerRecord } from './decide/record.js';
import { type Secret, secret } from './decide/secret.js';
import type { Snapshot } from './decide/snapshot.js';
import { spawnEnvironment } from './decide/spawn-environment.js';
import { targetOfSpawn } from './decide/verdict.js';
import { duration } from './decide/words.js';
import { loadPlugins, lockOn, whoAnswers } from './observe/answers.js';
import { isDirectory } from './observe/places.js';
import { takeSnapshot } from './observe/snapshot.js';
import { newPassword, withPassword } from './password.js';
import { retirement } from './retire/retirement.js';
import type { Variables } from './state/folders.js';
import { type NativeRecord, urlOf } from './state/record-file.js';
import { asServerRecord, dropRecord, writeRecord } from './state/registry.js';
import type { World } from './world.js';

export interface Wanted {
  /** 0 lets the server choose one. */
  readonly port: number;
  /** A loopback address. */
  readonly hostname: string;
  readonly workspace: string;
  readonly sessionId: string | undefined;
  readonly plugin: string;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: Variables;
  readonly readyTimeoutMs: number;
  /** After how long without anything to do the server asks to be judged; 0 never. */
  readonly retireAfterMs: number;
  /** This very program, as a file that node runs; undefined where there is none, and then no server retires. */
  readonly program: string | undefined;
  /** The server gets a password of its own. */
  readonly secure?: boolean | undefined;
}

export interface Started {
  readonly kind: 'started';
  readonly url: string;
  /** The process that listens; undefined where it cannot be seen. */
  readonly pid: number | undefined;
  readonly alreadyRunning: boolean;
  readonly startedByPlugin: boolean;
  /** Undefined for a server that nothing was written down about. */
  readonly id: string | undefined;
  /** Of a server that was given one of its own. */
  readonly password?: Secret | undefined;
}

export interface Refused {
  readonly kind: 'refused';
  readonly error: string;
  readonly hint: string;
}

export const refused = (error: string, hint: string): Refused => ({ kind: 'refused', error, hint });

/** A new connection this often; a server takes 0.7 to 2 s, up to 31 s on a starved host. */
const PROBE_EVERY_MS = 100;

/** Starts a server, with its record written before it exists, and stops and forgets what does not become ready. */
export async function launch(wanted: Wanted, world: World): Promise<Started | Refused> {
  if (!isDirectory(wanted.workspace))
    return refused(`the workspace ${wanted.workspace} is no directory`, 'name one that exists');
  const began = await takeSnapshot([], [], world.eyes);
  const spawning = newRecord(wanted, began);
  if (spawning === undefined)
    return refused('the processes of this machine cannot be listed', 'run opencode-reap doctor');
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

const argsFor = ({ hostname, port, args }: Wanted): string[] => [
  'serve',
  '--hostname',
  hostname,
  '--port',
  String(port),
  ...args,
];

function newRecord(
  wanted: Wanted,
  { machine, uid, processes, self }: Snapshot,
): (NativeRecord & { readonly tag: string }) | undefined {
  const us = processes?.get(self);
  if (us === undefined) return undefined;
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
  if (seen === 'unknown') return refused(`process ${spawned.pid} cannot be seen`, 'run opencode-reap doctor');
  await sleep(PROBE_EVERY_MS);
  dropRecord(folder, id);
  return refused(endedEarly(wanted, spawned.ended() ?? 'its end was not seen'), toSeeWhy(wanted));
}

const endedEarly = ({ command }: Wanted, how: string): string => `${command} ended before it answered (${how})`;

const toSeeWhy = (wanted: Wanted): string =>
  `run it yourself to see why: ${[wanted.command, ...argsFor(wanted)].join(' ')}`;

/** Waits until the server answers, through a socket that is its own. Returns the record as it is then, or what went wrong. */
async function waitReady(
  record: NativeRecord,
  spawned: Spawned,
  wanted: Wanted,
  world: World,
): Promise<NativeRecord | string> {
  const until = performance.now() + wanted.readyTimeoutMs;
  while (performance.now() < until) {
    const ended = spawned.ended();
    if (ended !== undefined) return endedEarly(wanted, ended);
    const found = await listenerOf(record, world);
    const lock = found && (await readiness(record, wanted.hostname, found.port));
    if (lock === 'open') return `${wanted.command} does not ask for its password`;
    if (found && lock === 'ready') {
      return { ...record, state: 'ready', port: found.port, server: found.server };
    }
    await sleep(PROBE_EVERY_MS);
  }
  return `${wanted.command} did not answer within ${duration(wanted.readyTimeoutMs)}`;
}

const passwordOf = ({ password }: NativeRecord): Secret | undefined =>
  password === undefined ? undefined : secret(password);

async function readiness(record: NativeRecord, host: string, port: number): Promise<'ready' | 'open' | 'not yet'> {
  if ((await whoAnswers(host, port)) !== 'opencode') return 'not yet';
  const password = passwordOf(record);
  const lock = password === undefined ? 'locked' : await lockOn(host, port, password);
  return lock === 'locked' ? 'ready' : lock === 'open' ? 'open' : 'not yet';
}

/** The process of our own tree that listens. Where sockets cannot be seen, the spawned one on the port it was given. */
async function listenerOf(
  record: NativeRecord,
  world: World,
): Promise<{ port: number; server: Identity | undefined } | undefined> {
  const parsed = asServerRecord(world.folder, record);
  const snapshot = await takeSnapshot([parsed], [], world.eyes);
  const sockets = snapshot.sockets.get(record.id);
  if (sockets === undefined)
    return record.port === undefined || process.platform === 'linux'
      ? undefined
      : { port: record.port, server: undefined };
  const listening = sockets.listening.find(({ port }) => record.port === undefined || port === record.port);
  const located = locate(parsed, snapshot);
  if (listening === undefined || located.kind !== 'present') return undefined;
  const seen = snapshot.processes?.get(listening.pid);
  return seen && { port: listening.port, server: { pid: seen.pid, startToken: seen.startToken } };
}

/** Whatever did not become ready is ended with all it started, and forgotten. */
async function giveUp(error: string, record: NativeRecord, wanted: Wanted, world: World): Promise<Refused> {
  const parsed: ServerRecord = asServerRecord(world.folder, record);
  const snapshot = await takeSnapshot([parsed], [], world.eyes);
  const located = locate(parsed, snapshot);
  const target = targetOfSpawn(located);
  if (target)
    await endTree(target, treeAt(parsed, snapshot), {
      look: world.eyes.look,
      lineage: snapshot.lineage,
      graceMs: 5_000,
    });
  dropRecord(world.folder, record.id);
  return refused(error, toSeeWhy(wanted));
}
