import { describe, expect, test } from 'vitest';
import type { Birth } from '../../src/model/birth.js';
import type { Use } from '../../src/model/record.js';
import { birth, born, COMPANION, SESSION } from './born-cases.js';
import { but, type Change, ended, every, leased, recorded, running, seen, witnessed } from './changes.js';
import { CLAUDE, evidence, identity, MINUTE, NOW, PORT, process, SHELL, verdict } from './given.js';

/* Which sessions hold a server that is in no file: beside all that hold any server, those it was started in. */

/** A session, or another process, that the server does not know. */
const OTHER = 850;

const bornWith = (change: Partial<Birth>): Change => recorded({ birth: { ...birth, ...change } });

const use: Use = {
  kind: 'lease',
  file: '/plugin/sessions.json',
  name: 'x',
  session: SESSION,
  covers: { kind: 'port', port: PORT + 1 },
  holder: identity(OTHER),
  seenAt: NOW,
  modifiedAt: NOW,
  countsForMs: 1_000,
  directories: [],
};

const elsewhere = process(OTHER, { name: 'claude', ageMs: MINUTE });

describe('a server whose birth shows that it is a plugin’s', () => {
  test('is stale once every session that it was started in has ended', () => {
    expect(verdict(born)).toMatchObject({ kind: 'stale' });
    expect(verdict(born).guards[0]).toEqual({
      name: 'owned',
      outcome: 'pass',
      detail: `its parent, pid ${COMPANION}, is /p/scripts/opencode-companion.mjs of opencode 1.0.0`,
    });
  });

  test.each<[string, Change, object]>([
    ['the client that it names lives', bornWith({ clientPid: CLAUDE }), { kind: 'spared', reasons: ['unleased'] }],
    [
      'that client has ended, and its pid is another’s',
      every(bornWith({ clientPid: OTHER }), running(elsewhere)),
      { kind: 'stale' },
    ],
    [
      'it cannot be told whether that client is older',
      every(bornWith({ clientPid: CLAUDE }), seen(CLAUDE, { ageMs: undefined })),
      { kind: 'unsure', reasons: ['unleased'] },
    ],
    [
      'its session was resumed, and listed for another folder',
      every(running(elsewhere), witnessed({ holder: identity(OTHER), session: SESSION, path: '/elsewhere' })),
      { kind: 'spared', reasons: ['unleased'] },
    ],
    [
      'another session is listed for another folder',
      every(running(elsewhere), witnessed({ holder: identity(OTHER), session: 'another', path: '/elsewhere' })),
      { kind: 'stale' },
    ],
    [
      'its session has a lease on something else',
      every(running(elsewhere), leased({ holder: identity(OTHER), session: SESSION, path: '/elsewhere' })),
      { kind: 'spared', reasons: ['unleased'] },
    ],
    [
      'its session had such a lease and has ended',
      leased({ holder: identity(OTHER), session: SESSION, path: '/elsewhere' }),
      { kind: 'stale' },
    ],
    [
      'its session is in a plugin’s list, for another port',
      every(running(elsewhere), (given) => ({ ...given, written: { ...given.written, uses: [use] } })),
      { kind: 'spared', reasons: ['unleased'] },
    ],
    ['its parent is at a terminal', seen(COMPANION, { terminal: true }), { kind: 'spared', reasons: ['unleased'] }],
    [
      'it cannot be told whether its parent is at one',
      seen(COMPANION, { terminal: undefined }),
      { kind: 'unsure', reasons: ['unleased'] },
    ],
    [
      'a client that did not tell its pid is above its parent',
      running(process(SHELL, { parent: CLAUDE })),
      { kind: 'spared', reasons: ['unleased'] },
    ],
    [
      'a client that may have a session is above its parent',
      every(running(process(SHELL, { parent: CLAUDE })), seen(CLAUDE, { claude: 'spare' })),
      { kind: 'spared', reasons: ['unleased'] },
    ],
    [
      'only a helper of the client is above its parent',
      every(running(process(SHELL, { parent: CLAUDE })), seen(CLAUDE, { claude: 'helper' })),
      { kind: 'stale' },
    ],
    [
      'its proof cannot be read',
      bornWith({ proof: { kind: 'unknown', because: 'cannot tell' } }),
      { kind: 'unsure', reasons: ['owned'] },
    ],
    ['its proof is gone', recorded({ ownership: 'withdrawn' }), { kind: 'spared', reasons: ['owned'] }],
    [
      'a record that may be about it cannot be read',
      (given) => ({
        ...given,
        written: {
          ...given.written,
          unread: [{ file: '/x/server.json', error: 'EACCES', kind: 'server', mentions: new Set([PORT]) }],
        },
      }),
      { kind: 'unsure', reasons: ['owned'] },
    ],
  ])('%s', (_what, change, expected) => expect(verdict(but(born, change))).toMatchObject(expected));

  test('says that its proof is gone, and not that a record is', () => {
    expect(verdict(but(born, recorded({ ownership: 'withdrawn' }))).guards[0]?.detail).toBe(
      'what proved that a plugin started it is gone',
    );
  });

  test('lists no process that only has the pid of its client', () => {
    const given = but(born, bornWith({ clientPid: OTHER }), running(elsewhere));
    expect(evidence(given).coveringLeases.filter(({ holderPid }) => holderPid === OTHER)).toEqual([]);
  });

  test('lists a client that may be another process by now as one that may live', () => {
    const given = but(born, bornWith({ clientPid: CLAUDE }), seen(CLAUDE, { ageMs: undefined }));
    expect(evidence(given).coveringLeases).toContainEqual(
      expect.objectContaining({ holderPid: CLAUDE, live: 'unknown', covers: 'yes' }),
    );
  });

  test('is at no terminal by a parent that has ended', () => {
    expect(evidence(born).parentAtTerminal).toEqual({ pid: COMPANION, is: 'no' });
    expect(evidence(but(born, ended(COMPANION))).parentAtTerminal).toBeUndefined();
  });

  test('lists each of its sessions once', () => {
    const twice = but(
      born,
      bornWith({ clientPid: CLAUDE }),
      running(process(SHELL, { parent: CLAUDE })),
      witnessed({ holder: identity(CLAUDE), session: SESSION, path: '/repo' }),
    );
    expect(evidence(twice).coveringLeases.filter(({ holderPid }) => holderPid === CLAUDE)).toHaveLength(1);
  });
});
