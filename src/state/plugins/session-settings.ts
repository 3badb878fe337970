import { join } from 'node:path';
import { isObject } from '../../common/json.js';
import { parseObject } from '../files/parse.js';
import { readSmall } from '../files/read.js';
import type { Asking } from './installed.js';

/** What an administrator sets for everybody; births are shown on Linux alone. */
const MANAGED = '/etc/claude-code/managed-settings.json';

/** What Claude Code gives to the hooks of one plugin alone, unless settings give it to everything. */
const OF_A_PLUGIN = ['CLAUDE_PLUGIN_ROOT', 'CLAUDE_PLUGIN_DATA'];

/**
 * Whether the settings of a session in that project give everything the folders of a plugin (`env`), so that a user's own
 * hook has them too; undefined if one of its settings files cannot be read. As they are now: they may have been others.
 */
export function givesToAll(configDir: string, project: string, { answers }: Asking): boolean | undefined {
  const files = [
    ...[join(configDir, 'settings.json'), join(configDir, 'settings.local.json')],
    ...[join(project, '.claude', 'settings.json'), join(project, '.claude', 'settings.local.json')],
    MANAGED,
  ];
  const all = files.map((file) => (answers(file) ? givenIn(file) : undefined));
  if (all.includes(true)) return true;
  return all.includes(undefined) ? undefined : false;
}

function givenIn(file: string): boolean | undefined {
  const read = readSmall(file);
  if (read.kind === 'absent') return false;
  const json = read.kind === 'text' ? parseObject(read.text) : undefined;
  if (json === undefined || typeof json === 'string') return undefined;
  const { env } = json;
  return isObject(env) && OF_A_PLUGIN.some((name) => name in env);
}
