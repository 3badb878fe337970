import { existsSync, readdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { inhabitants } from '../support/inhabitants.js';
import { cmdline, portHolder } from '../support/proc.js';
import type { Sandbox } from '../support/sandbox.js';

/** How many descriptors a process has open. */
export const descriptorsOf = (pid: number | 'self'): number => readdirSync(`/proc/${pid}/fd`).length;

const filesBelow = (folder: string): string[] =>
  existsSync(folder)
    ? readdirSync(folder, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory())
        .map(({ parentPath, name }) => join(parentPath, name).slice(folder.length + 1))
        .sort()
    : [];

/** Whatever the program may write into while it works, apart from its own folder. */
const PLACES = ['home', 'tmp', 'run', 'project', 'bin'];

export const filesOf = ({ root }: Sandbox): string[] =>
  PLACES.flatMap((place) => filesBelow(join(root, place)).map((name) => join(place, name)));

/**
 * What goes by itself in time: the temporary file of a writer that was killed, after an hour, and the lease of a hook whose
 * session was killed above it, which has nothing but an end, after a day. Returns how many there were of the former.
 */
export function letADayPass({ stateDir }: Sandbox): number {
  const names = filesBelow(stateDir);
  for (const name of names.filter((one) => /^leases\/session-.*\.json$/.test(one))) {
    const file = join(stateDir, name);
    writeFileSync(file, JSON.stringify({ ...JSON.parse(readFileSync(file, 'utf8')), expiresAt: 1 }));
  }
  const aDayAgo = Date.now() / 1000 - 86_400;
  const left = names.filter((name) => name.endsWith('.tmp'));
  for (const name of left) utimesSync(join(stateDir, name), aDayAgo, aDayAgo);
  return left.length;
}

/** The log is the history, and the notice is for whoever begins the next session. */
const STAYS = /^(log(\.1)?\.ndjson|notice\.json|servers\/(told|kept)\.json|keep\/kept\.json)$/;

/** What is left of a cycle, one sentence each. */
export function leftOf(sandbox: Sandbox, innocents: readonly number[], ports: readonly number[]): string[] {
  const processes = inhabitants(sandbox).filter((pid) => !innocents.includes(pid));
  const files = filesBelow(sandbox.stateDir).filter((name) => !STAYS.test(name));
  return [
    ...processes.map((pid) => `a process: ${pid} ${cmdline(pid).join(' ').slice(0, 120)}`),
    ...ports.flatMap((port) => (portHolder(port) === undefined ? [] : [`a port: ${port}`])),
    ...socketsOn(ports).map((row) => `a socket: ${row}`),
    ...files.map((name) => `a file: ${name}`),
  ];
}

const CLOSED_LATELY = '06';

/** Sockets of a descriptor that someone still has, by the kernel's own list. */
function socketsOn(ports: readonly number[]): string[] {
  const wanted = ports.map((port) => port.toString(16).toUpperCase().padStart(4, '0'));
  return ['tcp', 'tcp6'].flatMap((table) =>
    readFileSync(`/proc/net/${table}`, 'utf8')
      .split('\n')
      .slice(1)
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local = '', remote = '', state]) => {
        const isOurs = [local, remote].some((end) => wanted.includes(end.split(':')[1] ?? ''));
        return isOurs && state !== CLOSED_LATELY;
      })
      .map(([, local, remote, state]) => `${local} ${remote} ${state}`),
  );
}
