import { type ChildProcess, spawn } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { cp, mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { describe, expect } from 'vitest';
import { alternativesOf, lineOf as lineFor, quote } from '../../src/install/shell-line.js';
import { copies, jsonOf, names, read, run, test, userSettings, write } from '../support/installed.js';
import { type OldNode, oldNode, withoutOldNode } from '../support/old-node.js';
import { isThorough, sampled } from '../support/patience.js';
import type { Changes, Sandbox } from '../support/sandbox.js';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const EVENTS = { SessionStart: { source: 'startup' }, SessionEnd: { reason: 'other' } } as const;
type EventName = keyof typeof EVENTS;

const SHELLS = ['/bin/sh', '/bin/dash', '/bin/bash', '/bin/zsh', '/bin/ksh', '/usr/bin/fish'];
const shells = SHELLS.filter((shell) => existsSync(shell));

interface Done {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}
const SILENT: Done = { code: 0, stdout: '', stderr: '' };

/** As a client does that knows no `args`, and every other one with this form. */
const call = (sandbox: Sandbox, line: string, event: EventName, env: Changes, shell = '/bin/sh'): Promise<Done> => {
  const child: ChildProcess = spawn(shell, ['-c', line], {
    cwd: sandbox.project,
    env: sandbox.env({ OPENCODE_REAP_LINGER: '60s', OPENCODE_REAP_STATE_DIR: undefined, ...env }),
  });
  if (child.pid !== undefined) sandbox.track(child.pid);
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name]?.setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  child.stdin?.on('error', () => undefined);
  child.stdin?.end(JSON.stringify({ session_id: 's', cwd: sandbox.project, hook_event_name: event, ...EVENTS[event] }));
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (code) => resolve({ code, ...said }));
  });
};

const installedLine = async (sandbox: Sandbox, event: EventName): Promise<string> =>
  (await jsonOf(userSettings(sandbox))).hooks[event][0].hooks[0].command;

/** A PATH on which `node` is this, or none is. */
const pathWith = async (sandbox: Sandbox, node?: string): Promise<Changes> => {
  const folder = join(sandbox.root, `path-${Math.random().toString(36).slice(2)}`);
  await mkdir(folder);
  if (node) await symlink(node, join(folder, 'node'));
  return { PATH: folder };
};

const state = ({ home }: Sandbox): string => join(home, '.local/state/opencode-reap');
const leases = (sandbox: Sandbox): Promise<string[]> => names(join(state(sandbox), 'leases'));

/** Both events are silent, and whether the session has its lease after them: its writer has read the input. */
const both = async (sandbox: Sandbox, line: (event: EventName) => Promise<string>, env: Changes): Promise<boolean> => {
  for (const event of ['SessionStart', 'SessionEnd'] as const)
    expect(await call(sandbox, await line(event), event, env)).toEqual(SILENT);
  const [lease, ...others] = await leases(sandbox);
  expect(others).toEqual([]);
  if (lease === undefined) return false;
  expect(await jsonOf(join(state(sandbox), 'leases', lease))).toMatchObject({ session: 's', cwd: sandbox.project });
  return true;
};

describe('the line that install writes', () => {
  test('writes the lease of the process above the shell, and a request', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    expect(await both(sandbox, (event) => installedLine(sandbox, event), {})).toBe(true);
    const [name = ''] = await leases(sandbox);
    expect(await jsonOf(join(state(sandbox), 'leases', name))).toMatchObject({ holder: { pid: process.pid } });
    expect(readdirSync(join(state(sandbox), 'requests'))).toHaveLength(2);
  });

  test('is silent where there is no node, and has the lease written by the one that ran install', async ({
    sandbox,
  }) => {
    await run(sandbox, ['install']);
    const none = await pathWith(sandbox);
    const line = (event: EventName) => installedLine(sandbox, event);
    const gone = async (event: EventName) => (await line(event)).replaceAll(process.execPath, '/gone/node');
    expect(await both(sandbox, gone, none)).toBe(false);
    expect(await both(sandbox, line, none)).toBe(true);
  });

  const olds: readonly [OldNode, string][] = [
    ['12.22.12', 'which cannot read its syntax'],
    ['16.20.2', 'which can'],
  ];
  for (const [version, why] of olds) {
    const missing = withoutOldNode(version);
    test.skipIf(missing)(`is silent where node ${version} comes first, ${why}${missing}`, async ({ sandbox }) => {
      await run(sandbox, ['install']);
      const old = await pathWith(sandbox, oldNode(version));
      const line = (event: EventName) => installedLine(sandbox, event);
      const gone = async (event: EventName) => (await line(event)).replaceAll(process.execPath, '/gone/node');
      expect(await both(sandbox, gone, old)).toBe(false);
      expect(await both(sandbox, line, old)).toBe(true);
    });
  }

  test.for([
    ['prints and fails, as one of a version manager without a version', 'echo out; echo err >&2; exit 126'],
    ['is ended by a signal', 'kill -ABRT $$'],
  ])('tries the next one where node is a stand-in that %s', async ([, script], { sandbox }) => {
    await run(sandbox, ['install']);
    const shim = join(sandbox.root, 'shim');
    await writeFile(shim, `#!/bin/sh\n${script}\n`, { mode: 0o755 });
    const env = await pathWith(sandbox, shim);
    expect(await both(sandbox, (event) => installedLine(sandbox, event), env)).toBe(true);
  });

  test('goes on as before without the copies', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const line = await installedLine(sandbox, 'SessionEnd');
    await run(sandbox, ['uninstall']);
    expect(await call(sandbox, line, 'SessionEnd', {})).toEqual(SILENT);
  });

  const odd = `it's $HOME "quoted" \`id\` %d 100% ünï\\ {a,b} * ~ ;& #\n`;
  for (const shell of shells.filter((one) => !one.endsWith('fish'))) {
    test(`is read as it is meant by ${shell}, with any names of paths`, async ({ sandbox }) => {
      const env = {
        XDG_DATA_HOME: join(sandbox.root, odd),
        OPENCODE_REAP_STATE_DIR: join(sandbox.root, `state ${odd}`),
      };
      await run(sandbox, ['install', '--port', '4777'], { env });
      const line = await installedLine(sandbox, 'SessionStart');
      expect(await call(sandbox, line, 'SessionStart', {}, shell)).toEqual(SILENT);
      const [lease = ''] = await names(join(env.OPENCODE_REAP_STATE_DIR, 'leases'));
      expect(await jsonOf(join(env.OPENCODE_REAP_STATE_DIR, 'leases', lease))).toMatchObject({ port: 4777 });
      expect((await run(sandbox, ['install', '--port', '4777'], { env })).stdout).toContain('already installed');
      await run(sandbox, ['uninstall'], { env });
      expect([await names(join(env.XDG_DATA_HOME, 'opencode-reap')), existsSync(userSettings(sandbox))]).toEqual([
        [],
        false,
      ]);
    });
  }

  test('holds the words that were put in, for us and for a shell', async ({ sandbox }) => {
    const word = fc
      .string({ unit: 'binary-ascii', maxLength: 8 })
      .filter((text) => text !== '' && !text.includes('\0'));
    const lines = fc.array(fc.array(word, { minLength: 1, maxLength: 4 }), { minLength: 1, maxLength: 3 });
    fc.assert(
      fc.property(lines, (commands) => {
        expect(alternativesOf(lineFor(commands))).toEqual([...commands, ['true']]);
      }),
      { numRuns: 500 },
    );
    const all = fc.sample(word, 300);
    const { stdout } = await call(sandbox, `printf '%s\\0' ${all.map(quote).join(' ')}`, 'SessionStart', {});
    expect(stdout.split('\0').slice(0, -1)).toEqual(all);
  });

  test.for(['a; b', 'a && b', 'a | b', 'a &', 'a > file', '$A b', 'a "$B"', 'a `b`', '(a)', 'a\nb', 'a # b', 'a "b'])(
    'is not taken for what a person wrote: %s',
    (line) => {
      expect(alternativesOf(line)).toBeUndefined();
    },
  );
});

describe('the plugin’s line', () => {
  const PLUGIN = join(ROOT, '.claude-plugin/opencode-reap');
  const NODES = 'node /usr/local/bin/node /usr/bin/node /opt/homebrew/bin/node';

  /** Placeholders are filled in by the client, before a shell sees them. */
  const lineOf = async (event: EventName, root: string, nodes: string): Promise<string> => {
    const text = (await jsonOf(join(PLUGIN, 'hooks/hooks.json'))).hooks[event][0].hooks[0].command as string;
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Claude Code fills it in
    expect([text.includes(NODES), text.includes('"${CLAUDE_PLUGIN_ROOT}/hook.cjs"')]).toEqual([true, true]);
    // biome-ignore lint/suspicious/noTemplateCurlyInString: Claude Code fills it in
    return text.replace(NODES, nodes).replaceAll('${CLAUDE_PLUGIN_ROOT}', root);
  };

  test('is silent with no node, with an old one and with a good one, in a folder with blanks', async ({ sandbox }) => {
    const root = join(sandbox.root, 'a plugin’s folder');
    await mkdir(root);
    for (const name of ['hook.cjs', 'opencode-reap.cjs']) await cp(join(ROOT, 'dist', name), join(root, name));
    const none = await pathWith(sandbox);
    expect(await both(sandbox, (event) => lineOf(event, root, 'node /gone/node'), none)).toBe(false);
    const old = oldNode('12.22.12') ?? '/bin/false';
    expect(await both(sandbox, (event) => lineOf(event, root, `${old} /gone/node`), {})).toBe(false);
    expect(await both(sandbox, (event) => lineOf(event, root, `node ${old} ${process.execPath}`), none)).toBe(true);
  });

  test('of one that follows our page is silent as well', async ({ sandbox }) => {
    const page = await readFile(join(ROOT, 'docs/plugin-authors.md'), 'utf8');
    const lines = [...page.matchAll(/^\+ *"command": ("node .*"),$/gm)].map(([, json = '']) => JSON.parse(json));
    expect(lines).toHaveLength(2);
    const root = join(sandbox.root, 'a plugin’s folder');
    await mkdir(join(root, 'scripts/lib'), { recursive: true });
    await cp(join(ROOT, 'dist/opencode-reap.mjs'), join(root, 'scripts/lib/opencode-reap.mjs'));
    const lineIn = async (event: EventName): Promise<string> =>
      // biome-ignore lint/suspicious/noTemplateCurlyInString: Claude Code fills it in
      lines[event === 'SessionStart' ? 0 : 1].replaceAll('${CLAUDE_PLUGIN_ROOT}', root);
    expect(await both(sandbox, lineIn, await pathWith(sandbox))).toBe(false);
    expect(await both(sandbox, lineIn, await pathWith(sandbox, oldNode('12.22.12') ?? '/bin/false'))).toBe(false);
    expect(await both(sandbox, lineIn, {})).toBe(true);
  });
});

describe('what older versions and older clients have left', () => {
  const script = (sandbox: Sandbox): string => join(copies(sandbox), 'hook.cjs');
  const exec = (path: string, word: string, command = 'node') => ({
    type: 'command',
    command,
    args: [path, 'hook', word],
    timeout: 5,
  });
  const BARE = { type: 'command', command: 'node', timeout: 5 };
  const hooksWith = (start: object[], end: object[]) => ({
    model: 'opus',
    hooks: { SessionStart: start.map((one) => ({ hooks: [one] })), SessionEnd: end.map((one) => ({ hooks: [one] })) },
  });

  test('is upgraded by install, once, and taken out by uninstall', async ({ sandbox }) => {
    const path = script(sandbox);
    await run(sandbox, ['install']);
    const fresh = (await jsonOf(userSettings(sandbox))).hooks;
    const line = fresh.SessionStart[0].hooks[0];
    const cases: readonly [object[], object[]][] = [
      [[exec(path, 'session-start')], [exec(path, 'session-end')]],
      [[BARE], [BARE]],
      [[BARE, exec(path, 'session-start')], [exec('/moved/opencode-reap/hook.cjs', 'session-end')]],
      [
        [exec(path, 'session-start'), line, BARE],
        [BARE, BARE],
      ],
      [[{ ...line, command: `node ${path} hook session-start` }], [{ ...exec(path, 'session-end'), timeout: 5 }]],
    ];
    for (const [start, end] of cases) {
      for (const indent of isThorough ? [undefined, 2] : [2]) {
        const text = JSON.stringify(hooksWith(start, end), null, indent);
        await write(userSettings(sandbox), text);
        await run(sandbox, ['install']);
        expect(await jsonOf(userSettings(sandbox))).toEqual({ model: 'opus', hooks: fresh });
        await write(userSettings(sandbox), text);
        await run(sandbox, ['uninstall']);
        expect(await jsonOf(userSettings(sandbox))).toEqual({ model: 'opus' });
      }
    }
  });

  test('keeps the node and the timeout that a person has given it', async ({ sandbox }) => {
    const theirs = { ...exec(script(sandbox), 'session-start', '/opt/my node/bin/node'), timeout: 9 };
    await write(userSettings(sandbox), JSON.stringify(hooksWith([theirs], [])));
    await run(sandbox, ['install']);
    const [{ hooks }] = (await jsonOf(userSettings(sandbox))).hooks.SessionStart;
    expect(hooks[0]).toEqual({
      type: 'command',
      command: expect.stringMatching(/^'\/opt\/my node\/bin\/node' .* \|\| \/.*node .* \|\| true$/),
      timeout: 9,
    });
    expect((await run(sandbox, ['install'])).stdout).toContain('already installed');
  });

  test('is written anew for another node only once the old one is gone', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const text = await read(userSettings(sandbox));
    const other = join(sandbox.root, 'node');
    await symlink(process.execPath, other);
    await write(userSettings(sandbox), text.replaceAll(` ${process.execPath} `, ` ${other} `));
    expect((await run(sandbox, ['install'])).stdout).toContain('already installed');
    await write(userSettings(sandbox), text.replaceAll(` ${process.execPath} `, ' /gone/node '));
    await run(sandbox, ['install']);
    expect(await read(userSettings(sandbox))).toBe(text);
  });

  const others = [
    ['a node with another timeout', { SessionStart: [{ hooks: [{ type: 'command', command: 'node', timeout: 10 }] }] }],
    ['a node without a timeout', { SessionEnd: [{ hooks: [{ type: 'command', command: 'node' }] }] }],
    ['a node for some starts only', { SessionStart: [{ matcher: 'clear', hooks: [BARE] }] }],
    ['a node for another event', { Stop: [{ hooks: [BARE] }] }],
    ['a node with a script', { SessionStart: [{ hooks: [{ ...BARE, args: ['/their/hook.cjs', 'hook'] }] }] }],
    ['a line of theirs', { SessionEnd: [{ hooks: [{ ...BARE, command: 'node /their/hook.cjs hook session-end' }] }] }],
  ] as const;
  test.for(sampled(others, 2))('is not %s, which stays', async ([, hooks], { sandbox }) => {
    const text = JSON.stringify({ hooks }, null, 2);
    await write(userSettings(sandbox), text);
    await run(sandbox, ['install']);
    expect(await read(userSettings(sandbox))).toContain('opencode-reap/hook.cjs hook session-start');
    await run(sandbox, ['uninstall']);
    expect(await read(userSettings(sandbox))).toBe(text);
    expect(await names(copies(sandbox))).toEqual([]);
  });

  const lines = [
    (path: string) => `date >>/tmp/log; node ${path} hook session-end`,
    (path: string) => `node ${path} hook session-end || echo it failed`,
    (path: string) => `if true; then node '${path}' hook session-end; fi`,
    () => 'node $HOME/.local/share/opencode-reap/hook.cjs hook session-end',
    () => 'exec ~/bin/node ~/.local/share/opencode-reap/hook.cjs hook session-end',
  ];
  test.for(sampled(lines, 2))(
    'is not a line that does more than call us; the copies stay for it: %s',
    async (line, { sandbox }) => {
      const more = { type: 'command', command: line(script(sandbox)) };
      const text = JSON.stringify({ hooks: { SessionEnd: [{ hooks: [more] }] } });
      await write(userSettings(sandbox), text);
      await run(sandbox, ['install']);
      const { stdout } = await run(sandbox, ['uninstall']);
      expect(await read(userSettings(sandbox))).toBe(text);
      expect(stdout).toContain('the copies stay: ~/.claude/settings.json may still call them');
      expect(await names(copies(sandbox))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
    },
  );
});
