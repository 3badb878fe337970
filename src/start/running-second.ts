import type { ServerRecord } from '../model/record.js';
import { type Secret, sameSecret } from '../model/secret.js';
import type { Snapshot } from '../model/snapshot.js';
import { enter } from '../observe/server/info.js';
import { type Answering, PROBE_MS, whoIsBehind } from '../observe/server/who-answers.js';
import { urlOf } from '../state/ours/record-file.js';
import { passwordsFrom, unique } from './password.js';
import { type Refused, refused, type Started, type Wanted } from './request.js';

/** Whether it is an OpenCode 2. One up to 2.0.16 whose password is not known here cannot be told from an OpenCode 1. */
export async function isSecond(
  wanted: Wanted,
  who: Answering,
  pid: number | undefined,
  record: ServerRecord | undefined,
  snapshot: Snapshot,
): Promise<boolean> {
  if (who !== 'locked') return who === 'opencode 2';
  const at = { host: wanted.hostname, port: wanted.port };
  return (await whoIsBehind(at, passwordsFor(wanted, pid, record, snapshot), howToAsk(record))) === 'opencode 2';
}

/** A server that is not recorded may be anything that a reset would crash. */
const howToAsk = (record: ServerRecord | undefined) => ({ deadlineMs: PROBE_MS, ofStranger: record === undefined });

/**
 * The OpenCode 2 that is already on the port, if a password that is known here lets us in and it says that it is the
 * process that listens. A string says why it may be had later.
 */
export async function runningSecond(
  wanted: Wanted,
  pid: number | undefined,
  record: ServerRecord | undefined,
  snapshot: Snapshot,
): Promise<Started | Refused | string> {
  const { hostname: host, port, secure } = wanted;
  const passwords = passwordsFor(wanted, pid, record, snapshot);
  const entered = await enter({ host, port }, passwords, howToAsk(record));
  switch (entered.kind) {
    case 'ready':
      break;
    case 'locked':
      return lockedOut(port, pid);
    case 'starting':
      return 'the OpenCode on it is starting or stopping';
    default:
      return 'the OpenCode on it does not answer';
  }
  if (pid !== undefined && entered.pid !== pid)
    return refused(
      `the OpenCode on port ${port} says that it is process ${entered.pid}, but process ${pid} listens there`,
      'choose another port',
    );
  const { password } = entered;
  if (secure && !(password && isOurs(record) && record.password && sameSecret(password, record.password))) {
    const how = password ? 'was not started with a password of its own' : 'does not ask for its password';
    return refused(`the OpenCode on port ${port} ${how}`, 'stop it, choose another port, or leave out `secure`');
  }
  return {
    kind: 'started',
    url: urlOf(host, port),
    pid,
    alreadyRunning: true,
    startedByPlugin: record?.ownership === 'plugin',
    id: record?.id,
    major: 2,
    password,
  };
}

export const isOurs = (record: ServerRecord | undefined): record is ServerRecord =>
  record?.source.format === 'native' && record.trust.kind === 'trusted';

/**
 * What may let us in: what is known of a server of ours, which another caller may have started with the user's password,
 * and what this caller has. That is told to a server of the same user only: anybody may listen on a port, and answer as
 * if they wanted it.
 */
function passwordsFor(
  { env }: Wanted,
  pid: number | undefined,
  record: ServerRecord | undefined,
  { processes, environments, owner }: Snapshot,
): readonly Secret[] {
  if (pid === undefined) return [];
  const process = processes?.get(pid);
  const isServer = process?.command?.kind === 'serve' && process.owner === owner;
  const its = environments.get(pid);
  const known = isOurs(record) ? [record.password, its?.passwordOfSecond, its?.password] : [];
  return unique([...known.flatMap((one) => one ?? []), ...(isServer ? passwordsFrom(env) : [])]);
}

const lockedOut = (port: number, pid: number | undefined): Refused =>
  refused(
    pid === undefined
      ? `port ${port} is held by something that wants a password that is not known here`
      : `the OpenCode on port ${port} (pid ${pid}) wants a password that is not known here`,
    'set OPENCODE_PASSWORD to its password, or choose another port',
  );
