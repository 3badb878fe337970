import type { Host } from '../../model/identity.js';
import type { Environment, Seen, Sockets } from '../../model/process.js';
import type { Details, Listener, Platform, ServerTree, Wanted } from '../platform.js';
import { directoriesOf, listensOf } from './details.js';
import { environmentsOf, type Shown } from './environments.js';
import { readHost } from './host.js';
import type { TcpSocket } from './lsof.js';
import type { NetstatRow } from './netstat.js';
import { type Listed, listProcesses, lookAtAll } from './processes.js';
import { askable, type Row } from './ps-rows.js';
import { everyTcp, isOthers, listenerOn, openFiles, ownTcp, SOMEBODY, socketsOf, withEveryTcp } from './sockets.js';
import { TOOLS, type Tools } from './tools.js';

/*
 * macOS, by the tools that come with it and as an ordinary user. Nothing of it has run on a Mac yet: it follows their
 * source, public captures, and Linux, where the same tools with the same arguments look at real servers in the tests.
 */

/** What one list of sockets says is taken for what the next would say for this long: one look asks several times. */
const SOCKETS_HOLD_MS = 200;

/** The TCP sockets as both lists show them. */
interface Tcp {
  readonly own: Promise<readonly TcpSocket[] | undefined>;
  readonly every: Promise<readonly NetstatRow[] | undefined>;
  readonly atMs: number;
}

const NONE: ReadonlyMap<number, never> = new Map<number, never>();

const isMute = (sockets: Sockets | undefined): boolean => sockets?.listening.length === 0;

/** What is different where the tests look through this adapter at another system. */
export interface Elsewhere {
  readonly tools: Tools;
  readonly host: () => Promise<Host>;
}

export function macosPlatform({ tools, host }: Elsewhere = { tools: TOOLS, host: once(() => readHost(TOOLS)) }) {
  /** The last list; `none` where it could not be had. */
  let listed: Listed | 'none' | undefined;
  let tcp: Tcp | undefined;
  let hidesOurs = false;
  const environments = new Map<number, { readonly row: Row; readonly environment: Environment }>();

  async function processes() {
    tcp = undefined;
    const found = await listProcesses(tools);
    listed = found ?? 'none';
    for (const [pid, { row }] of environments) if (!isSame(row, found?.rows.get(pid))) environments.delete(pid);
    return found?.processes;
  }

  /** The rows of the last list; of processes that are not in it, nothing is known. */
  async function rows(): Promise<ReadonlyMap<number, Row>> {
    if (listed === undefined) await processes();
    return listed === undefined || listed === 'none' ? new Map() : listed.rows;
  }

  function tcpNow(): Tcp {
    const now = performance.now();
    // Both at once, for one to show what the other cannot.
    if (tcp === undefined || now - tcp.atMs > SOCKETS_HOLD_MS)
      tcp = { own: ownTcp(tools), every: everyTcp(tools), atMs: now };
    return tcp;
  }

  /** Nothing but another program in the same process changes an environment, so it is asked for once. */
  async function environmentsNow(pids: readonly number[]): Promise<ReadonlyMap<number, Environment>> {
    const table = await rows();
    const missing = pids.filter((pid) => !environments.has(pid));
    if (missing.some((pid) => table.has(pid))) {
      const shown = await environmentsOf([...missing, process.pid], table, tools);
      hidesOurs = isHidden(shown.get(process.pid));
      for (const [pid, environment] of shown) {
        const row = table.get(pid);
        if (row && environment !== undefined && environment !== 'hidden') environments.set(pid, { row, environment });
      }
    }
    return new Map([...environments].map(([pid, { environment }]) => [pid, environment]));
  }

  async function details({
    environment = [],
    cwd = [],
    listens = [],
    elsewhere = [],
  }: Wanted): Promise<ReadonlyMap<number, Details>> {
    const [shown, working, waiting] = await Promise.all([
      environment.length === 0 ? NONE : environmentsNow(environment),
      directoriesOf(cwd, hasEnded, tools),
      listens.length === 0 ? NONE : rows().then((table) => listensOf(listens, table, tools)),
    ]);
    const all = new Set([...environment, ...cwd, ...listens, ...elsewhere]);
    const detailsOf = (pid: number): Details => ({
      ...working.get(pid),
      environment: shown.get(pid),
      listens: waiting.get(pid),
      // There are no namespaces here.
      isElsewhere: false,
    });
    return new Map([...all].map((pid) => [pid, detailsOf(pid)]));
  }

  async function hasEnded(pids: readonly number[]): Promise<(pid: number) => boolean> {
    const seen = await lookAtAll(pids, tools);
    return (pid) => seen(pid) === 'gone';
  }

  async function sockets(trees: readonly ServerTree[]): Promise<readonly (Sockets | undefined)[]> {
    if (trees.length === 0) return [];
    const seen = await socketsAt(trees);
    // A client that ends between two lists leaves a row that nobody owns, which a second look no longer shows.
    const isTorn = seen.map((one) => one?.inbound.some(({ clientPid }) => clientPid === undefined));
    if (!isTorn.includes(true)) return seen;
    tcp = undefined;
    const again = await socketsAt(trees.filter((_, at) => isTorn[at]));
    return seen.map((one, at) => (isTorn[at] ? again.shift() : one));
  }

  async function socketsAt(trees: readonly ServerTree[]): Promise<(Sockets | undefined)[]> {
    const { own, every } = tcpNow();
    const [seen, all, table] = [await own, await every, await rows()];
    if (seen === undefined || all === undefined) return trees.map(() => undefined);
    const shown = trees.map((tree) => withEveryTcp(socketsOf(tree, seen, table), seen, all));
    const isReadable = await readable(trees.flatMap(({ server }, at) => (isMute(shown[at]) ? server : [])));
    return shown.map((one, at) => (isMute(one) && !isReadable(trees[at]?.server) ? undefined : one));
  }

  /** A server that listens on nothing counts as hung, so it takes proof that its files can be seen at all. */
  async function readable(servers: readonly number[]): Promise<(server: number | undefined) => boolean> {
    const asked = askable(servers, tools.highestPid);
    if (asked.length === 0) return () => false;
    const files = await openFiles(['-a', '-d', 'cwd', '-p', asked.join(',')], 'pfn', tools, true);
    return (server) => files?.some(({ pid }) => pid === server) === true;
  }

  async function listener(port: number, host?: string): Promise<Listener | 'nobody' | undefined> {
    const { own, every } = tcpNow();
    const [seen, all, table] = [await own, await every, await rows()];
    const found = seen && listenerOn(port, host, seen, table);
    if (found) return { pid: found.pid, owner: table.get(found.pid)?.owner };
    if (all && isOthers(port, host, all)) return SOMEBODY;
    return seen && all && 'nobody';
  }

  return {
    remedy: 'see whether a sandbox keeps ps and lsof from running here',
    shows: {
      // In doubt it does: what is not shown of a server is then unknown.
      get environments() {
        return !hidesOurs;
      },
      clients: true,
      startTokens: 'seconds',
      births: false,
      cwdOfAll: false,
    },
    host,
    processes,
    look: together((pids) => lookAtAll(pids, tools)),
    details,
    sockets,
    listener,
  } satisfies Omit<Platform, 'name'>;
}

/** We may have been started without any variable, which looks the same. */
const isHidden = (ours: Shown): boolean => ours === 'hidden' && Object.keys(process.env).length > 0;

/** The same program in the same process: another one has other arguments. */
const isSame = (one: Row, other: Row | undefined): boolean =>
  one.startedAt === other?.startedAt && one.args === other.args && one.ucomm === other.ucomm;

function once<T>(make: () => Promise<T>): () => Promise<T> {
  let made: Promise<T> | undefined;
  return () => {
    made ??= make();
    return made;
  };
}

/** One call for all that are looked at in the same moment: a tree that ends is looked at every 25 ms. */
function together(look: (pids: readonly number[]) => Promise<(pid: number) => Seen>): (pid: number) => Promise<Seen> {
  let waiting: { readonly pids: number[]; readonly seen: Promise<(pid: number) => Seen> } | undefined;
  return async (pid) => {
    if (waiting === undefined) {
      const pids: number[] = [];
      const seen = Promise.resolve().then(() => {
        waiting = undefined;
        return look(pids);
      });
      waiting = { pids, seen };
    }
    waiting.pids.push(pid);
    return (await waiting.seen)(pid);
  };
}
