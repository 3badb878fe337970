import { time } from '../../files/parse.js';
import { type Format, hashIn } from '../format.js';

/** `server.json`: the pid that was spawned and when, of a server on port 4096 that the file does not name. */
export const johnnyvicious: Format = {
  name: 'johnnyvicious',
  plugin: 'opencode-plugin-cc (JohnnyVicious)',
  serverIn: ({ json, folder }) => {
    if (json === undefined || !('lastServerPid' in json)) return undefined;
    if (json.lastServerPid === null) return 'no server';
    return {
      ownership: 'plugin',
      pid: json.lastServerPid,
      workspaceHash: hashIn(folder),
      startedAt: time(json.lastServerStartedAt),
      pluginConfig: true,
    };
  },
};
