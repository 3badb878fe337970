import { join } from 'node:path';
import { isObject, type Json } from '../common/json.js';
import type { Variables } from '../common/variables.js';
import { EVENT_NAMES } from '../install/handlers.js';
import { wordsOf } from '../install/shell-line.js';
import { parseObject, text, texts } from '../state/files/parse.js';
import { readSmall } from '../state/files/read.js';
import { configDirOf } from '../state/folders.js';

/**
 * The enabled plugins that carry our hooks, by the client's own list of installed plugins (seen in 2.1.330,
 * undocumented). A missing or unknown entry means nothing.
 */
export function carriersIn(settings: readonly unknown[], env: Variables): string[] {
  const folder = env.CLAUDE_CODE_PLUGIN_CACHE_DIR || join(configDirOf(env), 'plugins');
  const { plugins } = objectIn(join(folder, 'installed_plugins.json'));
  // Later settings, the project's, override the user's.
  const enabled = Object.assign({}, ...settings.map(enabledIn)) as Json;
  const installed = Object.entries(isObject(plugins) ? plugins : {});
  return installed.flatMap(([name, roots]) => (enabled[name] === true && rootsIn(roots).some(carriesOurs) ? name : []));
}

const enabledIn = (settings: unknown): Json =>
  isObject(settings) && isObject(settings.enabledPlugins) ? settings.enabledPlugins : {};

const rootsIn = (installs: unknown): string[] =>
  listOf(installs).flatMap((one) => (isObject(one) ? (text(one.installPath) ?? []) : []));

function carriesOurs(root: string): boolean {
  const { hooks } = objectIn(join(root, 'hooks', 'hooks.json'));
  const groups = isObject(hooks) ? EVENT_NAMES.flatMap((name) => listOf(hooks[name])) : [];
  const handlers = groups.flatMap((group) => (isObject(group) ? listOf(group.hooks) : []));
  return handlers.some((handler) => {
    const words = isObject(handler) ? [...wordsOf(text(handler.command) ?? ''), ...texts(handler.args)] : [];
    return words.some((script, at) => SCRIPT.test(script) && words[at + 1] === 'hook');
  });
}

const SCRIPT = /[\\/](hook\.cjs|opencode-reap\.mjs)$/;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function objectIn(file: string): Json {
  const read = readSmall(file);
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  return typeof json === 'object' ? json : {};
}
