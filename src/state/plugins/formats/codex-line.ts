import type { Json } from '../../../common/json.js';
import type { Coverage } from '../../../model/record.js';
import { type Format, portIn } from '../format.js';
import { jobsIn } from '../jobs.js';

const ALL: Coverage = { kind: 'plugins', formats: ['dalong0514', 'therealdinghydog', 'apoapps'], ports: [] };

/** The job lists of the plugins derived from codex-plugin-cc: a version, and jobs with a class or a kind. */
export const codexLine: Format = {
  name: 'codex-line',
  plugin: 'opencode-plugin-cc (codex line)',
  usesIn: (source) => jobsIn(source, { isList, isJob, coverageOf }),
};

const isList = (json: Json): boolean => json.version !== undefined && json.claudeSessions === undefined;

/** TheViniAlmeida's, which are derived from it too, have another name for the session. */
const isJob = (json: Json): boolean =>
  json.status !== undefined &&
  json.claudeSessionId === undefined &&
  (json.jobClass !== undefined || json.workspaceRoot !== undefined);

function coverageOf({ serverUrl }: Json): Coverage {
  const port = portIn(serverUrl);
  return port === undefined ? ALL : { kind: 'port', port };
}
