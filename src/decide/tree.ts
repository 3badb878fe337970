import { isShell } from '../model/command-line.js';
import { compare, type Identity, type Sameness, sameProcess } from '../model/identity.js';
import {
  childrenOf,
  descendants,
  type Environment,
  inGroup,
  lineage,
  type Process,
  type ProcessTable,
} from '../model/process.js';
import type { Fence, ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Present } from './locate.js';
import { leadsMcpSession, precedes } from './mcp-sessions.js';

/** What ends with a server, and what runs below it and stays. */
export interface Tree {
  readonly members: readonly Process[];
  readonly apart: readonly Apart[];
  /** Everything that stays. */
  readonly left: readonly Process[];
}

export const NO_TREE: Tree = { members: [], apart: [], left: [] };

/** A process below a server that is not the server's, with everything that belongs to it. */
export interface Apart {
  readonly process: Process;
  /** What was seen of it, as a predicate. */
  readonly because: string;
  /** False when something could not be read, so that it may be the server's after all. */
  readonly isSure: boolean;
  readonly members: readonly Process[];
}

/**
 * Everything that ends with a server: launcher, server, their descendants, and whatever else is in the group that the
 * spawn created. A group is not a tree (tools and shells have sessions of their own) and a tree is not a group
 * (children outlive a launcher that died), so it takes both. Processes that belong to others, and everything below
 * those, are not included.
 */
export function treeOf(record: ServerRecord, located: Present, snapshot: Snapshot): Tree {
  const table = snapshot.processes ?? new Map<number, Process>();
  const all = everythingOf(record, located, table);
  const heads = headsOf(located, table);
  const unmarked = besideOf(located.server, snapshot);
  const strangers = strangersIn(all, located, heads, snapshot);
  const beside = new Map([...withBelow(unmarked, table), ...strangers]);
  // The server ends an MCP server that it has not marked, with everything below that.
  const preceding = unmarked.filter((one) => precedes(one, located.server));
  const earlier = new Map([...withBelow(preceding, table), ...strangers]);
  const others = all.filter(({ pid }) => !heads.has(pid) && !earlier.has(pid));
  const apart = others.flatMap((process): Apart[] => {
    const why = whyApart(process, record, located.server, snapshot);
    return why === undefined ? [] : [{ ...why, process, members: unitOf(process, located.server, others, table) }];
  });
  const theirs = apart.flatMap(({ members }) => members).filter(({ pid }) => !heads.has(pid));
  const left = new Map([...beside, ...theirs.map((one) => [one.pid as number, one] as const)]);
  return { members: all.filter(({ pid }) => !left.has(pid)), apart: apart.filter(isFirst), left: [...left.values()] };
}

const withBelow = (roots: readonly Process[], table: ProcessTable): ReadonlyMap<number, Process> =>
  new Map(
    roots.flatMap((root) => [root, ...descendants(table, root.pid)]).map((one) => [one.pid as number, one] as const),
  );

/**
 * A shell may start another program and then turn into the server. OpenCode marks everything that it starts, so a
 * process without the mark is not ended with it; but such a process does not spare the server either, since a wrapper
 * may only have hidden the mark. OpenCode 2 marks its tools alone; its MCP servers are known by their sessions, and
 * those of releases that made none are left to the server, which ends them. A server that an interpreter runs launches
 * nothing but the native server.
 */
function besideOf(server: Process, snapshot: Snapshot): Process[] {
  const { processes, environments } = snapshot;
  if (server.command?.kind !== 'serve' || server.command.interpreted) return [];
  return childrenOf(processes ?? new Map(), server.pid).filter((child) => {
    const environment = environments.get(child.pid);
    if (environment === undefined || leadsMcpSession(child, server, snapshot)) return false;
    if (environment.inTerminal && !environments.get(server.pid)?.inTerminal) return false;
    const { opencodePid, inOpencode } = environment;
    return opencodePid === undefined ? !inOpencode : opencodePid !== String(server.pid);
  });
}

/**
 * Whatever started the server may have started more in the same group, such as a shell with `X & opencode serve &`. A
 * process that does not descend from the server is the server's only if it has OpenCode's mark, like what an MCP server
 * left to init.
 */
function strangersIn(
  all: readonly Process[],
  { server, launcher }: Present,
  heads: ReadonlySet<number>,
  { processes, environments }: Snapshot,
): ReadonlyMap<number, Process> {
  const table = processes ?? new Map<number, Process>();
  const marked = all.filter(({ pid }) => environments.get(pid)?.opencodePid === String(server.pid));
  const roots = [server, ...(launcher ? [launcher] : []), ...marked];
  const own = new Set(roots.flatMap((root) => [root, ...descendants(table, root.pid)]));
  // What is below a stranger is one of `all`, or else the server's: what started the server may be in its group.
  const strangers = all.filter((process) => !heads.has(process.pid) && !own.has(process));
  return new Map(strangers.map((one) => [one.pid, one]));
}

/** A process that belongs to something already listed is not listed again. */
const isFirst = ({ process }: Apart, at: number, apart: readonly Apart[]): boolean =>
  !apart.slice(0, at).some(({ members }) => members.some(({ pid }) => pid === process.pid));

function everythingOf(record: ServerRecord, located: Present, table: ProcessTable): Process[] {
  const { server, launcher } = located;
  const members = new Map<number, Process>();
  const add = (process: Process): unknown => members.set(process.pid, process);
  for (const root of [server, ...(launcher ? [launcher] : [])]) {
    add(root);
    descendants(table, root.pid).forEach(add);
  }
  const group = spawnGroupOf(record, located, table);
  // Only while the verified server is in that group is it known to be the one that the spawn created.
  if (group !== undefined && server.group === group) {
    for (const process of inGroup(table, group)) {
      add(process);
      descendants(table, process.pid).forEach(add);
    }
  }
  return [...members.values()];
}

/**
 * The group that the spawn of a recorded server created. For a server that was only adopted or found, it is unknown
 * what created its group: it may be a pipeline or a job of some shell, which runs more. The same is true when the
 * spawned process is still there and is neither the server nor its launcher.
 */
function spawnGroupOf(record: ServerRecord, { launcher, server }: Present, table: ProcessTable): number | undefined {
  const { ownership, spawned } = record;
  if (spawned === undefined || ownership === 'adopted' || ownership === 'unrecorded') return undefined;
  const isOurs = spawned.pid === server.pid || spawned.pid === launcher?.pid || !table.has(spawned.pid);
  return isOurs ? spawned.pid : undefined;
}

/** The server and its launchers, however many there are. */
function headsOf({ launcher, server }: Present, table: ProcessTable): ReadonlySet<number> {
  const heads = new Set<number>([server.pid]);
  if (launcher === undefined) return heads;
  for (let at: Process | undefined = server; at && at.pid !== launcher.pid; at = table.get(at.parent)) {
    if (heads.has(at.parent)) break;
    heads.add(at.parent);
  }
  return heads.add(launcher.pid);
}

/**
 * Why a process below a server is not the server's; undefined when it is. MCP and language servers run in the server's
 * own session and group, and some of those listen: they are the server's, since it holds their standard input and ends
 * them itself. A process that listens in a session or group of its own was detached to outlive its starter, and serves
 * others: a build tool's daemon, a memory worker, a terminal multiplexer. A tool, a shell or a terminal has a session
 * of its own too, as a child of the server itself; what an MCP server puts into a session of its own was detached on
 * purpose.
 */
function whyApart(
  process: Process,
  record: ServerRecord,
  server: Process,
  snapshot: Snapshot,
): Pick<Apart, 'because' | 'isSure'> | undefined {
  const { environments, listens, processes } = snapshot;
  const surely = (because: string) => ({ because, isSure: true });
  const maybe = (because: string) => ({ because, isSure: false });
  const kind = process.command?.kind;
  if (kind === 'serve') return surely('is another `opencode serve`');
  const named = namedAs(process, snapshot);
  if (named === 'same') return surely('has a record or a keep mark of its own');
  const own = environments.get(server.pid);
  const its = environments.get(process.pid);
  if (its?.tag !== undefined && its.tag !== own?.tag && its.tag !== record.tag) return surely('has a tag of its own');
  if (its?.keep && !own?.keep) return surely('asks to be kept');
  // Many processes other than OpenCode hide their environment (for example a node that may open low ports), so a hidden
  // environment alone is not a reason.
  if (kind === undefined || named === 'unknown' || (kind === 'opencode' && its === undefined))
    return maybe('cannot be examined');
  if (snapshot.showsGroups === false)
    return mayServeOthers(process, server, snapshot) ? maybe('may serve others') : undefined;
  // Where sessions cannot be seen, no guard lets anything be stopped; but a server that was just spawned may still be
  // ended.
  if (server.session === undefined || inServersGroup(process, server)) return undefined;
  const mcp = mcpAbove(process, server, snapshot);
  if (mcp !== undefined && process.session === mcp.session && process.group === mcp.group) return undefined;
  const listening = listens.get(process.pid);
  if (listening !== false) return listening ? surely('listens') : maybe('may be listening');
  const parent = processes?.get(process.parent);
  const isBelowMcp = mcp !== undefined && process.session !== mcp.session && parent?.session === mcp.session;
  const detached =
    parent && parent.pid !== server.pid && !inSession(process, server) && (isBelowMcp || inSession(parent, server));
  return detached ? surely(`was detached by pid ${parent.pid}`) : undefined;
}

/**
 * Where no session tells a daemon from what the server runs. The server holds the standard input of its own children,
 * behind a shell or not, and may have them listen: MCP and language servers. What listens further below may have been
 * started to outlive its starter.
 */
function mayServeOthers(process: Process, server: Process, { listens, processes }: Snapshot): boolean {
  if (listens.get(process.pid) === false) return false;
  const above = [...lineage(processes ?? new Map(), process.parent)];
  const between = above.slice(0, Math.max(0, above.indexOf(server.pid)));
  return between.some((pid) => !isShell(processes?.get(pid)?.name ?? ''));
}

/** The MCP server that a process belongs to, if it has a session of its own. */
function mcpAbove(process: Process, server: Process, snapshot: Snapshot): Process | undefined {
  const above = lineage(snapshot.processes ?? new Map(), process.pid);
  const children = childrenOf(snapshot.processes ?? new Map(), server.pid);
  return children.find((child) => above.has(child.pid) && leadsMcpSession(child, server, snapshot));
}

/** A record with a bare pid may have meant an earlier process, and certainly did if this one is not an OpenCode. */
function namedAs(process: Process, { named }: Snapshot): Sameness {
  const all = named.map((one) => sameProcess(one, process));
  if (all.includes('same')) return 'same';
  const isClear = process.startToken !== undefined && process.command?.kind === 'other';
  return all.includes('unknown') && !isClear ? 'unknown' : 'different';
}

const inSession = ({ session }: Process, server: Process): boolean =>
  session !== undefined && session === server.session;

const inServersGroup = (process: Process, server: Process): boolean =>
  inSession(process, server) && process.group !== undefined && process.group === server.group;

/** Together with it stays everything in the session, or else the group, of its own, and everything below those. */
function unitOf(process: Process, server: Process, others: readonly Process[], table: ProcessTable): Process[] {
  const field = !inSession(process, server) ? 'session' : inServersGroup(process, server) ? 'pid' : 'group';
  const same = others.filter((other) => process[field] !== undefined && other[field] === process[field]);
  const members = new Map([process, ...same].map((one) => [one.pid, one]));
  for (const one of [...members.values()])
    for (const below of descendants(table, one.pid)) members.set(below.pid, below);
  return [...members.values()];
}

/**
 * What is still in the group that a spawn created. The spawned process itself has ended, so only the tag distinguishes
 * that group from a later one with the same number.
 */
export function leftOfSpawn(
  group: number | undefined,
  tag: string | undefined,
  table: ProcessTable,
  environments: ReadonlyMap<number, Environment>,
): Identity[] {
  if (group === undefined || tag === undefined) return [];
  return identified(inGroup(table, group).filter(({ pid }) => environments.get(pid)?.tag === tag));
}

/**
 * What remains of a server whose run died while ending it. A process that serves is a server itself, and is judged or
 * left alone; pids and start tokens of an earlier boot now mean other processes. Much may have happened since the tree
 * was noted, perhaps by a version that noted more: what belongs to others by now stays.
 */
export function restOf(
  { tree, machine, record }: Pick<Fence, 'tree' | 'machine' | 'record'>,
  { machine: here, processes, named }: Snapshot,
  environments: ReadonlyMap<number, Environment>,
  listens: (pid: number) => boolean | undefined,
): Identity[] {
  if (compare(machine.boot, here.boot) !== 'same') return [];
  // A server, or its launcher, leads the session that the spawn created. The server is noted first. Where there are no
  // sessions, nothing is known to be in it.
  const sessions = [tree[0]?.pid, record?.spawned?.pid].filter((pid) => pid !== undefined);
  const rest = tree.filter(({ pid }) => {
    const process = processes?.get(pid);
    const environment = environments.get(pid);
    if (process?.command?.kind !== 'other' || environment?.keep) return false;
    if (environment?.tag !== undefined && environment.tag !== record?.tag) return false;
    if (named.some((one) => sameProcess(one, process) === 'same')) return false;
    return sessions.some((session) => session === process.session) || listens(pid) === false;
  });
  return identified(rest);
}

/** Members that can be distinguished from a later process with the same pid; the others are never signaled. */
export const identified = (tree: readonly Identity[]): Identity[] =>
  tree.filter((process) => process.startToken !== undefined).map(({ pid, startToken }) => ({ pid, startToken }));
