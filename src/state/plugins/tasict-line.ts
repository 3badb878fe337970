import type { Coverage, Use } from '../../decide/record.js';
import type { Json } from '../parse.js';
import type { Format, Source } from './format.js';
import { isListed, isOver, jobFrom, unfinished } from './jobs.js';

/** All of that line use port 4096, and reuse one another's servers; a job does not say which one it talks to. */
const COVERS: Coverage = { kind: 'plugins', formats: ['johnnyvicious', 'naicud'], ports: [4096] };

/** The job lists of tasict and the plugins made from it: `state.json`, and a file for each job beside it. */
export const tasictLine: Format = {
  name: 'tasict-line',
  plugin: 'opencode-plugin-cc (tasict and its line)',
  usesIn: (source) => {
    const { json } = source;
    if (json === undefined) return undefined;
    if ('jobs' in json) return isList(json) ? inList(source, json.jobs) : undefined;
    if (!isJob(json)) return undefined;
    return isOver(json.status) || isListed(source, json.id) ? [] : [jobFrom(source, json, COVERS)];
  },
};

const isList = (json: Json): boolean => json.version === undefined && json.claudeSessions === undefined;

/** Most of that line keep a job's result there, which says nothing of a job in flight. */
const isJob = (json: Json): boolean => typeof json.type === 'string' && 'status' in json && json.jobClass === undefined;

const inList = (source: Source, jobs: unknown): Use[] => unfinished(jobs, (job) => jobFrom(source, job, COVERS));
