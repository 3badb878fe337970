import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test as plain } from 'vitest';
import { type CliOptions, type CliResult, runCli } from './cli.js';
import { DIST } from './program.js';
import { createSandbox, type Sandbox } from './sandbox.js';

export { DIST };

export const test = plain.extend<{ sandbox: Sandbox }>({
  sandbox: async ({ task: _ }, use) => {
    const sandbox = await createSandbox('install');
    await use(sandbox);
    await sandbox.dispose();
  },
});

export const copies = ({ home }: Sandbox): string => join(home, '.local/share/opencode-reap');
export const userSettings = ({ home }: Sandbox): string => join(home, '.claude/settings.json');

export const write = async (file: string, text: string): Promise<string> => {
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, text);
  return file;
};
export const read = (file: string): Promise<string> => readFile(file, 'utf8');
export const names = (folder: string): Promise<string[]> => readdir(folder).catch(() => []);
export const jsonOf = async (file: string) => JSON.parse(await read(file));

/** Without a chosen state folder, which would become part of the hooks' arguments. */
export const run = (sandbox: Sandbox, args: readonly string[], options: CliOptions = {}): Promise<CliResult> =>
  runCli(sandbox, args, { ...options, env: { OPENCODE_REAP_STATE_DIR: undefined, ...options.env } });

/** The line as it is written for these paths, none of which needs quotes. */
export const lineOf = (script: string, word: string, ...more: string[]): string => {
  const told = word === 'session-start' ? { words: ['--notice', '3'], output: '3>&1 ' } : { words: [], output: '' };
  const call = `${[script, 'hook', word, ...more, ...told.words].join(' ')} ${told.output}>/dev/null 2>&1`;
  return `node ${call} || ${process.execPath} ${call} || true`;
};

export const group = (sandbox: Sandbox, word: string, ...more: string[]) => ({
  hooks: [{ type: 'command', command: lineOf(join(copies(sandbox), 'hook.cjs'), word, ...more), timeout: 5 }],
});

/** As earlier versions wrote it. */
export const execGroup = (script: string, word: string, ...more: string[]) => ({
  hooks: [{ type: 'command', command: 'node', args: [script, 'hook', word, ...more], timeout: 5 }],
});

export const hooksOf = (sandbox: Sandbox, ...more: string[]) => ({
  SessionStart: [group(sandbox, 'session-start', ...more)],
  SessionEnd: [group(sandbox, 'session-end', ...more)],
});

export const MINE = '{\n    "model": "opus",\n    "env": { "TOKEN": "s3cret" }\n}';
