import { isObject } from '../../../common/json.js';
import type { Coverage } from '../../../model/record.js';
import { text, time } from '../../files/parse.js';
import { type Format, onPort, passwordIn } from '../format.js';
import { alsoSeen, heardAt, isOver, jobFrom } from '../jobs.js';

const COVERS: Coverage = { kind: 'plugins', formats: ['masuda-masuo'], ports: [] };

/** "kusabi": `<hash>/server.json`, and `jobs/<id>/job.json` without a process. */
export const masudaMasuo: Format = {
  name: 'masuda-masuo',
  plugin: 'kusabi (masuda-masuo)',
  serverIn: ({ json }) => {
    const isOne = json !== undefined && 'cwd' in json && 'port' in json && 'startedAt' in json && 'password' in json;
    if (!isOne || 'url' in json) return undefined;
    const said = { workspace: text(json.cwd), startedAt: time(json.startedAt), password: passwordIn(json.password) };
    return onPort(json.port, { ...said, ownership: 'plugin', pid: json.pid });
  },
  usesIn: (source) => {
    const { json, name } = source;
    if (json === undefined || name !== 'job.json' || !('status' in json)) return undefined;
    if (isOver(json.status)) return [];
    // It has no process: its last writes, including those to its event log, are its only signs of life.
    const lastActivity = isObject(json.stats) ? heardAt(source, json.stats.lastActivity) : undefined;
    const written = [source.touchedAt(), source.touchedAt('events.ndjson')];
    return [alsoSeen(jobFrom(source, json, COVERS), lastActivity, ...written)];
  },
};
