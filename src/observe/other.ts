import { hostname } from 'node:os';
import { portToPid } from 'pid-port';
import psList from 'ps-list';
import { claudeRole } from '../model/claude-process.js';
import { classify } from '../model/command-line.js';
import { type Host, parsePid } from '../model/identity.js';
import type { Process, ProcessTable, Seen } from '../model/process.js';
import type { Listener, Platform } from './platform.js';

/*
 * Platforms without an adapter of their own. `ps-list` knows no groups and no environments, and nothing here sees
 * connections: so guards stay unknown, and nothing is ever stopped. It is enough to list servers.
 */

/** Nothing here tells which machine or boot this is. */
export const otherHost = (): Host => ({
  id: undefined,
  boot: undefined,
  pidNamespace: undefined,
  name: hostname(),
});

/**
 * Undefined when the list does not even show us: busybox's `ps` answers with nothing, and without an error. Others are
 * missing or may not be run, as the helper that Windows needs beside a vendored file.
 */
export async function portableProcesses(now: number): Promise<ProcessTable | undefined> {
  const listed = await psList().catch(noneWhereToolFails);
  const table = new Map<number, Process>();
  for (const entry of listed) {
    const pid = parsePid(entry.pid);
    if (pid === undefined) continue;
    const started = entry.startTime?.getTime();
    // `ps` joins arguments with spaces, so a path with a space in it is cut; that can only veto. None could not be read.
    const words = entry.cmd ? entry.cmd.split(' ') : undefined;
    table.set(pid, {
      pid,
      parent: entry.ppid,
      startToken: started === undefined ? undefined : String(started),
      owner: entry.uid?.toString(),
      name: entry.name,
      command: words && classify(words),
      claude: claudeRole(entry.name, words, undefined),
      ageMs: started === undefined ? undefined : now - started,
      memoryBytes: undefined,
      group: undefined,
      session: undefined,
      terminal: undefined,
    });
  }
  return table.has(process.pid) ? table : undefined;
}

/**
 * Undefined as well when nobody listens: `pid-port` rejects then as it does when the tools that it asks are missing, and
 * neither is an answer.
 */
async function listener(port: number): Promise<Listener | undefined> {
  const [pid] = await portToPid({ port, host: '*' }).then((found) => [found], noneWhereToolFails);
  return pid === undefined ? undefined : { pid, owner: undefined };
}

/**
 * Another user's process that holds a port, for messages: where a platform shows only the sockets of one's own processes,
 * that is who is missing. Undefined when none is found, or when it is one of ours. `pid-port` takes any end of a
 * connection for a holder, so nothing is decided by this about a process.
 */
export async function foreignListener(port: number, us: string | undefined): Promise<Listener | undefined> {
  const found = await listener(port);
  if (found?.pid === undefined) return undefined;
  const owner = (await portableProcesses(Date.now()))?.get(found.pid)?.owner;
  return owner === undefined || owner === us ? undefined : { pid: found.pid, owner };
}

/**
 * A tool that is missing, may not be run or ends badly says which it was; where nobody is found, or the machine is not
 * known, these packages throw a plain Error. A mistake of ours is a TypeError or the like, and comes through.
 */
function noneWhereToolFails(error: unknown): never[] {
  const isExpected = error instanceof Error && ('cmd' in error || 'command' in error || error.name === 'Error');
  if (isExpected) return [];
  throw error;
}

async function look(pid: number): Promise<Seen> {
  const table = await portableProcesses(Date.now());
  return table === undefined ? 'unknown' : (table.get(pid) ?? 'gone');
}

export const otherPlatform: Omit<Platform, 'name'> = {
  shows: { environments: false, clients: false, startTokens: 'own', births: false, cwdOfAll: false },
  host: async () => otherHost(),
  processes: async () => portableProcesses(Date.now()),
  look,
  // Nothing is ever stopped here, so what a client works on need not be spared for it either.
  details: async ({ cwd = [] }) => new Map(cwd.map((pid) => [pid, { hidesCwd: false }])),
  sockets: async (trees) => trees.map(() => undefined),
  listener,
};
