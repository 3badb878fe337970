import { type Format, passwordIn } from '../format.js';

/**
 * `server-auth.json`, one for all workspaces: nothing but the password that the plugin makes up once, and gives to each
 * server that it starts. It starts OpenCode 2 alone, which marks what may have inherited the password.
 */
export const brian250713: Format = {
  name: 'brian250713',
  plugin: 'opencode-plugin-cc (brian250713)',
  serverIn: ({ json, name }) => {
    if (json === undefined || name !== 'server-auth.json') return undefined;
    const password = passwordIn(json.password);
    if (password === undefined) return 'it has no password';
    return { ownership: 'plugin', password, byPassword: true, startedAt: undefined };
  },
};
