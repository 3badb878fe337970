import { childrenOf, descendants, type Process, type ProcessTable } from '../model/process.js';
import type { Snapshot } from '../model/snapshot.js';

/*
 * A launcher is what was spawned where that is not the process that listens, and runs nothing but the server: npm's
 * node wrapper, `cmd.exe`, `sh -c 'opencode serve'`. It ends with its server, so it is signalled with it. A shell, a
 * script or a task runner that runs more is none: its server alone is the server, and all else below it is somebody's.
 * In doubt it is none. That costs nothing, since a real launcher ends by itself once its only child has ended.
 */

/** The highest process, `top` at most, from which down to the server each runs nothing but the next. */
export function launcherOf(server: Process, top: Process, snapshot: Snapshot): Process | undefined {
  let launcher: Process | undefined;
  for (const above of pathUp(server, top, snapshot.processes ?? new Map()) ?? []) {
    if (!runsOnly(above, launcher ?? server, snapshot)) break;
    launcher = above;
  }
  return launcher;
}

/** The processes above one, up to `top`; undefined when that is not above it. */
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

/** What a script runs stands in no command line, but a second child shows it. A line that cannot be read may say so. */
const runsOnly = (launcher: Process, only: Process, { processes, listens }: Snapshot): boolean =>
  (launcher.command === undefined || launcher.command.kind === 'serve') &&
  listens.get(launcher.pid) !== true &&
  childrenOf(processes ?? new Map(), launcher.pid).every(({ pid }) => pid === only.pid);

/** The highest process that may have launched this one: a launcher shares its command line and the group of the spawn. */
export function topAbove(process: Process, table: ProcessTable): Process {
  const seen = new Set<number>([process.pid]);
  for (let at = process; ; ) {
    const parent = table.get(at.parent);
    const launches = parent?.command?.kind === 'serve' && parent.group !== undefined && parent.group === at.group;
    if (!launches || seen.has(parent.pid)) return at;
    seen.add(parent.pid);
    at = parent;
  }
}

/**
 * Which processes below another may be its server: its children in the group that the spawn created, since tools and
 * nested servers have groups of their own. A shell or a task runner is surely no server, so below it the topmost
 * servers are meant, at any depth and, with job control, in any group. What listens is a server itself, even where a
 * shell has started another one and then become this one.
 */
export function servingBelow(above: Process, snapshot: Snapshot): Process[] {
  if (above.command?.kind === 'serve' && snapshot.listens.get(above.pid)) return [];
  const table = snapshot.processes ?? new Map<number, Process>();
  const isIn = ({ group }: Process): boolean =>
    group === undefined || above.group === undefined || group === above.group;
  const children = childrenOf(table, above.pid).filter((child) => isIn(child) && mayServe(child, snapshot));
  if (children.length > 0 || above.command?.kind !== 'other') return children;
  const serving = descendants(table, above.pid).filter(({ command }) => command?.kind === 'serve');
  const within = new Set(serving.flatMap(({ pid }) => descendants(table, pid).map((one) => one.pid)));
  return serving.filter((one) => mayServe(one, snapshot) && !within.has(one.pid));
}

/** Whatever is not surely something else. What was started by another server is that server's. */
export const mayServe = ({ pid, command }: Process, snapshot: Snapshot): boolean =>
  (command === undefined || command.kind === 'serve') && snapshot.environments.get(pid)?.opencodePid === undefined;
