import { writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { dice } from '../support/mutated.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { crowdOnce, ORDERS } from './crowd.js';
import { soakOnce } from './cycle.js';
import { type Innocents, startInnocents } from './innocents.js';
import { descriptorsOf, filesOf } from './left.js';
import { CROWDS, CYCLES, FROM, KIND, MOST_MS, SEED } from './wanted.js';

/** How often it says how far it is. */
const SAID_EVERY_MS = 30_000;
/** Of its own descriptors: what node opens for itself. */
const NODES_OWN = 2;

const say = (line: string): void => void writeSync(2, `${line}\n`);
const minutes = (ms: number): string => `${(ms / 60_000).toFixed(1)} min`;
const SOAKS = `${CYCLES} cycles of ${KIND} servers, from ${FROM} on (--seed ${SEED})`;

/** So many at a time, each with a home of its own, since one cycle in ten waits for a minute: two cores are busy with them. */
const LANES = 6;

test.skipIf(CYCLES === 0)(SOAKS, { timeout: CYCLES * MOST_MS }, async () => {
  const began = performance.now();
  const descriptors = descriptorsOf('self');
  const reserve = portsInTurn();
  const total = { servers: 0, crashes: 0, runs: 0, temporary: 0 };
  const at = { next: FROM, done: 0, said: began };
  const wrong: string[] = [];
  const tell = (): void => {
    at.said = performance.now();
    const figures = `${total.servers} servers, ${total.crashes} crashes, ${total.runs} runs to finish, ${total.temporary} torn files removed`;
    say(`${at.done} of ${CYCLES} cycles in ${minutes(at.said - began)}: ${figures}`);
  };
  const cycleIn = async (sandbox: Sandbox, innocents: Innocents): Promise<void> => {
    const cycle = at.next++;
    const came = await soakOnce(sandbox, innocents, SEED * 1_000_000 + cycle, KIND);
    at.done += 1;
    for (const name of ['servers', 'crashes', 'runs', 'temporary'] as const) total[name] += came[name];
    if (performance.now() - at.said > SAID_EVERY_MS || came.wrong.length > 0) tell();
    const again = `--seed ${SEED} --from ${cycle} --cycles 1${KIND === 'real' ? ' --real' : ''}`;
    wrong.push(...came.wrong.map((what) => `${again}: ${what}`));
  };
  const lane = async (): Promise<void> => {
    const sandbox = { ...(await createSandbox('soak')), reserve };
    try {
      const innocents = await startInnocents(sandbox, KIND);
      const files = filesOf(sandbox);
      // Where one is wrong, the others are done with their cycles first.
      while (at.next < FROM + CYCLES && wrong.length === 0) await cycleIn(sandbox, innocents);
      const more = filesOf(sandbox).filter((file) => !files.includes(file));
      if (KIND === 'stand-in') wrong.push(...more.map((file) => `a file beside the program's folder: ${file}`));
    } catch (error) {
      wrong.push(String(error instanceof Error ? error.stack : error));
    } finally {
      await sandbox.dispose();
    }
  };
  await Promise.all(Array.from({ length: Math.min(LANES, CYCLES) }, lane));
  tell();
  expect(wrong).toEqual([]);
  expect(descriptorsOf('self')).toBeLessThanOrEqual(descriptors + NODES_OWN);
});

/** Alone in its namespace it may give out every port again and again, in turn: below those of outgoing connections. */
function portsInTurn(): () => Promise<number> {
  let given = 0;
  return async () => 20_000 + (given++ % 12_000);
}

test.skipIf(CROWDS === 0)(`${CROWDS} crowds of stand-ins (--seed ${SEED})`, { timeout: CROWDS * MOST_MS }, async () => {
  const roll = dice(SEED);
  for (let crowd = 1; crowd <= CROWDS; crowd += 1) {
    const sandbox = await createSandbox('crowd');
    const order = ORDERS[roll(ORDERS.length)] ?? 'runs first';
    try {
      const by = JSON.stringify(await crowdOnce(sandbox, order));
      say(`crowd ${crowd} of ${CROWDS}, ${order}: stopped by ${by}`);
    } finally {
      await sandbox.dispose();
    }
  }
});
