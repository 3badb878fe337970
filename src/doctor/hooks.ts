import { existsSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { differing } from '../install/copies.js';
import { EVENT_NAMES } from '../install/handlers.js';
import { type Build, runningBuild } from '../install/places.js';
import { type Registered, registeredIn } from '../install/setting.js';
import type { Variables } from '../state/folders.js';
import { isObject } from '../state/parse.js';
import { type Finding, fail, ok, warn } from './finding.js';
import { hookTime } from './hook-time.js';
import { carriersIn } from './plugins.js';

const INSTALL = 'opencode-reap install mends it';

/** Whether Claude Code calls us, calls what is there, and does not have to wait for it. */
export function hookFindings(workspace: string, env: Variables): Finding[] {
  const registered = registeredIn(workspace, env);
  const carriers = carriersIn(
    registered.map(({ json }) => json),
    env,
  );
  const handlers = registered.flatMap(({ found }) => (typeof found === 'string' ? [] : found));
  const scripts = [...new Set(handlers.flatMap(({ words }) => words[0] ?? []))];
  const [first] = handlers;
  const called = first ?? fromPlugin(carriers[0]?.hook ?? runningBuild()?.hook);
  return [
    ...registered.flatMap(inSettings),
    ...carriers.map(({ plugin }) => ok('hooks', `carried by the plugin ${plugin}`)),
    ...(handlers.length + carriers.length > 0 ? [] : [none(registered)].flat()),
    ...scripts.flatMap(scriptFinding),
    ...(called && existsSync(called.words[0] ?? '') ? [hookTime(called.command, called.words)] : []),
  ];
}

const fromPlugin = (hook: string | undefined) =>
  hook === undefined ? undefined : { command: 'node', words: [hook, 'hook', 'session-start'] };

function inSettings({ path, found, json }: Registered): Finding[] {
  if (typeof found === 'string')
    return [fail('hooks', `could not read ${path}: ${found}`, 'mend it; Claude Code ignores the whole file')];
  const off = isObject(json) && json.disableAllHooks === true;
  const events = EVENT_NAMES.filter((name) => found.some((one) => one.name === name));
  const missing = EVENT_NAMES.filter((name) => !events.includes(name));
  return [
    ...(off ? [warn('hooks', `${path} switches all hooks off`, 'take disableAllHooks out of it')] : []),
    ...(events.length > 0 ? [ok('hooks', `${events.join(' and ')} in ${path}`)] : []),
    ...(events.length === 1 ? [warn('hooks', `${missing.join()} is missing in ${path}`, INSTALL)] : []),
  ];
}

const none = (registered: readonly Registered[]): Finding[] =>
  registered.some(({ found }) => typeof found === 'string')
    ? []
    : [warn('hooks', 'Claude Code calls none of ours', 'opencode-reap install, or the plugin of the same name')];

function scriptFinding(hook: string): Finding {
  const build: Build = { folder: dirname(hook), hook, program: join(dirname(hook), 'opencode-reap.cjs') };
  const missing = [build.hook, build.program].find((file) => !existsSync(file));
  if (missing) return fail('hooks', `${missing} is not there`, INSTALL);
  const running = runningBuild();
  if (running && differing(running, build).length === 0) return ok('hooks', `${hook} is this build`);
  return warn('hooks', `${hook} is another build than this one`, 'opencode-reap install puts this one in its place');
}
