import { runOnce } from '../act/run-once.js';
import { type Finding, fail, ok, warn } from './finding.js';

/** What Claude Code grants all hooks together when a session ends, by default. */
const BUDGET_MS = 1_500;
/** Beyond this, a busy machine would use up the rest. */
const SLOW_MS = 500;
const TIMES = 5;
const INPUT = JSON.stringify({ session_id: 'doctor', hook_event_name: 'SessionStart', source: 'startup' });

/** How long the hook takes here, by calling it as Claude Code does, with an event that writes nothing. */
export function hookTime(command: string, words: readonly string[]): Finding {
  const args = words.map((word, at) => (at === 2 ? 'doctor' : word));
  const spelled = [command, ...args].join(' ');
  const took: number[] = [];
  for (let time = 0; time < TIMES; time += 1) {
    const ran = runOnce(command, args, INPUT, BUDGET_MS);
    if (ran.failure === 'ETIMEDOUT') return fail('hook time', `${spelled}: not done in 1.5 s`, SLOW);
    if (ran.failure) return fail('hook time', `${spelled}: ${ran.failure}`, 'Claude Code must find node on its PATH');
    if (ran.printed) return fail('hook time', `${spelled}: it printed something`, 'opencode-reap install mends it');
    took.push(ran.tookMs);
  }
  const median = took.sort((a, b) => a - b)[Math.floor(TIMES / 2)] ?? BUDGET_MS;
  const detail = `${Math.round(median)} ms (median of ${TIMES}); all hooks together have 1.5 s`;
  return median > SLOW_MS ? warn('hook time', detail, SLOW) : ok('hook time', detail);
}

const SLOW = 'the end of a session would cut it off; look at what slows this machine down';
