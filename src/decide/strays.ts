import { type Identity, sameProcess } from '../model/identity.js';
import { type Environment, lineage, type Process, type ProcessTable, passwordsIn } from '../model/process.js';
import { type Secret, sameSecret } from '../model/secret.js';
import type { Snapshot } from '../model/snapshot.js';

/** What is remembered about a stopped server. */
export interface Stopped {
  readonly server: Identity;
  readonly tag: string | undefined;
  readonly tree: readonly Identity[];
  /** Processes that ran below it and were not its own. */
  readonly apart: readonly Identity[];
  /** How old the server was when the tree was noted. */
  readonly ageMs: number | undefined;
  /** Those of its environment. */
  readonly passwords?: readonly Secret[];
}

/**
 * Processes that left the tree before it was noted (reparented, in sessions of their own) and are known only by what
 * they inherited in their environment: the tag, the pid of the server that started them, or, for tools of OpenCode 2,
 * its password; and processes that were below it and stay.
 */
export function straysOf(
  stopped: Stopped,
  table: ProcessTable,
  environments: ReadonlyMap<number, Environment>,
  snapshot: Snapshot,
): Process[] {
  const known = new Set<number>([...stopped.tree, stopped.server].map(({ pid }) => pid));
  return [...table.values()].filter((process) => {
    if (isApart(process, stopped)) return true;
    const environment = environments.get(process.pid);
    if (environment === undefined || known.has(process.pid) || snapshot.lineage.has(process.pid)) return false;
    const tagged = stopped.tag !== undefined && environment.tag === stopped.tag;
    const started = environment.opencodePid === String(stopped.server.pid) && isYounger(process, stopped);
    return (
      tagged || started || (isToolOf(environment, stopped) && isYounger(process, stopped) && isLost(process, table))
    );
  });
}

/** Enough to name it, but not to end it: servers of one user may have the same password. What has a tag is known by that. */
const isToolOf = (environment: Environment, { tag, passwords = [] }: Stopped): boolean =>
  tag === undefined &&
  environment.tag === undefined &&
  environment.inTerminal &&
  passwordsIn(environment).some((one) => passwords.some((its) => sameSecret(one, its)));

/** Below no server that is still there. */
const isLost = ({ pid, command }: Process, table: ProcessTable): boolean =>
  command?.kind !== 'serve' && [...lineage(table, pid)].every((above) => table.get(above)?.command?.kind !== 'serve');

const isApart = (process: Process, { apart }: Stopped): boolean =>
  apart.some((one) => sameProcess(one, process) === 'same');

/** An older process refers to an earlier server that had the same pid. */
const isYounger = (process: Process, { ageMs }: Stopped): boolean =>
  ageMs !== undefined && process.ageMs !== undefined && process.ageMs <= ageMs;

/**
 * `--strays` ends only what belongs to nothing else: no terminal, no listening port, not an OpenCode, no tag, record or
 * keep mark of its own. `named` is every process that a record or a mark names.
 */
export function mayEnd(
  stray: Process,
  stopped: Stopped,
  listens: boolean | undefined,
  environments: ReadonlyMap<number, Environment>,
  named: readonly Identity[],
): boolean {
  const environment = environments.get(stray.pid);
  const tag = environment?.tag;
  const isProved = tag !== undefined || environment?.opencodePid === String(stopped.server.pid);
  return (
    isProved &&
    !isApart(stray, stopped) &&
    stray.terminal === false &&
    listens === false &&
    stray.command?.kind === 'other' &&
    !environment?.keep &&
    named.every((one) => sameProcess(one, stray) === 'different') &&
    (tag === undefined || tag === stopped.tag)
  );
}
