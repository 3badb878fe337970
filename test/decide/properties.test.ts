import fc from 'fast-check';
import { expect, test } from 'vitest';
import { candidateOf, endingWith } from '../../src/decide/candidate.js';
import { targetNamed } from '../../src/decide/verdict.js';
import { isThorough } from '../support/patience.js';
import { born } from './born-cases.js';
import { but, leased, seen } from './changes.js';
import { forgetting } from './forgetting.js';
import { everyStale, evidence, FREE, identity, LAUNCHER, ME, SERVER, type Situation, serve, verdict } from './given.js';
import { weak, weakLaunched } from './plugin-cases.js';
import { MISTAKING, MISTAKING_A_PLUGIN, type Named, SPARING, stranger, withStranger } from './spoils.js';
import { spoiledOnce, worldOf, worlds } from './worlds.js';

/** In every world with one thing spoiled, and in many with two: a hundred for each property where nobody asked for more. */
const always = (holds: (given: Situation) => void): void => {
  fc.assert(
    fc.property(worlds, (world) => holds(worldOf(world))),
    { examples: spoiledOnce.map((world) => [world]), numRuns: spoiledOnce.length + (isThorough ? 300 : 100) },
  );
};

/** The names of the changes after which the server may be stopped. */
const deadly = (given: Situation, changes: readonly Named[]): string[] =>
  changes.filter(([, change]) => verdict(but(given, change)).kind === 'stale').map(([name]) => name);

test.each(Object.entries({ ...everyStale, weak, weakLaunched, born }))(
  'a %s server may be stopped, so that there is something to spoil',
  (_name, given) => {
    expect(verdict(given).kind).toBe('stale');
  },
);

test('only a stale server is a target, and every guard passed for it', () => {
  always((given) => {
    const judged = verdict(given);
    const stale = judged.kind === 'stale';
    expect('target' in judged).toBe(stale);
    if (stale) expect(judged.guards.filter(({ outcome }) => outcome !== 'pass')).toEqual([]);
  });
});

test('what is spared or unsure names its reasons, and only those', () => {
  always((given) => {
    const judged = verdict(given);
    if (!('reasons' in judged)) return;
    const outcome = judged.kind === 'spared' ? 'veto' : 'unknown';
    const named = judged.guards.filter((guard) => guard.outcome === outcome).map(({ name }) => name);
    expect(judged.reasons).toEqual(named);
    expect(named).not.toEqual([]);
  });
});

test('a target is a living process with that very start token', () => {
  always((given) => {
    const judged = verdict(given);
    if (judged.kind !== 'stale') return;
    const { server, launcher } = judged.target;
    expect(server.startToken).toBeDefined();
    for (const one of launcher ? [server, launcher] : [server]) {
      expect(given.snapshot.processes?.get(one.pid)).toMatchObject(one);
    }
  });
});

test('a process that cannot be told from another is not a target, not even when the user names it', () => {
  always((given) => {
    for (const [name, change] of given.record.provenBy === 'start time' ? MISTAKING_A_PLUGIN : MISTAKING) {
      const mistaken = but(given, change);
      expect([name, verdict(mistaken).kind]).not.toEqual([name, 'stale']);
      expect([name, targetNamed(verdict(mistaken), evidence(mistaken))]).not.toMatchObject([name, { server: {} }]);
    }
  });
});

test('another user’s server is neither a target nor ends with one', () => {
  always((given) => {
    const around = but(given, withStranger);
    const judged = verdict(around);
    if (judged.kind === 'stale') expect(judged.target.server.pid).not.toBe(stranger.pid);
    expect(
      endingWith(candidateOf(around.record, around.snapshot), around.snapshot).map(({ pid }) => pid),
    ).not.toContain(stranger.pid);
  });
});

test('neither this run nor anything above it ends with a server, nor what cannot be told from another', () => {
  always((given) => {
    const tree = endingWith(candidateOf(given.record, given.snapshot), given.snapshot);
    expect(tree.filter(({ pid }) => pid <= 1 || given.snapshot.lineage.has(pid))).toEqual([]);
    expect(tree.filter(({ startToken }) => startToken === undefined)).toEqual([]);
  });
});

test('knowing one thing less never makes a server easier to stop', () => {
  always((given) => {
    if (verdict(given).kind !== 'stale') expect(deadly(given, forgetting(given))).toEqual([]);
  });
});

test('knowing one thing less about a process that is there never makes it gone', () => {
  always((given) => {
    if (verdict(given).kind === 'gone') return;
    const lost = forgetting(given).filter(([, change]) => verdict(but(given, change)).kind === 'gone');
    expect(lost.map(([name]) => name)).toEqual([]);
  });
});

/** The process that was written down, for all that is known: by its start token, or by nobody having had its pid since. */
function isThere({ record, snapshot }: Situation): boolean {
  const { startedAt = Number.NEGATIVE_INFINITY, machine, server, spawned } = record;
  if (machine && machine.boot !== snapshot.machine.boot) return false;
  return [server, spawned].some((one) => {
    const seen = one && snapshot.processes?.get(one.pid);
    const began = snapshot.at - (seen?.ageMs ?? Number.MAX_SAFE_INTEGER);
    const token = one?.startToken ?? (began <= startedAt + 5_000 ? seen?.startToken : 'none');
    return seen !== undefined && token === seen.startToken;
  });
}

test('a process that is there is never gone, whatever it looks like', () => {
  const kinds = [undefined, { kind: 'other' }, { kind: 'opencode' }, { ...serve, interpreted: true }] as const;
  always((given) => {
    for (const command of kinds) {
      const disguised = but(given, seen(LAUNCHER, { command }), seen(SERVER, { command }));
      for (const world of [given, disguised]) {
        if (isThere(world)) expect([command, verdict(world).kind]).not.toEqual([command, 'gone']);
      }
    }
  });
});

test('a launcher that is signalled is this user’s, and carries what its server does', () => {
  always((given) => {
    const judged = verdict(given);
    if (judged.kind !== 'stale' || judged.target.launcher === undefined) return;
    const { server, launcher } = judged.target;
    const [above, below] = [launcher, server].map(({ pid }) => given.snapshot.processes?.get(pid));
    expect(above).toMatchObject({ owner: String(ME), command: { kind: 'serve' } });
    expect(below).toMatchObject({ owner: String(ME), command: { kind: 'serve' } });
    const [its, own] = [launcher, server].map(({ pid }) => given.snapshot.environments.get(pid)?.tag);
    expect(its).toBe(own);
  });
});

test('a session, a client, a tool, work or a mark to keep it always spares', () => {
  always((given) => {
    expect(deadly(given, SPARING)).toEqual([]);
  });
});

test('a session that has ended changes nothing', () => {
  const ended = leased({ path: '/repo', servers: ['server-1'], holder: identity(FREE) });
  always((given) => {
    if (given.snapshot.processes) expect(verdict(but(given, ended)).kind).toBe(verdict(given).kind);
  });
});
