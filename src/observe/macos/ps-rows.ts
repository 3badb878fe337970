import { type Pid, parsePid } from '../../model/identity.js';
import { lstartSeconds } from '../../model/lstart.js';
import { decoded, linesOf } from './tools.js';

/**
 * What `ps` is asked of each process. `args` is not cut where it comes last; the pid stands on both sides of `ucomm`, so
 * that a name with blanks in it has an end.
 */
export const COLUMNS = 'ppid=,pgid=,uid=,stat=,tty=,rss=,lstart=,pid=,ucomm=,pid=,args=';

/** One line of it. */
export interface Row {
  /** 0 and 1 are rows too, and no processes that anything could be done to. */
  readonly pid: number;
  readonly parent: number;
  readonly group: number;
  readonly owner: string;
  /** It has ended, and its parent has not asked how. */
  readonly isZombie: boolean;
  /** The kernel is taking it down; a process may stay like that for good, and no signal ends it. */
  readonly isExiting: boolean;
  readonly leadsSession: boolean;
  readonly terminal: boolean;
  readonly memoryBytes: number;
  /** Epoch seconds of its start. The kernel notes them when it forks, and never changes them. */
  readonly startedAt: number;
  /** The last part of the path of what it executes, links resolved; at most 16 bytes. No process can change it. */
  readonly ucomm: string;
  /** Its arguments, joined by blanks, as bytes; control characters are spelled out, so that a row is one line. */
  readonly args: string;
}

/**
 * One blank between columns, each as wide as it needs to be. A name of 16 bytes takes 64 columns if all are spelled out;
 * looking further for its end would take a hostile row of 1 MB a minute.
 */
const ROW =
  /^ *(\d+) +(-?\d+) +(-?\d+) +(\S+) +(\S+) +(\d+) +(\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4}) +(\d+) (.{0,80}?) {1,80}\8(?: (.*))?$/;

/**
 * Undefined when any row cannot be understood, or the last one was cut: what is missing from the list would be taken for
 * a process that has ended.
 */
export function parseRows(stdout: string): ReadonlyMap<number, Row> | undefined {
  const rows = linesOf(stdout)?.map(parseRow);
  if (rows === undefined) return undefined;
  const table = new Map<number, Row>();
  for (const row of rows) {
    if (row === undefined || table.has(row.pid)) return undefined;
    table.set(row.pid, row);
  }
  return table;
}

function parseRow(line: string): Row | undefined {
  const [, ppid, pgid, uid, stat = '', tty = '', rss, lstart = '', pid, ucomm = '', args = ''] = ROW.exec(line) ?? [];
  const startedAt = lstartSeconds(lstart);
  if (startedAt === undefined || ![pid, ppid, pgid].map(Number).every(Number.isSafeInteger)) return undefined;
  return {
    pid: Number(pid),
    parent: Number(ppid),
    group: Number(pgid),
    // Printed with a sign: `nobody` is -2, and Node calls it 4294967294.
    owner: String(Number(uid) >>> 0),
    isZombie: /^[ZX]/.test(stat),
    isExiting: stat.slice(1).includes('E'),
    leadsSession: stat.includes('s'),
    terminal: !/^[?-]+$/.test(tty),
    memoryBytes: Number(rss) * 1024,
    startedAt,
    ucomm: decoded(ucomm),
    args,
  };
}

/** The ids that `ps` and `lsof` can be asked about. */
export const askable = (pids: readonly number[], highestPid: number): Pid[] =>
  [...new Set(pids)].flatMap((pid) => parsePid(pid) ?? []).filter((pid) => pid <= highestPid);

/** Far more parents than any process has above it. */
const MAX_DEPTH = 64;

/**
 * The process session, which `ps` does not show (its `sess` is always 0), but who leads one it does. Anybody else was born
 * into that of the parent; who has lost the parent has that of its group's first process, except for background jobs of
 * a shell that has ended.
 */
export function sessionOf(row: Row, rows: ReadonlyMap<number, Row>): number | undefined {
  let at = row;
  for (let depth = 0; depth < MAX_DEPTH; depth += 1) {
    if (at.leadsSession) return at.pid;
    const parent = rows.get(at.parent);
    if (at.parent <= 1 || parent === undefined) return at.group;
    at = parent;
  }
  return undefined;
}
