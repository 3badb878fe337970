import type { Origin } from './birth.js';
import type { ClaudeRole } from './claude-process.js';
import type { CommandLine } from './command-line.js';
import type { Folders } from './folder-variables.js';
import type { Identity } from './identity.js';
import type { Marks } from './owner.js';
import type { Secret } from './secret.js';

/** One process as the machine showed it. Undefined means "could not be read", never "none". */
export interface Process extends Identity {
  readonly parent: number;
  /**
   * The pid of a parent that has ended, and that another process may have by now. Only where a system keeps it (Windows);
   * elsewhere an orphan has init for its parent.
   */
  readonly orphanOf?: number | undefined;
  readonly group: number | undefined;
  readonly session: number | undefined;
  readonly terminal: boolean | undefined;
  /** What its terminal is called, such as `pts/3`. */
  readonly tty?: string | undefined;
  /** The user whose it is, as the platform writes it: on Linux the uid. */
  readonly owner: string | undefined;
  readonly name: string;
  readonly command: CommandLine | undefined;
  /**
   * What Windows draws a console with, or stands in for one: `own` is that of a program, `terminal` one that somebody has
   * opened, `unknown` one that hides which. Undefined for any other program.
   */
  readonly consoleHost?: 'own' | 'terminal' | 'unknown' | undefined;
  /** Undefined for any other program than Claude Code. */
  readonly claude?: ClaudeRole | undefined;
  /** Milliseconds since it started, by a clock that cannot be set. */
  readonly ageMs: number | undefined;
  readonly memoryBytes: number | undefined;
  /** Milliseconds of a core that it has used. */
  readonly cpuMs?: number | undefined;
}

/** The share of a core that it has used over its life: 1 is one core, all the time. */
export const cpuShare = ({ cpuMs, ageMs }: Pick<Process, 'cpuMs' | 'ageMs'>): number | undefined =>
  cpuMs === undefined || ageMs === undefined || ageMs <= 0 ? undefined : cpuMs / ageMs;

/** Every living process. Zombies are left out: they neither run nor hold anything. */
export type ProcessTable = ReadonlyMap<number, Process>;

/** The result of one look at one pid. A zombie is gone; `unknown` means that it could not be examined. */
export type Seen = Process | 'gone' | 'unknown';

/** The few variables that matter here, from the environment that a process was spawned with. */
export interface Environment {
  readonly tag: string | undefined;
  /** Set by a server for everything that it starts, so a process that has it is not the server itself. */
  readonly opencodePid: string | undefined;
  /** The same, in releases that do not say which server it was. */
  readonly inOpencode: boolean;
  /** Its configuration is inside a Claude Code plugin; only that plugin chooses such a path. */
  readonly pluginConfig: boolean;
  readonly keep: boolean;
  /** Claude Code's config folder, if this is Claude Code. */
  readonly claudeConfigDir?: string | undefined;
  /** Where it, or the plugin that started it, may keep what it writes down; absolute paths only. */
  readonly folders?: Folders | undefined;
  readonly marks?: Marks | undefined;
  /** Set by an OpenCode 2 for every tool and terminal, and for nothing else that it starts. */
  readonly inTerminal: boolean;
  /** What it says about who started it. */
  readonly origin?: Origin | undefined;
  readonly username: string | undefined;
  readonly password: Secret | undefined;
  /** What an OpenCode 2 wants before it looks at the other one. */
  readonly passwordOfSecond: Secret | undefined;
}

export const passwordsIn = ({ password, passwordOfSecond }: Environment): Secret[] =>
  [password, passwordOfSecond].flatMap((one) => one ?? []);

/** A connection to a listening port of a server. The client is undefined when no process here owns the other end. */
export interface Connection {
  readonly port: number;
  readonly clientPid: number | undefined;
  /** The port at the other end; undefined where that is not shown. */
  readonly clientPort: number | undefined;
}

export interface Listening {
  readonly host: string;
  readonly port: number;
  readonly pid: number;
}

/** The sockets of one server's tree, in that server's own network namespace. */
export interface Sockets {
  readonly listening: readonly Listening[];
  readonly inbound: readonly Connection[];
  /** Established connections of the tree to anywhere else. */
  readonly outbound: number;
  /**
   * Connections to a listening port that were closed within the last minute (that is how long the kernel remembers
   * them, at the end that closed first): how many milliseconds ago, 0 for one that is opening or closing now. Undefined
   * where they are not shown.
   */
  readonly lately: readonly number[] | undefined;
  /** False when `127.0.0.1` means a network other than ours, so that the server cannot be asked there. */
  readonly ourNetwork: boolean;
}

export function descendants(table: ProcessTable, root: number): Process[] {
  const children = childrenByParent(table);
  const found = new Map<number, Process>();
  const queue = [root];
  for (let pid = queue.pop(); pid !== undefined; pid = queue.pop()) {
    for (const child of children.get(pid) ?? []) {
      if (child.pid === root || found.has(child.pid)) continue;
      found.set(child.pid, child);
      queue.push(child.pid);
    }
  }
  return [...found.values()];
}

const perhaps = new WeakMap<ProcessTable, readonly Process[]>();

/**
 * Those that serve, for all that their command lines say. Picked once from each table, which is never changed after it was
 * read: thousands of records may ask, on a machine with thousands of processes.
 */
export function perhapsServing(table: ProcessTable): readonly Process[] {
  const known = perhaps.get(table);
  if (known) return known;
  const found = [...table.values()].filter(({ command }) => command === undefined || command.kind === 'serve');
  perhaps.set(table, found);
  return found;
}

export const childrenOf = (table: ProcessTable, pid: number): Process[] =>
  [...table.values()].filter((process) => process.parent === pid);

export const inGroup = (table: ProcessTable, group: number): Process[] =>
  [...table.values()].filter((process) => process.group === group);

/** The pid itself and all pids above it. */
export function lineage(table: ProcessTable, pid: number): ReadonlySet<number> {
  const seen = new Set<number>();
  for (let at: number | undefined = pid; at !== undefined && at > 0 && !seen.has(at); at = table.get(at)?.parent) {
    seen.add(at);
  }
  return seen;
}

function childrenByParent(table: ProcessTable): Map<number, Process[]> {
  const children = new Map<number, Process[]>();
  for (const process of table.values()) {
    const siblings = children.get(process.parent);
    if (siblings) siblings.push(process);
    else children.set(process.parent, [process]);
  }
  return children;
}
