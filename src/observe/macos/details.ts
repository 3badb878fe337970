import type { Details } from '../platform.js';
import type { OpenFile } from './lsof.js';
import { askable, type Row } from './ps-rows.js';
import { openFiles } from './sockets.js';
import type { Tools } from './tools.js';

/** Where each of these processes works; what lsof does not show of a process that still lives is hidden. */
export async function directoriesOf(
  pids: readonly number[],
  hasEnded: (pids: readonly number[]) => Promise<(pid: number) => boolean>,
  tools: Tools,
): Promise<ReadonlyMap<number, Details>> {
  const asked = askable(pids, tools.highestPid);
  if (asked.length === 0) return new Map();
  // Without pids it would go through the memory of every process.
  const files = await openFiles(['-a', '-d', 'cwd', '-p', asked.join(',')], 'pfn', tools, true);
  const cwds = new Map((files ?? []).flatMap((file) => (isShown(file) ? [[file.pid, file.name] as const] : [])));
  const missing = asked.filter((pid) => !cwds.has(pid));
  const isGone = missing.length === 0 ? () => false : await hasEnded(missing);
  return new Map(pids.map((pid) => [pid, { cwd: cwds.get(pid), hidesCwd: !cwds.has(pid) && !isGone(pid) }]));
}

/** Where it cannot be read, the reason stands in its place. */
const isShown = ({ fd, name }: OpenFile): boolean =>
  fd === 'cwd' && name.startsWith('/') && !/ \((readlink|stat): .*\)$/.test(name);

/** Whether each of these processes waits for others, in any way. What its parent has as well is the parent's. */
export async function listensOf(
  pids: readonly number[],
  rows: ReadonlyMap<number, Row>,
  tools: Tools,
): Promise<ReadonlyMap<number, boolean>> {
  const asked = askable(pids, tools.highestPid).filter((pid) => rows.has(pid));
  const parents = asked.flatMap((pid) => rows.get(pid)?.parent ?? []);
  const all = askable([...asked, ...parents], tools.highestPid);
  const files = asked.length === 0 ? [] : await openFiles(['-a', '-p', all.join(',')], 'pftnT', tools, true);
  if (files === undefined) return new Map();
  const waitingOf = (pid: number | undefined): string[] =>
    files.flatMap((file) => (file.pid === pid && isWaiting(file) ? [`${file.type} ${file.name}`] : []));
  // A process of which not one file is shown is another user's, or has ended.
  const shown = asked.filter((pid) => files.some((file) => file.pid === pid));
  return new Map(
    shown.map((pid) => {
      const inherited = waitingOf(rows.get(pid)?.parent);
      return [pid, waitingOf(pid).some((socket) => !inherited.includes(socket))];
    }),
  );
}

/**
 * A TCP socket that listens; one of UDP without a peer, which takes what anybody sends; a Unix socket with a path, which
 * its clients' ends have not: macOS does not show which of those accept.
 */
function isWaiting({ type, name, state }: OpenFile): boolean {
  if (/^IPv[46]$/.test(type)) return state === 'LISTEN' || (state === '' && !name.includes('->') && name !== '*:*');
  return type === 'unix' && name.startsWith('/');
}
