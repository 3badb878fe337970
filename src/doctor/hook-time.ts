import { type Ran, runOnce } from '../act/run-once.js';
import { OLDEST_NODE } from '../common/defaults.js';
import type { Invocation } from '../install/handlers.js';
import { lineOf } from '../install/shell-line.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** What Claude Code gives all hooks together when a session ends, by default. */
const BUDGET_MS = 1_500;
/** Beyond this, a busy machine would use up the rest. */
const SLOW_MS = 500;
const TIMES = 5;
const INPUT = JSON.stringify({ session_id: 'doctor', hook_event_name: 'SessionStart', source: 'startup' });

/**
 * How long the hook takes here, measured by calling it as Claude Code does, with an event that writes nothing.
 * @param mending what helps if it prints something
 */
export function hookTime(
  { form, runner, words, otherNode }: Invocation,
  mending = 'opencode-reap install fixes it',
): Finding[] {
  // A rehearsal tells no one anything.
  const silent = words.filter((word, at) => ![word, words[at - 1]].includes('--notice'));
  const args = silent.map((word, at) => (at === 2 ? 'doctor' : word));
  const first = [...runner, ...args];
  const commands = otherNode === undefined ? [first] : [first, [otherNode, ...args]];
  // The line hides its failures, so each of its commands is run on its own first.
  const wrong = commands.map((command) => whatIsWrong(command, mending));
  const works = wrong.indexOf(undefined);
  if (works < 0) return wrong.slice(0, 1).flatMap((one) => one ?? []);
  const falls = works > 0 ? [warn('hooks', `${spelled(first)} does not work here; ${otherNode} does`, OLD_NODE)] : [];
  return [...falls, timed(form === 'shell' ? ['/bin/sh', '-c', lineOf(commands)] : first)];
}

const spelled = (words: readonly string[]): string => words.join(' ');

const run = ([command = '', ...args]: readonly string[]): Ran => runOnce(command, args, INPUT, BUDGET_MS);

function whatIsWrong(words: readonly string[], mending: string): Finding | undefined {
  const { failure, printed } = run(words);
  if (failure === 'ETIMEDOUT') return fail('hook time', `${spelled(words)}: did not finish within 1.5 s`, SLOW);
  if (failure) return fail('hook time', `${spelled(words)}: ${failure}`, OLD_NODE);
  return printed ? fail('hook time', `${spelled(words)}: it printed something`, mending) : undefined;
}

function timed(words: readonly string[]): Finding {
  const took = Array.from({ length: TIMES }, () => run(words).tookMs);
  const median = took.sort((a, b) => a - b)[Math.floor(TIMES / 2)] ?? BUDGET_MS;
  const detail = `${Math.round(median)} ms (median of ${TIMES}); all hooks together have 1.5 s`;
  return median > SLOW_MS ? warn('hook time', detail, SLOW) : ok('hook time', detail);
}

const OLD_NODE = `Claude Code must find node on its PATH, ${OLDEST_NODE} or newer`;
const SLOW = 'Claude Code would cancel it at the end of a session; find out what is slowing this machine down';
