import { join } from 'node:path';
import { installOpencode, listenerOf, spawnServer, waitFor } from './opencode.js';
import { alive, environ, startToken } from './proc.js';
import type { Recorded } from './reaped.js';
import type { Sandbox } from './sandbox.js';

export interface Bystander {
  readonly pid: number;
  readonly port: number;
}

export interface Bystanders {
  /** A server of the user's, with a tag in its environment. */
  readonly tagged: Bystander;
  /** A server with exactly the command line that `opencode-reap start` uses. */
  readonly alike: Bystander;
  /**
   * A server that a tool of a recorded server started: it inherited that one's tag, and has its pid in its environment.
   */
  readonly nested: Bystander;
  /** A process that has nothing to do with OpenCode. */
  readonly other: number;
  unharmed(): boolean;
}

/** Servers that create one database at the same moment get in each other's way, and one exits. */
const withOwnData = (sandbox: Sandbox, port: number, env: Record<string, string> = {}) => ({
  ...env,
  XDG_DATA_HOME: join(sandbox.root, `data-of-${port}`),
});

const spawnTagged = async (sandbox: Sandbox, env: Record<string, string>): Promise<Bystander> => {
  const port = await sandbox.reserve();
  return spawnServer(sandbox, { release: 'native', port, env: withOwnData(sandbox, port, env) });
};

const spawnAlike = async (sandbox: Sandbox): Promise<Bystander> => {
  const port = await sandbox.reserve();
  const args = ['serve', '--hostname', '127.0.0.1', '--port', `${port}`];
  const env = sandbox.env(withOwnData(sandbox, port));
  const { pid = 0 } = sandbox.spawn('opencode', args, { env, stdio: 'ignore', detached: true });
  await waitFor('the server listens', () => listenerOf(pid) === pid, 60_000);
  return { pid, port };
};

const inheritance = ({ listener }: Recorded): Record<string, string> => {
  const tag = environ(listener).find((entry) => entry.startsWith('OPENCODE_REAP_TAG='));
  return { OPENCODE_REAP_TAG: tag?.split('=')[1] ?? '', OPENCODE_PID: `${listener}` };
};

/** Processes that must never be signaled, next to a server that may be stopped. */
export const startBystanders = async (sandbox: Sandbox, tag: string, recorded: Recorded): Promise<Bystanders> => {
  await installOpencode(sandbox, 'native');
  const within = spawnTagged(sandbox, inheritance(recorded));
  const started = [spawnTagged(sandbox, { OPENCODE_REAP_TAG: tag }), spawnAlike(sandbox), within] as const;
  const [tagged, alike, nested] = await Promise.all(started);
  const { pid: other = 0 } = sandbox.spawn('sleep', ['600'], { stdio: 'ignore' });
  const tokens = new Map([tagged.pid, alike.pid, nested.pid, other].map((pid) => [pid, startToken(pid)]));
  const unharmed = (): boolean => [...tokens].every(([pid, token]) => alive(pid) && startToken(pid) === token);
  return { tagged, alike, nested, other, unharmed };
};
