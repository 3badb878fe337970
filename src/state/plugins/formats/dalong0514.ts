import { time } from '../../files/parse.js';
import { atUrl, type Format, hashIn, passwordIn } from '../format.js';

/** `server.json` with the session that started it, or why none is started for a while. */
export const dalong0514: Format = {
  name: 'dalong0514',
  plugin: 'opencode-plugin-cc (dalong0514)',
  serverIn: ({ json, folder }) => {
    if (json === undefined) return undefined;
    if ('disabledUntil' in json && json.pid === undefined) return 'no server';
    if (!('startedBySession' in json && 'url' in json)) return undefined;
    return atUrl(json.url, {
      ownership: 'plugin',
      pid: json.pid,
      workspaceHash: hashIn(folder),
      startedAt: time(json.startedAt),
      password: passwordIn(json.password),
    });
  },
};
