import { chmod, cp, mkdir, stat, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { stateFolder } from '../../src/state/folders.js';
import { machine, writeState } from '../support/fake.js';
import { copies, execGroup, jsonOf, names, read, run, test, userSettings, write } from '../support/installed.js';
import { oldNode, withoutOldNode } from '../support/old-node.js';
import { onDemand, sampled } from '../support/patience.js';
import type { Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

interface Finding {
  readonly level: string;
  readonly about: string;
  readonly detail: string;
  readonly hint?: string;
}

const state = ({ home }: Sandbox): string => join(home, '.local/state/opencode-reap');

const examine = async (sandbox: Sandbox): Promise<{ code: number | null; findings: readonly Finding[] }> => {
  const { code, stdout, stderr } = await run(sandbox, ['doctor', '--json']);
  expect(stderr).toBe('');
  return { code, findings: JSON.parse(stdout).findings };
};

/** What is not as it should be, `level about: detail`; each has a hint, and `fail` is exit code 1. */
const complaints = async (sandbox: Sandbox): Promise<string[]> => complaintsIn(sandbox, await examine(sandbox));

const complaintsIn = (sandbox: Sandbox, { code, findings }: Awaited<ReturnType<typeof examine>>): string[] => {
  // How long a hook takes is the machine's business, which other tests keep busy.
  const wrong = findings.filter(({ level, about }) => level !== 'ok' && !(level === 'warn' && about === 'hook time'));
  expect(wrong.filter(({ hint }) => !hint)).toEqual([]);
  expect(code).toBe(wrong.some(({ level }) => level === 'fail') ? 1 : 0);
  return wrong.map(({ level, about, detail }) => `${level} ${about}: ${detail.replaceAll(sandbox.root, '')}`);
};

const BUILT = join(import.meta.dirname, '../../dist/opencode-reap.mjs');

/** An installed plugin, `p@m`, with our hooks as the page for plugin authors has them, and without the file. */
const pluginIn = async (sandbox: Sandbox, folder: string, file = 'opencode-reap.mjs'): Promise<string> => {
  const root = join(sandbox.home, folder);
  const groups = (word: string) => [{ hooks: [{ type: 'command', command: line(word), timeout: 5 }] }];
  const line = (word: string): string =>
    `node "\${CLAUDE_PLUGIN_ROOT}/scripts/${file}" hook ${word} >/dev/null 2>&1 || true`;
  const hooks = { SessionStart: groups('session-start'), SessionEnd: groups('session-end') };
  await write(join(root, 'hooks/hooks.json'), JSON.stringify({ hooks }));
  await mkdir(join(root, 'scripts'));
  const plugins = { 'p@m': [{ scope: 'user', installPath: root }] };
  await write(join(sandbox.home, '.claude/plugins/installed_plugins.json'), JSON.stringify({ version: 2, plugins }));
  return root;
};

const UNCALLED = 'warn hooks: Claude Code calls none of our hooks';

describe('doctor', () => {
  test('works with no state at all, and makes none', async ({ sandbox }) => {
    const { code, stdout, stderr } = await run(sandbox, ['doctor']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toMatch(/^ok {4}node {12}20\.\d+\.\d+$|^ok {4}node {12}\d+\.\d+\.\d+$/m);
    expect(stdout).toContain('\nok    state           ~/.local/state/opencode-reap, not created yet\n');
    expect(stdout).toContain('\nwarn  hooks           Claude Code calls none of our hooks\n');
    expect(stdout).toContain('\n                      hint: opencode-reap install, or');
    // On a machine that is busy with tests it is slow, which doctor says.
    expect(stdout).toMatch(/^(ok {2}|warn) {2}hook time {7}\d+ ms \(median of 5\); all hooks together have 1\.5 s$/m);
    expect(stdout).toContain(
      '\nok    machine         processes, process sessions, sockets, environments, working directories and the boot can be read\n',
    );
    expect(await names(join(sandbox.home, '.local/state'))).toEqual([]);
    expect(await names(join(sandbox.home, '.claude'))).toEqual([]);
    expect(await run(sandbox, ['doctor', '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('has nothing to complain about after install, and changes nothing', async ({ sandbox }) => {
    await mkdir(state(sandbox), { recursive: true, mode: 0o700 });
    // What a run leaves for the next session to tell.
    await writeFile(join(state(sandbox), 'notice.json'), '{}', { mode: 0o600 });
    await run(sandbox, ['install']);
    await run(sandbox, ['install', '--scope', 'local', '--port', '4777']);
    const before = await read(userSettings(sandbox));
    const examined = await examine(sandbox);
    expect(complaintsIn(sandbox, examined)).toEqual([]);
    expect(examined.findings.filter(({ about }) => about === 'hooks').map(({ detail }) => detail)).toEqual([
      `SessionStart and SessionEnd in ${userSettings(sandbox)}`,
      `SessionStart and SessionEnd in ${sandbox.project}/.claude/settings.local.json`,
      `${copies(sandbox)}/hook.cjs is this build`,
    ]);
    expect(await read(userSettings(sandbox))).toBe(before);
    // Of install, which notes whose hooks the copies are.
    expect((await names(state(sandbox))).sort()).toEqual(['notice.json', 'settings']);
  });
});

describe('of the hooks, doctor says', () => {
  test('that the registered one is gone, or only half there', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const text = (await read(userSettings(sandbox))).replaceAll('/.local/share/', '/gone/');
    await write(userSettings(sandbox), text.replace('"SessionEnd"', '"Stop"'));
    expect(await complaints(sandbox)).toEqual([
      'warn hooks: SessionEnd is missing from /home/.claude/settings.json',
      'fail hooks: /home/gone/opencode-reap/hook.cjs does not exist',
    ]);
  });

  test('that the registered one is another build, until install is run again', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    await writeFile(join(copies(sandbox), 'opencode-reap.cjs'), '// older\n');
    const said = 'warn hooks: /home/.local/share/opencode-reap/hook.cjs is a different build from this one';
    expect(await complaints(sandbox)).toEqual([said]);
    await run(sandbox, ['install']);
    expect(await complaints(sandbox)).toEqual([]);
  });

  const failing = [
    ['prints', 'console.log("hello")', 'it printed something'],
    ['fails', 'process.exit(3)', 'exit code 3'],
    ['does not end', 'setInterval(() => {}, 1000)', 'did not finish within 1.5 s'],
  ] as const;
  test.for(sampled(failing, 1))('when it %s', async ([, script, said], { sandbox }) => {
    await run(sandbox, ['install']);
    await writeFile(join(copies(sandbox), 'hook.cjs'), script);
    expect(await complaints(sandbox)).toContainEqual(
      `fail hook time: node /home/.local/share/opencode-reap/hook.cjs hook doctor: ${said}`,
    );
  });

  test('that their command cannot be found', { ...onDemand }, async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const text = await read(userSettings(sandbox));
    const missing = text.replaceAll('"node /', '"nodejs-20 /');
    await write(userSettings(sandbox), missing);
    const script = '/home/.local/share/opencode-reap/hook.cjs';
    expect(await complaints(sandbox)).toEqual([
      `warn hooks: nodejs-20 ${script} hook doctor does not work here; ${process.execPath} does`,
    ]);
    await write(userSettings(sandbox), missing.replaceAll(process.execPath, '/gone/node'));
    expect(await complaints(sandbox)).toEqual([`fail hook time: nodejs-20 ${script} hook doctor: ENOENT`]);
  });

  const tooOld = withoutOldNode('16.20.2');
  test.skipIf(tooOld)(`that the node on the PATH is too old${tooOld}`, async ({ sandbox }) => {
    await run(sandbox, ['install']);
    await symlink(oldNode('16.20.2') ?? '', join(sandbox.binDir, 'node'));
    const [said] = await complaints(sandbox);
    expect(said).toMatch(/^warn hooks: node .*hook doctor does not work here; .*node does$/);
  });

  test('that an earlier version or an old client has written them', { ...onDemand }, async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const script = join(copies(sandbox), 'hook.cjs');
    const bare = { hooks: [{ type: 'command', command: 'node', timeout: 5 }] };
    const hooks = { SessionStart: [execGroup(script, 'session-start')], SessionEnd: [bare] };
    await write(userSettings(sandbox), JSON.stringify({ hooks }));
    expect(await complaints(sandbox)).toEqual([
      'fail hooks: /home/.claude/settings.json has what an older Claude Code left of our hooks, and that fails in every session',
      'warn hooks: /home/.claude/settings.json has our hooks in a form that fails in older versions of Claude Code',
      'warn hooks: SessionEnd is missing from /home/.claude/settings.json',
    ]);
    await run(sandbox, ['install']);
    expect(await complaints(sandbox)).toEqual([]);
  });

  test('nothing by running what a project names', { ...onDemand }, async ({ sandbox }) => {
    const evil = await write(join(sandbox.project, 'opencode-reap/hook.cjs'), '');
    await write(join(sandbox.project, 'opencode-reap/opencode-reap.cjs'), '');
    const handler = { type: 'command', command: join(sandbox.binDir, 'evil'), args: [evil, 'hook', 'session-start'] };
    await writeFile(handler.command, `#!/bin/sh\ntouch ${sandbox.root}/ran\n`, { mode: 0o755 });
    const hooks = { SessionStart: [{ hooks: [handler] }], SessionEnd: [{ hooks: [handler] }] };
    await write(join(sandbox.project, '.claude/settings.json'), JSON.stringify({ hooks }));
    const other = 'warn hooks: /project/opencode-reap/hook.cjs is a different build from this one';
    const old =
      'warn hooks: /project/.claude/settings.json has our hooks in a form that fails in older versions of Claude Code';
    expect(await complaints(sandbox)).toEqual([old, other]);
    // With the copies there, so that something is run at all.
    await run(sandbox, ['install'], { env: { CLAUDE_CONFIG_DIR: join(sandbox.root, 'other') } });
    const call = (script: string) => `${script} hook session-start >/dev/null 2>&1`;
    for (const [script, runner, next] of [
      [evil, handler.command, 'node'],
      [join(copies(sandbox), 'hook.cjs'), '/gone/node', handler.command],
      [join(copies(sandbox), 'hook.cjs'), 'node', handler.command],
    ] as const) {
      const line = { type: 'command', command: `${runner} ${call(script)} || ${next} ${call(script)} || true` };
      const both = { SessionStart: [{ hooks: [line] }], SessionEnd: [{ hooks: [line] }] };
      await write(join(sandbox.project, '.claude/settings.json'), JSON.stringify({ hooks: both }));
      expect((await complaints(sandbox)).filter((one) => one.includes('hook time'))).toEqual([]);
    }
    expect(await names(sandbox.root)).not.toContain('ran');
  });

  test('that settings cannot be read, or switch all hooks off', async ({ sandbox }) => {
    await write(userSettings(sandbox), '{ "disableAllHooks": true }');
    await write(join(sandbox.project, '.claude/settings.json'), '{,}');
    expect(await complaints(sandbox)).toEqual([
      'warn hooks: /home/.claude/settings.json turns all hooks off',
      'fail hooks: could not read /project/.claude/settings.json: it is not valid JSON',
    ]);
  });

  test.for(sampled(['opencode-reap.mjs', 'opencode-reap.vendor.cjs'], 1))(
    'which enabled plugin carries them, and that its copy works: %s',
    async (file, { sandbox }) => {
      const root = await pluginIn(sandbox, '.claude/plugins/cache/m/p/1', file);
      await cp(join(BUILT, '..', file), join(root, 'scripts', file));
      await write(userSettings(sandbox), JSON.stringify({ enabledPlugins: { 'p@m': true } }));
      const examined = await examine(sandbox);
      const { findings } = examined;
      expect(findings).toContainEqual({ level: 'ok', about: 'hooks', detail: 'provided by the plugin p@m' });
      expect(findings.filter(({ about }) => about === 'hook time')).toHaveLength(1);
      expect(complaintsIn(sandbox, examined)).toEqual([]);
      await write(join(sandbox.project, '.claude/settings.json'), JSON.stringify({ enabledPlugins: { 'p@m': false } }));
      expect(await complaints(sandbox)).toEqual([UNCALLED]);
    },
  );

  const broken = [
    ['is not there', undefined, /^fail hooks: the plugin p@m calls .*\/opencode-reap\.mjs, which does not exist$/],
    ['prints', 'console.log("hello")', /^fail hook time: node .*\/scripts\/opencode-reap\.mjs hook doctor: it printed/],
    ['fails', 'process.exit(3)', /^fail hook time: node .*\/scripts\/opencode-reap\.mjs hook doctor: exit code 3$/],
  ] as const;
  test.for(sampled(broken, 1))('that a plugin’s copy %s', async ([, script, said], { sandbox }) => {
    const root = await pluginIn(sandbox, '.claude/plugins/cache/m/p/1');
    if (script !== undefined) await write(join(root, 'scripts/opencode-reap.mjs'), script);
    await write(userSettings(sandbox), JSON.stringify({ enabledPlugins: { 'p@m': true } }));
    expect(await complaints(sandbox)).toEqual([expect.stringMatching(said)]);
  });

  test('that a plugin has one of the two hooks, also in plugin.json', { ...onDemand }, async ({ sandbox }) => {
    const root = await pluginIn(sandbox, '.claude/plugins/cache/m/p/1');
    await cp(BUILT, join(root, 'scripts/opencode-reap.mjs'));
    await write(userSettings(sandbox), JSON.stringify({ enabledPlugins: { 'p@m': true } }));
    const { hooks } = await jsonOf(join(root, 'hooks/hooks.json'));
    await write(join(root, 'hooks/hooks.json'), JSON.stringify({ hooks: { SessionStart: hooks.SessionStart } }));
    expect(await complaints(sandbox)).toEqual(['warn hooks: the plugin p@m does not call ours at SessionEnd']);
    const inline = { name: 'p', hooks: { SessionEnd: hooks.SessionEnd } };
    await write(join(root, '.claude-plugin/plugin.json'), JSON.stringify(inline));
    expect(await complaints(sandbox)).toEqual([]);
  });

  test('what is in the folder of a marketplace that is used in place, and not in the copy', { ...onDemand }, async ({
    sandbox,
  }) => {
    const root = await pluginIn(sandbox, '.claude/plugins/cache/m/p/1');
    const market = join(sandbox.root, 'market');
    await cp(root, join(market, 'plugins/p'), { recursive: true });
    await cp(BUILT, join(market, 'plugins/p/scripts/opencode-reap.mjs'));
    await write(userSettings(sandbox), JSON.stringify({ enabledPlugins: { 'p@m': true } }));
    const list = { name: 'm', plugins: [{ name: 'p', source: './plugins/p' }] };
    await write(join(market, '.claude-plugin/marketplace.json'), JSON.stringify(list));
    expect(await complaints(sandbox)).toHaveLength(1);
    const known = { m: { source: { source: 'directory', path: market }, installLocation: market } };
    await write(join(sandbox.home, '.claude/plugins/known_marketplaces.json'), JSON.stringify(known));
    expect(await complaints(sandbox)).toEqual([]);
  });

  test('nothing by running a plugin that only the project has enabled', async ({ sandbox }) => {
    const root = await pluginIn(sandbox, '.claude/plugins/cache/m/p/1');
    const evil = `require('node:fs').writeFileSync('${sandbox.root}/ran', '')`;
    await write(join(root, 'scripts/opencode-reap.mjs'), evil.replace('require(', 'process.getBuiltinModule('));
    await write(join(sandbox.project, '.claude/settings.json'), JSON.stringify({ enabledPlugins: { 'p@m': true } }));
    expect(await complaints(sandbox)).toEqual([]);
    expect(await names(sandbox.root)).not.toContain('ran');
    await write(userSettings(sandbox), JSON.stringify({ enabledPlugins: { 'p@m': true } }));
    expect(await complaints(sandbox)).toEqual([]);
    expect(await names(sandbox.root)).toContain('ran');
  });
});

describe('of the state folder, doctor says', () => {
  test.for([
    [0o755, 'warn state: others can access /home/.local/state/opencode-reap (mode 755)'],
    [0o777, 'fail state: others can write to /home/.local/state/opencode-reap (mode 777), so nothing in it is trusted'],
  ] as const)('that it is open to others: %o', async ([mode, said], { sandbox }) => {
    await mkdir(state(sandbox), { recursive: true });
    await chmod(state(sandbox), mode);
    expect(await complaints(sandbox)).toEqual([said, UNCALLED]);
    expect((await stat(state(sandbox))).mode & 0o777).toBe(mode);
  });

  test('that a folder in it is open to others, whichever it is', async ({ sandbox }) => {
    const { root, lastUses, log, notice, ...folders } = stateFolder(state(sandbox));
    expect([lastUses, log, notice].filter((file) => !/\.\w+$/.test(file))).toEqual([]);
    await mkdir(root, { recursive: true, mode: 0o700 });
    const open = (folder: string) =>
      `fail state: others can write to ${folder.replace(sandbox.root, '')} (mode 777), so nothing in it is trusted`;
    for (const folder of Object.values(folders)) {
      await mkdir(folder);
      await chmod(folder, 0o777);
    }
    expect((await complaints(sandbox)).sort()).toEqual([...Object.values(folders).map(open), UNCALLED].sort());
  });

  test('that it is not a folder', async ({ sandbox }) => {
    await write(state(sandbox), '');
    expect(await complaints(sandbox)).toContainEqual('fail state: /home/.local/state/opencode-reap is not a folder');
  });

  test('what cannot be read in it, what died half-way, and that a hook failed lately', async ({ sandbox }) => {
    // With our own pid, and a start token that no process of today has.
    const run = { pid: process.pid, startToken: '1' };
    const fence = { schema: 'opencode-reap/1', id: 'a', run, machine: machine(), tree: [], record: null };
    await writeState(state(sandbox), 'closing/a.json', fence);
    // Its record is back, and says what there is to say.
    await writeState(state(sandbox), `closing/b@${process.pid}-1.back.json`, { ...fence, id: 'b' });
    const line = (at: number, detail: string) =>
      `${JSON.stringify({ at: new Date(at).toISOString(), event: 'hook failed', id: '', detail })}\n`;
    const now = Date.now();
    const lines = line(now - 8 * 86_400_000, 'long ago') + line(now - 9000, 'hook session-end: EROFS');
    await writeState(state(sandbox), 'log.ndjson', lines);
    await writeState(state(sandbox), 'servers/a.json', '{');
    await writeState(state(sandbox), 'leases/b.json', { schema: 'opencode-reap/9' });
    const of = 'fail state: could not read /home/.local/state/opencode-reap';
    expect(await complaints(sandbox)).toEqual([
      UNCALLED,
      'warn fences: a run died while it was stopping 1 server',
      `${of}/servers/a.json: not valid JSON`,
      `${of}/leases/b.json: written by another version (schema opencode-reap/9)`,
      expect.stringMatching(/^warn log: a hook failed 1 time in 7 days, last at .*Z: hook session-end: EROFS$/),
    ]);
  });

  test('that requests wait without a background run, or which run is there', { ...onDemand }, async ({ sandbox }) => {
    const at = new Date(Date.now() - 11 * 60_000).toISOString();
    await writeState(state(sandbox), 'requests/a.json', { schema: 'opencode-reap/1', at, lingerMs: 3_600_000 });
    const said = 'warn requests: 1 request from ended sessions is still waiting, but there is no background run';
    expect(await complaints(sandbox)).toEqual([UNCALLED, said]);
    const sweep = sandbox.spawn(
      process.execPath,
      [join(import.meta.dirname, '../../dist/opencode-reap.cjs'), 'sweep'],
      {
        env: sandbox.env({ OPENCODE_REAP_STATE_DIR: undefined }),
        stdio: 'ignore',
      },
    );
    await waitFor('it has its claim', async () => (await names(state(sandbox))).includes('sweep.json'));
    const { findings } = await examine(sandbox);
    expect(findings).toContainEqual({ level: 'ok', about: 'background run', detail: `pid ${sweep.pid}` });
    expect(await complaints(sandbox)).toEqual([UNCALLED]);
  });

  test('that the variable that names it is not an absolute path, which is then another folder for each command', async ({
    sandbox,
  }) => {
    const { stdout } = await run(sandbox, ['doctor'], { env: { OPENCODE_REAP_STATE_DIR: 'here' } });
    expect(stdout).toMatch(
      /^warn {2}state +OPENCODE_REAP_STATE_DIR is here, which is another folder .+\n +hint: make it/m,
    );
    expect((await run(sandbox, ['doctor'])).stdout).not.toContain('OPENCODE_REAP_STATE_DIR');
  });

  test('that the background run cannot be examined', { ...onDemand }, async ({ sandbox }) => {
    const elsewhere = { ...machine(), pidNamespace: 'pid:[1]' };
    const claim = { schema: 'opencode-reap/1', holder: { pid: 4242, startToken: '1' }, machine: elsewhere };
    const file = await writeState(state(sandbox), 'sweep.json', claim);
    const said = 'warn background run: pid 4242 claims to be it, but cannot be examined from here';
    expect(await complaints(sandbox)).toEqual([UNCALLED, said]);
    await utimes(file, 0, 0);
    expect(await complaints(sandbox)).toEqual([UNCALLED]);
  });
});

test('an event that no hook has is logged, and doctor’s own is not', async ({ sandbox }) => {
  const hook = (event: string) => run(sandbox, ['hook', event], { input: '{"source": "startup"}' });
  expect(await hook('doctor')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await names(state(sandbox))).toEqual([]);
  expect(await hook('session-pause')).toEqual({ code: 0, stdout: '', stderr: '' });
  expect(await jsonOf(join(state(sandbox), 'log.ndjson'))).toMatchObject({ event: 'hook failed' });
});
