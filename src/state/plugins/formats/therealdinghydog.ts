import { isObject } from '../../../common/json.js';
import type { Use } from '../../../model/record.js';
import { identity, text, time } from '../../files/parse.js';
import { atUrl, type Format, hashIn, passwordIn, portIn, type Source } from '../format.js';
import { heardAt, listIn } from '../jobs.js';

/**
 * `server.json`, without a time: only its password ties a process to it. Also for servers that the user started
 * (`external`), with a lease for each of the plugin's own processes.
 */
export const therealdinghydog: Format = {
  name: 'therealdinghydog',
  plugin: 'opencode-plugin-cc (TheRealDinghyDog)',
  serverIn: ({ json, folder }) => {
    if (json === undefined || !('external' in json && 'url' in json)) return undefined;
    const said = { workspaceHash: hashIn(folder), startedAt: undefined, password: passwordIn(json.password) };
    // A server without a pid is the user's, too; the plugin was only told about it.
    if (json.external !== true && json.pid !== null)
      return atUrl(json.url, { ...said, ownership: json.external === false ? 'plugin' : 'unmarked', pid: json.pid });
    // The user's server may be on another machine, which is not our concern.
    const port = portIn(json.url);
    return port === undefined ? 'no server' : { ...said, ownership: 'user', port, byPort: true };
  },
  usesIn: (source) => {
    const { json } = source;
    if (json === undefined || !('external' in json && 'url' in json)) return undefined;
    return listIn(json.leases).map((lease) => leaseFrom(source, lease));
  },
};

function leaseFrom(source: Source, lease: unknown): Use {
  const { pid, token, createdAt, expiresAt } = isObject(lease) ? lease : {};
  const from = time(createdAt);
  const until = time(expiresAt);
  return {
    kind: 'lease',
    file: source.file,
    name: text(token) ?? 'a lease',
    session: undefined,
    covers: { kind: 'record', file: source.file },
    holder: identity(pid, undefined),
    seenAt: heardAt(source, createdAt),
    modifiedAt: source.touchedAt(),
    countsForMs: from === undefined || until === undefined ? SIX_HOURS_MS : until - from,
    directories: [],
  };
}

/** The lifetime that the plugin gives its leases. */
const SIX_HOURS_MS = 6 * 3_600_000;
