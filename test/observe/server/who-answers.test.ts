import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import { type Secret, secret } from '../../../src/model/secret.js';
import { askInfo, enter, type Info } from '../../../src/observe/server/info.js';
import { type Answering, lockOn, whoAnswers, whoIsBehind } from '../../../src/observe/server/who-answers.js';
import * as say from '../../support/hand-made.js';
import { first, handMade, json, notFound, type Routes, redirect, second, webPage } from '../../support/hand-made.js';
import { reservePort } from '../../support/port.js';

/* Who answers on a port, and which password opens it, by servers made by hand, in this process. */

const HEALTH = '/global/health';
const INFO = '/api/info';
/** What answers at all does so at once; what never does is not worth waiting for. */
const SOON = { deadlineMs: 300 };
const PATIENT = { deadlineMs: 20_000 };

const free = async (): Promise<say.Listening> => ({ host: '127.0.0.1', port: await reservePort() });
const RIGHT = secret('hunter2');
const WRONG = secret('wrong');
const guardedFirst = (): Routes => say.guarded(first(), 'hunter2');
const guardedSecond = (): Routes => say.guarded(second(), 'hunter2');

test.each<[string, () => Promise<say.Listening>, Answering]>([
  ['OpenCode 1', () => handMade(first()), 'opencode'],
  ['OpenCode 1 with a password', () => handMade(say.guarded(first(), 'hunter2')), 'locked'],
  ['OpenCode 2', () => handMade(second()), 'opencode 2'],
  ['OpenCode 2 with a password', () => handMade(second({ '/api/info': say.denied('any') })), 'opencode 2'],
  ['OpenCode 2 that hangs by then', () => handMade(second({ '/api/info': say.never })), 'silent'],
  ['another program with a password', () => handMade({ [HEALTH]: say.denied('Router') }), 'stranger'],
  ['a web site', () => handMade({ [HEALTH]: webPage, '/api/info': webPage }), 'stranger'],
  ['one that shows the way to OpenCode', () => handMade({ ...first(), [HEALTH]: redirect('/real') }), 'stranger'],
  ['one that is not healthy', () => handMade({ [HEALTH]: json({ healthy: false }) }), 'stranger'],
  ['one that never answers', () => handMade({ [HEALTH]: say.never }), 'silent'],
  ['one that speaks no HTTP', () => say.handMadeStranger('SSH-2.0-OpenSSH_9.6\r\n'), 'silent'],
  ['a free port', async () => ({ host: '127.0.0.1', port: await reservePort() }), 'nobody'],
])('who answers: %s', async (_who, open, answering) => {
  const { host, port } = await open();
  expect(await whoAnswers(host, port)).toBe(answering);
});

describe('what an OpenCode 2 says of itself', () => {
  test.each<[string, say.Handler, Info]>([
    ['its process', json({ version: '2.0.22', pid: 4242 }), { kind: 'ready', pid: 4242 as never }],
    ['no process', json({ version: '2.0.22' }), { kind: 'other' }],
    ['the process that every other one is below', json({ pid: 1 }), { kind: 'other' }],
    ['a process in words', json({ pid: '4242' }), { kind: 'other' }],
    ['nothing', json(null), { kind: 'other' }],
    ['its process, in trouble', json({ pid: 4242 }, 500), { kind: 'other' }],
    ['that it starts or stops', json({ code: 'service_starting' }, 503), { kind: 'starting' }],
    ['with a page that it is not to be had', say.says('text/html', 'busy', 503), { kind: 'other' }],
    ['that it wants a password, and nothing more', say.says('', '', 401), { kind: 'locked' }],
    ['that it wants a password, in JSON', json({ _tag: 'UnauthorizedError' }, 401), { kind: 'locked' }],
    ['with a page', webPage, { kind: 'other' }],
    ['that there is nothing', notFound, { kind: 'other' }],
    ['half of an answer', say.breakOff, { kind: 'other' }],
    ['nothing, and hangs up', (_request, response) => response.destroy(), { kind: 'silent' }],
  ])('%s', async (_what, handler, expected) => {
    const at = await handMade({ [INFO]: handler });
    expect(await askInfo({ ...at, username: undefined, password: undefined }, PATIENT)).toEqual(expected);
  });

  test('is silence where it never answers, or nobody does', async () => {
    for (const at of [await handMade({ [INFO]: say.never }), await free()])
      expect(await askInfo({ ...at, username: undefined, password: undefined }, SOON)).toEqual({ kind: 'silent' });
  });
});

describe('an OpenCode 2 is entered', () => {
  const asked = async (routes: Routes, passwords: readonly Secret[]) => {
    const server = await handMade(routes);
    const { kind, ...rest } = await enter(server, passwords, PATIENT);
    const password = 'password' in rest ? rest.password?.reveal() : 'not let in';
    return [kind, password, server.asked.length];
  };

  test.each<[string, Routes, readonly Secret[], readonly unknown[]]>([
    ['by the one that opens it, after none', guardedSecond(), [WRONG, RIGHT, secret('later')], ['ready', 'hunter2', 3]],
    ['by none where it wants none', second(), [WRONG], ['ready', undefined, 1]],
    ['by none that is known', guardedSecond(), [WRONG], ['locked', 'not let in', 2]],
    ['by nobody where it is not ready', second({ [INFO]: json({}, 503) }), [RIGHT], ['starting', 'not let in', 1]],
    ['by nobody where it is none', second({ [INFO]: webPage }), [RIGHT], ['other', 'not let in', 1]],
  ])('%s', async (_how, routes, passwords, expected) => {
    expect(await asked(routes, passwords)).toEqual(expected);
  });
});

describe('what is behind a lock', () => {
  test.each<[string, Routes, readonly Secret[], string]>([
    ['an OpenCode 1', guardedFirst(), [WRONG, RIGHT], 'opencode'],
    ['an OpenCode 2', guardedSecond(), [WRONG, RIGHT], 'opencode 2'],
    ['not known without its password', guardedFirst(), [WRONG], 'locked'],
    ['not known without any', guardedFirst(), [], 'locked'],
    ['silent', { [HEALTH]: (_request, response) => response.destroy() }, [WRONG], 'silent'],
  ])('is %s', async (_what, routes, passwords, expected) => {
    expect(await whoIsBehind(await handMade(routes), passwords, PATIENT)).toBe(expected);
  });

  test('is silent where it never answers', async () => {
    expect(await whoIsBehind(await handMade({ [HEALTH]: say.never }), [RIGHT], SOON)).toBe('silent');
  });
});

describe('the lock on an OpenCode 1', () => {
  const opensTo = (stranger: say.Handler, friend: say.Handler): Routes => ({
    [HEALTH]: (request, response) => (request.headers.authorization ? friend : stranger)(request, response),
  });
  const healthy = json({ healthy: true });

  test.each<[string, Routes, 'locked' | 'open' | 'unclear']>([
    ['keeps out whoever does not say the password', guardedFirst(), 'locked'],
    ['is open', first(), 'open'],
    ['has another password', say.guarded(first(), 'other'), 'unclear'],
    ['is not clear where it only fails without', opensTo(json({}, 500), healthy), 'unclear'],
    ['is not clear where it hangs up without', opensTo((_, response) => response.destroy(), healthy), 'unclear'],
    ['is not clear where it fails with it', opensTo(say.denied('any'), json({ healthy: true }, 500)), 'unclear'],
  ])('%s', async (_how, routes, expected) => {
    const { host, port } = await handMade(routes);
    expect(await lockOn(host, port, RIGHT)).toBe(expected);
  });
});

test.each([
  ['a stranger, with no reset, which might crash it', undefined, [false, false]],
  ['a server that we started, with one, which leaves nothing behind', true, [true, true]],
])('who answers is asked as %s', async (_whom, isOurs, expected) => {
  const ended: Promise<boolean>[] = [];
  const routes = second();
  const server = createServer((request, response) => (routes[request.url ?? ''] ?? notFound)(request, response));
  server.on('connection', (socket) => {
    socket.on('error', () => undefined);
    ended.push(new Promise((resolve) => socket.once('close', resolve)));
  });
  onTestFinished(() => void server.close());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  expect(await whoAnswers('127.0.0.1', port, 20_000, ...(isOurs === undefined ? [] : [isOurs]))).toBe('opencode 2');
  expect(await Promise.all(ended)).toEqual(expected);
});
