import { isObject, type Json } from '../../common/json.js';
import { MARGIN_MS } from '../../decide/uses.js';
import type { Coverage, Use } from '../../model/record.js';
import { identity, text, texts, time } from '../files/parse.js';
import { jsonOf, lstartIn, type Source, tickToken } from './format.js';

/** The final states; any other text, or none, is not final. */
const FINAL = new Set(
  'completed complete failed cancelled canceled done error timeout stalled incomplete stale ended'.split(' '),
);

/** A job without a process may be queued, or may have died with the process that would have reported it. */
const JOB_COUNTS_FOR_MS = 30 * 60_000;

/** The time of a last sign of life. A time in the future is replaced by the time at which its file was written. */
export function heardAt(source: Source, value: unknown): number | undefined {
  const at = time(value);
  return at !== undefined && at > Date.now() + MARGIN_MS ? source.touchedAt() : at;
}

export const isOver = (status: unknown): boolean => typeof status === 'string' && FINAL.has(status);

/** A job that may be running, whatever its format calls the fields. */
export function jobFrom(source: Source, job: Json, covers: Coverage): Use {
  const token = job.pidStartToken ?? job.pidStartTime;
  // A date that its process began at may be hours off, so it can only show that the process lived then.
  const times = [job.updatedAt, job.startedAt, job.started, job.createdAt, lstartIn(source, token)];
  const signs = times.flatMap((value) => heardAt(source, value) ?? []);
  return {
    kind: 'job',
    file: source.file,
    name: (text(job.id) ?? source.name).slice(0, 80),
    session: text(job.claudeSessionId ?? job.ccSessionId ?? job.sessionId),
    covers,
    holder: identity(job.pid, tickToken(source, token)),
    seenAt: signs.length > 0 ? Math.max(...signs) : undefined,
    modifiedAt: source.touchedAt(),
    countsForMs: JOB_COUNTS_FOR_MS,
    directories: texts([job.workspaceRoot, job.workspace, job.directory, job.cwd]),
  };
}

/** The same job or lease with additional signs of life. */
export function alsoSeen(use: Use, ...signs: readonly (number | undefined)[]): Use {
  const known = [use.seenAt, ...signs].filter((sign) => sign !== undefined);
  return { ...use, seenAt: known.length > 0 ? Math.max(...known) : undefined };
}

/** Anything but a list, where a list should be, is taken for one item about which nothing is known. */
export const listIn = (value: unknown): readonly unknown[] =>
  Array.isArray(value) ? value : value === undefined || value === null ? [] : [undefined];

/** The jobs of a list that are not over. An item that is not an object may not be over either. */
export const unfinished = (jobs: unknown, read: (job: Json) => Use): Use[] =>
  listIn(jobs).flatMap((job) => {
    const known = isObject(job) ? job : {};
    return isOver(known.status) ? [] : [read(known)];
  });

/** How a line of plugins lists its jobs: one list per workspace, and a file for each job next to it. */
export interface Line {
  readonly isList: (json: Json) => boolean;
  readonly isJob: (json: Json) => boolean;
  readonly coverageOf: (job: Json) => Coverage;
}

/** The jobs in a file of that line; undefined for any other file. */
export function jobsIn(source: Source, { isList, isJob, coverageOf }: Line): Use[] | undefined {
  const { json } = source;
  if (json === undefined) return undefined;
  const read = (job: Json): Use => jobFrom(source, job, coverageOf(job));
  if ('jobs' in json) return isList(json) ? unfinished(json.jobs, read) : undefined;
  if (!isJob(json)) return undefined;
  return isOver(json.status) || isListed(source, json.id) ? [] : [read(json)];
}

/** Whether the list next to a job's own file has the job: the list is written later, and drops the oldest jobs. */
function isListed(source: Source, id: unknown): boolean {
  const jobs = jsonOf(source.near('../state.json'))?.jobs;
  return Array.isArray(jobs) && jobs.some((job) => isObject(job) && job.id === id);
}
