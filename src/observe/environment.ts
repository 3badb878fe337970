import { join } from 'node:path';
import type { Environment } from '../model/process.js';
import { secret } from '../model/secret.js';

/** Keeps only what is asked for: the rest of an environment is nobody's business, and full of secrets. */
export function environmentFrom(variables: readonly string[]): Environment {
  const value = (name: string): string | undefined =>
    variables.find((variable) => variable.startsWith(`${name}=`))?.slice(name.length + 1);
  const home = value('HOME');
  const password = value('OPENCODE_SERVER_PASSWORD');
  return {
    tag: value('OPENCODE_REAP_TAG'),
    opencodePid: value('OPENCODE_PID'),
    inOpencode: value('OPENCODE') === '1',
    pluginConfig: /\/plugins\/cache\/.+\/opencode-config$/.test(value('OPENCODE_CONFIG_DIR') ?? ''),
    keep: value('OPENCODE_REAP') === 'keep',
    claudeConfigDir: value('CLAUDE_CONFIG_DIR') || (home ? join(home, '.claude') : undefined),
    username: value('OPENCODE_SERVER_USERNAME'),
    password: password ? secret(password) : undefined,
  };
}
