import type { Coverage } from '../../decide/record.js';
import { port, time } from '../parse.js';
import { type Format, urlOn } from './format.js';
import { isOver, jobFrom } from './jobs.js';

const COVERS: Coverage = { kind: 'plugins', formats: ['zaralcy'], ports: [4567] };

/** One server for everything: `server.json` with three fields; `sessions/<id>.json` are its jobs, without a process. */
export const zaralcy: Format = {
  name: 'zaralcy',
  plugin: 'opencode-plugin (ZaraLcy)',
  serverIn: ({ json, name }) => {
    if (json === undefined || name !== 'server.json') return undefined;
    if (Object.keys(json).sort().join() !== 'pid,port,startedAt') return undefined;
    const number = port(json.port);
    if (number === undefined) return 'it names no port';
    return { ownership: 'plugin', pid: json.pid, port: number, url: urlOn(number), startedAt: time(json.startedAt) };
  },
  usesIn: (source) => {
    const { json } = source;
    if (json === undefined || !('prompt' in json && 'claudeSessionId' in json) || 'id' in json) return undefined;
    return isOver(json.status) ? [] : [jobFrom(source, json, COVERS)];
  },
};
