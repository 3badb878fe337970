import type { Connection, Listening, Sockets } from '../../model/process.js';
import type { ServerTree } from '../platform.js';

/** A row of `netstat -ano`. */
export interface Row {
  readonly protocol: 'TCP' | 'UDP';
  readonly local: string;
  readonly localPort: number;
  readonly remote: string;
  readonly remotePort: number;
  readonly state: 'listen' | 'connected' | 'passing';
  /** Undefined where netstat shows 0: nobody has it anymore. */
  readonly pid: number | undefined;
}

/**
 * The words for the states are translated, and in some languages wider than their column; the order of the columns is
 * not. A listener has no other end. What nobody owns, or an English word says to be over, is over: TIME_WAIT, at most.
 * Any other word may mean that it is connected.
 */
const OVER = /^(TIME_WAIT|CLOSE_WAIT|FIN_WAIT_[12]|CLOSING|LAST_ACK|SYN_\w+|CLOSED|DELETE_TCB|BOUND)$/;

/** Undefined when it is not a list of `netstat`'s at all: some process listens on every Windows. */
export function parseNetstat(text: string | undefined): readonly Row[] | undefined {
  // Redirected, some programs print UTF-16.
  const rows = text
    ?.replaceAll('\0', '')
    .split(/\r?\n/)
    .flatMap((line) => rowFrom(line.trim().split(/\s+/)) ?? []);
  return rows?.some(({ state }) => state === 'listen') ? rows : undefined;
}

function rowFrom([protocol, here, there, ...rest]: readonly string[]): Row | undefined {
  const local = addressFrom(here);
  const remote = addressFrom(there);
  const last = rest.at(-1) ?? '';
  if ((protocol !== 'TCP' && protocol !== 'UDP') || !local || !remote || !/^\d{1,10}$/.test(last)) return undefined;
  const state = protocol === 'UDP' ? 'passing' : stateFrom(rest.slice(0, -1).join(' '), remote.port, Number(last));
  const ends = { local: local.host, localPort: local.port, remote: remote.host, remotePort: remote.port };
  return { protocol, ...ends, state, pid: Number(last) || undefined };
}

function stateFrom(word: string, remotePort: number, pid: number): Row['state'] {
  if (remotePort === 0) return 'listen';
  return OVER.test(word) || (pid === 0 && word !== 'ESTABLISHED') ? 'passing' : 'connected';
}

/** `127.0.0.1:4096`, `[::1]:4096`, `[fe80::1%12]:1900`; UDP's other end is `*:*`. */
function addressFrom(text: string | undefined): { readonly host: string; readonly port: number } | undefined {
  const [, host = '', port] = /^(.+):(\d{1,5}|\*)$/.exec(text ?? '') ?? [];
  if (port === undefined) return undefined;
  return {
    host: host.replace(/^\[([^%\]]*)(%[^\]]*)?\]$/, '$1').replace(/^::ffff:(?=\d+\.)/i, ''),
    port: Number(port) || 0,
  };
}

/**
 * The sockets of each tree. A connection has a row for each end on this machine, and either may be without an owner, so
 * each is looked for at both. Where a client ended less than some minutes ago its row stays, without an owner and
 * without saying how long: it counts as ended now, which can only spare.
 */
export const windowsSockets = (rows: readonly Row[], trees: readonly ServerTree[]): Sockets[] =>
  trees.map((tree) => socketsOf(tree, rows));

function socketsOf({ pids }: ServerTree, rows: readonly Row[]): Sockets {
  const ours: ReadonlySet<number | undefined> = new Set(pids);
  const tcp = rows.filter(({ protocol }) => protocol === 'TCP');
  const listening = tcp.flatMap((row): Listening[] =>
    row.state === 'listen' && row.pid !== undefined && ours.has(row.pid)
      ? [{ host: row.local, port: row.localPort, pid: row.pid }]
      : [],
  );
  const ports = new Set(listening.map(({ port }) => port));
  const connected = tcp.filter(({ state }) => state === 'connected');
  const inbound = new Map<string, Connection>();
  for (const row of connected) {
    const client = clientEnd(row, ports);
    if (client === undefined) continue;
    const { key, port, clientPort, clientPid } = client;
    inbound.set(key, { port, clientPort, clientPid: clientPid ?? inbound.get(key)?.clientPid });
  }
  const isOutbound = (row: Row): boolean => ours.has(row.pid) && !ports.has(row.localPort);
  return {
    listening,
    inbound: [...inbound.values()],
    outbound: connected.filter(isOutbound).length,
    lately: tcp.flatMap((row) =>
      row.state === 'passing' && row.pid === undefined && clientEnd(row, ports) ? [0] : [],
    ),
    ourNetwork: true,
  };
}

interface ClientEnd extends Connection {
  /** The same for both rows of one connection. */
  readonly key: string;
}

/** The client's end of a connection to one of these ports, from the row of either end. */
function clientEnd(row: Row, ports: ReadonlySet<number>): ClientEnd | undefined {
  const { local, localPort, remote, remotePort, pid } = row;
  if (ports.has(localPort))
    return {
      key: `${remote} ${remotePort} ${localPort}`,
      port: localPort,
      clientPort: remotePort,
      clientPid: undefined,
    };
  if (ports.has(remotePort) && (isLoopback(remote) || remote === local))
    return { key: `${local} ${localPort} ${remotePort}`, port: remotePort, clientPort: localPort, clientPid: pid };
  return undefined;
}

const isLoopback = (host: string): boolean => /^127\./.test(host) || host === '::1';

const ANY = ['0.0.0.0', '::'];

/** Several may listen on one port, even at one address: the one whom a connection to `host` reaches comes first. */
export function listenersOn(rows: readonly Row[], port: number, host: string | undefined): readonly Row[] {
  const all = rows.filter(
    ({ protocol, state, localPort }) => protocol === 'TCP' && state === 'listen' && localPort === port,
  );
  if (host === undefined) return all;
  const rank = ({ local }: Row): number => [host, ...ANY].indexOf(local);
  return all.filter((row) => rank(row) >= 0).sort((one, other) => rank(one) - rank(other));
}

/** Whether a process waits for others, over TCP or UDP; named pipes are not shown. */
export const listensIn = (rows: readonly Row[], pid: number): boolean =>
  rows.some((row) => row.pid === pid && (row.state === 'listen' || row.protocol === 'UDP'));
