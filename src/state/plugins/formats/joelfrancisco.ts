import type { Coverage } from '../../../model/record.js';
import { text, time } from '../../files/parse.js';
import { type Format, onPort, passwordIn } from '../format.js';
import { alsoSeen, isOver, jobFrom } from '../jobs.js';

const COVERS: Coverage = { kind: 'plugins', formats: ['joelfrancisco'], ports: [] };

/** `server/<hash>.json` and `jobs/<id>.json`, both with `workspace` and `started`. */
export const joelfrancisco: Format = {
  name: 'joelfrancisco',
  plugin: 'opencode-plugin-cc (JoelFrancisco)',
  serverIn: ({ json }) => {
    if (json === undefined || !('started' in json && 'workspace' in json && 'port' in json)) return undefined;
    const said = {
      workspace: text(json.workspace),
      startedAt: time(json.started),
      password: passwordIn(json.password),
    };
    return onPort(json.port, { ...said, ownership: 'plugin', pid: json.pid });
  },
  usesIn: (source) => {
    const { json } = source;
    if (json === undefined || !('started' in json && 'workspace' in json && 'status' in json)) return undefined;
    // `started` is written once, and its process may begin later.
    return isOver(json.status) ? [] : [alsoSeen(jobFrom(source, json, COVERS), source.touchedAt())];
  },
};
