import { isAbsolute, join } from 'node:path';
import type { Origin } from '../model/birth.js';
import { FOLDER_VARIABLES, type Folders } from '../model/folder-variables.js';
import { type Pid, parsePid } from '../model/identity.js';
import type { Marks } from '../model/owner.js';
import type { Environment } from '../model/process.js';
import { secret } from '../model/secret.js';

const KEPT: ReadonlySet<string> = new Set([
  ...FOLDER_VARIABLES,
  'OPENCODE',
  'OPENCODE_PASSWORD',
  'OPENCODE_PID',
  'OPENCODE_REAP',
  'OPENCODE_REAP_TAG',
  'OPENCODE_SERVER_PASSWORD',
  'OPENCODE_SERVER_USERNAME',
  'ADE_OPENCODE_MANAGED',
  'ADE_OPENCODE_OWNER_PID',
  'CLAUDECODE',
  'CLAUDE_PID',
  'KIMAKI',
  'SYSTEMD_EXEC_PID',
  'OPENCODE_TERMINAL',
  'AGENT',
  'AI_AGENT',
  'CLAUDE_CODE_SESSION_ID',
  'CLAUDE_ENV_FILE',
  'GIT_EDITOR',
]);

export const isAsked = (name: string): boolean => KEPT.has(name);

/** Keeps only what is asked for: the rest of an environment is nobody's business, and full of secrets. */
export function environmentFrom(variables: readonly string[]): Environment {
  const values = new Map<string, string>();
  for (const variable of variables) {
    const at = variable.indexOf('=');
    const name = variable.slice(0, at);
    // Of two with one name, programs see the first.
    if (at !== -1 && KEPT.has(name) && !values.has(name)) values.set(name, variable.slice(at + 1));
  }
  const value = (name: string): string | undefined => values.get(name);
  const home = value('HOME');
  return {
    tag: value('OPENCODE_REAP_TAG'),
    opencodePid: value('OPENCODE_PID'),
    inOpencode: value('OPENCODE') === '1',
    pluginConfig: /\/plugins\/cache\/.+\/opencode-config$/.test(value('OPENCODE_CONFIG_DIR') ?? ''),
    keep: value('OPENCODE_REAP') === 'keep',
    claudeConfigDir: value('CLAUDE_CONFIG_DIR') || (home ? join(home, '.claude') : undefined),
    folders: foldersIn(values),
    marks: marksIn(value),
    inTerminal: value('OPENCODE_TERMINAL') === '1',
    origin: originIn(values),
    username: value('OPENCODE_SERVER_USERNAME'),
    password: secretIn(value('OPENCODE_SERVER_PASSWORD')),
    passwordOfSecond: secretIn(value('OPENCODE_PASSWORD')),
  };
}

function marksIn(value: (name: string) => string | undefined): Marks {
  const pid = (name: string): Pid | undefined => parsePid(Number(value(name)));
  return {
    kimaki: value('KIMAKI') === '1',
    ade: value('ADE_OPENCODE_MANAGED') === '1',
    adePid: pid('ADE_OPENCODE_OWNER_PID'),
    claude: value('CLAUDECODE') === '1',
    claudePid: pid('CLAUDE_PID'),
    servicePid: pid('SYSTEMD_EXEC_PID'),
  };
}

/** An empty one counts as none. */
const secretIn = (value: string | undefined) => (value ? secret(value) : undefined);

/** A relative path means something to its own process alone. */
const foldersIn = (values: ReadonlyMap<string, string>): Folders =>
  Object.fromEntries(
    FOLDER_VARIABLES.flatMap((name) => {
      const value = values.get(name);
      return value !== undefined && isAbsolute(value) ? [[name, value]] : [];
    }),
  );

const originIn = (values: ReadonlyMap<string, string>): Origin => ({
  home: values.get('HOME'),
  inAgent: ['OPENCODE', 'AGENT', 'OPENCODE_PID'].some((name) => values.has(name)),
  aiAgent: values.get('AI_AGENT'),
  claudeCode: values.get('CLAUDECODE'),
  gitEditor: values.get('GIT_EDITOR'),
  envFile: values.get('CLAUDE_ENV_FILE'),
  pluginRoot: values.get('CLAUDE_PLUGIN_ROOT'),
  pluginData: values.get('CLAUDE_PLUGIN_DATA'),
  clientPid: parsePid(Number(values.get('CLAUDE_PID'))),
  session: values.get('CLAUDE_CODE_SESSION_ID') || undefined,
});
