import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { differing } from '../install/copies.js';
import { EVENT_NAMES } from '../install/handlers.js';
import { installedBuild, runningBuild, type SettingsScope } from '../install/places.js';
import { type Registered, registeredIn } from '../install/setting.js';
import type { Variables } from '../state/folders.js';
import { isObject } from '../state/parse.js';
import { type Finding, fail, ok, warn } from './finding.js';
import { hookTime } from './hook-time.js';
import { carriersIn } from './plugins.js';

/** A handler of ours in some settings file. */
interface Handler {
  readonly scope: SettingsScope;
  readonly command: string;
  readonly words: readonly string[];
}

/** Whether Claude Code calls us, calls what is there, and does not have to wait for it. */
export function hookFindings(workspace: string, env: Variables): Finding[] {
  const registered = registeredIn(workspace, env);
  const read = registered.map(({ json }) => json);
  const carriers = carriersIn(read, env).map((plugin) => ok('hooks', `carried by the plugin ${plugin}`));
  const handlers = registered.flatMap(({ scope, found }) =>
    typeof found === 'string' ? [] : found.map(({ command, words }): Handler => ({ scope, command, words })),
  );
  const byScript = new Map(handlers.map((handler) => [handler.words[0] ?? '', handler]));
  const called = handlers.find((handler) => isSafeToRun(handler, env)) ?? byDefault();
  const found = [...registered.flatMap(inSettings), ...carriers];
  return [
    ...(found.length > 0 ? found : [NONE]),
    ...[...byScript].map(([hook, { scope }]) => scriptFinding(hook, scope)),
    ...(called && existsSync(called.words[0] ?? '') ? [hookTime(called.command, called.words)] : []),
  ];
}

/** A project's settings came with the project, and what they name is not run just because somebody asks how we are. */
const isSafeToRun = ({ scope, command, words }: Handler, env: Variables): boolean =>
  scope === 'user' || (command === 'node' && words[0] === installedBuild(env).hook);

function byDefault(): Omit<Handler, 'scope'> | undefined {
  const build = runningBuild();
  return build && { command: 'node', words: [build.hook, 'hook', 'session-start'] };
}

function inSettings({ scope, path, found, json }: Registered): Finding[] {
  if (typeof found === 'string')
    return [fail('hooks', `could not read ${path}: ${found}`, 'mend it; Claude Code ignores the whole file')];
  const off = isObject(json) && json.disableAllHooks === true;
  const events = EVENT_NAMES.filter((name) => found.some((one) => one.name === name));
  const missing = EVENT_NAMES.filter((name) => !events.includes(name));
  return [
    ...(off ? [warn('hooks', `${path} switches all hooks off`, 'take disableAllHooks out of it')] : []),
    ...(events.length > 0 ? [ok('hooks', `${events.join(' and ')} in ${path}`)] : []),
    ...(events.length === 1 ? [warn('hooks', `${missing.join()} is missing in ${path}`, mending(scope))] : []),
  ];
}

const NONE = warn('hooks', 'Claude Code calls none of ours', 'opencode-reap install, or the plugin of the same name');

const mending = (scope: SettingsScope): string =>
  `opencode-reap install${scope === 'user' ? '' : ` --scope ${scope}`} puts it right`;

function scriptFinding(hook: string, scope: SettingsScope): Finding {
  const build = { folder: dirname(hook), hook, program: join(dirname(hook), 'opencode-reap.cjs') };
  const missing = [build.hook, build.program].find((file) => !existsSync(file));
  if (missing) return fail('hooks', `${missing} is not there`, mending(scope));
  const running = runningBuild();
  if (running && differing(running, build).length === 0) return ok('hooks', `${hook} is this build`);
  return warn('hooks', `${hook} is another build than this one`, mending(scope));
}
