import { duration } from '../common/text.js';
import type { Judged } from '../decide/plan.js';
import { endQuestions } from '../observe/server/questions.js';
import { lineOf } from '../report/log-line.js';
import { reason, state } from '../report/table.js';
import { clean } from '../report/text.js';
import { log, type Told } from '../run/journal.js';
import type { Judgement } from '../run/judge.js';
import type { Step } from '../run/stop-server.js';
import type { World } from '../run/world.js';
import { type Common, complain, progress, put } from './output.js';
import { isTerminal, streamOf } from './streams.js';

/** Follows a run that stops servers, so that a user who interrupts it learns what was done and what was not. */
export interface Course {
  readonly told: Told;
  /** Wraps the time in which the user answers a question. */
  readonly asking: <T>(ask: () => Promise<T>) => Promise<T>;
  /** Called before anything is printed: from then on a signal ends the program as usual. */
  readonly end: () => void;
}

interface Following extends Common {
  readonly dryRun?: boolean;
  /** Which of the servers that were named this is about, if they are stopped one after the other. */
  readonly among?: { readonly before: number; readonly all: number };
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * Reports what is done while it is done: on a terminal for the duration of the run, and with `--verbose` permanently. A
 * signal ends the run between two steps, each of which leaves what the next run needs; `again` is how to start that run
 * where not just any run would do.
 */
export function follow(world: World, options: Following, again = ''): Course {
  const begun = new Set<string>();
  const inHand = new Map<string, Judgement>();
  const steps = new Map<string, { readonly step: Step | undefined; readonly sinceMs: number }>();
  const { before = 0, all = 0 } = options.among ?? {};
  const done: Judged[] = [];
  let isAsking = false;
  const shown = progress(options.dryRun ? 'looking' : 'looking and stopping', options);

  // A reader who has stopped reading must not hold up what has begun, and a stream does not wait for one.
  if (options.verbose && !options.dryRun) streamOf('stderr');

  const end = (): void => {
    shown.end();
    for (const name of SIGNALS) process.off(name, interrupted);
  };
  const interrupted = (name: NodeJS.Signals, number: number): void => {
    // A second signal is not handled: it ends the program at once.
    end();
    endQuestions();
    const lines = isAsking ? ['left alone'] : interruption(isSaid() ? [] : done, [...inHand.values()], again);
    const isNews = done.length + inHand.size > 0;
    // The terminal already shows a `^C`.
    const first = isTerminal('stderr') ? '\n' : '';
    if (options.json) complain(lines.join('; '), 'run it again');
    else if (isNews || !options.quiet) put('stderr', `${first}${lines.join('\n')}\n`);
    log(
      world,
      [...inHand.values()].map((server) => lineOf(server, 'interrupted', `by ${name}; ${NEXT}${again}`)),
    );
    process.exit(128 + number);
  };
  for (const name of SIGNALS) process.on(name, interrupted);

  /** The one that is waited for longest, which of how many it is, and what is done about it for how long. */
  const stopping = (): string => {
    const [server] = inHand.values();
    const now = server && steps.get(server.record.id);
    if (server === undefined || now === undefined) return 'looking';
    const nth = `${before + done.length + 1} of ${Math.max(all, begun.size)}`;
    const forMs = performance.now() - now.sinceMs;
    const what = [now.step ?? 'looking again', ...(forMs < 1_000 ? [] : [duration(forMs)])].join(', ');
    return `stopping ${placeOf(server)} (${nth}), ${what}`;
  };
  const on = (server: Judgement, step: Step | undefined): void => {
    steps.set(server.record.id, { step, sinceMs: performance.now() });
    shown.change(stopping);
  };
  // Of a single one the answer follows at once.
  const isSaid = (): boolean => !options.json && (options.verbose === true || (isTerminal('stderr') && begun.size > 1));

  return {
    told: {
      begins: (server) => {
        begun.add(server.record.id);
        inHand.set(server.record.id, server);
        on(server, undefined);
      },
      step: on,
      done: (server) => {
        inHand.delete(server.record.id);
        done.push(server);
        if (!options.quiet && isSaid()) shown.say(said(server));
        shown.change(stopping);
      },
    },
    asking: async (ask) => {
      shown.end();
      isAsking = true;
      return ask().finally(() => {
        isAsking = false;
      });
    },
    end,
  };
}

const NEXT = 'the next run finishes it';

function interruption(done: readonly Judged[], inHand: readonly Judgement[], again: string): string[] {
  if (done.length + inHand.length === 0) return ['interrupted: nothing was stopped'];
  return [
    ...done.map((server) => `interrupted: ${said(server)}`),
    ...inHand.map((server) => `interrupted while stopping ${nameOf(server)}; ${NEXT}${clean(again)}`),
  ];
}

/** What became of a server, in one line that names it. */
export const said = (server: Judged): string => `${state(server)} ${nameOf(server)}: ${clean(reason(server))}`;

const placeOf = (server: Judgement): string =>
  server.record.port === undefined ? nameOf(server) : `port ${server.record.port}`;

export function nameOf({ record, seen }: Pick<Judgement, 'record' | 'seen'>): string {
  const pid = seen.located.kind === 'present' ? seen.located.server.pid : record.spawned?.pid;
  return `pid ${pid ?? '–'}${record.port === undefined ? '' : ` on port ${record.port}`}`;
}
