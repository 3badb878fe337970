import { join } from 'node:path';
import { EVENT_NAMES } from '../install/handlers.js';
import { readSmall } from '../state/files.js';
import { configDirOf, type Variables } from '../state/folders.js';
import { isObject, type Json, parseObject, text, texts } from '../state/parse.js';

/** An enabled plugin of Claude Code's that calls our hook. */
export interface Carrier {
  readonly plugin: string;
  readonly hook: string;
}

/**
 * Plugins that carry our hooks, by the client's own list of what is installed (seen in 2.1.330, undocumented). What
 * is missing or not understood means nothing.
 */
export function carriersIn(settings: readonly unknown[], env: Variables): Carrier[] {
  const folder = env.CLAUDE_CODE_PLUGIN_CACHE_DIR || join(configDirOf(env), 'plugins');
  const { plugins } = objectIn(join(folder, 'installed_plugins.json'));
  const enabled = Object.assign({}, ...settings.map(enabledIn)) as Json;
  return Object.entries(isObject(plugins) ? plugins : {}).flatMap(([plugin, installs]) =>
    enabled[plugin] === true ? rootsIn(installs).flatMap((root) => carrierIn(plugin, root)) : [],
  );
}

const enabledIn = (settings: unknown): Json =>
  isObject(settings) && isObject(settings.enabledPlugins) ? settings.enabledPlugins : {};

const rootsIn = (installs: unknown): string[] =>
  (Array.isArray(installs) ? installs : []).flatMap((one) => (isObject(one) ? (text(one.installPath) ?? []) : []));

function carrierIn(plugin: string, root: string): Carrier[] {
  const { hooks } = objectIn(join(root, 'hooks', 'hooks.json'));
  const events = isObject(hooks) ? EVENT_NAMES.flatMap((name) => hooks[name] ?? []) : [];
  const handlers = events.flatMap((group) => (isObject(group) && Array.isArray(group.hooks) ? group.hooks : []));
  const script = handlers.flatMap((handler) => (isObject(handler) ? (texts(handler.args)[0] ?? []) : [])).find(isHook);
  return script === undefined ? [] : [{ plugin, hook: script.replace(/\$\{CLAUDE_PLUGIN_ROOT\}/g, root) }];
}

const isHook = (script: string): boolean => /[\\/]hook\.cjs$/.test(script);

function objectIn(file: string): Json {
  const read = readSmall(file);
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  return typeof json === 'object' ? json : {};
}
