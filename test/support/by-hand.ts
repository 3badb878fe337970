import { chmodSync, chownSync, mkdirSync, readFileSync, readlinkSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { startToken } from './proc.js';

// What the program writes and reads, in its format and without its code.

const line = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch {
    // Containers often have no machine id.
    return undefined;
  }
};

export const machine = {
  id: line('/etc/machine-id') ?? line('/var/lib/dbus/machine-id'),
  boot: line('/proc/sys/kernel/random/boot_id'),
  pidNamespace: readlinkSync('/proc/self/ns/pid'),
  name: hostname(),
};

export type Written = Readonly<Record<string, unknown>>;

export interface Described {
  readonly pid: number;
  readonly listener: number;
  readonly port: number;
  readonly tag: string;
  readonly workspace: string;
}

/** The record that `opencode-reap start` would have written for a server, had it started it. */
export const recordOf = ({ pid, listener, port, tag, workspace }: Described): Written => ({
  schema: 'opencode-reap/1',
  id: 'byhand',
  startedByPlugin: true,
  plugin: 'by hand',
  tag,
  machine,
  uid: process.getuid?.(),
  hostname: '127.0.0.1',
  port,
  url: `http://127.0.0.1:${port}`,
  command: ['opencode', 'serve', '--port', `${port}`],
  workspace,
  startedAt: new Date().toISOString(),
  state: 'ready',
  pid,
  startToken: startToken(pid),
  serverPid: listener,
  serverStartToken: startToken(listener),
});

/** The fence of a dead run: of one with our own pid, and a start token that we do not have. */
export const deadFenceOf = (record: Written, tree: readonly Written[], where = machine): Written => ({
  schema: 'opencode-reap/1',
  id: 'byhand',
  run: { pid: process.pid, startToken: '1' },
  machine: where,
  tree,
  record: `${JSON.stringify(record)}\n`,
  at: new Date().toISOString(),
});

/** Returns the path of the file. */
export const writeByHand = (stateDir: string, folder: 'servers' | 'closing' | 'runs', content: Written): string => {
  mkdirSync(join(stateDir, folder), { recursive: true, mode: 0o700 });
  const file = join(stateDir, folder, 'byhand.json');
  writeFileSync(file, JSON.stringify(content), { mode: 0o600 });
  return file;
};

/** A group other than this user's own, which a file of ours can be given to; root can give it to any. */
export const otherGroup =
  process.getuid?.() === 0 ? 65_534 : process.getgroups?.().find((gid) => gid !== process.getgid?.());

/** Lets that group write a file or a folder. */
export const letOthersWrite = (path: string): void => {
  if (otherGroup === undefined) throw new Error('this user has no such group');
  chownSync(path, process.getuid?.() ?? 0, otherGroup);
  chmodSync(path, statSync(path).mode | 0o020);
};
