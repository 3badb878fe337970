import type { Use } from '../../decide/record.js';
import { identity, isObject, text, time } from '../parse.js';
import { type Format, hashIn, ownPortIn, passwordIn, portIn, type Source, urlOn } from './format.js';
import { listIn } from './jobs.js';

/**
 * `server.json`, without a time: only its password ties a process to it. Also of servers that the user started (`external`), with a lease for
 * each of its own processes.
 */
export const therealdinghydog: Format = {
  name: 'therealdinghydog',
  plugin: 'opencode-plugin-cc (TheRealDinghyDog)',
  serverIn: ({ json, folder }) => {
    if (json === undefined || !('external' in json && 'url' in json)) return undefined;
    const isUsers = json.external === true;
    const port = isUsers ? portIn(json.url) : ownPortIn(json.url);
    if (port === undefined) return isUsers ? 'no server' : 'its URL names no port of this machine';
    const said = {
      ownership: isUsers ? 'user' : json.external === false ? 'plugin' : 'unmarked',
      port,
      url: urlOn(port),
      workspaceHash: hashIn(folder),
      startedAt: undefined,
      password: passwordIn(json.password),
    } as const;
    return isUsers ? { ...said, byPort: true } : { ...said, pid: json.pid };
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
    seenAt: from,
    countsForMs: from === undefined || until === undefined ? SIX_HOURS_MS : until - from,
    directories: [],
  };
}

/** What it gives its leases. */
const SIX_HOURS_MS = 6 * 3_600_000;
