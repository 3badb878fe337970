import { MAIN, type Provider, SMALL } from './provider.js';

export type Config = Readonly<Record<string, unknown>>;

/** An opencode config whose only models are the stand-in's; `extra` replaces whole sections, such as `permission`. */
export const providerConfig = (provider: Pick<Provider, 'url'>, extra: Config = {}): Config => ({
  autoupdate: false,
  share: 'disabled',
  model: `standin/${MAIN}`,
  small_model: `standin/${SMALL}`,
  enabled_providers: ['standin'],
  permission: { bash: 'allow' },
  provider: {
    standin: {
      // Bundled in opencode: any other package would be installed by npm.
      npm: '@ai-sdk/openai-compatible',
      options: { baseURL: provider.url, apiKey: 'none' },
      models: { [MAIN]: { tool_call: true }, [SMALL]: {} },
    },
  },
  ...extra,
});

/** The environment that hands a config to a server, for every directory it serves. */
export const configEnv = (config: Config): { OPENCODE_CONFIG_CONTENT: string } => ({
  OPENCODE_CONFIG_CONTENT: JSON.stringify(config),
});
