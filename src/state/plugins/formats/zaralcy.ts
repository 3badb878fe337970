import type { Coverage } from '../../../model/record.js';
import { time } from '../../files/parse.js';
import { type Format, onPort } from '../format.js';
import { isOver, jobFrom } from '../jobs.js';

const COVERS: Coverage = { kind: 'plugins', formats: ['zaralcy'], ports: [4567] };

/** One server for everything: `server.json` with three fields; `sessions/<id>.json` are its jobs, without a process. */
export const zaralcy: Format = {
  name: 'zaralcy',
  plugin: 'opencode-plugin (ZaraLcy)',
  serverIn: ({ json, name }) => {
    if (json === undefined || name !== 'server.json') return undefined;
    if (Object.keys(json).sort().join() !== 'pid,port,startedAt') return undefined;
    return onPort(json.port, { ownership: 'plugin', pid: json.pid, startedAt: time(json.startedAt) });
  },
  usesIn: (source) => {
    const { json } = source;
    if (json === undefined || !('prompt' in json && ('claudeSessionId' in json || 'sessionId' in json)) || 'id' in json)
      return undefined;
    return isOver(json.status) ? [] : [jobFrom(source, json, COVERS)];
  },
};
