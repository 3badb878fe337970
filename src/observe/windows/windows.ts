import { hostname, uptime } from 'node:os';
import type { ProcessTable, Seen } from '../../model/process.js';
import type { Details, Listener, Platform, Wanted } from '../platform.js';
import { type RunTool, runTool } from '../run-tool.js';
import { exists } from './exists.js';
import { keptRows } from './kept-rows.js';
import { type Kept, keptTables } from './kept-tables.js';
import { LOOK, parseLook } from './processes.js';
import { startable } from './program.js';
import { listenersOn, listensIn, parseNetstat, type Row, windowsSockets } from './sockets.js';
import { systemRoot, windowsTools } from './tools.js';

/**
 * Windows, by three of its own programs. A list of processes costs half a second at best, so one of them serves all looks
 * of a step; connections are looked at each time. What it goes by is given by tests alone.
 */
export function windowsPlatform(
  run: RunTool = runTool,
  us = process.pid,
  isThere: (pid: number) => boolean = exists,
): Omit<Platform, 'name'> {
  const tools = windowsTools(run, process.env);
  const kept = keptTables(async () => parseLook(await tools.powershell(LOOK), us, uptime() * 1000));
  let guid: string | undefined;
  const host = async () => {
    guid ??= await tools.machineGuid();
    // Creation times are absolute, so no boot needs to be told apart; but a host without one is unknown everywhere.
    return { id: guid, boot: guid && `win32:${guid}`, pidNamespace: 'win32', name: hostname() };
  };
  const { rows, forget } = keptRows(async () => parseNetstat(await tools.netstat()));
  return {
    shows: {
      environments: false,
      groups: false,
      clients: true,
      births: false,
      cwdOfAll: false,
      startTokens: 'microseconds',
    },
    host,
    processes: async () => tableOf(await kept.recent()),
    look: async (pid) => {
      if (pid !== us && !isThere(pid)) return 'gone';
      return seenIn(tableOf(await (pid === us ? kept.recent() : kept.anew())), pid);
    },
    recent: async (pid) => {
      if (!isThere(pid)) return 'gone';
      // What lives and is not in the list is younger than the list.
      const seen = seenIn(tableOf(await kept.recent()), pid);
      return seen === 'gone' ? 'unknown' : seen;
    },
    lookAnew: kept.forget,
    beginLook: async (pids) => {
      forget();
      const table = (await kept.recent())?.looked.processes;
      if (table !== undefined && pids.some((pid) => !table.has(pid) && isThere(pid))) kept.forget();
    },
    details: async (wanted) => detailsOf(wanted, rows),
    sockets: async (trees) => {
      const seen = trees.length === 0 ? [] : await rows();
      return seen === undefined ? trees.map(() => undefined) : windowsSockets(seen, trees);
    },
    listener: async (port, address) => listenerFrom(await rows(), port, address, await kept.latest()),
    startable,
    systemFolder: `${systemRoot(process.env)}\\System32`,
    runScript: tools.powershell,
    owner: async () => (await kept.recent())?.looked.owner,
  };
}

/** With ages as of now, not as of when the list was made. */
function tableOf(kept: Kept | undefined): ProcessTable | undefined {
  if (kept === undefined) return undefined;
  const later = performance.now() - kept.at;
  return new Map(
    [...kept.looked.processes].map(([pid, process]) => [
      pid,
      { ...process, ageMs: process.ageMs === undefined ? undefined : process.ageMs + later },
    ]),
  );
}

const seenIn = (table: ProcessTable | undefined, pid: number): Seen =>
  table === undefined ? 'unknown' : (table.get(pid) ?? 'gone');

/** Environments and working directories take native code to read. */
async function detailsOf(
  { listens = [] }: Wanted,
  rows: () => Promise<readonly Row[] | undefined>,
): Promise<ReadonlyMap<number, Details>> {
  const seen = listens.length === 0 ? undefined : await rows();
  return new Map(seen && listens.map((pid) => [pid, { listens: listensIn(seen, pid) }]));
}

/** Of several on one port, one that lives, as far as that is known: a socket may outlast the process that it is listed for. */
function listenerFrom(
  rows: readonly Row[] | undefined,
  port: number,
  address: string | undefined,
  latest: Kept | undefined,
): Listener | 'nobody' | undefined {
  if (rows === undefined) return undefined;
  const listening = listenersOn(rows, port, address);
  if (listening.length === 0) return 'nobody';
  const pids = listening.flatMap(({ pid }) => pid ?? []);
  const [known] = pids.flatMap((pid) => latest?.looked.processes.get(pid) ?? []);
  return { pid: known?.pid ?? pids[0], owner: known?.owner };
}
