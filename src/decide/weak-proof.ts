import type { Sameness } from '../model/identity.js';
import { type Process, passwordsIn } from '../model/process.js';
import { MAY_START_AFTER_MS, MAY_START_BEFORE_MS, type ServerRecord } from '../model/record.js';
import { sameSecret } from '../model/secret.js';
import type { Snapshot } from '../model/snapshot.js';
import { type Located, processesOf } from './locate.js';

/** What a record without a start token is compared by. Only all of it together ties a process to the record. */
export interface WeakProof {
  /** Milliseconds from the recorded start to the process's own start; undefined when either is unknown. */
  readonly startsAfterMs: number | undefined;
  readonly port: Sameness | 'unstated';
  /** `hidden` where no environment can be seen. */
  readonly password: Sameness | 'unstated' | 'hidden';
  /** It reads a configuration that only the record's plugin gives to a server. */
  readonly pluginConfig: boolean;
}

/** Undefined when a start token or a tag ties the process to the record, or when there is none. */
export function weakProofOf(record: ServerRecord, located: Located, snapshot: Snapshot): WeakProof | undefined {
  if (located.kind !== 'present' || located.proof !== 'start time') return undefined;
  const processes = processesOf(located);
  const { startedAt = Number.NaN } = record;
  const afterMs = Math.min(...processes.map(({ ageMs = Number.NaN }) => snapshot.at - ageMs - startedAt));
  return {
    startsAfterMs: Number.isNaN(afterMs) ? undefined : afterMs,
    port: portOf(record, processes, snapshot),
    password: passwordOf(record, processes, snapshot),
    pluginConfig: record.pluginConfig === true && processes.every(({ pid }) => hasPluginConfig(pid, snapshot)),
  };
}

/** By its sockets; if it has none (yet, or anymore), by its command line. */
function portOf(record: ServerRecord, processes: readonly Process[], snapshot: Snapshot): WeakProof['port'] {
  if (record.port === undefined || !record.portIsStated) return 'unstated';
  const ordered = processes.flatMap(({ command }) => (command?.kind === 'serve' ? (command.port ?? []) : []));
  if (ordered.includes(record.port)) return 'same';
  const listening = snapshot.sockets.get(record.id)?.listening;
  if (listening === undefined) return 'unknown';
  return listening.some(({ port }) => port === record.port) ? 'same' : 'different';
}

function passwordOf(
  { password }: ServerRecord,
  processes: readonly Process[],
  { showsEnvironments, environments }: Snapshot,
): WeakProof['password'] {
  if (password === undefined) return 'unstated';
  if (!showsEnvironments) return 'hidden';
  const carried = processes.map(({ pid }) => environments.get(pid));
  if (carried.some((environment) => environment === undefined)) return 'unknown';
  return carried.every(
    (environment) => environment && passwordsIn(environment).some((one) => sameSecret(one, password)),
  )
    ? 'same'
    : 'different';
}

/**
 * Anything that runs inside such a server inherits the configuration, but its environment also says that it does.
 */
function hasPluginConfig(pid: number, { environments }: Snapshot): boolean {
  const environment = environments.get(pid);
  return environment?.pluginConfig === true && environment.opencodePid === undefined && !environment.inTerminal;
}

/** Why the process may not be the recorded one; undefined when everything matches. */
export function whyDoubted(proof: WeakProof): string | undefined {
  const { startsAfterMs, port, password, pluginConfig } = proof;
  if (password === 'different') return 'its password is not the recorded one';
  // A random password is as good as a tag, and so is such a configuration: only the plugin's own server ever had it.
  if (startsAfterMs === undefined && password !== 'same' && !pluginConfig)
    return 'cannot tell whether it started when the record says';
  if ((startsAfterMs ?? 0) < -MAY_START_BEFORE_MS) return 'it started before the record says, so it may be another one';
  if ((startsAfterMs ?? 0) > MAY_START_AFTER_MS)
    return 'it started later than the record says, so it may be another one';
  if (port === 'different') return 'its port is not the recorded one';
  if (port === 'unknown') return 'its ports cannot be seen';
  return password === 'unknown' ? 'its environment cannot be read' : undefined;
}
