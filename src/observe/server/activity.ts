import { isObject } from '../../common/json.js';
import type { Activity, Silence } from '../../decide/activity.js';
import type { Secret } from '../../model/secret.js';
import { HEALTH, isHealthy } from './health.js';
import { type Address, ask, type Reply } from './http.js';
import { askSecond } from './second.js';
import { askInTurn, recentSessions, STATUS_MS, unlistedDirectories, workplacesOf } from './sessions.js';

const ANSWER_MS = 2_000;
const MAX_DIRECTORIES = 50;
/** Two clocks and a slow start are never further apart than this. */
const MARGIN_MS = 10 * 60_000;

export interface AskedServer {
  /** Epoch milliseconds: the earlier of when the process started and when the record says so. */
  readonly startedAt: number;
  /** Directories from records and jobs, for releases that cannot list their sessions. */
  readonly directories: readonly string[];
  /** The process that is known to listen there. */
  readonly pid: number;
  /** What an OpenCode 2 wants, if it differs from what an OpenCode 1 does. */
  readonly passwordOfSecond: Secret | undefined;
}

/** Asks a server whether anything in it is busy. Whatever is not a clear answer is `unknown`. */
export async function askActivity(address: Address, known: AskedServer): Promise<Activity> {
  const health = await ask(address, { path: HEALTH, deadlineMs: ANSWER_MS });
  if (health.kind === 'silent') return { kind: 'silent' };
  if (isHealthy(health)) return askDirectories(address, known);
  const second = asSecond(address, known);
  return mayBeSecond(health, address, second) ? askSecond(second, known.pid) : unknown(whyNot(health));
}

/**
 * OpenCode 2 answers the old paths with its web page; some releases want the password first, which may be another than an
 * OpenCode 1 in the same environment would want, or are not ready for any question.
 */
const mayBeSecond = (health: Reply, asFirst: Address, second: Address): boolean =>
  'status' in health &&
  ((health.kind === 'other' && health.status === 200) ||
    health.status === 503 ||
    (health.status === 401 && !saysTheSame(asFirst, second)));

const saysTheSame = (one: Address, other: Address): boolean =>
  one.username === other.username && one.password?.reveal() === other.password?.reveal();

/** Its user is always `opencode`. */
const asSecond = (address: Address, { passwordOfSecond }: AskedServer): Address => ({
  ...address,
  username: undefined,
  password: passwordOfSecond ?? address.password,
});

function whyNot(reply: Exclude<Reply, { kind: 'silent' }>): string {
  if (reply.kind === 'refused') return `it refused the connection (${reply.code})`;
  if (reply.status === 401) return 'it requires a password that is not known';
  return reply.status === 200
    ? 'its health check does not say that it is healthy'
    : `its health check returned ${reply.status}`;
}

/** The directory that a server was started in: its own word, so it can only be wrong about that server. */
export async function askWorkplace(address: Address): Promise<string | undefined> {
  const reply = await ask(address, { path: '/path', deadlineMs: ANSWER_MS });
  const said = reply.kind === 'json' && reply.status === 200 && isObject(reply.body) ? reply.body.directory : undefined;
  return typeof said === 'string' && isAbsolute(said) ? said : undefined;
}

/** On this machine or on Windows, whichever a test runs on. */
const isAbsolute = (path: string): boolean => /^(\/|[a-z]:[\\/])/i.test(path);

async function askDirectories(address: Address, known: AskedServer): Promise<Activity> {
  const sessions = await recentSessions(address, known.startedAt - MARGIN_MS);
  if (typeof sessions === 'string') return unknown(sessions);
  const directories =
    sessions?.map(({ directory }) => directory) ?? (await unlistedDirectories(address, known.directories));
  if (directories === undefined) return unknown('its list of projects was not understood');
  // Without a directory a server answers for its own.
  const listed = new Set([undefined, ...directories.flatMap(spellings)]);
  const lastActiveAt = sessions?.length ? Math.max(...sessions.map(({ updated }) => updated)) : undefined;
  const activity = withActivity(await askEach(address, listed), lastActiveAt);
  if (activity.kind !== 'idle' || sessions === undefined) return activity;
  const workplaces = await workplacesOf(address, sessions);
  if (typeof workplaces === 'string') return unknown(workplaces);
  const others = new Set(workplaces.flatMap(spellings).filter((directory) => !listed.has(directory)));
  return others.size === 0 ? activity : withActivity(await askEach(address, others), lastActiveAt);
}

const withActivity = (activity: Activity, lastActiveAt: number | undefined): Activity =>
  activity.kind === 'idle' && lastActiveAt !== undefined ? { ...activity, lastActiveAt } : activity;

async function askEach(address: Address, directories: ReadonlySet<string | undefined>): Promise<Activity> {
  const { size } = directories;
  if (size > MAX_DIRECTORIES) return unknown(`it is working in more than ${MAX_DIRECTORIES} directories`);
  const words = await askInTurn([...directories], (directory) => askDirectory(address, directory));
  const telling = words.find(({ kind }) => kind === 'busy') ?? words.find(({ kind }) => kind === 'unknown');
  return telling ?? { kind: 'idle', directories: size };
}

/**
 * A server decodes the directory once more than HTTP does. A session of `/a%20b` works there in 1.14.41 and in `/a b` in
 * 1.18.33, so both are asked about.
 */
const spellings = (directory: string): string[] => [directory, directory.replaceAll('%', '%25')];

async function askDirectory(address: Address, directory: string | undefined): Promise<Activity> {
  if (/\p{Surrogate}/u.test(directory ?? '')) return unknown('one of its directories has a name that cannot be sent');
  const query = directory === undefined ? '' : `?directory=${encodeURIComponent(directory)}`;
  const reply = await ask(address, { path: `/session/status${query}`, deadlineMs: STATUS_MS });
  if (reply.kind !== 'json' || reply.status !== 200 || !isObject(reply.body))
    return unknown('its answer about busy sessions was not understood');
  const sessions = Object.values(reply.body).filter((status) => !isObject(status) || status.type !== 'idle').length;
  return sessions === 0
    ? { kind: 'idle', directories: 1 }
    : { kind: 'busy', sessions, directory: directory ?? 'its own directory' };
}

/** Three fresh connections over at least five seconds, and whether our own timers were on time meanwhile. */
export async function listenForSilence(address: Address, path = HEALTH): Promise<Silence> {
  const began = performance.now();
  let onTime = true;
  for (let probe = 1; probe <= 3; probe += 1) {
    const asked = performance.now();
    const reply = await ask(address, { path, deadlineMs: ANSWER_MS });
    if (reply.kind !== 'silent' || reply.hasBegun)
      return { probes: probe, answered: true, spanMs: performance.now() - began, onTime };
    onTime &&= performance.now() - asked < ANSWER_MS + LATE_MS;
  }
  return { probes: 3, answered: false, spanMs: performance.now() - began, onTime };
}

/** A timer that is later than this was held up by the machine, and so may be the server's answer. */
const LATE_MS = 500;

/** Ends its tools, shells and MCP servers. It keeps working afterwards; a stubborn MCP server takes it 4.0 s. */
export const askToDispose = async (address: Address): Promise<Reply> =>
  ask(address, { method: 'POST', path: '/global/dispose', deadlineMs: 6_000 });

const unknown = (because: string): Activity => ({ kind: 'unknown', because });
