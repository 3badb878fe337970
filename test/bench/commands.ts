import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { signal } from '../../src/act/signal.js';
import { parsePid } from '../../src/model/identity.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { writeRecord } from '../support/fake.js';
import { portHolder, startToken } from '../support/proc.js';
import { waitFor } from '../support/wait.js';
import { type Command, inTurn, NODE, ratio, rounds, spreadOf } from './measure.js';
import { type Furniture, furnish, ROOT } from './room.js';
import type { Row } from './table.js';

const ROUNDS = rounds(20);
export const PROGRAM = join(ROOT, 'bin/opencode-reap.js');

async function compared(what: string, args: readonly string[], furniture: Furniture, limit: number): Promise<Row> {
  const { box, close } = await furnish(furniture);
  const call = (words: readonly string[]): Command => ({
    args: words,
    env: box.env({ NODE_EXTRA_CA_CERTS: undefined }),
  });
  const { node, ours } = await inTurn({ node: call(NODE), ours: call([PROGRAM, ...args]) }, ROUNDS);
  await close();
  return ratio(what, ours, node, limit);
}

const DRY_RUN = ['--dry-run', '--all-stale'];

/** What each further record costs, from the difference between two numbers of them. */
async function slope(): Promise<Row> {
  const few = await furnish({ records: 1_000 });
  const many = await furnish({ records: 10_000 });
  const times = await inTurn(
    {
      few: { args: [PROGRAM, ...DRY_RUN, '-q'], env: few.box.env() },
      many: { args: [PROGRAM, ...DRY_RUN, '-q'], env: many.box.env() },
    },
    rounds(10),
  );
  await few.close();
  await many.close();
  const each = ((times.many.median - times.few.median) / 9_000) * 1_000;
  return { what: 'dry run, each record from 1,000 to 10,000', value: each, unit: 'µs', limit: 40 };
}

/** The whole of signal(): the look, the comparison, and the kill that follows in the same tick. */
async function lookToSignal(): Promise<Row> {
  const { box, close } = await furnish({});
  const { look } = await thisPlatform();
  const times: number[] = [];
  for (let n = 0; n < 50; n += 1) {
    const { pid = 0 } = box.spawn('sleep', ['600'], { stdio: 'ignore' });
    const target = { pid: parsePid(pid), startToken: startToken(pid) };
    if (target.pid === undefined || target.startToken === undefined) throw new Error('sleep could not be spawned');
    const began = performance.now();
    await signal({ pid: target.pid, startToken: target.startToken }, 'SIGTERM', look, new Set());
    times.push(performance.now() - began);
  }
  await close();
  const { median, low, high } = spreadOf(times);
  return { what: 'identity looked at, to signal sent', value: median, unit: 'ms', limit: 0.2, spread: [low, high] };
}

/** What a stop takes beyond a dry run of the same, with a stand-in that lets go and ends at once. */
async function oneStop(): Promise<Row> {
  const { box, close } = await furnish({});
  const start = async (): Promise<void> => {
    const port = await box.reserve();
    const { pid = 0 } = box.spawn('opencode', ['serve', '--port', `${port}`], { detached: true, stdio: 'ignore' });
    await waitFor('the stand-in listens', () => portHolder(port) === pid);
    await writeRecord(box, `one-${port}`, { pid, port, url: `http://127.0.0.1:${port}` });
    await sleep(50);
  };
  const args = ['--all-stale', '--older-than', '0ms'];
  await start();
  const { looked, stopped } = await inTurn(
    {
      looked: { args: [PROGRAM, ...args, '--dry-run'], env: box.env() },
      stopped: { args: [PROGRAM, ...args], env: box.env() },
    },
    ROUNDS,
    (name) => (name === 'looked' ? start() : undefined),
  );
  await close();
  return {
    what: 'one idle stand-in stopped, beyond a dry run',
    value: stopped.median - looked.median,
    unit: 'ms',
    limit: 50,
  };
}

export const commands = async (): Promise<Row[]> => [
  await compared('dry run, no record, 200 processes', DRY_RUN, { processes: 200 }, 2),
  await compared('dry run, 3 live servers, none asked', DRY_RUN, { processes: 200, live: 3 }, 2.3),
  await compared('dry run, 3 live servers, 5,000 processes', DRY_RUN, { processes: 5_000, live: 3 }, 4),
  await compared('dry run, 1,000 records', DRY_RUN, { processes: 200, records: 1_000 }, 4),
  await compared('list --all, 10 unrecorded servers', ['list', '--all'], { processes: 200, unrecorded: 10 }, 3),
  await slope(),
  await lookToSignal(),
  await oneStop(),
];
