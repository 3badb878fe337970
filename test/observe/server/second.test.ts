import { describe, expect, onTestFinished, test } from 'vitest';
import type { Activity } from '../../../src/decide/activity.js';
import { type Secret, secret } from '../../../src/model/secret.js';
import { askActivity } from '../../../src/observe/server/activity.js';
import * as say from '../../support/hand-made.js';
import {
  handMade,
  inDirectory,
  json,
  notFound,
  type Routes,
  redirect,
  second,
  webPage,
} from '../../support/hand-made.js';

// Answers made by hand, after those that were recorded of a preview and those that its documentation has.

const PID = 4242;

const askedAs = async (
  routes: Routes,
  given: { readonly password?: Secret; readonly passwordOfSecond?: Secret } = {},
) => {
  const server = await handMade(routes);
  const address = { host: server.host, port: server.port, username: undefined, password: given.password };
  const known = { startedAt: 0, directories: ['/recorded'], pid: PID, passwordOfSecond: given.passwordOfSecond };
  return { activity: await askActivity(address, known), asked: server.asked };
};

const activityOf = async (routes: Routes): Promise<Activity> => (await askedAs(second(routes))).activity;

const idle = (directories: number, more: object = {}) => ({ kind: 'idle', directories, isSecond: true, ...more });
const busy = (sessions: number, directory: string, more: object = {}) => ({
  kind: 'busy',
  sessions,
  directory,
  isSecond: true,
  ...more,
});
const unknown = (because: string) => ({ kind: 'unknown', because });
const notUnderstood = (path: string) => unknown(`its answer to ${path} was not understood`);

const HEALTH = '/global/health';
const INFO = '/api/info';
const ACTIVE = '/api/session/active';
const LOADED = '/api/debug/location';
const SHELL = '/api/shell';
const PTY = '/api/pty';
const LIST = '/api/session';

const loaded = (...directories: readonly string[]) => json(directories.map((directory) => ({ directory })));
const runs = (status: string, directory = '/a') => inDirectory({ [directory]: [{ id: 'sh_1', status, pid: 1 }] });
const endless = say.drip('application/json');
const large = say.says('application/json', `{"data":"${' '.repeat(4 * 1024 * 1024)}"}`);

const inAAndB = { [LOADED]: loaded('/a', '/b') };

describe('OpenCode 2, made by hand,', () => {
  test.each<[string, Routes, object]>([
    ['has loaded nothing', {}, idle(0)],
    ['has loaded two directories', inAAndB, idle(2)],
    ['has two active sessions', { [ACTIVE]: json({ data: { a: {}, b: {} } }) }, busy(2, 'the whole server')],
    ['runs a shell', { ...inAAndB, [SHELL]: runs('running', '/b') }, busy(1, '/b', { what: 'shell' })],
    ['has a terminal open', { ...inAAndB, [PTY]: runs('running') }, busy(1, '/a', { what: 'terminal' })],
    ['runs what no release does yet', { ...inAAndB, [SHELL]: runs('paused') }, busy(1, '/a', { what: 'shell' })],
    [
      'runs a shell, and what it runs elsewhere is not understood',
      { ...inAAndB, [SHELL]: inDirectory({ '/a': [{}], '/b': [{ status: 'running' }] }) },
      busy(1, '/b', { what: 'shell' }),
    ],
    ['had a shell and a terminal', { ...inAAndB, [SHELL]: runs('killed'), [PTY]: runs('exited') }, idle(2)],
    ['never finishes its page', { [HEALTH]: say.drip('text/html') }, idle(0)],
    [
      'is another process',
      { [INFO]: json({ pid: 7 }) },
      unknown('it says that it is process 7, and so another server'),
    ],
    ['does not say which process it is', { [INFO]: json({ version: '2.3.2' }) }, notUnderstood(INFO)],
    ['says nothing at all of itself', { [INFO]: json(null) }, notUnderstood(INFO)],
    ['says that it is a text', { [INFO]: json({ pid: `${PID}` }) }, notUnderstood(INFO)],
    ['is not ready', { [INFO]: json({ pid: PID }, 503) }, unknown('it is starting, or already stopping')],
    [
      'is ready for nothing',
      { [HEALTH]: json({ code: 'service_starting' }, 503), [INFO]: json({}, 503) },
      unknown('it is starting, or already stopping'),
    ],
    ['has failed', { [INFO]: json({ pid: PID }, 500) }, notUnderstood(INFO)],
    [
      'wants a password, and says nothing more',
      { [INFO]: say.says('', '', 401) },
      unknown('it requires a password that is not known'),
    ],
    [
      'wants a password, in JSON',
      { [INFO]: json({ _tag: 'UnauthorizedError' }, 401) },
      unknown('it requires a password that is not known'),
    ],
    ['has only its page', { [INFO]: webPage }, unknown('it is not a known version of OpenCode')],
    ['does not know its own name', { [INFO]: notFound }, unknown('it is not a known version of OpenCode')],
    ['only shows the way', { [HEALTH]: redirect(INFO) }, unknown('its health check returned 302')],
    ['does not finish saying who it is', { [INFO]: endless }, unknown(`it did not finish its answer to ${INFO}`)],
    ['says nothing of sessions', { [ACTIVE]: json({}) }, notUnderstood(ACTIVE)],
    ['has a list of sessions', { [ACTIVE]: json({ data: [] }) }, notUnderstood(ACTIVE)],
    ['has a workspace', { [LOADED]: json([{ directory: '/a', workspaceID: 'wrk_1' }]) }, notUnderstood(LOADED)],
    ['has a place that is no directory', { [LOADED]: json([{ directory: 7 }]) }, notUnderstood(LOADED)],
    ['has no list of places', { [LOADED]: json({ data: [] }) }, notUnderstood(LOADED)],
    ['has a shell without a status', { ...inAAndB, [SHELL]: inDirectory({ '/a': [{}] }) }, notUnderstood(SHELL)],
    ['has no list of shells', { ...inAAndB, [SHELL]: json({ location: { directory: '/a' } }) }, notUnderstood(SHELL)],
    [
      'speaks of another directory',
      { ...inAAndB, [PTY]: json({ location: { directory: '/c' }, data: [] }) },
      notUnderstood(PTY),
    ],
    ['works in 50 directories', { [LOADED]: loaded(...Array.from({ length: 50 }, (_, i) => `/${i}`)) }, idle(50)],
    [
      'works in 51 directories',
      { [LOADED]: loaded(...Array.from({ length: 51 }, (_, i) => `/${i}`)) },
      unknown('it is working in more than 50 directories'),
    ],
    [
      'works in a directory that may be spelled in two ways',
      { [LOADED]: loaded('/a%20b') },
      unknown('one of its directories has a name that cannot be sent'),
    ],
    [
      'works in a directory without a proper name',
      { [LOADED]: loaded('/\ud800') },
      unknown('one of its directories has a name that cannot be sent'),
    ],
  ])('%s', async (_sentence, routes, expected) => {
    expect(await activityOf(routes)).toEqual(expected);
  });

  describe.each([ACTIVE, LOADED, SHELL, PTY])('and is asked %s,', (path) => {
    test.each<[string, say.Handler, object]>([
      ['does not have it', notFound, unknown(`its release has no ${path}`)],
      ['has its page there', webPage, notUnderstood(path)],
      ['says that it failed', json({}, 500), notUnderstood(path)],
      ['stops', json({ code: 'service_stopping' }, 503), unknown('it is starting, or already stopping')],
      ['keeps it to itself', say.says('', '', 401), unknown('it requires a password that is not known')],
      ['says nonsense', say.says('application/json', '{"data":'), notUnderstood(path)],
      ['breaks off', say.breakOff, notUnderstood(path)],
      ['says more than 4 MB', large, notUnderstood(path)],
      ['says nothing at all in JSON', json(null), notUnderstood(path)],
      ['hangs up', (_request, response) => response.destroy(), unknown('it refused the connection (ECONNRESET)')],
    ])('%s', async (_sentence, handler, expected) => {
      expect(await activityOf({ ...inAAndB, [path]: handler })).toEqual(expected);
    });
  });

  test('keeps waiting, or does not finish, at any of them', async () => {
    const paths = [ACTIVE, LOADED, SHELL, PTY];
    const all = paths.flatMap((path) => [say.never, endless].map((handler) => ({ ...inAAndB, [path]: handler })));
    const expected = paths.flatMap((path) => [
      unknown(`it did not answer ${path}`),
      unknown(`it did not finish its answer to ${path}`),
    ]);
    expect(await Promise.all(all.map(activityOf))).toEqual(expected);
  });

  const none = json({ data: {} });
  const one = json({ data: { ses_1: { type: 'running' } } });
  test.each<[string, say.Handler, say.Handler]>([
    ['the end of a shell may wake one', none, one],
    ['one that has just ended was in use', one, none],
  ])('is asked twice about sessions: %s', async (_why, before, after) => {
    let times = 0;
    const active: say.Handler = (request, response) => {
      times += 1;
      (times === 1 ? before : after)(request, response);
    };
    expect(await activityOf({ ...inAAndB, [ACTIVE]: active })).toEqual(busy(1, 'the whole server'));
  });

  test('is asked about no directory that it has not loaded', async () => {
    const { asked } = await askedAs(second({ [LOADED]: loaded('/a b&c=ü') }));
    const directories = asked.flatMap(({ searchParams }) => searchParams.get('location[directory]') ?? []);
    expect(directories).toEqual(['/a b&c=ü', '/a b&c=ü']);
    const paths = [HEALTH, INFO, ACTIVE, LOADED, SHELL, PTY, LIST, ACTIVE];
    expect(asked.map(({ pathname }) => pathname)).toEqual(paths);
  });

  test('never answers who it is: it is silent there', async () => {
    expect(await activityOf({ [INFO]: say.never })).toEqual({ kind: 'silent', at: INFO });
  });
});

describe('the last activity of an OpenCode 2, made by hand,', () => {
  const session = (directory: unknown, updated: unknown) => ({
    id: 'ses_1',
    location: { directory },
    time: { updated },
  });
  const page = (sessions: readonly (object | null)[], next: string | null = null) => ({
    data: sessions,
    cursor: { previous: null, next },
  });
  const lastOf = (list: say.Handler) => activityOf({ [LOADED]: loaded('/a', '/b'), [LIST]: list });

  test('is the latest in one of its directories', async () => {
    const sessions = [session('/a', 3), session('/b', 5), session('/elsewhere', 9)];
    expect(await lastOf(json(page(sessions)))).toEqual(idle(2, { lastActiveAt: 5 }));
    expect(await lastOf(json(page([session('/elsewhere', 9)])))).toEqual(idle(2));
  });

  test('is looked for on every page, since they are sorted by their creation', async () => {
    const pages = new Map([
      [null, page([session('/a', 3)], 'second')],
      ['second', page([session('/a', 8)], 'third')],
      ['third', page([session('/b', 5)])],
    ]);
    const list: say.Handler = (request, response) =>
      json(pages.get(new URL(`http://x${request.url}`).searchParams.get('cursor')))(request, response);
    expect(await lastOf(list)).toEqual(idle(2, { lastActiveAt: 8 }));
  });

  test.each([
    [20, 20],
    [21, 'unknown'],
  ])('is looked for on the first twenty pages: of %i it is %s', async (pages, expected) => {
    const list: say.Handler = (request, response) => {
      const at = Number(new URL(`http://x${request.url}`).searchParams.get('cursor') ?? 1);
      json(page([session('/a', at)], at < pages ? `${at + 1}` : null))(request, response);
    };
    expect(await lastOf(list)).toEqual(idle(2, { lastActiveAt: expected }));
  });

  test('is found among more sessions than a call takes arguments', async () => {
    // So long a list may take a slow machine longer than an answer may.
    const { setTimeout: later } = globalThis;
    onTestFinished(() => void Object.assign(globalThis, { setTimeout: later }));
    Object.assign(globalThis, { setTimeout: (does: () => void, ms = 0) => later(does, ms * 30) });
    const most = Array.from({ length: 70_000 }, (_, at) => ({ location: { directory: '/a' }, time: { updated: at } }));
    const pages = [page(most, 'next'), page(most.slice(1), null)].map((one) => json(one));
    const list: say.Handler = (request, response) => pages[request.url === LIST ? 0 : 1]?.(request, response);
    expect(await lastOf(list)).toEqual(idle(2, { lastActiveAt: 69_999 }));
  });

  test.each<[string, say.Handler]>([
    ['there is no list', notFound],
    ['the list is a web page', webPage],
    ['the list has no cursor', json({ data: [] })],
    ['there is no end of it', json(page([], 'again'))],
    ['the list is nothing', json(null)],
    ['a session is nothing', json(page([null]))],
    ['a session is in no place', json(page([{ ...session('/a', 1), location: null }]))],
    ['a session has nothing for a time', json(page([{ ...session('/a', 1), time: null }]))],
    ['a session has no time', json(page([session('/a', undefined)]))],
    ['a session has no directory', json(page([session(undefined, 1)]))],
  ])('is not known where %s', async (_why, list) => {
    expect(await lastOf(list)).toEqual(idle(2, { lastActiveAt: 'unknown' }));
  });
});

describe('the password of an OpenCode 2, made by hand,', () => {
  const routes = (password: string) => say.guarded(second(), password);
  const requiresIt = unknown('it requires a password that is not known');

  test('is the one that it takes first', async () => {
    const [old, right] = [secret('an older one'), secret('hunter2')];
    expect(await askedAs(routes('hunter2'), { password: old, passwordOfSecond: right })).toMatchObject({
      activity: idle(0),
    });
    expect(await askedAs(routes('hunter2'), { password: right })).toMatchObject({ activity: idle(0) });
    expect(await askedAs(routes('hunter2'), { password: right, passwordOfSecond: old })).toMatchObject({
      activity: requiresIt,
    });
    expect(await askedAs(routes('hunter2'))).toMatchObject({ activity: requiresIt });
  });

  test('is not shown', async () => {
    const { activity } = await askedAs(routes('hunter2'), { passwordOfSecond: secret('not hunter2') });
    expect(JSON.stringify(activity)).not.toMatch(/hunter2/);
  });
});
