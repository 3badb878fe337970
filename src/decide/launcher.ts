import { childrenOf, descendants, type Process, type ProcessTable } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';

/*
 * A launcher is a spawned process that does not listen itself and runs nothing but the server: npm's node wrapper,
 * `cmd.exe`, `sh -c 'opencode serve'`. It ends with its server, so it is signaled together with it. A shell, a script
 * or a task runner that runs more is not a launcher: only its server is ours, and everything else below it belongs to
 * others. In doubt a process is not a launcher. That costs nothing, since a real launcher exits once its only child has
 * ended.
 */

/**
 * The highest process, up to `top`, such that each process from there down to the server runs nothing but the next one.
 */
export function launcherOf(server: Process, top: Process, snapshot: Snapshot): Process | undefined {
  let launcher: Process | undefined;
  for (const above of pathUp(server, top, snapshot.processes ?? new Map()) ?? []) {
    if (!runsOnly(above, launcher ?? server, snapshot) || !isOfOneKind(above, server, snapshot)) break;
    launcher = above;
  }
  return launcher;
}

/** The processes above one, up to `top`; undefined when `top` is not above it. */
function pathUp(process: Process, top: Process, table: ProcessTable): Process[] | undefined {
  const path: Process[] = [];
  for (let at = process; at.pid !== top.pid; ) {
    const parent = table.get(at.parent);
    if (parent === undefined || path.includes(parent)) return undefined;
    path.push(parent);
    at = parent;
  }
  return path;
}

/** A command line does not show what a script runs, but a second child does. */
const runsOnly = (launcher: Process, only: Process, { processes, listens }: Snapshot): boolean =>
  launcher.command?.kind === 'serve' &&
  listens.get(launcher.pid) !== true &&
  childrenOf(processes ?? new Map(), launcher.pid).every(
    ({ pid, consoleHost }) => pid === only.pid || consoleHost === 'own',
  );

/** The server that it runs proves it, so it is left alone if anything about it cannot be read or belongs to others. */
const isOfOneKind = (launcher: Process, server: Process, { environments }: Snapshot): boolean =>
  launcher.owner !== undefined &&
  launcher.owner === server.owner &&
  environments.has(launcher.pid) === environments.has(server.pid) &&
  environments.get(launcher.pid)?.tag === environments.get(server.pid)?.tag;

/**
 * The highest process that may have launched this one: a launcher has the same command line and is in the group of the
 * spawn, where there are groups.
 */
export function topAbove(process: Process, { processes, showsGroups }: Snapshot): Process {
  const table: ProcessTable = processes ?? new Map();
  const seen = new Set<number>([process.pid]);
  for (let at = process; ; ) {
    const parent = table.get(at.parent);
    const launches = parent?.command?.kind === 'serve' && (showsGroups === false || isGroupOf(parent, at));
    if (!launches || seen.has(parent.pid)) return at;
    seen.add(parent.pid);
    at = parent;
  }
}

const isGroupOf = (parent: Process, { group }: Process): boolean =>
  parent.group !== undefined && parent.group === group;

/**
 * The processes below another that may be its server: its children in the group that the spawn created, since tools and
 * nested servers have groups of their own. A shell or a task runner is certainly not a server, so below it, and below a
 * script that is called like OpenCode and has something else run it, the topmost servers count, at any depth and,
 * because of job control, in any group. A process that listens is a server itself, even when a shell started another
 * one and then turned into this one.
 */
export function servingBelow(above: Process, snapshot: Snapshot): Process[] {
  if (above.command?.kind === 'serve' && snapshot.listens.get(above.pid)) return [];
  const table = snapshot.processes ?? new Map<number, Process>();
  const isIn = ({ group }: Process): boolean =>
    group === undefined || above.group === undefined || group === above.group;
  const isOther = ({ pid }: Process): boolean => isNested(pid, above.pid, snapshot);
  const children = childrenOf(table, above.pid).filter(
    (child) => isIn(child) && mayServe(child, snapshot) && !isOther(child),
  );
  if (children.length > 0 || !mayRunDeeper(above, snapshot)) return children;
  const serving = descendants(table, above.pid).filter(({ command }) => command?.kind === 'serve');
  const within = new Set(serving.flatMap(({ pid }) => descendants(table, pid).map((one) => one.pid)));
  const isOwn = ({ pid }: Process): boolean => above.command?.kind === 'other' || saysTheSame(pid, above.pid, snapshot);
  return serving.filter((one) => mayServe(one, snapshot) && isOwn(one) && !isOther(one) && !within.has(one.pid));
}

/** A process that an agent's tool started says that it runs in OpenCode, even in releases that do not say in which one. */
const saysTheSame = (one: number, other: number, { environments }: Snapshot): boolean =>
  environments.get(one)?.inOpencode === environments.get(other)?.inOpencode;

const mayRunDeeper = ({ pid, command }: Process, { listens }: Snapshot): boolean =>
  command?.kind === 'other' || (command?.kind === 'serve' && command.interpreted && listens.get(pid) === false);

/** OpenCode 2 says it of its tools alone. What a tool started may launch another server, all of which says so. */
const isNested = (one: number, above: number, { environments }: Snapshot): boolean =>
  environments.get(one)?.inTerminal === true && environments.get(above)?.inTerminal !== true;

/** Anything that is not certainly something else. A process that another server started belongs to that server. */
export const mayServe = ({ pid, command }: Process, snapshot: Snapshot): boolean =>
  (command === undefined || command.kind === 'serve') && snapshot.environments.get(pid)?.opencodePid === undefined;
