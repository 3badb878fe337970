import { descendants, type Process, passwordsIn } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import { sameSecret } from '../model/secret.js';
import type { Snapshot } from '../model/snapshot.js';

/** A record that says nothing of its server but the password that it was given. */
export const isByPassword = ({ spawned, port, password }: ServerRecord): boolean =>
  spawned === undefined && port === undefined && password !== undefined;

/**
 * The server that was given a record's password: all that a server starts inherits it, so the one that is below no other
 * and not a tool's. Undefined when none was; a sentence when it cannot be told.
 */
export function givenPassword({ password }: ServerRecord, snapshot: Snapshot): Process | string | undefined {
  const { processes = new Map<number, Process>(), environments, owner } = snapshot;
  const servers = [...processes.values()].filter((one) => one.owner === owner && one.command?.kind === 'serve');
  const given = servers.filter(({ pid }) => {
    const its = environments.get(pid);
    const isTools = its?.opencodePid !== undefined || its?.inTerminal;
    return its && !isTools && passwordsIn(its).some((one) => password && sameSecret(one, password));
  });
  const below = new Set(given.flatMap(({ pid }) => descendants(processes, pid).map((one) => one.pid)));
  const own = given.filter(({ pid }) => !below.has(pid));
  const [first, second] = own.filter((one) => isStartedAsByPlugin(one, snapshot));
  if (second) return 'several servers have its password, and it may be any of them';
  const [other] = own;
  if (first === undefined && other)
    return `process ${other.pid} has its password, but was not started as its plugin starts one`;
  const hidden = servers.find(({ pid }) => !environments.has(pid) && !below.has(pid));
  return hidden ? `process ${hidden.pid} may have its password, but its environment cannot be read` : first;
}

/**
 * A person may give their own server that password, so that the plugin can use it. The plugin's is detached, and gets the
 * user's name and the password by OpenCode 1's variables.
 */
function isStartedAsByPlugin({ pid, session, terminal }: Process, { environments }: Snapshot): boolean {
  const its = environments.get(pid);
  const isDetached = session === pid && terminal === false;
  return isDetached && its?.username === 'opencode' && its.password !== undefined;
}
