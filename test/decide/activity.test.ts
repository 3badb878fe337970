import { describe, expect, test } from 'vitest';
import {
  activityNow,
  activityOfSilence,
  activityWithoutListener,
  loopbackOf,
  type Silence,
  silentWith,
} from '../../src/decide/activity.js';
import type { Sockets } from '../../src/model/process.js';
import type { SilentSince } from '../../src/model/silence.js';
import { HOUR, MINUTE, sockets } from './given.js';

const silence: Silence = { probes: 3, answered: false, spanMs: 5000, onTime: true };
const connected = { ...sockets, inbound: [{ port: 4096, clientPid: undefined, clientPort: undefined }] };
const connecting = { ...sockets, outbound: 1 };
/** By the boot clock. */
const AT = 100 * HOUR;
const first: SilentSince = silentWith(undefined, AT);
const sentence = /^[a-z][^\n]*[^.\s]$/;

describe('a server that is silent', () => {
  const hears = (
    change: Partial<Silence> = {},
    ageMs: number | undefined = MINUTE,
    seen: Sockets | undefined = sockets,
    since = first,
  ) => activityOfSilence({ ...silence, ...change }, ageMs, seen, since, AT);

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
    ['when its age is not known', activityOfSilence(silence, undefined, sockets, first, AT)],
    ['when our own timers came late', hears({ onTime: false })],
    ['on two connections', hears({ probes: 2 })],
    ['for less than five seconds', hears({ spanMs: 4999 })],
    ['when its connections cannot be seen', activityOfSilence(silence, HOUR, undefined, first, AT)],
  ])('is not hung %s', (_sentence, activity) => {
    expect(activity).toEqual({ kind: 'unknown', because: expect.stringMatching(sentence) });
  });

  const long = { sinceMs: AT - 10 * MINUTE, lastMs: AT, looks: 3 };

  test.each([
    ['while a client is connected', hears({}, HOUR, connected), first],
    ['while it is connected to something', hears({}, HOUR, connecting), first],
    ['while somebody is connected, however long', hears({}, HOUR, connected, long), long],
    ['while it answers something else', hears({ isPartial: true }, HOUR), first],
    [
      'while it answers something else, before ten minutes',
      hears({ isPartial: true }, HOUR, sockets, { ...long, sinceMs: long.sinceMs + 1 }),
      { ...long, sinceMs: long.sinceMs + 1 },
    ],
    [
      'while it is connected to somebody, before ten minutes',
      hears({}, HOUR, connecting, { ...long, sinceMs: long.sinceMs + 1 }),
      { ...long, sinceMs: long.sinceMs + 1 },
    ],
    [
      'while it is connected to somebody, over two looks',
      hears({}, HOUR, connecting, { ...long, looks: 2 }),
      { ...long, looks: 2 },
    ],
  ])('is not hung %s, and that is remembered', (_sentence, activity, silent) => {
    expect(activity).toEqual({ kind: 'unknown', because: expect.stringMatching(sentence), silent });
  });

  test('is hung after ten minutes over three looks, whatever it is connected to itself', () => {
    const activity = hears({}, HOUR, connecting, long);
    expect(activity).toEqual({
      kind: 'hung',
      because: 'silent for 10 min, over 3 looks',
      whateverOutbound: true,
      silent: long,
    });
    expect([connecting, connected, undefined].map((seen) => activityNow(activity, seen).kind)).toEqual([
      'hung',
      'unknown',
      'unknown',
    ]);
  });

  test('is hung after that also when it answers something else, but not whether it is busy', () => {
    expect(hears({ isPartial: true }, HOUR, sockets, long)).toMatchObject({ kind: 'hung', whateverOutbound: true });
  });

  test('says since when, once there is more than one look', () => {
    expect(hears({}, HOUR, connecting)).toMatchObject({ because: 'it does not answer, but has connections' });
    expect(hears({}, HOUR, connecting, { sinceMs: AT - 2 * MINUTE, lastMs: AT, looks: 2 })).toMatchObject({
      because:
        'it does not answer, but has connections; silent for 2 min over 2 looks; counts as hung after 10 min over 3 looks',
    });
  });

  test('is one look where looks follow each other', () => {
    const twice = silentWith(first, AT + MINUTE - 1);
    expect(twice).toEqual(first);
    expect(silentWith(twice, AT + MINUTE)).toEqual({ sinceMs: AT, lastMs: AT + MINUTE, looks: 2 });
  });

  test('begins anew where no one has checked it for longer than an hour', () => {
    expect(silentWith(first, AT + HOUR)).toEqual({ sinceMs: AT, lastMs: AT + HOUR, looks: 2 });
    const later = AT + HOUR + 1;
    expect(silentWith(first, later)).toEqual({ sinceMs: later, lastMs: later, looks: 1 });
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
    const activity = activityWithoutListener(10 * MINUTE, mute, first, AT);
    expect(activity).toEqual({ kind: 'hung', because: expect.stringMatching(sentence) });
  });

  test.each([
    ['before', activityWithoutListener(10 * MINUTE - 1, mute, first, AT)],
    ['when its age is not known', activityWithoutListener(undefined, mute, first, AT)],
    ['when its sockets cannot be seen', activityWithoutListener(HOUR, undefined, first, AT)],
  ])('is not hung %s', (_sentence, activity) => {
    expect(activity).toEqual({ kind: 'unknown', because: expect.stringMatching(sentence) });
  });

  test.each([
    ['while a client is connected', activityWithoutListener(HOUR, { ...connected, listening: [] }, first, AT)],
    ['while it is connected to something', activityWithoutListener(HOUR, { ...connecting, listening: [] }, first, AT)],
  ])('is not hung %s, and that is remembered', (_sentence, activity) => {
    expect(activity).toEqual({ kind: 'unknown', because: expect.stringMatching(sentence), silent: first });
  });

  test('is hung after ten minutes over three looks, whatever it is connected to itself', () => {
    const long = { sinceMs: AT - 10 * MINUTE, lastMs: AT, looks: 3 };
    const among = (seen: Sockets) => activityWithoutListener(HOUR, { ...seen, listening: [] }, long, AT)?.kind;
    expect([among(connecting), among(connected)]).toEqual(['hung', 'unknown']);
    // What it is connected to itself does not count from now on, as long as nothing is connected to it.
    const mute = { ...connecting, listening: [] };
    const hung = activityWithoutListener(HOUR, mute, long, AT);
    expect(hung && activityNow(hung, mute)).toMatchObject({ kind: 'hung', silent: long });
  });

  test('is asked as soon as it listens, at any age', () => {
    expect([0, HOUR, undefined].map((ageMs) => activityWithoutListener(ageMs, sockets, first, AT))).toEqual([
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
