import { createInterface } from 'node:readline';
import type { Judged } from '../../decide/plan.js';
import type { Verdict } from '../../decide/verdict.js';
import { type Identity, sameProcess } from '../../model/identity.js';
import { jsonServer } from '../../report/json.js';
import { clean } from '../../report/text.js';
import { forbidding } from '../../run/find-server.js';
import type { Judgement } from '../../run/judge.js';
import { stopNamed } from '../../run/stop-and-log.js';
import { openWorld, type World } from '../../run/world.js';
import { endWatchIfOver } from '../../session/watch.js';
import { afterItsEnd, choose, forEach } from '../choose.js';
import { type Course, follow, nameOf, said } from '../course.js';
import { type Common, complain, print, printAnswers, put } from '../output.js';
import { isTerminal, streamOf } from '../streams.js';

export interface StopOptions extends Common {
  readonly dryRun?: boolean;
  readonly yes?: boolean;
  readonly grace: number;
  readonly strays?: boolean;
  /** By name, which process each was when the user chose it from a list. */
  readonly shown?: ReadonlyMap<string, Identity>;
}

/** Stops the servers that the user named, each on its own. A server in use needs a confirmation. */
export async function stopCommand(names: readonly string[], options: StopOptions): Promise<number> {
  const world = await openWorld(options.stateDir, process.env);
  const answers: Judged[] = [];
  const code = await forEach(names, async (name, before) => {
    const among = { before, all: names.length };
    const course = follow(world, { ...options, among }, `: opencode-reap stop ${name}`);
    const stopped = await stopOne(name, options, course, world).finally(course.end);
    if (typeof stopped === 'number') return stopped;
    answers.push(stopped);
    const { outcome } = stopped;
    if (!options.json && (!options.quiet || outcome?.kind === 'stopped'))
      print([options.dryRun ? wouldStop(stopped) : hasStopped(stopped)]);
    return options.dryRun || outcome?.kind === 'stopped' || outcome?.kind === 'gone' ? 0 : 1;
  });
  if (!options.dryRun) await endWatchIfOver(process.argv[1], world);
  if (options.json) printAnswers(answers.map(jsonServer), names);
  return code;
}

function wouldStop(server: Judged): string {
  const signs = signsOf(server.verdict);
  return `would stop ${clean(nameOf(server))}${signs === '' ? '' : `, which ${signs}`}`;
}

/** A keep mark does not hold back who names the server, but may have been forgotten. */
function hasStopped(server: Judged): string {
  const wasKept = server.outcome?.kind === 'stopped' && keptBy(server.verdict) === 'is kept';
  return wasKept ? `${said(server)}; it was kept until now` : said(server);
}

/** What became of it, or the exit code if it was left alone. */
async function stopOne(name: string, options: StopOptions, course: Course, world: World): Promise<Judged | number> {
  const policy = { olderThanMs: 0, graceMs: options.grace, endStrays: options.strays === true, named: true };
  // With --yes, whether it is in use no longer matters, and asking it would take most of the time.
  const unasked = options.yes === true && !options.dryRun;
  const chosen = await choose(name, { ...policy, unasked, meansProcess: true }, world);
  if (typeof chosen === 'number') return chosen;
  if (!isShown(chosen.server, options.shown?.get(name)))
    return refuse(name, 'it is no longer the process that was chosen');
  const forbids = forbidding(chosen);
  if (forbids) {
    const past = chosen.server.verdict.kind === 'gone' ? await afterItsEnd(name, world) : [];
    return refuse(name, past.length > 0 ? past.join('; ') : forbids.detail);
  }
  if (options.dryRun) return { ...chosen.server, outcome: undefined };
  const inUse = options.yes ? undefined : useOf(chosen.server.verdict);
  if (inUse === undefined) return stopNamed(chosen.server, { ...policy, told: course.told }, world);
  const described = `${nameOf(chosen.server)} ${signsOf(chosen.server.verdict)}`;
  if (!process.stdin.isTTY || !isTerminal('stderr')) {
    complain(described, 'add --yes to stop it anyway');
    return 1;
  }
  if (await course.asking(() => confirmed(described)))
    return stopNamed(chosen.server, { ...policy, told: course.told }, world);
  if (!options.quiet) put('stderr', 'left alone\n');
  return 0;
}

/** A list is some seconds old, and its ids are those of records, or pids. One that has ended is found out later. */
const isShown = ({ seen: { located } }: Judgement, shown: Identity | undefined): boolean =>
  shown === undefined || located.kind !== 'present' || sameProcess(shown, located.server) === 'same';

function refuse(name: string, detail: string): number {
  complain(`${name} was not stopped: ${detail}`, `opencode-reap why ${name} shows what was seen`);
  return 1;
}

/** The signs that it is in use; undefined when it is not. */
function useOf({ guards }: Verdict): string | undefined {
  const inUse = guards.filter(({ name, outcome }) => (name === 'unleased' || name === 'idle') && outcome !== 'pass');
  return inUse.length === 0 ? undefined : inUse.map(({ detail }) => clean(detail)).join('; ');
}

function keptBy({ guards }: Verdict): 'is kept' | 'may be kept' | undefined {
  const outcome = guards.find(({ name }) => name === 'unkept')?.outcome;
  if (outcome === 'veto') return 'is kept';
  return outcome === 'unknown' ? 'may be kept' : undefined;
}

/** What a person should know before it is stopped, after its name; empty if there is nothing. */
function signsOf(verdict: Verdict): string {
  const inUse = useOf(verdict);
  return [keptBy(verdict) ?? [], inUse === undefined ? [] : `may be in use: ${inUse}`].flat().join(' and ');
}

/**
 * The user's answer at the terminal. Without raw mode, Ctrl-C is the same signal as everywhere else, and end of input
 * counts as no.
 */
async function confirmed(described: string): Promise<boolean> {
  const terminal = createInterface({ input: process.stdin, output: streamOf('stderr'), terminal: false });
  put('stderr', `${described}\nstop it anyway? [y/N] `);
  const answer = await new Promise<string | undefined>((resolve) => {
    terminal.once('line', resolve).once('close', () => resolve(undefined));
  });
  terminal.close();
  if (answer === undefined) put('stderr', '\n');
  return answer !== undefined && /^y(es)?$/i.test(answer.trim());
}
