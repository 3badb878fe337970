import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HAS_SHELL } from '../act/start-background.js';
import { isObject } from '../common/json.js';
import type { Variables } from '../common/variables.js';
import { differing } from '../install/copies.js';
import { EVENT_NAMES, type Found, type Invocation } from '../install/handlers.js';
import { installedBuild, runningBuild, type SettingsScope } from '../install/paths.js';
import { type Registered, registeredIn } from '../install/setting.js';
import { carriersIn } from './claude-plugins.js';
import { type Finding, fail, ok, warn } from './finding.js';
import { hookTime } from './hook-time.js';

/** One of our handlers, in some settings file. */
interface Handler extends Invocation {
  readonly scope: SettingsScope;
}

/** Whether Claude Code calls us, calls files that exist, and does not have to wait for them. */
export function hookFindings(workspace: string, env: Variables): Finding[] {
  const registered = registeredIn(workspace, env);
  const read = registered.map(({ json }) => json);
  const carriers = carriersIn(read, env).map((plugin) => ok('hooks', `provided by the plugin ${plugin}`));
  const handlers = registered.flatMap(({ scope, found }) =>
    typeof found === 'string' ? [] : found.filter(({ form }) => form !== 'remnant').map((one) => ({ ...one, scope })),
  );
  const byScript = new Map(handlers.map((handler) => [handler.words[0] ?? '', handler]));
  const called = handlers.map((handler) => safeToRun(handler, env)).find((handler) => handler) ?? byDefault();
  const found = [...registered.flatMap(inSettings), ...carriers];
  return [
    ...(found.length > 0 ? found : [NONE]),
    ...[...byScript].map(([hook, { scope }]) => scriptFinding(hook, scope)),
    ...(called && existsSync(called.words[0] ?? '') ? hookTime(called) : []),
  ];
}

/** A project's settings came with the project, and a diagnosis must not run what they name. */
function safeToRun(handler: Handler, env: Variables): Invocation | undefined {
  if (handler.scope === 'user') return handler;
  const isOurs = handler.runner.join(' ') === 'node' && handler.words[0] === installedBuild(env).hook;
  return isOurs ? { ...handler, otherNode: undefined } : undefined;
}

function byDefault(): Invocation | undefined {
  const build = runningBuild();
  const words = build && [build.hook, 'hook', 'session-start'];
  return words && { form: 'exec', runner: ['node'], words, otherNode: undefined };
}

function inSettings({ scope, path, found, json }: Registered): Finding[] {
  if (typeof found === 'string')
    return [fail('hooks', `could not read ${path}: ${found}`, 'fix it; Claude Code ignores the whole file')];
  const off = isObject(json) && json.disableAllHooks === true;
  const working = found.filter(({ form }) => form !== 'remnant');
  const events = EVENT_NAMES.filter((name) => working.some((one) => one.name === name));
  const missing = EVENT_NAMES.filter((name) => !events.includes(name));
  return [
    ...(off ? [warn('hooks', `${path} turns all hooks off`, 'remove disableAllHooks from it')] : []),
    ...(events.length > 0 ? [ok('hooks', `${events.join(' and ')} in ${path}`)] : []),
    ...(working.length < found.length
      ? [
          fail(
            'hooks',
            `${path} has what an older Claude Code left of our hooks, and that fails in every session`,
            mending(scope),
          ),
        ]
      : []),
    ...(isOld(working)
      ? [warn('hooks', `${path} has our hooks in a form that fails in older versions of Claude Code`, mending(scope))]
      : []),
    ...(events.length === 1 ? [warn('hooks', `${missing.join()} is missing from ${path}`, mending(scope))] : []),
  ];
}

/** With `args`, which clients before 2.1.139 leave out. Without a shell there is no other form. */
const isOld = (found: readonly Found[]): boolean => HAS_SHELL && found.some(({ form }) => form === 'exec');

const NONE = warn(
  'hooks',
  'Claude Code calls none of our hooks',
  'opencode-reap install, or the plugin of the same name',
);

const mending = (scope: SettingsScope): string =>
  `opencode-reap install${scope === 'user' ? '' : ` --scope ${scope}`} fixes it`;

function scriptFinding(hook: string, scope: SettingsScope): Finding {
  const build = { folder: dirname(hook), hook, program: join(dirname(hook), 'opencode-reap.cjs') };
  const missing = [build.hook, build.program].find((file) => !existsSync(file));
  if (missing) return fail('hooks', `${missing} does not exist`, mending(scope));
  const running = runningBuild();
  if (running && differing(running, build).length === 0) return ok('hooks', `${hook} is this build`);
  return warn('hooks', `${hook} is a different build from this one`, mending(scope));
}
