import { spawn } from 'node:child_process';
import { cp, mkdir, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { VERSION } from '../../src/common/version.js';
import { inhabitants } from '../support/inhabitants.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const PLUGIN = join(ROOT, '.claude-plugin/opencode-reap');
const BUILT = ['hook.cjs', 'opencode-reap.cjs'];

/** For so long a request can be seen, also on a machine that is starved. */
const LINGER = '3s';

const jsonOf = async (...path: string[]) => JSON.parse(await readFile(join(...path), 'utf8'));

interface Done {
  readonly code: number | null;
  readonly printed: string;
}

const done = (sandbox: Sandbox, command: string, args: readonly string[], cwd: string, input = ''): Promise<Done> => {
  const child = spawn(command, args, { cwd, env: sandbox.env({ OPENCODE_REAP_LINGER: LINGER }) });
  let printed = '';
  for (const output of [child.stdout, child.stderr]) output.setEncoding('utf8').on('data', (text) => (printed += text));
  child.stdin.end(input);
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, printed }));
  });
};

describe('the plugin', () => {
  let sandbox: Sandbox;
  let alone: string;

  beforeAll(async () => {
    sandbox = await createSandbox('plugin');
    alone = join(sandbox.root, 'cache/opencode-reap/0.1.0');
    await cp(PLUGIN, alone, { recursive: true });
  });

  afterAll(() => sandbox.dispose());

  test('is the build of this source, to the byte', async () => {
    const out = join(sandbox.root, 'built');
    const words = [join(ROOT, 'build/build.mjs'), 'program', out];
    expect(await done(sandbox, 'node', words, ROOT)).toEqual({ code: 0, printed: '' });
    for (const name of BUILT) {
      const [built, committed] = await Promise.all([out, PLUGIN].map((folder) => readFile(join(folder, name))));
      // `npm run plugin` puts it in step again.
      expect(built?.equals(committed ?? Buffer.alloc(0)), `${name} is in step with src`).toBe(true);
    }
  });

  test('has one version, wherever it is written', async () => {
    const { plugins, name } = await jsonOf(ROOT, '.claude-plugin/marketplace.json');
    const manifest = await jsonOf(PLUGIN, '.claude-plugin/plugin.json');
    const { version } = await jsonOf(ROOT, 'package.json');
    expect([version, manifest.version, plugins[0].version]).toEqual([VERSION, VERSION, VERSION]);
    expect([name, manifest.name, plugins[0].name]).toEqual(['opencode-reap', 'opencode-reap', 'opencode-reap']);
    expect(plugins).toHaveLength(1);
    expect(join(ROOT, plugins[0].source)).toBe(PLUGIN);
  });

  test('has its two hooks, and no packages to be installed', async () => {
    const nodes = 'node /usr/local/bin/node /usr/bin/node /opt/homebrew/bin/node';
    const handler = (word: string, output = '') => ({
      type: 'command',
      command: `for n in ${nodes}; do "$n" "\${CLAUDE_PLUGIN_ROOT}/hook.cjs" hook ${word} && break; done ${output}>/dev/null 2>&1; true`,
      timeout: 60,
    });
    const { hooks, description } = await jsonOf(PLUGIN, 'hooks/hooks.json');
    expect(description).toBeTypeOf('string');
    expect(hooks).toEqual({
      SessionStart: [{ hooks: [handler('session-start --notice 3', '3>&1 ')] }],
      SessionEnd: [{ hooks: [handler('session-end')] }],
    });
    const names = await readdir(PLUGIN, { recursive: true });
    const files = ['.claude-plugin', '.claude-plugin/plugin.json', 'hooks', 'hooks/hooks.json'];
    const commands = ['commands', 'commands/opencode-reap.md'];
    expect(names.sort()).toEqual([...files, ...commands, ...BUILT].sort());
  });

  test('has a command whose lines are the program’s own, of which those that change something are left to the user', async () => {
    const text = await readFile(join(PLUGIN, 'commands/opencode-reap.md'), 'utf8');
    const [, head = '', body = ''] = text.split(/^---$/m);
    const call = `node "\${CLAUDE_PLUGIN_ROOT}/opencode-reap.cjs"`;
    const allowed = /^allowed-tools: (.*)$/m.exec(head)?.[1]?.split(', ');
    expect(allowed).toEqual(['list --all', 'log:*', 'why:*'].map((words) => `Bash(${call} ${words})`));
    expect(head).toMatch(/^disable-model-invocation: true$/m);
    const lines = [...body.matchAll(/`(node [^`]*)`/g)].map(([, line = '']) => line.replace(`${call} `, ''));
    expect(lines).toEqual(['list --all', 'why SERVER', 'log', 'stop SERVER']);
  });

  test('holds a program that runs where there is no /proc, too', async () => {
    const script = "Object.defineProperty(process, 'platform', { value: 'darwin' }); require(process.argv[1])";
    const args = ['-e', script, join(alone, 'opencode-reap.cjs'), 'list', '--json'];
    const { code, printed } = await done(sandbox, 'node', args, sandbox.project);
    expect([code, JSON.parse(printed).servers]).toEqual([0, []]);
  });

  test('writes a lease and a request from its folder alone, and starts a run that ends on its own', async () => {
    const bare = join(sandbox.root, 'bare');
    await mkdir(bare);
    const words = (word: string) => [join(alone, 'hook.cjs'), 'hook', word];
    const hook = (word: string, input: object) => done(sandbox, 'node', words(word), bare, JSON.stringify(input));
    // As a client that ends once its hook is done; the run waits for that.
    const lastHook = (word: string, input: object) => {
      const script = "require('child_process').spawnSync('node', process.argv.slice(1), { stdio: 'inherit' })";
      return done(sandbox, 'node', ['-e', script, ...words(word)], bare, JSON.stringify(input));
    };
    const namesIn = (folder: string) => readdir(join(sandbox.stateDir, folder)).catch(() => []);
    const quiet = async () => (await namesIn('requests')).length === 0 && inhabitants(sandbox).length === 0;

    const common = { session_id: 'a-session', cwd: bare };
    const start = await hook('session-start', { ...common, hook_event_name: 'SessionStart', source: 'startup' });
    expect(start).toEqual({ code: 0, printed: '' });
    const [lease = '', ...others] = await namesIn('leases');
    expect(others).toEqual([]);
    expect(await jsonOf(sandbox.stateDir, 'leases', lease)).toMatchObject({ session: 'a-session', cwd: bare });
    await waitFor('the run of the start is done', quiet);

    const end = await hook('session-end', { ...common, hook_event_name: 'SessionEnd', reason: 'clear' });
    expect([end, await namesIn('requests')]).toEqual([{ code: 0, printed: '' }, []]);
    const over = await lastHook('session-end', { ...common, hook_event_name: 'SessionEnd', reason: 'logout' });
    expect(over).toEqual({ code: 0, printed: '' });
    expect(await namesIn('requests')).toHaveLength(1);
    await waitFor('a run has begun', async () => (await readdir(sandbox.stateDir)).includes('sweep.json'));
    await waitFor('the run of the end is done', quiet);
  });
});
