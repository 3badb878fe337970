import { setTimeout as sleep } from 'node:timers/promises';
import type { Spawned } from '../act/spawn.js';
import { duration } from '../common/text.js';
import type { Identity } from '../model/identity.js';
import { type Secret, secret } from '../model/secret.js';
import { type Entered, enter } from '../observe/server/info.js';
import { lockOn, PROBE_MS, whoAnswers, whoIsBehind } from '../observe/server/who-answers.js';
import { lookAtRecord } from '../observe/snapshot.js';
import type { World } from '../run/world.js';
import type { NativeRecord } from '../state/ours/record-file.js';
import { asServerRecord } from '../state/ours/registry.js';
import { passwordsFrom } from './password.js';
import type { Wanted } from './request.js';
import { spawnEnvironment } from './spawn-environment.js';

/** Time between two new connections; a server takes 0.7 to 2 s, up to 31 s on a starved host. */
export const PROBE_EVERY_MS = 100;
/**
 * 1.18 listens up to 450 ms before it can answer, and never answers what arrived in between: waiting long for the first
 * probe took 0.7 s of every start. A slow server gets twice as long each time.
 */
const FIRST_PROBE_MS = 150;

/** A server that answers. */
export interface Ready {
  /** As it is then. */
  readonly record: NativeRecord;
  readonly major: 1 | 2;
  /** What its callers need; undefined if they need none, or if the caller's own environment has it for an OpenCode 1. */
  readonly password: Secret | undefined;
}

/** Waits until the server answers, through a socket that is its own. Returns an error sentence if it does not. */
export async function waitReady(
  record: NativeRecord,
  spawned: Spawned,
  wanted: Wanted,
  world: World,
): Promise<Ready | string> {
  const until = performance.now() + wanted.readyTimeoutMs;
  for (let patienceMs = FIRST_PROBE_MS; ; ) {
    // A server that became healthy at the last moment is not ended, so there is one look after the time is up.
    const isLast = performance.now() >= until;
    const ended = spawned.ended();
    if (ended !== undefined) return endedEarly(wanted, ended);
    const found = await listenerOf(record, world);
    const heard = found ? await hear(record, found, wanted, isLast ? PROBE_MS : patienceMs) : NOTHING;
    if (heard.kind === 'ready') return readyAs(record, heard);
    if (heard.kind === 'wrong') return `${wanted.command} ${heard.because}`;
    if (isLast) return `${wanted.command} ${heard.because} within ${duration(wanted.readyTimeoutMs)}`;
    if (found) patienceMs = Math.min(patienceMs * 2, PROBE_MS);
    await sleep(PROBE_EVERY_MS);
  }
}

/** Only now is it known whether it is one that wants the password it was given. */
const readyAs = (record: NativeRecord, { port, server, major, password }: Answered): Ready => ({
  record: { ...record, state: 'ready', port, server, password: password && record.password },
  major,
  password,
});

type Answered = Found & Omit<Ready, 'record'>;

type Heard = ({ readonly kind: 'ready' } & Answered) | { readonly kind: 'wrong' | 'not yet'; readonly because: string };

const NOTHING = { kind: 'not yet', because: 'did not answer' } as const;
const STRANGE = { kind: 'not yet', because: 'gave no answer that is understood' } as const;
const OPEN = { kind: 'wrong', because: 'does not ask for its password' } as const;

async function hear(record: NativeRecord, found: Found, wanted: Wanted, deadlineMs: number): Promise<Heard> {
  const at = { host: wanted.hostname, port: found.port };
  const given = givenTo(record, wanted);
  const first = await whoAnswers(at.host, at.port, deadlineMs, true);
  const who = first === 'locked' ? await whoIsBehind(at, given, { deadlineMs }) : first;
  if (who === 'opencode 2') return hearSecond(found, wanted, await enter(at, given, { deadlineMs }));
  if (who === 'stranger') return STRANGE;
  // A password that the user's own `opencode` brings with it is not known here.
  if (who !== 'opencode' && who !== 'locked') return NOTHING;
  const password = wanted.secure ? given[0] : undefined;
  const lock = password === undefined ? 'locked' : await lockOn(at.host, at.port, password);
  if (lock === 'open') return OPEN;
  return lock === 'locked' ? { kind: 'ready', ...found, major: 1, password } : NOTHING;
}

function hearSecond(found: Found, { secure }: Wanted, entered: Entered): Heard {
  // That is not final: nothing says that no release refuses everybody until it is ready.
  if (entered.kind === 'locked') return { kind: 'not yet', because: 'did not accept its password' };
  if (entered.kind === 'other') return STRANGE;
  if (entered.kind !== 'ready') return NOTHING;
  // Who has answered is proved by what only that process knows: the socket was looked at a moment before.
  if (!found.pids.includes(entered.pid))
    return { kind: 'wrong', because: `says that it is process ${entered.pid}, which was not started here` };
  return secure && entered.password === undefined ? OPEN : { ...entered, ...found, major: 2 };
}

/** The password that the server was given, or has from the caller's environment. */
const givenTo = ({ password }: NativeRecord, { env }: Wanted): readonly Secret[] =>
  password === undefined ? passwordsFrom(spawnEnvironment(env, '')) : [secret(password)];

interface Found {
  readonly port: number;
  readonly server: Identity | undefined;
  /** What the process that listens may be: where sockets cannot be seen, any process of our tree. */
  readonly pids: readonly number[];
}

/**
 * The process of our own tree that listens. Where sockets cannot be seen, the spawned process on the port that it was
 * given.
 */
async function listenerOf(record: NativeRecord, world: World): Promise<Found | undefined> {
  const parsed = asServerRecord(world.folder, record);
  const { snapshot, candidate } = await lookAtRecord(parsed, world);
  const sockets = snapshot.sockets.get(record.id);
  if (sockets === undefined) {
    if (record.port === undefined || world.platform.shows.clients) return undefined;
    return { port: record.port, server: undefined, pids: candidate.tree.members.map(({ pid }) => pid) };
  }
  const listening = sockets.listening.find(({ port }) => record.port === undefined || port === record.port);
  if (listening === undefined || candidate.located.kind !== 'present') return undefined;
  const seen = snapshot.processes?.get(listening.pid);
  if (seen === undefined) return undefined;
  return { port: listening.port, server: { pid: seen.pid, startToken: seen.startToken }, pids: [seen.pid] };
}

export const endedEarly = ({ command }: Wanted, how: string): string => `${command} ended before it answered (${how})`;
