import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { describe, expect, onTestFinished, test } from 'vitest';
import type { Activity } from '../../../src/decide/activity.js';
import { askActivity } from '../../../src/observe/server/activity.js';
import { ask } from '../../../src/observe/server/http.js';
import { first, handMade, json, type Routes, says, sessionList } from '../../support/hand-made.js';

/* Lists of which only a part is as it should be, and how a question ends. Servers are made by hand, in this process. */

const NOW = Date.now();
const wordOf = async (routes: Routes): Promise<Activity> => {
  const { host, port } = await handMade(routes);
  const address = { host, port, username: undefined, password: undefined };
  return askActivity(address, { startedAt: NOW, directories: [], pid: 42, passwordOfSecond: undefined });
};
/** A release that cannot list its sessions. */
const old = (projects: Routes['']): Routes => {
  const { '/experimental/session': _, ...routes } = first({ '/project': projects ?? json([]) });
  return routes;
};
const NOT_UNDERSTOOD = { kind: 'unknown', because: 'its list of projects was not understood' };

describe('a list of projects', () => {
  test.each([
    ['is an error', json([{ worktree: '/a' }], 500)],
    ['is none', json({ worktree: '/a' })],
    ['has nothing in one place', json([{ worktree: '/a' }, null])],
    ['does not say where one is', json([{ worktree: '/a' }, {}])],
  ])('that %s was not understood, so the server may be busy anywhere', async (_what, projects) => {
    expect(await wordOf(old(projects))).toEqual(NOT_UNDERSTOOD);
  });

  test('is where it is asked', async () => {
    expect(await wordOf(old(json([{ worktree: '/a' }, { worktree: '/b' }])))).toEqual({ kind: 'idle', directories: 3 });
  });
});

test.each([
  ['nothing', [null]],
  ['no message', ['text']],
  ['a message that says nothing of itself', [{ info: null }]],
  ['a message that does not say where it was', [{ info: { role: 'user' } }]],
])('the last of a session’s messages that is %s leads nowhere', async (_what, messages) => {
  const sessions = sessionList([{ id: 'one', directory: '/a', time: { updated: NOW } }]);
  const routes = first({ '/experimental/session': sessions, '/session/one/message': json(messages) });
  expect(await wordOf(routes)).toMatchObject({ kind: 'idle', directories: 2 });
});

describe('an answer', () => {
  const MOST = 4 * 1024 * 1024;
  test.each([
    ['is read up to four mebibytes', MOST, 'json'],
    ['is no answer where it is longer', MOST + 1, 'garbled'],
  ])('%s', async (_what, bytes, kind) => {
    const { host, port } = await handMade({ '/long': says('application/json', `"${'a'.repeat(bytes - 2)}"`) });
    const reply = await ask(
      { host, port, username: undefined, password: undefined },
      { path: '/long', deadlineMs: 60_000 },
    );
    expect(reply.kind).toBe(kind);
  });

  test.each([
    ['with a reset, which leaves nothing behind', undefined, true],
    ['as any other does with a stranger, whom a reset might crash', true, false],
  ])('ends its connection %s', async (_what, ofStranger, isReset) => {
    const ended: Promise<boolean>[] = [];
    const server = createServer(json({ healthy: true }));
    server.on('connection', (socket) => {
      socket.on('error', () => undefined);
      ended.push(new Promise((resolve) => socket.once('close', resolve)));
    });
    onTestFinished(() => void server.close());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const { port } = server.address() as AddressInfo;
    const address = { host: '127.0.0.1', port, username: undefined, password: undefined };
    const how = ofStranger === undefined ? {} : { ofStranger };
    expect(await ask(address, { path: '/', deadlineMs: 60_000, ...how })).toMatchObject({ kind: 'json' });
    expect(await Promise.all(ended)).toEqual([isReset]);
  });
});
