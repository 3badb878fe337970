import { text, time } from '../../files/parse.js';
import { type Format, onPort } from '../format.js';

/** `servers/serve-<port>.json`, one per port. */
export const naicud: Format = {
  name: 'naicud',
  plugin: 'opencode-plugin-cc (naicud)',
  serverIn: ({ json }) => {
    if (json === undefined || !('account' in json && 'logFile' in json && 'host' in json)) return undefined;
    const said = { workspace: text(json.cwd), startedAt: time(json.startedAt) };
    return onPort(json.port, { ...said, ownership: 'plugin', pid: json.pid });
  },
};
