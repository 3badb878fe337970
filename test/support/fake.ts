import type { SpawnOptions } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { portsOf, startToken } from './proc.js';
import type { Changes, Sandbox } from './sandbox.js';
import { waitFor } from './wait.js';

const SCRIPT = fileURLToPath(new URL('fake-opencode.mjs', import.meta.url));
export const SCHEMA = 'opencode-reap/1';

/** Puts the stand-in on the sandbox's PATH as `opencode`; its command line is then `node …/opencode serve …`. */
export const installFake = async (sandbox: Sandbox): Promise<void> => {
  const link = join(sandbox.binDir, 'opencode');
  await rm(link, { force: true });
  await symlink(SCRIPT, link);
};

export interface Fake {
  readonly pid: number;
  readonly port: number;
  readonly url: string;
}

/** A stand-in that listens, detached as a plugin would start it. It is not recorded. */
export const startFake = async (sandbox: Sandbox, env: Changes = {}, as: SpawnOptions = {}): Promise<Fake> => {
  await installFake(sandbox);
  const port = await sandbox.reserve();
  const options: SpawnOptions = { env: sandbox.env(env), detached: true, stdio: 'ignore', ...as };
  const child = sandbox.spawn('opencode', ['serve', '--port', `${port}`], options);
  const { pid } = child;
  if (pid === undefined) throw new Error('the stand-in could not be spawned');
  child.unref();
  await waitFor('the stand-in listens', () => portsOf(pid).includes(port));
  return { pid, port, url: `http://127.0.0.1:${port}` };
};

/** A process that is unrelated to everything else. */
export const startBystander = (sandbox: Sandbox): number => {
  const { pid } = sandbox.spawn('sleep', ['600'], { stdio: 'ignore' });
  if (pid === undefined) throw new Error('sleep could not be spawned');
  return pid;
};

/** The pid of a process that has ended. */
export const deadPid = async (sandbox: Sandbox): Promise<number> => {
  const child = sandbox.spawn('true', [], { stdio: 'ignore' });
  await new Promise((resolve) => child.once('exit', resolve));
  return child.pid ?? 0;
};

const machineId = (): string | undefined => readIf('/etc/machine-id') ?? readIf('/var/lib/dbus/machine-id');

const readIf = (file: string): string | undefined => {
  try {
    return readFileSync(file, 'utf8').trim() || undefined;
  } catch (error) {
    if (error instanceof Error && 'code' in error) return undefined;
    throw error;
  }
};

export const machine = () => ({
  id: machineId(),
  boot: readIf('/proc/sys/kernel/random/boot_id'),
  pidNamespace: readlinkSync('/proc/self/ns/pid'),
  name: hostname(),
});

export const identityOf = (pid: number) => ({ pid, startToken: startToken(pid) });

export type Fields = Readonly<Record<string, unknown>>;

/** The record that `start` would have written for a process, for hand-written records. */
export const recordOf = (sandbox: Sandbox, id: string, { pid, port }: Pick<Fake, 'pid' | 'port'>): Fields => ({
  schema: SCHEMA,
  id,
  startedByPlugin: true,
  plugin: 'a test',
  pid,
  startToken: startToken(pid),
  serverPid: pid,
  serverStartToken: startToken(pid),
  machine: machine(),
  uid: process.getuid?.(),
  hostname: '127.0.0.1',
  port,
  url: `http://127.0.0.1:${port}`,
  command: ['opencode', 'serve', '--port', `${port}`],
  workspace: sandbox.project,
  startedAt: new Date().toISOString(),
  state: 'ready',
});

/** Writes a file of the state folder, as JSON unless it is already text. */
export const writeState = async (stateDir: string, name: string, content: unknown): Promise<string> => {
  const file = join(stateDir, name);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content), { mode: 0o600 });
  return file;
};

/** Records a process as `start` would have, with these changes; returns the path of the record. */
export const writeRecord = (sandbox: Sandbox, id: string, fake: Fake, changes: Fields = {}): Promise<string> => {
  const fields = { ...recordOf(sandbox, id, fake), ...changes };
  return writeState(sandbox.stateDir, `servers/${fields.id}.json`, fields);
};

export interface StateFile {
  readonly file: string;
  readonly fields: Fields;
}

/** The server records of a state folder, as they are on disk. */
export const recordsIn = (stateDir: string): StateFile[] => {
  const folder = join(stateDir, 'servers');
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /^[^.].*\.json$/.test(name)) : [];
  return names.map((name) => ({
    file: join(folder, name),
    fields: JSON.parse(readFileSync(join(folder, name), 'utf8')),
  }));
};

/** The lines of the log, oldest first. */
export const logOf = (stateDir: string): Fields[] => {
  const text = ['log.1.ndjson', 'log.ndjson'].map((name) => readIf(join(stateDir, name)) ?? '').join('');
  return text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
};

/** Every file of a state folder, without temporary files and the watch's own. */
export const filesIn = (stateDir: string): string[] =>
  existsSync(stateDir)
    ? readdirSync(stateDir, { recursive: true, withFileTypes: true })
        .filter((entry) => !entry.isDirectory() && !entry.name.endsWith('.tmp'))
        .map(({ parentPath, name }) => join(parentPath, name))
        .filter((file) => !/\/(watch\.json|last-uses\.json|places\/\w+\.json)$/.test(file))
    : [];
