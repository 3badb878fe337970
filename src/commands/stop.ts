import { createInterface } from 'node:readline/promises';
import type { GuardAnswer } from '../decide/guards.js';
import type { Verdict } from '../decide/verdict.js';
import { jsonServer } from '../report/json.js';
import { reason, state } from '../report/table.js';
import { clean } from '../report/text.js';
import { forbidding, stopNamed } from '../stop.js';
import { endWatchIfOver } from '../watch.js';
import { openWorld } from '../world.js';
import { choose } from './choose.js';
import { type Common, complain, print, printJson, progress } from './output.js';

export interface StopOptions extends Common {
  readonly yes?: boolean;
  readonly grace: number;
  readonly strays?: boolean;
}

/** Ends one server on a person's word. What is in use needs their word twice. */
export async function stopCommand(name: string, options: StopOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const manner = { olderThanMs: 0, graceMs: options.grace, endStrays: options.strays === true, onWord: true };
  const chosen = await choose(name, { ...manner, meansProcess: true }, world);
  if (chosen === undefined) return 1;
  const forbids = forbidding(chosen);
  if (forbids) return refuse(name, forbids);
  if (!options.yes && !(await mayStop(chosen.server.verdict))) return 1;
  const done = progress('stopping', options);
  const judged = await stopNamed(chosen, manner, world).finally(done);
  await endWatchIfOver(process.argv[1], world);
  if (options.json) printJson(jsonServer(judged));
  else if (!options.quiet) print([`${state(judged)}: ${clean(reason(judged))}`]);
  return judged.outcome?.kind === 'stopped' || judged.outcome?.kind === 'gone' ? 0 : 1;
}

function refuse(name: string, { detail }: GuardAnswer): number {
  complain(`${name} is not stopped: ${detail}`, `opencode-reap why ${name} shows what was seen`);
  return 1;
}

/** Whether nobody uses it, or the person at the terminal says that it may be stopped all the same. */
async function mayStop({ guards }: Verdict): Promise<boolean> {
  const inUse = guards.filter(({ name, outcome }) => (name === 'unleased' || name === 'idle') && outcome !== 'pass');
  if (inUse.length === 0) return true;
  const seen = inUse.map(({ detail }) => clean(detail)).join('; ');
  if (process.stdin.isTTY && process.stderr.isTTY) return confirmed(seen);
  complain(`it may be in use: ${seen}`, 'add --yes to stop it all the same');
  return false;
}

async function confirmed(seen: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: process.stderr });
  const answer = await terminal.question(`it may be in use: ${seen}\nstop it all the same? [y/N] `);
  terminal.close();
  return /^y(es)?$/i.test(answer.trim());
}
