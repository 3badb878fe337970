import { setTimeout as sleep } from 'node:timers/promises';
import type { Spawned } from '../act/spawn.js';
import { duration } from '../common/text.js';
import type { Identity } from '../model/identity.js';
import { type Secret, secret } from '../model/secret.js';
import { lockOn, PROBE_MS, whoAnswers } from '../observe/server/who-answers.js';
import { lookAtRecord } from '../observe/snapshot.js';
import type { World } from '../run/world.js';
import type { NativeRecord } from '../state/ours/record-file.js';
import { asServerRecord } from '../state/ours/registry.js';
import type { Wanted } from './request.js';

/** Time between two new connections; a server takes 0.7 to 2 s, up to 31 s on a starved host. */
export const PROBE_EVERY_MS = 100;
/**
 * 1.18 listens up to 450 ms before it can answer, and never answers what arrived in between: waiting long for the first
 * probe took 0.7 s of every start. A slow server gets twice as long each time.
 */
const FIRST_PROBE_MS = 150;

/**
 * Waits until the server answers, through a socket that is its own. Returns the record as it is then, or an error
 * sentence.
 */
export async function waitReady(
  record: NativeRecord,
  spawned: Spawned,
  wanted: Wanted,
  world: World,
): Promise<NativeRecord | string> {
  const until = performance.now() + wanted.readyTimeoutMs;
  for (let patienceMs = FIRST_PROBE_MS; ; ) {
    // A server that became healthy at the last moment is not ended, so there is one look after the time is up.
    const isLast = performance.now() >= until;
    const ended = spawned.ended();
    if (ended !== undefined) return endedEarly(wanted, ended);
    const found = await listenerOf(record, world);
    const lock = found && (await readiness(record, wanted.hostname, found.port, isLast ? PROBE_MS : patienceMs));
    if (lock === 'open') return `${wanted.command} does not ask for its password`;
    if (found && lock === 'ready') {
      return { ...record, state: 'ready', port: found.port, server: found.server };
    }
    if (isLast) return `${wanted.command} did not answer within ${duration(wanted.readyTimeoutMs)}`;
    if (found) patienceMs = Math.min(patienceMs * 2, PROBE_MS);
    await sleep(PROBE_EVERY_MS);
  }
}

export const passwordOf = ({ password }: NativeRecord): Secret | undefined =>
  password === undefined ? undefined : secret(password);

async function readiness(
  record: NativeRecord,
  host: string,
  port: number,
  patienceMs: number,
): Promise<'ready' | 'open' | 'not yet'> {
  const who = await whoAnswers(host, port, patienceMs, true);
  if (who !== 'opencode' && who !== 'locked') return 'not yet';
  const password = passwordOf(record);
  const lock = password === undefined ? 'locked' : await lockOn(host, port, password);
  return lock === 'locked' ? 'ready' : lock === 'open' ? 'open' : 'not yet';
}

/**
 * The process of our own tree that listens. Where sockets cannot be seen, the spawned process on the port that it was
 * given.
 */
async function listenerOf(
  record: NativeRecord,
  world: World,
): Promise<{ port: number; server: Identity | undefined } | undefined> {
  const parsed = asServerRecord(world.folder, record);
  const { snapshot, candidate } = await lookAtRecord(parsed, world);
  const sockets = snapshot.sockets.get(record.id);
  if (sockets === undefined)
    return record.port === undefined || world.platform.shows.clients
      ? undefined
      : { port: record.port, server: undefined };
  const listening = sockets.listening.find(({ port }) => record.port === undefined || port === record.port);
  if (listening === undefined || candidate.located.kind !== 'present') return undefined;
  const seen = snapshot.processes?.get(listening.pid);
  return seen && { port: listening.port, server: { pid: seen.pid, startToken: seen.startToken } };
}

export const endedEarly = ({ command }: Wanted, how: string): string => `${command} ended before it answered (${how})`;
