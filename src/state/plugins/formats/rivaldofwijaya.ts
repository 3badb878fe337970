import { createHash } from 'node:crypto';
import { isObject, type Json } from '../../../common/json.js';
import type { Coverage, Use } from '../../../model/record.js';
import { identity, text, time } from '../../files/parse.js';
import { type Format, onPort, passwordIn, type Source } from '../format.js';
import { alsoSeen, heardAt, isOver, jobFrom } from '../jobs.js';

/**
 * One server for everything: `broker/port.json`, which is the plugin's only with a matching `owner.json`; `refs.json`.
 */
export const rivaldofwijaya: Format = {
  name: 'rivaldofwijaya',
  plugin: 'opencode-plugin-cc (rivaldofwijaya)',
  serverIn: (source) => {
    const { json, name } = source;
    if (json === undefined || name !== 'port.json' || !('password' in json && 'port' in json)) return undefined;
    const owner = source.near('owner.json');
    if (typeof owner === 'string') return { file: source.pathOf('owner.json'), error: owner };
    if (owner !== undefined && owner.trust.kind !== 'trusted') return { file: owner.file, error: owner.trust.because };
    return onPort(json.port, {
      ownership: isOwners(json, owner?.json) ? 'plugin' : 'unmarked',
      pid: json.pid,
      startedAt: time(json.startedAt),
      password: passwordIn(json.password),
    });
  },
  usesIn: (source) => {
    const { json, name, folder } = source;
    if (json === undefined) return undefined;
    if (name === 'refs.json' && folder === 'broker')
      return Object.entries(json).flatMap((ref) => leasesIn(source, ref));
    if (name !== 'meta.json' || !('state' in json) || 'createdAt' in json) return undefined;
    // Its process is started, and recorded, only once the server answers: long after `startedAt`.
    return isOver(json.state) ? [] : [alsoSeen(jobFrom(source, json, SERVER), source.touchedAt())];
  },
};

const SERVER: Coverage = { kind: 'plugins', formats: ['rivaldofwijaya'], ports: [] };

function isOwners(record: Json, owner: Json | undefined): boolean {
  const password = text(record.password);
  const hash = password && createHash('sha256').update(password).digest('hex');
  return (
    owner !== undefined &&
    hash !== undefined &&
    owner.pid === record.pid &&
    owner.port === record.port &&
    owner.startedAt === record.startedAt &&
    owner.passwordHash === hash
  );
}

/** For a Claude session: its holds on the server, by key. Old versions wrote only a time. */
function leasesIn(source: Source, [session, holders]: [string, unknown]): Use[] {
  if (!isObject(holders)) return [leaseFrom(source, session, { at: holders })];
  return Object.values(holders).map((holder) => leaseFrom(source, session, isObject(holder) ? holder : {}));
}

function leaseFrom(source: Source, session: string, holder: Json): Use {
  // For a session, `pid` is the hook's own, which has long ended, and `sessionPid` is the Claude process, if it was
  // found.
  const isSession = holder.scope === 'session' || 'sessionPid' in holder;
  const from = time(holder.at);
  const until = time(holder.expiresAt);
  return {
    kind: 'lease',
    file: source.file,
    name: text(session) ?? 'a session',
    session: text(session),
    covers: SERVER,
    holder: identity(isSession ? holder.sessionPid : holder.pid, undefined),
    seenAt: heardAt(source, holder.at),
    modifiedAt: source.touchedAt(),
    countsForMs: from === undefined || until === undefined ? SIX_HOURS_MS : until - from,
    directories: [],
  };
}

/** How long the plugin lets a session hold the server. */
const SIX_HOURS_MS = 6 * 3_600_000;
