import { ANY, type End } from './lsof.js';
import { linesOf } from './tools.js';

/** A TCP socket of any user, whose process is not shown. */
export interface NetstatRow {
  readonly local: End;
  readonly peer: End | undefined;
  readonly state: string;
}

/** `tcp4       0      0  127.0.0.1.4096         127.0.0.1.57064        ESTABLISHED`; elsewhere with `:` before the port. */
const ROW = /^tcp\S* +\d+ +\d+ +(\S+)[.:](\d+|\*) +(\S+)[.:](\d+|\*) +(\S+)/;

/** Undefined when a row is not understood or was cut. A table that has no heading is none. */
export function parseNetstat(stdout: string): NetstatRow[] | undefined {
  const lines = linesOf(stdout) ?? [];
  const heading = lines.findIndex((line) => line.startsWith('Proto '));
  if (heading < 0) return undefined;
  const rows: NetstatRow[] = [];
  for (const line of lines.slice(heading + 1)) {
    const [, host = '', port, peerHost = '', peerPort, state] = ROW.exec(line) ?? [];
    if (state === undefined || [port, peerPort].some((one) => Number(one) > 65_535)) return undefined;
    if (port === '*') continue;
    const peer = peerPort === '*' ? undefined : { host: plain(peerHost), port: Number(peerPort) };
    rows.push({ local: { host: plain(host), port: Number(port) }, peer, state });
  }
  return rows;
}

/** As lsof has them. Without `-l`, which adds columns, IPv6 addresses are cut at 22 characters. */
function plain(host: string): string {
  if (host === '*' || host === '::') return ANY;
  return host.replace(/^\[|\]$/g, '').replace(/^::ffff:(?=[\d.]+$)/, '');
}
