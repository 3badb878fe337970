import { text, time } from '../parse.js';
import { type Format, ownPortIn, urlOn } from './format.js';

/** "swarm-code": one file in the temporary folder for everything, without a pid; who listens there tells the process. */
export const apoapps: Format = {
  name: 'apoapps',
  plugin: 'swarm-code (apoapps)',
  serverIn: ({ json }) => {
    if (json === undefined || !('url' in json && 'sessionID' in json)) return undefined;
    const port = ownPortIn(json.url);
    if (port === undefined) return 'its URL names no port of this machine';
    return {
      ownership: 'plugin',
      port,
      url: urlOn(port),
      workspace: text(json.cwd),
      startedAt: time(json.startedAt),
      byPort: true,
    };
  },
};
