import { expect, test } from 'vitest';
import type { Seen } from '../../src/model/process.js';
import type { Listener } from '../../src/observe/platform.js';
import { lookAtProcesses } from '../../src/observe/snapshot.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { PORT, record } from '../decide/given.js';

/* Who listens on the port of a record that names no process, where a platform says so much of it and no more. */

const US = process.getuid?.().toString() ?? (await (await thisPlatform()).owner?.());
/** Larger than any pid. */
const UNLISTED = 2 ** 30;

test.each<[string, Listener | 'nobody' | undefined, Seen, number | 'nobody' | undefined]>([
  ['a process', { pid: process.pid, owner: US }, 'gone', process.pid],
  ['nobody', 'nobody', 'gone', 'nobody'],
  ['not known', undefined, 'gone', undefined],
  ['not known of what is hidden', { pid: undefined, owner: undefined }, 'gone', undefined],
  ['not known of what is ours, and hidden', { pid: undefined, owner: US }, 'gone', undefined],
  ['nobody of ours', { pid: undefined, owner: 'another' }, 'gone', 'nobody'],
  ['nobody, where it has ended', { pid: UNLISTED, owner: undefined }, 'gone', 'nobody'],
  ['not known of what is younger than the list', { pid: UNLISTED, owner: US }, 'unknown', undefined],
])('is %s', async (_who, listener, seen, expected) => {
  const platform = { ...(await thisPlatform()), listener: async () => listener, look: () => seen };
  const portOnly = { ...record, spawned: undefined, server: undefined, provenBy: 'start time' as const };
  const { listeners } = await lookAtProcesses([portOnly], { platform, claudeSessions: () => undefined });
  expect(listeners.get(PORT)).toBe(expected);
});

test('any record may lead to its port where there are no groups', async () => {
  const here = await thisPlatform();
  const platform = {
    ...here,
    shows: { ...here.shows, groups: false } as const,
    listener: async () => 'nobody' as const,
  };
  const look = (shows = platform.shows) =>
    lookAtProcesses([record], { platform: { ...platform, shows }, claudeSessions: () => undefined });
  expect([...(await look()).listeners]).toEqual([[PORT, 'nobody']]);
  expect([...(await look({ ...here.shows, groups: undefined } as never)).listeners]).toEqual([]);
});
