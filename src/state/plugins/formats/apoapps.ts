import { text, time } from '../../files/parse.js';
import { atUrl, type Format } from '../format.js';

/**
 * "swarm-code": one file in the temporary folder for everything, without a pid; the listener on the port is the
 * process.
 */
export const apoapps: Format = {
  name: 'apoapps',
  plugin: 'swarm-code (apoapps)',
  serverIn: ({ json }) => {
    if (json === undefined || !('url' in json && 'sessionID' in json)) return undefined;
    const said = { workspace: text(json.cwd), startedAt: time(json.startedAt) };
    return atUrl(json.url, { ...said, ownership: 'plugin', byPort: true });
  },
};
