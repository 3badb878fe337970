import { uptime } from 'node:os';
import { parsePid } from '../../model/identity.js';
import type { Process, ProcessTable, Seen } from '../../model/process.js';
import { claudeOf, commandOf, nameOf } from './command.js';
import { askable, COLUMNS, parseRows, type Row, sessionOf } from './ps-rows.js';
import { ask, type Tools } from './tools.js';

/** The rows of `ps`, and what they show. Zombies are among the rows alone. */
export interface Listed {
  readonly rows: ReadonlyMap<number, Row>;
  readonly processes: ProcessTable;
}

/** Undefined when `ps` may not be run, as in a sandbox, or when its list does not even show us. */
export async function listProcesses(tools: Tools): Promise<Listed | undefined> {
  const at = Date.now();
  const rows = await rowsOf(['-A'], tools);
  if (rows === undefined) return undefined;
  const processes = [...rows.values()].flatMap((row) => processOf(row, at, sessionOf(row, rows)) ?? []);
  return { rows, processes: new Map(processes.map((process) => [process.pid, process])) };
}

/**
 * Several processes at once. Between this and a signal pass some 15 ms. In these the kernel cannot have given a pid to
 * another process: it counts up to 99,999 first. What has ended is proved by a list in which we are, and it is not.
 */
export async function lookAtAll(pids: readonly number[], tools: Tools): Promise<(pid: number) => Seen> {
  const at = Date.now();
  const asked = askable([...pids, process.pid], tools.highestPid);
  const rows = await rowsOf(['-p', asked.join(',')], tools);
  return (pid) => {
    const row = rows?.get(pid);
    if (rows === undefined || !asked.some((one) => one === pid)) return 'unknown';
    return (row && processOf(row, at, undefined)) ?? 'gone';
  };
}

async function rowsOf(which: readonly string[], tools: Tools): Promise<ReadonlyMap<number, Row> | undefined> {
  const result = await ask(tools.ps, [...which, '-ww', '-o', COLUMNS], tools);
  const rows = result.kind === 'finished' && result.code === 0 ? parseRows(result.stdout) : undefined;
  return rows?.has(process.pid) ? rows : undefined;
}

/** Undefined for a zombie, and for what no signal may be sent to. */
function processOf(row: Row, at: number, session: number | undefined): Process | undefined {
  const pid = parsePid(row.pid);
  if (pid === undefined || row.isZombie) return undefined;
  return {
    pid,
    // Without fractions: the kernel has them, `ps` does not show them.
    startToken: String(row.startedAt),
    parent: row.parent,
    group: row.group,
    session,
    terminal: row.terminal,
    owner: row.owner,
    name: nameOf(row),
    command: commandOf(row),
    claude: claudeOf(row),
    ageMs: ageOf(row.startedAt * 1000, at, uptime() * 1000),
    memoryBytes: row.memoryBytes,
  };
}

const MINUTE_MS = 60_000;

/**
 * By the wall clock, since a start is shown by no other; so a clock that is set forward makes processes look older.
 * Undefined for an age that cannot be.
 */
export function ageOf(startedMs: number, nowMs: number, uptimeMs: number): number | undefined {
  const age = nowMs - startedMs;
  return age >= 0 && age <= uptimeMs + MINUTE_MS ? age : undefined;
}
