import fc from 'fast-check';
import { expect, test } from 'vitest';
import { isThorough } from '../support/patience.js';
import { HOUR, LAUNCHER, PORT, SERVER, serve } from './given.js';
import type { Kind } from './oracle.js';
import { mayEndWith, opinionOf, stoppableByName } from './oracle.js';
import { judged, made, STARTS, worldOf } from './random-worlds.js';

/**
 * Some 130 µs each, and a fifth of them where nobody asked. Others, and more of them, by MODEL_SEED and MODEL_WORLDS: a million takes two or three minutes. The same worlds
 * every time by default, so that whoever changes a page or the program is the one who hears of it.
 */
const WORLDS = Number(process.env.MODEL_WORLDS ?? (isThorough ? 100_000 : 20_000));
const SEED = Number(process.env.MODEL_SEED ?? 1);
/** On a machine that others starve, one takes a millisecond. */
const MOST_MS = Math.max(240_000, 4 * WORLDS);

test.each(Object.keys(STARTS))('a second opinion agrees that a server may be stopped that is %s', (from) => {
  const { verdict, facts } = judged(worldOf({ from, on: 'Linux', spoiled: [] }));
  expect(verdict.kind).toBe('stale');
  expect([...opinionOf(facts).kinds]).toEqual(['stale']);
});

test('a record of a server below another one is about that alone, if each may be the server (a plugin’s has no mark)', () => {
  const { verdict, facts } = judged(
    worldOf({
      from: 'spawning',
      on: 'Linux',
      spoiled: [
        { what: 'what a process runs', with: { pid: LAUNCHER, command: serve } },
        {
          what: 'a plugin wrote a record about it too',
          with: {
            ownership: 'unmarked',
            spawned: { pid: SERVER, startToken: undefined },
            trust: 'trusted',
            port: PORT,
            workspace: '/repo',
            started: -HOUR,
          },
        },
        { what: 'the group of a process', with: { pid: SERVER, group: SERVER } },
      ],
    }),
  );
  expect(verdict).toMatchObject({ kind: 'stale', target: { server: { pid: LAUNCHER } } });
  const { kinds, targets } = opinionOf(facts);
  expect([kinds.has('stale'), [...targets]]).toEqual([true, [LAUNCHER]]);
});

test(`a second opinion agrees in ${WORLDS} worlds at random (MODEL_SEED=${SEED})`, { timeout: MOST_MS }, () => {
  const counted: Record<Kind, number> = { stale: 0, spared: 0, unsure: 0, gone: 0, none: 0 };
  let left = 0;
  fc.assert(
    fc.property(made, (world) => {
      const { verdict, facts, named, ending, located } = judged(worldOf(world));
      const { kinds, targets } = opinionOf(facts);
      counted[verdict.kind] += 1;
      if (kinds.size > 1) left += 1;
      const pages = [...kinds].join(' or ');
      if (!kinds.has(verdict.kind)) throw new Error(`the program says ${verdict.kind}, the pages say ${pages}`);
      if (verdict.kind === 'stale' && !targets.has(verdict.target.server.pid))
        throw new Error(`process ${verdict.target.server.pid} would be stopped, which is not the server`);
      if (named && !stoppableByName(facts).has(named.server.pid))
        throw new Error(`process ${named.server.pid} would be stopped by name, and nothing proves it`);
      for (const { pid } of named ? ending : []) {
        const one = facts.snapshot.processes?.get(pid);
        if (located && one && !mayEndWith(one, located, facts)) throw new Error(`process ${pid} would end with it`);
      }
    }),
    { numRuns: WORLDS, seed: SEED },
  );
  // An opinion that allows everything, or worlds that are all alike, would find nothing.
  if (WORLDS < 10_000) return;
  expect(left / WORLDS).toBeLessThan(0.35);
  const { none: _, ...judgedAs } = counted;
  expect(Math.min(...Object.values(judgedAs)) / WORLDS).toBeGreaterThan(0.03);
});
