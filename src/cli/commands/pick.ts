import { setTimeout as sleep } from 'node:timers/promises';
import type { Reaped } from '../../decide/plan.js';
import { endQuestions } from '../../observe/server/questions.js';
import { cpuNow } from '../../report/cpu-now.js';
import { largestFirst } from '../../report/table.js';
import { openWorld, type World } from '../../run/world.js';
import { type Common, complainAboutUnread, forTerminal, pageFor, print } from '../output.js';
import { furthestIn, pickPage } from '../pick-page.js';
import { type Choice, choicesOf, chosenIn, NOTHING_YET, type Picking, press, seenAnew } from '../picking.js';
import { whyNoScreen } from '../screen.js';
import { streamOf } from '../streams.js';
import { EVERY_MS, linesOf, look } from './list.js';
import { stopCommand } from './stop.js';

export interface PickOptions extends Common {
  readonly olderThan: number;
  readonly grace: number;
}

/** Lets a person at a terminal choose what to stop, and stops it as `stop` does. Elsewhere it only says what there is. */
export async function pickCommand(options: PickOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  if (whyNoScreen() !== undefined) return asText(options, world);
  const chosen = await choose(options, world);
  if (typeof chosen === 'number') {
    endQuestions();
    // A look may be under way, which no one waits for.
    process.exit(chosen);
  }
  const names = namesOf(chosen);
  return stopCommand([...names.keys()], { ...options, shown: names });
}

async function asText(options: PickOptions, world: World): Promise<number> {
  const reaped = await look(options, world);
  complainAboutUnread(reaped.unread);
  print(linesOf(reaped, { ...options, all: true }, pageFor(options)));
  if (choicesIn(reaped).length > 0)
    print(['to choose here takes a terminal; opencode-reap stop PORT stops one of them']);
  return reaped.unread.length > 0 ? 1 : 0;
}

const choicesIn = ({ servers, unrecorded }: Reaped): Choice[] => choicesOf(largestFirst([...servers, ...unrecorded]));

/** What was chosen, or the exit code of who left. */
async function choose(options: PickOptions, world: World): Promise<readonly Choice[] | number> {
  // Loaded for this alone.
  const { ask } = await import('../prompt.js');
  let picking: Picking = NOTHING_YET;
  let [before, seen]: (Reaped | undefined)[] = [];
  const asked = ask<'stop' | 'leave'>({
    lines: (rows) => {
      const page = { ...pageFor(options), cpuNow: cpuNow(before, seen) };
      const unread = seen?.unread.length ? [`${seen.unread.length} files could not be read: opencode-reap list`] : [];
      const lines = [...pickPage(picking, page, rows - unread.length), ...unread];
      return lines.map((line) => forTerminal(line, process.env, true));
    },
    press: (key) => {
      const next = press(picking, key, furthestIn(picking, pageFor(options), streamOf('stdout').rows || 24));
      if (typeof next === 'string') return next;
      picking = next;
      return undefined;
    },
  });
  const over = new AbortController();
  let failed = false;
  const looking = lookOn(options, world, over.signal, (reaped) => {
    [before, seen] = [seen, reaped];
    picking = seenAnew(picking, choicesIn(reaped));
    asked.draw();
  });
  looking.catch(() => {
    failed = true;
    asked.close();
  });
  const answer = await asked.answer;
  over.abort();
  endQuestions();
  // A look that has failed has ended the question; one that is under way need not be waited for, unless something follows.
  if (failed || answer === 'stop') await looking;
  if (typeof answer === 'object') return answer.code;
  return answer === 'stop' ? chosenIn(picking) : 0;
}

/** Looks again and again until it is told to end, which it does after its look. */
async function lookOn(
  options: PickOptions,
  world: World,
  over: AbortSignal,
  found: (reaped: Reaped) => void,
): Promise<void> {
  while (!over.aborted) {
    const reaped = await look(options, world);
    if (over.aborted) return;
    found(reaped);
    // It can only fail by being cut short.
    await sleep(EVERY_MS, undefined, { signal: over }).catch(() => undefined);
  }
}

/** By names that `stop` takes: the id, which without a record is that of a pid, or else the pid, if two have that id. */
export function namesOf(chosen: readonly Choice[]): ReadonlyMap<string, Choice['process']> {
  const ids = chosen.map(({ server }) => server.record.id);
  const isAlone = (id: string): boolean => ids.indexOf(id) === ids.lastIndexOf(id);
  return new Map(
    chosen.map(({ server: { record }, process }) => [isAlone(record.id) ? record.id : `${process.pid}`, process]),
  );
}
