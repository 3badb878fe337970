import { type Fake, identityOf, startFake, writeRecord, writeState } from '../support/fake.js';
import { spawnServer } from '../support/opencode.js';
import { alive, portHolder, startToken } from '../support/proc.js';
import type { Sandbox } from '../support/sandbox.js';
import { descriptorsOf } from './left.js';

/** What must never be ended, next to everything that is. */
export interface Innocents {
  readonly pids: readonly number[];
  /** Those that have ended, or have descriptors that they had not before: one sentence each. */
  readonly harmed: () => string[];
}

export type ServerKind = 'stand-in' | 'real';

/** A server of the user's, one whose record says so, one that is kept, and a process that is no server. */
export async function startInnocents(sandbox: Sandbox, kind: ServerKind): Promise<Innocents> {
  const users = kind === 'real' ? await startReal(sandbox) : await startFake(sandbox);
  const [told, kept] = [await startFake(sandbox), await startFake(sandbox)];
  await writeRecord(sandbox, 'told', told, { startedByPlugin: false });
  // The watch stays as long as there is a server that it may stop one day, and what it leaves is looked at here.
  await writeRecord(sandbox, 'kept', kept, { retireAfterMs: 0 });
  await writeState(sandbox.stateDir, 'keep/kept.json', '{}');
  // One that ends by itself would seem to have been ended.
  const { pid: bystander = 0 } = sandbox.spawn('sleep', ['infinity'], { stdio: 'ignore' });
  const names = { users: users.pid, told: told.pid, kept: kept.pid, bystander };
  const known = Object.entries(names).map(([name, pid]) => ({ name, ...identityOf(pid), had: descriptorsOf(pid) }));
  const ports = new Map([users, told, kept].map(({ pid, port }) => [pid, port]));
  const harmed = (): string[] =>
    known.flatMap(({ name, pid, startToken: token, had }) => {
      if (!alive(pid) || startToken(pid) !== token) return [`the innocent ${name} has ended: pid ${pid}`];
      const port = ports.get(pid);
      if (port !== undefined && portHolder(port) !== pid) return [`the innocent ${name} no longer listens on ${port}`];
      const now = descriptorsOf(pid);
      // A real server opens and closes its own; a stand-in has what it had at the start.
      return name === 'users' && kind === 'real' ? [] : now > had ? [`${name} has ${now} descriptors, had ${had}`] : [];
    });
  return { pids: Object.values(names), harmed };
}

const startReal = async (sandbox: Sandbox): Promise<Fake> => {
  const port = await sandbox.reserve();
  return spawnServer(sandbox, { release: 'native', port, env: { XDG_DATA_HOME: `${sandbox.root}/data-of-the-user` } });
};
