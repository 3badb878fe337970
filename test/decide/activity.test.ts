import { describe, expect, test } from 'vitest';
import {
  activityNow,
  activityOfSilence,
  activityWithoutListener,
  loopbackOf,
  type Silence,
} from '../../src/decide/activity.js';
import type { Sockets } from '../../src/model/process.js';
import { HOUR, MINUTE, sockets } from './given.js';

const silence: Silence = { probes: 3, answered: false, spanMs: 5000, onTime: true };
const connected = { ...sockets, inbound: [{ port: 4096, clientPid: undefined, clientPort: undefined }] };
const connecting = { ...sockets, outbound: 1 };
const sentence = /^[a-z][^\n]*[^.\s]$/;

describe('a server that is silent', () => {
  const hears = (
    change: Partial<Silence> = {},
    ageMs: number | undefined = MINUTE,
    seen: Sockets | undefined = sockets,
  ) => activityOfSilence({ ...silence, ...change }, ageMs, seen);

  test.each([
    ['on three connections in five seconds', hears()],
    ['on more connections for longer', hears({ probes: 4, spanMs: 60_000 }, HOUR)],
  ])('is hung %s', (_sentence, activity) => {
    expect(activity).toEqual({ kind: 'hung', because: expect.stringMatching(sentence) });
  });

  test.each([
    ['when it answers after all', hears({ answered: true })],
    ['when it answers after all, however late', hears({ answered: true, spanMs: HOUR }, HOUR)],
    ['while it is younger than a minute', hears({}, MINUTE - 1)],
    ['when its age is not known', activityOfSilence(silence, undefined, sockets)],
    ['when our own timers came late', hears({ onTime: false })],
    ['on two connections', hears({ probes: 2 })],
    ['for less than five seconds', hears({ spanMs: 4999 })],
    ['when its connections cannot be seen', activityOfSilence(silence, HOUR, undefined)],
    ['while a client is connected', hears({}, HOUR, connected)],
    ['while it is connected to something', hears({}, HOUR, connecting)],
  ])('is not hung %s', (_sentence, activity) => {
    expect(activity).toEqual({ kind: 'unknown', because: expect.stringMatching(sentence) });
  });
});

test('a server that was silent is not hung once it has a connection, or its connections cannot be seen', () => {
  const hung = { kind: 'hung', because: 'x' } as const;
  const idle = { kind: 'idle', directories: 1 } as const;
  expect([hung, idle].map((activity) => activityNow(activity, sockets))).toEqual([hung, idle]);
  const later = [connected, connecting, undefined].map((seen) => activityNow(hung, seen).kind);
  expect(later).toEqual(['unknown', 'unknown', 'unknown']);
  expect(activityNow(idle, connected)).toEqual(idle);
});

describe('a server that listens on nothing', () => {
  const mute = { ...sockets, listening: [] };

  test('is hung after ten minutes', () => {
    const activity = activityWithoutListener(10 * MINUTE, mute);
    expect(activity).toEqual({ kind: 'hung', because: expect.stringMatching(sentence) });
  });

  test.each([
    ['before', activityWithoutListener(10 * MINUTE - 1, mute)],
    ['when its age is not known', activityWithoutListener(undefined, mute)],
    ['when its sockets cannot be seen', activityWithoutListener(HOUR, undefined)],
    ['while a client is connected', activityWithoutListener(HOUR, { ...connected, listening: [] })],
    ['while it is connected to something', activityWithoutListener(HOUR, { ...connecting, listening: [] })],
  ])('is not hung %s', (_sentence, activity) => {
    expect(activity).toEqual({ kind: 'unknown', because: expect.stringMatching(sentence) });
  });

  test('is asked as soon as it listens, at any age', () => {
    expect([0, HOUR, undefined].map((ageMs) => activityWithoutListener(ageMs, sockets))).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
  });
});

describe('a server is asked on', () => {
  test.each([
    ['127.0.0.1', '127.0.0.1'],
    ['127.0.1.1', '127.0.1.1'],
    ['0.0.0.0', '127.0.0.1'],
    ['::1', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0001', '::1'],
    ['0000:0000:0000:0000:0000:0000:0000:0000', '::1'],
  ])('%s at %s', (host, address) => {
    expect(loopbackOf(host)).toBe(address);
  });

  test.each([
    '192.168.0.7',
    '10.0.0.1',
    '128.0.0.1',
    '1127.0.0.1',
    '127.0.0.1.example.com',
    'example.com',
    'localhost',
    'fe80::1',
    '2001:db8::1',
    '::2',
    '::11',
    '',
  ])('nothing at %s', (host) => {
    expect(loopbackOf(host)).toBeUndefined();
  });
});
