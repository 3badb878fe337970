import { writeSync } from 'node:fs';
import { expect, test } from 'vitest';
import { createSandbox } from '../support/sandbox.js';
import { crowdOnce } from './crowd.js';
import { soakOnce } from './cycle.js';
import { startInnocents } from './innocents.js';
import { descriptorsOf, filesOf } from './left.js';
import { CROWDS, CYCLES, FROM, KIND, MOST_MS, SEED } from './wanted.js';

/** How often it says how far it is. */
const SAID_EVERY_MS = 30_000;
/** Of its own descriptors: what node opens for itself. */
const NODES_OWN = 2;

const say = (line: string): void => void writeSync(2, `${line}\n`);
const minutes = (ms: number): string => `${(ms / 60_000).toFixed(1)} min`;
const SOAKS = `${CYCLES} cycles of ${KIND} servers, from ${FROM} on (--seed ${SEED})`;

test.skipIf(CYCLES === 0)(SOAKS, { timeout: CYCLES * MOST_MS }, async () => {
  const sandbox = await createSandbox('soak');
  const began = performance.now();
  const total = { servers: 0, crashes: 0, runs: 0, temporary: 0 };
  let said = began;
  const tell = (done: number): void => {
    said = performance.now();
    const figures = `${total.servers} servers, ${total.crashes} crashes, ${total.runs} runs to finish, ${total.temporary} torn files removed`;
    say(`${done} of ${CYCLES} cycles in ${minutes(said - began)}: ${figures}`);
  };
  try {
    const inTurn = { ...sandbox, reserve: portsInTurn() };
    const innocents = await startInnocents(inTurn, KIND);
    const [files, descriptors] = [filesOf(sandbox), descriptorsOf('self')];
    for (let cycle = FROM; cycle < FROM + CYCLES; cycle += 1) {
      const came = await soakOnce(inTurn, innocents, SEED * 1_000_000 + cycle, KIND);
      for (const name of ['servers', 'crashes', 'runs', 'temporary'] as const) total[name] += came[name];
      if (performance.now() - said > SAID_EVERY_MS || came.wrong.length > 0) tell(cycle - FROM + 1);
      const again = `--seed ${SEED} --from ${cycle} --cycles 1${KIND === 'real' ? ' --real' : ''}`;
      expect([again, came.wrong]).toEqual([again, []]);
    }
    tell(CYCLES);
    if (KIND === 'stand-in') expect(filesOf(sandbox)).toEqual(files);
    expect(descriptorsOf('self')).toBeLessThanOrEqual(descriptors + NODES_OWN);
  } finally {
    await sandbox.dispose();
  }
});

/** Alone in its namespace it may give out every port again and again, in turn: below those of outgoing connections. */
function portsInTurn(): () => Promise<number> {
  let given = 0;
  return async () => 20_000 + (given++ % 12_000);
}

test.skipIf(CROWDS === 0)(`${CROWDS} crowds of stand-ins`, { timeout: CROWDS * MOST_MS }, async () => {
  for (let crowd = 1; crowd <= CROWDS; crowd += 1) {
    const sandbox = await createSandbox('crowd');
    try {
      say(`crowd ${crowd} of ${CROWDS}: stopped by ${JSON.stringify(await crowdOnce(sandbox))}`);
    } finally {
      await sandbox.dispose();
    }
  }
});
