import { port, text, time } from '../parse.js';
import { type Format, urlOn } from './format.js';

/** `servers/serve-<port>.json`, one for each port. */
export const naicud: Format = {
  name: 'naicud',
  plugin: 'opencode-plugin-cc (naicud)',
  serverIn: ({ json }) => {
    if (json === undefined || !('account' in json && 'logFile' in json && 'host' in json)) return undefined;
    const number = port(json.port);
    if (number === undefined) return 'it names no port';
    return {
      ownership: 'plugin',
      pid: json.pid,
      port: number,
      url: urlOn(number),
      workspace: text(json.cwd),
      startedAt: time(json.startedAt),
    };
  },
};
