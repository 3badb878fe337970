import type { Coverage, Use } from '../../../model/record.js';
import { identity, time } from '../../files/parse.js';
import { type Format, onPort } from '../format.js';
import { alsoSeen, isOver, jobFrom } from '../jobs.js';

/** Its port unless the user chose another. The server of one project is used by others that find it there. */
const COVERS: Coverage = { kind: 'plugins', formats: ['opencode-delegate'], ports: [4573] };

/**
 * In the project itself: `.opencode-delegate/serve.lock`, written right after the spawn, and `jobs/ocd-…/meta.json`. Its
 * server is not detached but a child of the plugin's MCP server, so it has the session's terminal, group and Claude
 * above it until one of them is killed. The MCP server lives as long as its server, whatever became of its session.
 */
export const opencodeDelegate: Format = {
  name: 'opencode-delegate',
  plugin: 'opencode-delegate (caicedoalexander)',
  serverIn: ({ json, name, folder, pathOf }) => {
    if (json === undefined || name !== 'serve.lock' || folder !== '.opencode-delegate') return undefined;
    const said = { workspace: pathOf('..'), startedAt: time(json.startedAt) };
    return onPort(json.port, { ...said, ownership: 'plugin', pid: json.pid, isAttached: true });
  },
  usesIn: (source) => {
    const { json, name } = source;
    if (json === undefined || name !== 'meta.json' || !('state' in json && 'createdAt' in json)) return undefined;
    if (isOver(json.state)) return [];
    const job = { ...jobFrom(source, json, COVERS), session: undefined, holder: identity(json.ownerPid, undefined) };
    // Early versions do not say which process runs it: then its last writes are its only signs of life.
    return [job.holder ? job : alsoSeen(job, source.touchedAt(), source.touchedAt('output.log'))];
  },
};

/** In a project that does not answer, as on a dropped mount, there may be a job of this plugin, and of no other. */
export const maybeDelegated = (folder: string): Use => ({
  kind: 'job',
  file: folder,
  name: folder.slice(-80),
  session: undefined,
  covers: COVERS,
  holder: undefined,
  seenAt: undefined,
  modifiedAt: undefined,
  countsForMs: 0,
  directories: [],
});
