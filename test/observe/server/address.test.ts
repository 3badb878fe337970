import { describe, expect, onTestFinished, test } from 'vitest';
import type { Activity } from '../../../src/decide/activity.js';
import { secret } from '../../../src/model/secret.js';
import { listenForSilence } from '../../../src/observe/server/activity.js';
import { askServer, dispose } from '../../../src/observe/server/ask.js';
import { survey } from '../../../src/run/survey.js';
import {
  drip,
  first,
  guarded,
  handMade,
  json,
  never,
  type Routes,
  second,
  sessionList,
} from '../../support/hand-made.js';
import {
  environmentOf,
  HOUR,
  processOf,
  type Script,
  type Scripted,
  SERVE,
  SERVER,
  scripted,
} from '../../support/scripted.js';

/*
 * Which server is asked, where, and with which password: through a socket that is seen to be its own at that moment, on a
 * machine that stands in for a real one. Which answers mean what is in activity.test.ts and second.test.ts.
 */

/** Asks it after what the test has changed, by the look before; or tells it to let go. */
async function asked(stage: Scripted, change: () => unknown = () => undefined, tells = false) {
  const { candidates, snapshot } = await survey(stage.world);
  const [candidate] = candidates;
  if (!candidate) expect.fail('no server');
  change();
  const { platform } = stage.world;
  const activity = tells ? undefined : await askServer(candidate, [], undefined, snapshot, platform);
  if (tells) await dispose(candidate, snapshot, platform);
  return { activity, paths: stage.asked().map(({ pathname }) => pathname) };
}

const because = (activity: Activity | undefined): string | undefined =>
  activity && 'because' in activity ? activity.because : activity?.kind;

const NOBODY: readonly [string, (stage: Scripted) => unknown, string][] = [
  [
    'its process is another by now',
    (stage) => stage.processes.set(SERVER, processOf(SERVER, { startToken: 'x' })),
    'its process has changed',
  ],
  [
    'it cannot be told that it is the one',
    (stage) => stage.processes.set(SERVER, processOf(SERVER, { startToken: undefined })),
    'its process has changed',
  ],
  [
    'its address is of another network',
    (stage) => Object.assign(stage, { sockets: { ourNetwork: false } }),
    'it listens in another network namespace',
  ],
  [
    'it listens for others than this machine alone',
    (stage) =>
      Object.assign(stage, { sockets: { listening: [{ host: '192.168.1.5', port: stage.port, pid: SERVER }] } }),
    'it does not listen on a loopback address',
  ],
];

describe('nobody is asked anything, or told to let go, where', () => {
  test.each(NOBODY)('%s', async (_what, change, said) => {
    const stage = await scripted();
    const { activity, paths } = await asked(stage, () => change(stage));
    expect([activity, paths]).toEqual([{ kind: 'unknown', because: said }, []]);
    const other = await scripted();
    expect((await asked(other, () => change(other), true)).paths).toEqual([]);
  });

  test('it has ended', async () => {
    const stage = await scripted();
    const { activity, paths } = await asked(stage, () => stage.processes.delete(SERVER));
    expect([because(activity), paths]).toEqual(['its sockets cannot be seen', []]);
  });

  test('it was not found in the first place', async () => {
    const stage = await scripted();
    stage.processes.delete(SERVER);
    const { activity, paths } = await asked(stage);
    expect([because(activity), paths]).toEqual(['not asked', []]);
    expect((await asked(stage, undefined, true)).paths).toEqual([]);
  });

  test('it is another by a list of processes that is kept, where that is what is looked at', async () => {
    const recently: Script['platform'] = () => ({ recent: async () => processOf(SERVER, { startToken: 'x' }) });
    const stage = await scripted({ platform: (here, one) => ({ ...recently(here, one), look: here.look }) });
    const { activity } = await asked(stage);
    expect(because(activity)).toBe('its process has changed');
  });
});

describe('a server is asked', () => {
  test('on the port of its record, whatever else it listens on', async () => {
    const stage = await scripted();
    const on = (host: string, port: number) => ({ host, port, pid: SERVER });
    stage.sockets = { listening: [on('127.0.0.1', 1), on('10.0.0.1', stage.port), on('127.0.0.1', stage.port)] };
    expect((await asked(stage)).activity).toMatchObject({ kind: 'idle' });
  });

  test('on the port that it has, where its record says another or none', async () => {
    for (const port of [1, undefined]) {
      const stage = await scripted({ record: { port } });
      stage.sockets = { listening: [{ host: '0.0.0.0', port: stage.port, pid: SERVER }] };
      expect((await asked(stage)).activity).toMatchObject({ kind: 'idle' });
    }
  });

  test.each<[string, object, string | undefined, string]>([
    ['that of its record', { password: 'right' }, 'wrong', 'idle'],
    ['that of its environment where its record has none', {}, 'right', 'idle'],
    ['no other', {}, 'wrong', 'it requires a password that is not known'],
  ])('with a password: %s', async (_what, record, its, said) => {
    const stage = await scripted({ routes: guarded(first(), 'right'), record });
    stage.environments.set(SERVER, environmentOf({ password: its === undefined ? undefined : secret(its) }));
    expect(because((await asked(stage)).activity)).toBe(said);
  });

  test('as the user whom its environment names', async () => {
    let authorization: string | undefined;
    const routes: Routes = {
      ...first(),
      '/global/health': (request, response) => {
        authorization = request.headers.authorization;
        json({ healthy: true })(request, response);
      },
    };
    const stage = await scripted({ routes, record: { password: 'right' } });
    stage.environments.set(SERVER, environmentOf({ username: 'me' }));
    await asked(stage);
    expect(authorization).toBe(`Basic ${btoa('me:right')}`);
  });

  test.each<[string, object, object, string]>([
    ['its record says', { password: 'right' }, {}, 'idle'],
    [
      'its environment says for an OpenCode 2 alone',
      {},
      { passwordOfSecond: secret('right'), password: secret('wrong') },
      'idle',
    ],
  ])('as an OpenCode 2 with the password that %s', async (_what, record, its, said) => {
    const routes = guarded(second({ '/api/info': json({ version: '2.0.22', pid: SERVER }) }), 'right');
    const stage = await scripted({ routes, record });
    stage.environments.set(SERVER, environmentOf(its));
    expect((await asked(stage)).activity).toMatchObject({ kind: said, isSecond: true });
  });

  const dayAgo = { startedAt: new Date(Date.now() - 24 * HOUR).toISOString() };
  test.each<[string, object, number, number, string | undefined]>([
    ['since its process began', {}, HOUR, 0.5, '/there'],
    ['since its record was written, if that is earlier', dayAgo, HOUR, 5, '/there'],
    ['not before both, and ten minutes', {}, HOUR, 2, undefined],
    ['since its process began, if that is earlier', {}, 24 * HOUR, 5, '/there'],
    ['since it is there, where its age is not known', { startedAt: undefined }, Number.NaN, 0.1, '/there'],
    ['and not before that', { startedAt: undefined }, Number.NaN, 0.5, undefined],
  ])('about sessions that did something %s', async (_what, record, ageMs, hours, place) => {
    const updated = Date.now() - hours * HOUR;
    const sessions = sessionList([{ id: 'one', directory: '/there', time: { updated } }]);
    const stage = await scripted({ routes: first({ '/experimental/session': sessions }), record });
    stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, ageMs: Number.isNaN(ageMs) ? undefined : ageMs }));
    await asked(stage);
    const places = stage.asked().flatMap(({ searchParams }) => searchParams.get('directory') ?? []);
    expect(places[0]).toBe(place);
  });

  const GROUPLESS: Script['platform'] = (here) => ({ shows: { ...here.shows, groups: false } });
  test.each<[string, Script, string | undefined]>([
    [
      'where it works, where neither its record nor its process says',
      { platform: GROUPLESS, record: { workspace: undefined } },
      '/works',
    ],
    ['nothing of that where its record says', { platform: GROUPLESS }, undefined],
    ['nothing of that where its process shows it', { record: { workspace: undefined } }, undefined],
  ])('%s', async (_what, script, place) => {
    const stage = await scripted({ ...script, routes: first({ '/path': json({ directory: '/works' }) }) });
    const { activity, paths } = await asked(stage);
    expect([activity && 'worksIn' in activity ? activity.worksIn : undefined, paths.includes('/path')]).toEqual([
      place,
      place !== undefined,
    ]);
  });

  test('nothing of that where it is busy', async () => {
    const stage = await scripted({
      platform: GROUPLESS,
      record: { workspace: undefined },
      routes: first({ '/session/status': json({ one: { type: 'busy' } }) }),
    });
    expect((await asked(stage)).paths).not.toContain('/path');
  });

  describe('that does not answer', () => {
    /** Deadlines are over soon: what answers here does so at once, or never. */
    const hurry = (): void => {
      const { setTimeout: later } = globalThis;
      onTestFinished(() => void Object.assign(globalThis, { setTimeout: later }));
      Object.assign(globalThis, { setTimeout: (does: () => void, ms = 0) => later(does, ms / 10) });
    };
    const silent = (): Promise<Scripted> => {
      hurry();
      return scripted({ routes: { '/global/health': never } });
    };
    const of = (stage: Scripted, ageMs: number | undefined): void =>
      void stage.processes.set(SERVER, processOf(SERVER, { command: SERVE, ageMs }));

    test.each([
      ['may only be starting', 59_999],
      ['has no age that is known', undefined],
    ])('once, where it %s', async (_what, ageMs) => {
      const stage = await silent();
      of(stage, ageMs && ageMs - stage.clock.now());
      const { activity, paths } = await asked(stage);
      expect(because(activity)).toBe('it does not answer yet, but is less than a minute old');
      expect(paths).toEqual(['/global/health']);
    });

    test('three times more where it is older, over several seconds', async () => {
      const stage = await silent();
      stage.before('GET /global/health', 'each', () => stage.clock.pass(2_000));
      const { activity, paths } = await asked(stage);
      expect(activity).toMatchObject({ kind: 'hung', because: 'no answer on 3 connections in 6 s' });
      expect(paths).toHaveLength(4);
    });

    test.each<[string, Routes['']]>([
      ['an answer', json({ healthy: true })],
      ['the beginning of one', drip('application/json')],
    ])('to the first, and the second gets %s, is slow, and is asked no more', async (_what, answer = never) => {
      hurry();
      let times = 0;
      const {
        host,
        port,
        asked: all,
      } = await handMade({
        '/global/health': (...how) => {
          times += 1;
          (times === 1 ? never : answer)(...how);
        },
      });
      const silence = await listenForSilence({ host, port, username: undefined, password: undefined });
      expect(silence).toMatchObject({ probes: 2, answered: true, onTime: true });
      expect(silence.spanMs).toBeGreaterThan(0);
      expect(silence.spanMs).toBeLessThan(performance.now());
      expect(all).toHaveLength(2);
    });
  });
});

test('a server is told to let go where it is asked', async () => {
  const stage = await scripted();
  expect((await asked(stage, undefined, true)).paths).toEqual(['/global/dispose']);
});
