import { isObject } from '../../common/json.js';
import type { Activity } from '../../decide/activity.js';
import { type Address, ask, type Reply } from './http.js';
import { INFO } from './info.js';
import { askInTurn } from './sessions.js';

/*
 * OpenCode 2. It serves any number of directories, and loads one when it is first asked about it: then its MCP servers
 * start, which takes 41 MB for each. So it is only asked about what it has loaded, and about itself. Its older routes answer
 * with a web page.
 */

const ACTIVE = '/api/session/active';
const LOADED = '/api/debug/location';
const ANSWER_MS = 2_000;
const MAX_DIRECTORIES = 50;

/** What a process of a server does in a directory, which does not show in its list of active sessions. */
const RUNNING = [
  { path: '/api/shell', what: 'shell' },
  { path: '/api/pty', what: 'terminal' },
] as const;
/** As its documentation has them, for 2.0.21. Anything else may well be running. */
const ENDED: ReadonlySet<unknown> = new Set(['exited', 'timeout', 'killed']);

/** Asks an OpenCode 2 whether anything in it is busy; `pid` is the process that is known to listen there. */
export async function askSecond(address: Address, pid: number): Promise<Activity> {
  const info = await ask(address, { path: INFO, deadlineMs: ANSWER_MS });
  if (info.kind === 'silent' && !info.hasBegun) return { kind: 'silent', at: INFO };
  const notIt = whyNotIt(info, pid);
  if (notIt !== undefined) return unknown(notIt);
  const before = await activeIn(address);
  if (typeof before === 'object') return before;
  const directories = await loadedBy(address);
  if (typeof directories === 'string') return unknown(directories);
  const running = await askInTurn(directories, (directory) => runningIn(address, directory));
  const telling = running.find((one) => one?.kind === 'busy') ?? running.find((one) => one !== undefined);
  if (telling) return telling;
  const lastActiveAt = await lastActivity(address, new Set(directories));
  // Last, since the list may take a while; and the end of a shell may wake the session that started it.
  const after = await activeIn(address);
  if (typeof after === 'object') return after;
  return { kind: 'idle', directories: directories.length, isSecond: true, lastActiveAt };
}

const NOT_KNOWN = 'it is not a known version of OpenCode';

/** Its own process id is what no other program on this port can know. */
function whyNotIt(info: Reply, pid: number): string | undefined {
  if ('status' in info && (info.status === 404 || (info.status === 200 && info.kind === 'other'))) return NOT_KNOWN;
  if (info.kind !== 'json' || info.status !== 200) return whyUnanswered(info, INFO);
  const said = isObject(info.body) ? info.body.pid : undefined;
  if (typeof said !== 'number') return notUnderstood(INFO);
  return said === pid ? undefined : `it says that it is process ${said}, and so another server`;
}

/** Its word is for the whole process: prompts, retries, waits for an answer and subagents, in any directory. */
async function activeIn(address: Address): Promise<Activity | 'none'> {
  const active = await bodyOf(address, ACTIVE);
  if (typeof active === 'string') return unknown(active);
  const data = isObject(active.body) ? active.body.data : undefined;
  if (!isObject(data)) return unknown(notUnderstood(ACTIVE));
  const sessions = Object.keys(data).length;
  return sessions === 0 ? 'none' : { kind: 'busy', sessions, directory: 'the whole server', isSecond: true };
}

/** The directories that it has loaded; asking loads none. */
async function loadedBy(address: Address): Promise<readonly string[] | string> {
  const loaded = await bodyOf(address, LOADED);
  if (typeof loaded === 'string') return loaded;
  if (!Array.isArray(loaded.body)) return notUnderstood(LOADED);
  const directories = loaded.body.map((one) =>
    isObject(one) && one.workspaceID === undefined && typeof one.directory === 'string' ? one.directory : undefined,
  );
  if (!directories.every((one) => one !== undefined)) return notUnderstood(LOADED);
  if (directories.length > MAX_DIRECTORIES) return `it is working in more than ${MAX_DIRECTORIES} directories`;
  // Decoded once more or once less than it was meant, it would be another directory, which would then be loaded.
  const isPlain = directories.every((one) => !/%|\p{Surrogate}/u.test(one));
  return isPlain ? directories : 'one of its directories has a name that cannot be sent';
}

/** Undefined when nothing runs there. */
async function runningIn(address: Address, directory: string): Promise<Activity | undefined> {
  const query = `?location%5Bdirectory%5D=${encodeURIComponent(directory)}`;
  for (const { path, what } of RUNNING) {
    const list = await bodyOf(address, path, query);
    if (typeof list === 'string') return unknown(list);
    const { location, data } = isObject(list.body) ? list.body : {};
    const isThere = isObject(location) && location.directory === directory;
    if (!isThere || !Array.isArray(data) || !data.every(hasStatus)) return unknown(notUnderstood(path));
    const sessions = data.filter(({ status }) => !ENDED.has(status)).length;
    if (sessions > 0) return { kind: 'busy', sessions, directory, what, isSecond: true };
  }
  return undefined;
}

const hasStatus = (one: unknown): one is { readonly status: string } => isObject(one) && typeof one.status === 'string';

const SESSIONS = '/api/session';
/** Some 50 sessions each, by their creation, so that only all of them together say what was used last. */
const MAX_PAGES = 20;

/**
 * When a session of these directories last did something, by the server's clock; undefined when none did. The list is that
 * of all servers with the same home, so another server's use of the same directory counts as well.
 */
async function lastActivity(
  address: Address,
  directories: ReadonlySet<string>,
): Promise<number | 'unknown' | undefined> {
  let last: number | undefined;
  let query = '';
  for (let page = 0; page < MAX_PAGES; page += 1) {
    const list = await bodyOf(address, SESSIONS, query);
    const { data, cursor } = typeof list === 'object' && isObject(list.body) ? list.body : {};
    const sessions = Array.isArray(data) ? data.map(sessionIn) : [undefined];
    if (!isObject(cursor) || !sessions.every((one) => one !== undefined)) return 'unknown';
    for (const { directory, updated } of sessions)
      if (directories.has(directory)) last = Math.max(last ?? updated, updated);
    if (typeof cursor.next !== 'string') return last;
    query = `?cursor=${encodeURIComponent(cursor.next)}`;
  }
  return 'unknown';
}

function sessionIn(json: unknown): { readonly directory: string; readonly updated: number } | undefined {
  const { location, time } = isObject(json) ? json : {};
  const directory = isObject(location) ? location.directory : undefined;
  const updated = isObject(time) ? time.updated : undefined;
  return typeof directory === 'string' && typeof updated === 'number' ? { directory, updated } : undefined;
}

async function bodyOf(address: Address, path: string, query = ''): Promise<{ readonly body: unknown } | string> {
  const reply = await ask(address, { path: `${path}${query}`, deadlineMs: ANSWER_MS });
  return reply.kind === 'json' && reply.status === 200 ? reply : whyUnanswered(reply, path);
}

function whyUnanswered(reply: Reply, path: string): string {
  if (reply.kind === 'refused') return `it refused the connection (${reply.code})`;
  if (reply.kind === 'silent')
    return `it ${reply.hasBegun ? 'did not finish its answer to' : 'did not answer'} ${path}`;
  if (reply.status === 401) return 'it requires a password that is not known';
  if (reply.status === 503) return 'it is starting, or already stopping';
  return reply.status === 404 ? `its release has no ${path}` : notUnderstood(path);
}

const notUnderstood = (path: string): string => `its answer to ${path} was not understood`;

const unknown = (because: string): Activity => ({ kind: 'unknown', because });
