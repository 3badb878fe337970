import { join, resolve } from 'node:path';
import { isObject, type Json } from '../common/json.js';
import type { Variables } from '../common/variables.js';
import { EVENT_NAMES, type EventName } from '../install/handlers.js';
import type { SettingsScope } from '../install/paths.js';
import { wordsOf } from '../install/shell-line.js';
import { parseObject, text, texts } from '../state/files/parse.js';
import { readSmall } from '../state/files/read.js';
import { configDirOf } from '../state/folders.js';

/** A plugin of the client's that has our hooks: ours, or one with a copy of the vendored file. */
export interface Carrier {
  /** As the client calls it, `name@marketplace`. */
  readonly plugin: string;
  readonly calls: readonly Call[];
  /** Whether the user has enabled it, and not a project alone. */
  readonly byUser: boolean;
}

/** One of our hooks in a plugin. */
export interface Call {
  readonly event: EventName;
  /** What stands before the script, `node` as a rule. */
  readonly runner: string;
  readonly script: string;
}

interface Settings {
  readonly scope: SettingsScope;
  readonly json: unknown;
}

/**
 * The enabled plugins that carry our hooks, by the client's own lists of installed plugins and of marketplaces (seen in
 * 2.1.330, undocumented). A missing or unknown entry means nothing. One that is loaded with `--plugin-dir` is in no list.
 */
export function carriersIn(settings: readonly Settings[], env: Variables): Carrier[] {
  const folder = env.CLAUDE_CODE_PLUGIN_CACHE_DIR || join(configDirOf(env), 'plugins');
  const { plugins } = objectIn(join(folder, 'installed_plugins.json'));
  const places = objectIn(join(folder, 'known_marketplaces.json'));
  // Later settings, the project's, override the user's.
  const enabled = Object.assign({}, ...settings.map(({ json }) => enabledIn(json))) as Json;
  const user = enabledIn(settings.find(({ scope }) => scope === 'user')?.json);
  return Object.entries(isObject(plugins) ? plugins : {}).flatMap(([plugin, installs]) => {
    const inPlace = rootInPlace(plugin, places);
    const calls = (inPlace === undefined ? rootsIn(installs) : [inPlace]).flatMap(callsIn);
    return enabled[plugin] === true && calls.length > 0 ? { plugin, calls, byUser: user[plugin] === true } : [];
  });
}

const enabledIn = (settings: unknown): Json =>
  isObject(settings) && isObject(settings.enabledPlugins) ? settings.enabledPlugins : {};

const rootsIn = (installs: unknown): string[] =>
  listOf(installs).flatMap((one) => (isObject(one) ? (text(one.installPath) ?? []) : []));

/** A marketplace that is a folder is not copied: its plugins run from where they are (measured with 2.1.330). */
function rootInPlace(plugin: string, places: Json): string | undefined {
  const [, name, market = ''] = /^(.*)@(.*)$/.exec(plugin) ?? [];
  const place = places[market];
  const source = isObject(place) && isObject(place.source) ? place.source : {};
  const folder = source.source === 'directory' ? text(source.path) : undefined;
  if (folder === undefined) return undefined;
  const listed = listOf(objectIn(join(folder, '.claude-plugin', 'marketplace.json')).plugins).filter(isObject);
  const path = text(listed.find((one) => one.name === name)?.source);
  return path === undefined ? undefined : resolve(folder, path);
}

function callsIn(root: string): Call[] {
  const hooks = [objectIn(join(root, 'hooks', 'hooks.json')), objectIn(join(root, '.claude-plugin', 'plugin.json'))]
    .map((json) => json.hooks)
    .filter(isObject);
  return EVENT_NAMES.flatMap((event) =>
    hooks
      .flatMap((one) => listOf(one[event]))
      .flatMap((group) => (isObject(group) ? listOf(group.hooks) : []))
      .flatMap((handler) => callIn(handler, event, root) ?? []),
  );
}

function callIn(handler: unknown, event: EventName, root: string): Call | undefined {
  const said = isObject(handler) ? [...wordsOf(text(handler.command) ?? ''), ...texts(handler.args)] : [];
  // biome-ignore lint/suspicious/noTemplateCurlyInString: Claude Code fills it in
  const words = said.map((word) => word.replace('${CLAUDE_PLUGIN_ROOT}', root));
  const at = words.findIndex((word, index) => SCRIPT.test(word) && words[index + 1] === 'hook');
  return at < 0 ? undefined : { event, runner: words[at - 1] ?? '', script: words[at] ?? '' };
}

const SCRIPT = /[\\/](hook\.cjs|opencode-reap\.mjs|opencode-reap\.vendor\.cjs)$/;

const listOf = (value: unknown): readonly unknown[] => (Array.isArray(value) ? value : []);

function objectIn(file: string): Json {
  const read = readSmall(file);
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  return typeof json === 'object' ? json : {};
}
