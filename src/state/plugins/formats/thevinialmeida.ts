import { isObject, type Json } from '../../../common/json.js';
import type { Coverage, Use } from '../../../model/record.js';
import { identity, text, time } from '../../files/parse.js';
import {
  type Format,
  hashIn,
  jsonOf,
  lstartIn,
  onPort,
  passwordIn,
  portIn,
  type Source,
  serverToken,
  tickToken,
} from '../format.js';
import { alsoSeen, heardAt, isOver, jobFrom, listIn, unfinished } from '../jobs.js';

/** "opc": `server.json` with a start token, `state.json` with the sessions and jobs of its workspace, `jobs/<id>.json`. */
export const thevinialmeida: Format = {
  name: 'thevinialmeida',
  plugin: 'opc (TheViniAlmeida)',
  serverIn: (source) => {
    const { json, folder } = source;
    if (json === undefined || !('spawnedBy' in json && 'schemaVersion' in json)) return undefined;
    if (json.schemaVersion !== 1) return 'unknown schema version';
    return onPort(json.port, {
      ownership: json.spawnedBy === 'opc' ? 'plugin' : 'unmarked',
      pid: json.pid,
      startToken: serverToken(source, json.startTime, time(json.startedAt)),
      workspaceHash: hashIn(folder),
      startedAt: time(json.startedAt),
      password: passwordIn(json.password),
    });
  },
  usesIn: (source) => {
    const { json } = source;
    if (json === undefined) return undefined;
    if ('claudeSessions' in json) return [...sessionsIn(source, json.claudeSessions), ...listedIn(source, json)];
    if (!isJob(json)) return undefined;
    return isOver(json.status) ? [] : [jobFrom(source, json, coverageOf(json))];
  },
};

/** ZaraLcy's, which are similar, have no `id`. Any of the others may be missing if unknown. */
const isJob = (json: Json): boolean => 'id' in json && 'status' in json && OWN_FIELDS.some((field) => field in json);

const OWN_FIELDS = ['claudeSessionId', 'pidStartTime', 'serverUrlRef', 'groupId'];

const sessionsIn = (source: Source, sessions: unknown): Use[] =>
  listIn(sessions).map((session) => leaseFrom(source, isObject(session) ? session : {}));

function leaseFrom(source: Source, session: Json): Use {
  const hash = hashIn(source.folder);
  const lease: Use = {
    kind: 'lease',
    file: source.file,
    name: text(session.sessionId) ?? 'a session',
    session: text(session.sessionId),
    // Its hooks and its commands may write below different data folders, each under the name of the workspace.
    covers: hash === undefined ? ALL : { kind: 'workspace', format: 'thevinialmeida', hash },
    holder: identity(session.pid, tickToken(source, session.pidStartTime)),
    seenAt: heardAt(source, session.startedAt),
    modifiedAt: source.touchedAt(),
    countsForMs: DAY_MS,
    directories: [],
  };
  return alsoSeen(lease, heardAt(source, lstartIn(source, session.pidStartTime)));
}

/** How long the plugin takes a session to be live if it knows nothing more about it. */
const DAY_MS = 24 * 3_600_000;

/** The list has a summary of each job; the job's own file has its process. */
const listedIn = (source: Source, { jobs }: Json): Use[] =>
  unfinished(
    listIn(jobs).filter((job) => !hasOwnFile(source, job)),
    (job) => jobFrom(source, job, ALL),
  );

function hasOwnFile(source: Source, job: unknown): boolean {
  const id = isObject(job) ? text(job.id) : undefined;
  const own = id === undefined ? undefined : jsonOf(source.near(`jobs/${id}.json`));
  return own !== undefined && own.id === id && isJob(own);
}

const ALL: Coverage = { kind: 'plugins', formats: ['thevinialmeida'], ports: [] };

function coverageOf({ serverUrlRef }: Json): Coverage {
  const port = portIn(serverUrlRef);
  return port === undefined ? ALL : { kind: 'port', port };
}
