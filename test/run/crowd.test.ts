import { readdirSync } from 'node:fs';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { crowdOnce, ORDERS, REAPERS } from '../soak/crowd.js';
import { soakOnce } from '../soak/cycle.js';
import { startInnocents } from '../soak/innocents.js';
import { filesOf } from '../soak/left.js';
import { isThorough, onDemand } from '../support/patience.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

// Everyone at once. The servers are stand-ins, which are many; late.test.ts and stopping.test.ts have real ones.
// `npm run soak` does the same a thousand times, and with real ones.

const HOOKS = isThorough ? 100 : 30;
const CYCLES = isThorough ? 3 : 1;

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('crowd');
});
afterEach(() => sandbox.dispose());

/** Another order on another day of the month. */
const ORDER = ORDERS[new Date().getDate() % ORDERS.length] ?? 'runs first';

test(`${HOOKS} hooks, ${REAPERS} runs, the watch and a person stop each of many stand-ins once, and nothing else (${ORDER})`, async () => {
  await crowdOnce(sandbox, ORDER, HOOKS);
});

test(`${CYCLES} cycles of stand-ins whose runs are killed at any step and moment leave no process, port, descriptor or file`, {
  ...onDemand,
}, async () => {
  const innocents = await startInnocents(sandbox, 'stand-in');
  const [files, descriptors] = [filesOf(sandbox), readdirSync('/proc/self/fd').length];
  let crashes = 0;
  for (let cycle = 0; cycle < CYCLES; cycle += 1) {
    const came = await soakOnce(sandbox, innocents, cycle, 'stand-in');
    expect([cycle, came.wrong]).toEqual([cycle, []]);
    crashes += came.crashes;
  }
  expect(crashes).toBeGreaterThan(0);
  expect(filesOf(sandbox)).toEqual(files);
  expect(readdirSync('/proc/self/fd').length).toBeLessThanOrEqual(descriptors + 2);
});
