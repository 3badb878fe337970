import { hostname } from 'node:os';
import { MACOS_PIDS, parsePid } from '../../model/identity.js';
import type { Glance, Glimpse, Needs } from '../glance.js';
import { readBoot } from './host.js';
import { COLUMNS, parseRows, type Row } from './ps-rows.js';
import { ask, TOOLS, type Tools } from './tools.js';

/** All hooks of a session's end share 1.5 s. Without an answer by then, a lease goes by its session. */
const PATIENCE_MS = 700;

/**
 * One list for all that a hook looks at, and beside it, where it is needed, the boot. The machine is left out: in one
 * boot it is the same, and asking for its number takes as long as the list.
 */
export async function macosGlance(
  needs: Needs,
  tools: Tools = TOOLS,
  bootOf: (tools: Tools, timeoutMs: number) => Promise<string | undefined> = readBoot,
): Promise<Glance> {
  const [rows, boot] = await Promise.all([list(tools), needs.boot ? bootOf(tools, PATIENCE_MS) : undefined]);
  return {
    look: (pid) => (rows === undefined ? 'unknown' : glimpseOf(rows.get(pid))),
    host: () => ({ id: undefined, boot, pidNamespace: MACOS_PIDS, name: hostname() }),
  };
}

/** Undefined when it cannot be had in time, or does not even show us. */
async function list(tools: Tools): Promise<ReadonlyMap<number, Row> | undefined> {
  const result = await ask(tools.ps, ['-A', '-ww', '-o', COLUMNS], tools, PATIENCE_MS);
  const rows = result.kind === 'finished' && result.code === 0 ? parseRows(result.stdout) : undefined;
  return rows?.has(process.pid) ? rows : undefined;
}

/** By the kernel's own name, which tells a shell from anything else whatever it is called. */
function glimpseOf(row: Row | undefined): Glimpse {
  const pid = parsePid(row?.pid);
  if (row === undefined || pid === undefined || row.isZombie) return 'gone';
  return { pid, startToken: String(row.startedAt), name: row.ucomm, parent: row.parent };
}
