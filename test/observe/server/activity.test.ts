import { inspect } from 'node:util';
import { describe, expect, test } from 'vitest';
import type { Activity } from '../../../src/decide/activity.js';
import { type Secret, secret } from '../../../src/model/secret.js';
import { askActivity, askWorkplace } from '../../../src/observe/server/activity.js';
import { type Address, ask } from '../../../src/observe/server/http.js';
import * as say from '../../support/hand-made.js';
import {
  first,
  handMade,
  json,
  notFound,
  type Routes,
  redirect,
  second,
  sessionList,
  webPage,
} from '../../support/hand-made.js';
import { reservePort } from '../../support/port.js';

const STARTED = Date.UTC(2026, 0, 1);
const TEN_MINUTES = 600_000;
const BUSY = { ses_1: { type: 'busy' } };

const session = (directory: string, updated = STARTED) => ({ id: 'ses_1', directory, time: { updated } });
/** The answer of an agent that worked in `cwd`. */
const message = (cwd: string) => ({ info: { role: 'assistant', path: { cwd, root: '/' } }, parts: [] });
const many = (n: number, updated = STARTED) => Array.from({ length: n }, (_, i) => session(`/${i}`, updated));
const list = (...directories: readonly string[]) => sessionList(directories.map((one) => session(one)));

const at = ({ host, port }: say.Listening, password?: string): Address => ({
  host,
  port,
  username: undefined,
  password: password === undefined ? undefined : secret(password),
});

/** As `second` says of itself. */
const PID = 4242;
const known = (directories: readonly string[], passwordOfSecond?: Secret) => ({
  startedAt: STARTED,
  directories,
  pid: PID,
  passwordOfSecond,
});

const wordOf = async (routes: Routes, directories: readonly string[] = []): Promise<Activity> =>
  askActivity(at(await handMade(routes)), known(directories));

const idle = (directories: number): Activity => ({ kind: 'idle', directories });
const busy = (sessions: number, directory: string): Activity => ({ kind: 'busy', sessions, directory });
const busyHere = (sessions: number): Activity => busy(sessions, 'its own directory');
const unknown = (because: RegExp) => ({ kind: 'unknown', because: expect.stringMatching(because) });

const HEALTH = '/global/health';
const LIST = '/experimental/session';
const STATUS = '/session/status';

test.each<[string, Routes, object]>([
  ['nothing was ever done in it', {}, idle(1)],
  ['no session of two directories is busy', { [LIST]: list('/a', '/b', '/a') }, idle(3)],
  ['a session is busy', { [STATUS]: json(BUSY) }, busyHere(1)],
  ['a session waits to try again', { [STATUS]: json({ s: { type: 'retry', attempt: 1 } }) }, busyHere(1)],
  ['a session does what none does yet', { [STATUS]: json({ s: { type: 'dreaming' } }) }, busyHere(1)],
  ['only idle sessions are listed', { [STATUS]: json({ s: { type: 'idle' } }) }, idle(1)],
  ['one is idle, two are not understood', { [STATUS]: json({ a: 1, b: {}, c: { type: 'idle' } }) }, busyHere(2)],
  ['its status is a list', { [STATUS]: json([]) }, unknown(/not understood/)],
  ['its status is nothing', { [STATUS]: json(null) }, unknown(/not understood/)],
  ['its status is a web page', { [STATUS]: webPage }, unknown(/not understood/)],
  ['its status is an error', { [STATUS]: json({}, 500) }, unknown(/not understood/)],
  ['its status is elsewhere', { [STATUS]: redirect(STATUS) }, unknown(/not understood/)],
  ['its list is not a list', { [LIST]: json({ data: [] }) }, unknown(/list of sessions/)],
  ['a session has no directory', { [LIST]: json([{ time: { updated: 1 } }]) }, unknown(/list of sessions/)],
  ['a session has no time', { [LIST]: json([{ id: 'ses_1', directory: '/a' }]) }, unknown(/list of sessions/)],
  ['a directory has no proper name', { [LIST]: list('/\ud800') }, unknown(/cannot be sent/)],
  ['its list is cut by its limit', { [LIST]: sessionList(many(1_001)) }, unknown(/more than 1000/)],
  ['its list is long, but old', { [LIST]: sessionList([...many(9), ...many(991, 0)]) }, idle(10)],
  ['it works in 50 directories', { [LIST]: sessionList(many(49)) }, idle(50)],
  ['it works in 51 directories', { [LIST]: sessionList(many(50)) }, unknown(/more than 50/)],
  ['it is not healthy', { [HEALTH]: json({ healthy: false }) }, unknown(/does not say that it is healthy$/)],
  ['it is in trouble', { [HEALTH]: json({}, 500) }, unknown(/health check returned 500$/)],
  [
    'it is in trouble, and says otherwise',
    { [HEALTH]: json({ healthy: true }, 500) },
    unknown(/health check returned 500$/),
  ],
])('OpenCode 1: %s', async (_sentence, routes, expected) => {
  expect(await wordOf(first(routes))).toEqual(expect.objectContaining(expected));
});

describe('the directories it is asked about', () => {
  const askedAbout = async (routes: Routes): Promise<(string | null)[]> => {
    const server = await handMade(routes);
    await askActivity(at(server), known(['/known']));
    const asked = server.asked.filter(({ pathname }) => pathname === STATUS);
    return asked.map(({ searchParams }) => searchParams.get('directory')).sort();
  };

  test('are its own and those of sessions since ten minutes before it started, archived ones too', async () => {
    const archived = { ...session('/archived'), archived: true };
    const recent = session('/a b&c=ü', STARTED - TEN_MINUTES);
    const routes = first({ [LIST]: sessionList([archived, recent, session('/old', STARTED - TEN_MINUTES - 1)]) });
    expect(await askedAbout(routes)).toEqual(['/a b&c=ü', '/archived', null]);
  });

  test('are spelled in two ways when they have a percent sign', async () => {
    expect(await askedAbout(first({ [LIST]: list('/a%20b') }))).toEqual(['/a%20b', '/a%2520b', null]);
  });

  const MESSAGES = '/session/ses_1/message';

  test('come with the last time that any of its sessions did something', async () => {
    const sessions = [session('/a', STARTED + 5), session('/b', STARTED + 7), session('/c', STARTED + 6)];
    expect(await wordOf(first({ [LIST]: sessionList(sessions) }))).toMatchObject({ lastActiveAt: STARTED + 7 });
    expect(await wordOf(first({}))).toEqual(idle(1));
  });

  test('are also those in which its sessions last worked', async () => {
    const routes = first({ [LIST]: list('/a'), [MESSAGES]: json([message('/b')]) });
    expect(await askedAbout(routes)).toEqual(['/a', '/b', null]);
    const status = say.byDirectory({ '/b': BUSY });
    expect(await wordOf({ ...routes, [STATUS]: status })).toEqual(busy(1, '/b'));
    const prompt = json([{ info: { role: 'user' } }]);
    expect(await wordOf({ ...routes, [MESSAGES]: prompt })).toMatchObject(idle(2));
    expect(await wordOf({ ...routes, [MESSAGES]: json({}, 404) })).toMatchObject(idle(2));
  });

  test.each([webPage, json({}), json([], 500), say.breakOff])(
    'are not known when a message cannot be read',
    async (handler) => {
      expect(await wordOf(first({ [LIST]: list('/a'), [MESSAGES]: handler }))).toEqual(unknown(/a message/));
    },
  );

  test('are named when one is busy, whatever the others say', async () => {
    const status = say.byDirectory({ '/b': { ...BUSY, ses_2: { type: 'retry' } }, '/c': [] });
    expect(await wordOf(first({ [LIST]: list('/a', '/c', '/b'), [STATUS]: status }))).toEqual(busy(2, '/b'));
  });

  const missing = { 'not found': notFound, 'an error': json({}, 500), 'a web page': webPage };
  const large = say.says('application/json', `[${' '.repeat(4 * 1024 * 1024)}]`);
  const unclear = { 'half an answer': say.breakOff, 'no JSON': say.says('application/json', '[{'), 'over 4 MB': large };

  test.each(Object.entries(missing))('are those of projects and records without a list (%s)', async (_, handler) => {
    const routes = first({ [LIST]: handler, '/project': json([{ worktree: '/a' }]) });
    expect(await wordOf(routes, ['/b'])).toEqual(idle(3));
    for (const directory of ['/a', '/b']) {
      const status = say.byDirectory({ [directory]: BUSY });
      expect(await wordOf({ ...routes, [STATUS]: status }, ['/b'])).toEqual(busy(1, directory));
    }
  });

  test.each(Object.entries(unclear))('are not known from %s instead of a list', async (_, handler) => {
    expect(await wordOf(first({ [LIST]: handler }))).toEqual(unknown(/list of sessions/));
  });

  test.each(Object.entries({ ...missing, ...unclear, 'other things': json([{}]) }))(
    'are not known from %s instead of projects',
    async (_, handler) => {
      expect(await wordOf(first({ [LIST]: notFound, '/project': handler }))).toEqual(unknown(/list of projects/));
    },
  );
});

test.each(Object.entries({ first, second }))('the password of a %s opens it, and never shows', async (_, routes) => {
  const server = await handMade(say.guarded(routes(), 'hunter2'));
  const addresses = [at(server), at(server, 'wrong'), at(server, 'hunter2')];
  const words = await Promise.all(addresses.map((one) => askActivity(one, known([]))));
  expect(words).toEqual([
    unknown(/requires a password/),
    unknown(/requires a password/),
    expect.objectContaining({ kind: 'idle' }),
  ]);
  const shown = [words, addresses, await ask(at(server, 'hunter2'), { path: HEALTH, deadlineMs: 1_000 })];
  const text = JSON.stringify(shown) + inspect(shown, { depth: null, showHidden: true, getters: true });
  for (const leak of ['hunter2', btoa('opencode:hunter2')]) expect(text).not.toContain(leak);
});

test('nothing is asked where nothing listens', async () => {
  const nobody = at({ host: '127.0.0.1', port: await reservePort() });
  expect(await askActivity(nobody, known([]))).toEqual(unknown(/ECONNREFUSED/));
});

describe('a server that keeps its client waiting', () => {
  test.each(Object.entries({ never: say.never, 'by bits': say.drip('application/json') }))('%s', async (_, handler) => {
    const server = await handMade(first({ [HEALTH]: handler }));
    const began = performance.now();
    const asked = ask(at(server), { path: HEALTH, deadlineMs: 200 }).then(() => performance.now() - began);
    expect(await askActivity(at(server), known([]))).toEqual({ kind: 'silent' });
    expect(performance.now() - began).toBeLessThan(3_000);
    expect(await asked).toBeLessThan(1_500);
  });
});

test.each<[string, Routes, string | undefined]>([
  ['a directory of Windows', { '/path': json({ directory: 'C:\\proj\\shop' }) }, 'C:\\proj\\shop'],
  ['a directory', { '/path': json({ directory: '/proj/shop' }) }, '/proj/shop'],
  ['a relative path', { '/path': json({ directory: 'shop' }) }, undefined],
  ['a number', { '/path': json({ directory: 7 }) }, undefined],
  ['a list', { '/path': json([]) }, undefined],
  ['an error', { '/path': json({ directory: '/proj/shop' }, 500) }, undefined],
  ['a web page', { '/path': webPage }, undefined],
  ['nothing of the kind', { '/path': notFound }, undefined],
])('a server that is asked where it works and says %s', async (_what, routes, expected) => {
  expect(await askWorkplace(at(await handMade(routes)))).toBe(expected);
});
