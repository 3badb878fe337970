import type { Json } from '../../../common/json.js';
import type { Coverage } from '../../../model/record.js';
import type { Format } from '../format.js';
import { jobsIn } from '../jobs.js';

/** All plugins of that line use port 4096, and reuse one another's servers; a job does not say which one it uses. */
const COVERS: Coverage = { kind: 'plugins', formats: ['johnnyvicious', 'naicud', 'brian250713'], ports: [4096] };

/** The job lists of tasict and the plugins derived from it: `state.json`, and a file for each job next to it. */
export const tasictLine: Format = {
  name: 'tasict-line',
  plugin: 'opencode-plugin-cc (tasict and its line)',
  usesIn: (source) => jobsIn(source, { isList, isJob, coverageOf: () => COVERS }),
};

const isList = (json: Json): boolean => json.version === undefined && json.claudeSessions === undefined;

/** Most plugins of that line keep a job's result there, which says nothing about running jobs. */
const isJob = (json: Json): boolean => typeof json.type === 'string' && 'status' in json && json.jobClass === undefined;
