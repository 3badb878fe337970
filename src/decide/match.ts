import { compare, type Sameness } from '../model/identity.js';
import type { Process } from '../model/process.js';
import type { ServerRecord } from '../model/record.js';
import type { Snapshot } from '../model/snapshot.js';
import type { Present } from './locate.js';

/** Whether the process that the record leads to matches the one that was recorded. */
export interface Match {
  readonly user: Sameness;
  readonly command: 'serve' | 'other' | 'unknown';
  /** `unstated` when the record has no tag, `hidden` where no environment can be seen. */
  readonly tag: Sameness | 'unstated' | 'hidden';
}

/**
 * A launcher needs no proof of its own where the server below it has one: what cannot be read of a launcher, or is
 * another's, makes it none. Where nothing but the spawned process was recorded, that is what ties the server to it.
 */
export function matchOf(record: ServerRecord, { server, launcher }: Present, snapshot: Snapshot): Match {
  const spawned = record.spawned && snapshot.processes?.get(record.spawned.pid);
  const ties = new Set([spawned?.command?.kind === 'other' ? undefined : spawned, launcher, server]);
  const isShown = record.tag !== undefined && (snapshot.showsEnvironments || record.server !== undefined);
  const processes = isShown ? [server] : [...ties].filter((one) => one !== undefined);
  const kinds = processes.map((process) => process.command?.kind ?? 'unknown');
  const users = processes.map((process) => compare(process.owner, snapshot.owner));
  return {
    user: worst(users),
    command: kinds.every((kind) => kind === 'serve') ? 'serve' : kinds.includes('unknown') ? 'unknown' : 'other',
    tag: tagOfAll(record.tag, processes, snapshot),
  };
}

function tagOfAll(tag: string | undefined, processes: readonly Process[], snapshot: Snapshot): Match['tag'] {
  if (tag === undefined) return 'unstated';
  return snapshot.showsEnvironments ? worst(processes.map((process) => tagOf(tag, process, snapshot))) : 'hidden';
}

/** An environment that can be read and has no tag counts as having a different one. */
function tagOf(tag: string | undefined, process: Process, snapshot: Snapshot): Sameness {
  const environment = snapshot.environments.get(process.pid);
  return environment === undefined ? 'unknown' : environment.tag === tag ? 'same' : 'different';
}

const worst = (all: readonly Sameness[]): Sameness =>
  all.includes('different') ? 'different' : all.includes('unknown') ? 'unknown' : 'same';
