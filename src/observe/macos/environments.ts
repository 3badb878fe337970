import type { Environment } from '../../model/process.js';
import { environmentFrom, isAsked } from '../environment.js';
import { askable, type Row } from './ps-rows.js';
import { ask, decoded, linesOf, type Tools } from './tools.js';

/** Whether the system hides an environment, which it does of its own programs; undefined when it could not be read. */
export type Shown = Environment | 'hidden' | undefined;

/**
 * The environments of these processes, as they were when each was executed. The text that they are read from holds every
 * secret of a process, so no more of it is kept than is asked for.
 */
export async function environmentsOf(
  pids: readonly number[],
  rows: ReadonlyMap<number, Row>,
  tools: Tools,
): Promise<ReadonlyMap<number, Shown>> {
  const wanted = askable(pids, tools.highestPid).filter((pid) => rows.has(pid));
  // Without a dash: `-E` is understood by macOS alone.
  const result = await ask(tools.ps, ['eww', '-o', 'pid=,args=', '-p', wanted.join(',')], tools);
  const lines = result.kind === 'finished' && result.code <= 1 ? parseEnvironments(result.stdout) : undefined;
  return new Map(wanted.map((pid) => [pid, shownIn(lines?.get(pid), rows.get(pid)?.args)]));
}

/** Arguments and environment of each process, in one line; undefined when a line is not understood or was cut. */
export function parseEnvironments(stdout: string): ReadonlyMap<number, string> | undefined {
  const found = new Map<number, string>();
  for (const line of linesOf(stdout) ?? ['cut']) {
    const [, pid, text = ''] = /^ *(\d{1,10})(?: (.*))?$/.exec(line) ?? [];
    if (pid === undefined) return undefined;
    found.set(Number(pid), text);
  }
  return found;
}

/** What follows the arguments is the environment. Arguments that differ are another program's by now. */
export function shownIn(line: string | undefined, args: string | undefined): Shown {
  if (line === undefined || args === undefined || args === '' || !line.startsWith(args)) return undefined;
  const rest = line.slice(args.length);
  if (rest.trim() === '') return 'hidden';
  if (!/^ [^ =]+=/.test(rest)) return undefined;
  const variables = rest.trimStart().split(/ (?=[A-Za-z_][A-Za-z0-9_]*=)/);
  return isAmbiguous(variables) ? undefined : environmentFrom(variables.map(decoded));
}

/** A value that holds ` NAME=` is cut there. Where it matters, there may then be two values for one name. */
function isAmbiguous(variables: readonly string[]): boolean {
  const asked = [...new Set(variables)].map((one) => one.slice(0, one.indexOf('='))).filter(isAsked);
  return new Set(asked).size < asked.length;
}
