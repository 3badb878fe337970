import fc from 'fast-check';
import { born } from './born-cases.js';
import { but } from './changes.js';
import { everyStale, type Situation } from './given.js';
import { weak, weakLaunched } from './plugin-cases.js';
import { SPOILING } from './spoils.js';

/*
 * Worlds are made from a server that may be stopped, by spoiling it: answers drawn independently would all be right
 * once in thousands of runs, and a property about the dangerous corner would never get there.
 */

/** A server that we recorded, or one that a plugin did. */
const begins = { ...everyStale, weak, weakLaunched, born };

/** A world by name, so that a counterexample can be read. */
export interface World {
  readonly from: keyof typeof begins;
  readonly spoiled: readonly string[];
}

const starts = Object.keys(begins) as World['from'][];
const spoils = SPOILING.map(([name]) => name);

export const worlds: fc.Arbitrary<World> = fc.record({
  from: fc.constantFrom(...starts),
  spoiled: fc.array(fc.constantFrom(...spoils), { minLength: 2, maxLength: 2 }),
});

export const spoiledOnce: readonly World[] = starts.flatMap((from) =>
  spoils.map((name) => ({ from, spoiled: [name] })),
);

const byName = new Map(SPOILING);

export const worldOf = ({ from, spoiled }: World): Situation =>
  but(begins[from], ...spoiled.flatMap((name) => byName.get(name) ?? []));
