import { isObject } from '../../common/json.js';
import { type Address, ask } from './http.js';

/** A status may have to create the directory's instance first, which loads plugins; a list, the project's. */
export const STATUS_MS = 10_000;
const SESSION_LIMIT = 1_000;
const ASK_AT_ONCE = 4;

export interface Session {
  readonly id: string;
  readonly directory: string;
  /** When it last did something, epoch milliseconds. */
  readonly updated: number;
}

/** Sessions touched since `since`; a sentence when the list proves nothing, undefined for a release that has none. */
export async function recentSessions(address: Address, since: number): Promise<Session[] | string | undefined> {
  const path = `/experimental/session?archived=true&limit=${SESSION_LIMIT}`;
  const reply = await ask(address, { path, deadlineMs: STATUS_MS });
  if (reply.kind === 'silent') return 'it stopped answering';
  if (reply.kind === 'other' || (reply.kind === 'json' && reply.status !== 200)) return undefined;
  if (reply.kind !== 'json' || !Array.isArray(reply.body)) return 'its list of sessions was not understood';
  const sessions = reply.body.map(sessionIn);
  if (sessions.some((session) => session === undefined)) return 'its list of sessions was not understood';
  const recent = sessions.flatMap((session) => (session && session.updated >= since ? [session] : []));
  return recent.length >= SESSION_LIMIT ? `it has more than ${SESSION_LIMIT} recent sessions` : recent;
}

function sessionIn(json: unknown): Session | undefined {
  if (!isObject(json) || typeof json.id !== 'string' || typeof json.directory !== 'string') return undefined;
  const updated = isObject(json.time) ? json.time.updated : undefined;
  return typeof updated === 'number' ? { id: json.id, directory: json.directory, updated } : undefined;
}

/**
 * Where sessions last worked. 1.14.41 runs a prompt in the directory that it was sent with, which no list of sessions
 * names: only the answer's own message does. A request each, some 2 ms, and only when all else says that it is idle.
 */
export async function workplacesOf(address: Address, sessions: readonly Session[]): Promise<string[] | string> {
  const found = await askInTurn(sessions, ({ id }) => workplaceOf(address, id));
  return found.includes('unread') ? 'a message of one of its sessions was not understood' : found.flat();
}

/** None for a session that is gone or has no answer yet. */
async function workplaceOf(address: Address, id: string): Promise<string[] | 'unread'> {
  const path = `/session/${encodeURIComponent(id)}/message?limit=1`;
  const reply = await ask(address, { path, deadlineMs: STATUS_MS });
  if (reply.kind === 'json' && reply.status === 404) return [];
  if (reply.kind !== 'json' || reply.status !== 200 || !Array.isArray(reply.body)) return 'unread';
  return reply.body.flatMap((message) => {
    const info = isObject(message) && isObject(message.info) ? message.info : {};
    return isObject(info.path) && typeof info.path.cwd === 'string' ? [info.path.cwd] : [];
  });
}

/** Projects and what else is known, for releases that cannot list their sessions; undefined when not understood. */
export async function unlistedDirectories(address: Address, known: readonly string[]): Promise<string[] | undefined> {
  const reply = await ask(address, { path: '/project', deadlineMs: STATUS_MS });
  if (reply.kind !== 'json' || reply.status !== 200 || !Array.isArray(reply.body)) return undefined;
  const worktrees = reply.body.map((project) => (isObject(project) ? project.worktree : undefined));
  const areNamed = worktrees.every((worktree) => typeof worktree === 'string');
  return areNamed ? [...worktrees, ...known] : undefined;
}

/** A few at a time, so that a server with many directories is not flooded. */
export async function askInTurn<T, A>(questions: readonly T[], askOne: (question: T) => Promise<A>): Promise<A[]> {
  const answers: A[] = [];
  for (let at = 0; at < questions.length; at += ASK_AT_ONCE) {
    answers.push(...(await Promise.all(questions.slice(at, at + ASK_AT_ONCE).map(askOne))));
  }
  return answers;
}
