import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { HAS_SHELL } from '../act/start-background.js';
import { isObject } from '../common/json.js';
import type { Variables } from '../common/variables.js';
import { differing } from '../install/copies.js';
import { EVENT_NAMES, type Found, type Invocation } from '../install/handlers.js';
import { installedBuild, runningBuild, type SettingsScope } from '../install/paths.js';
import { type Registered, registeredIn } from '../install/setting.js';
import { type Call, type Carrier, carriersIn } from './claude-plugins.js';
import { type Finding, fail, ok, warn } from './finding.js';
import { hookTime } from './hook-time.js';

/** One of our handlers, in some settings file. */
interface Handler extends Invocation {
  readonly scope: SettingsScope;
}

/** Whether Claude Code calls us, calls files that exist, and does not have to wait for them. */
export function hookFindings(workspace: string, env: Variables): Finding[] {
  const registered = registeredIn(workspace, env);
  const carriers = carriersIn(registered, env);
  const handlers = registered.flatMap(({ scope, found }) =>
    typeof found === 'string' ? [] : found.filter(({ form }) => form !== 'remnant').map((one) => ({ ...one, scope })),
  );
  const byScript = new Map(handlers.map((handler) => [handler.words[0] ?? '', handler]));
  const called = handlers.map((handler) => safeToRun(handler, env)).find((handler) => handler);
  const copies = carriers.flatMap(runnable);
  const own = called ?? (copies.length === 0 ? byDefault() : undefined);
  const found = [...registered.flatMap(inSettings), ...carriers.flatMap(inPlugin)];
  return [
    ...(found.length > 0 ? found : [NONE]),
    ...[...byScript].map(([hook, { scope }]) => scriptFinding(hook, scope)),
    ...(own && existsSync(own.words[0] ?? '') ? hookTime(own) : []),
    ...copies.flatMap((copy) => hookTime(copy, TELL_ITS_AUTHOR)),
  ];
}

/** What a plugin is missing that carries our hooks. */
function inPlugin({ plugin, calls }: Carrier): Finding[] {
  const [missing] = EVENT_NAMES.filter((name) => !calls.some(({ event }) => event === name));
  const gone = calls.map(({ script }) => script).find((script) => !existsSync(script));
  if (gone !== undefined)
    return [fail('hooks', `the plugin ${plugin} calls ${gone}, which does not exist`, TELL_ITS_AUTHOR)];
  const provided = ok('hooks', `provided by the plugin ${plugin}`);
  if (missing === undefined) return [provided];
  return [provided, warn('hooks', `the plugin ${plugin} does not call ours at ${missing}`, TELL_ITS_AUTHOR)];
}

/**
 * What a diagnosis may run of a plugin, since each session of the user does: a copy that the user has enabled. A project
 * can enable a plugin as well, and it could be one of the project's own.
 */
const runnable = ({ calls, byUser }: Carrier): Invocation[] => (byUser ? scriptsOf(calls).map(callOf) : []);

const scriptsOf = (calls: readonly Call[]): string[] => [
  ...new Set(calls.flatMap(({ runner, script }) => (runner === 'node' && existsSync(script) ? script : []))),
];

const callOf = (script: string): Invocation => ({
  form: 'exec',
  runner: ['node'],
  words: [script, 'hook', 'session-start'],
  otherNode: undefined,
});

/** A project's settings came with the project, and a diagnosis must not run what they name. */
function safeToRun(handler: Handler, env: Variables): Invocation | undefined {
  if (handler.scope === 'user') return handler;
  const isOurs = handler.runner.join(' ') === 'node' && handler.words[0] === installedBuild(env).hook;
  return isOurs ? { ...handler, otherNode: undefined } : undefined;
}

function byDefault(): Invocation | undefined {
  const build = runningBuild();
  return build && callOf(build.hook);
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
  'opencode-reap install, or the plugin of the same name; one that is loaded with --plugin-dir is not seen from here',
);

const TELL_ITS_AUTHOR = 'update the plugin, or tell its author';

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
