import { execFile } from 'node:child_process';
import { chmod, link, mkdir, readlink, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { describe, expect } from 'vitest';
import { readSettings, removeSettings, writeSettings } from '../../src/install/settings-file.js';
import {
  copies,
  DIST,
  group,
  hooksOf,
  jsonOf,
  MINE,
  names,
  read,
  run,
  test,
  userSettings,
  write,
} from '../support/installed.js';

describe('install', () => {
  test('copies the build and has Claude Code call it', async ({ sandbox }) => {
    const { code, stdout, stderr } = await run(sandbox, ['install']);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain('wrote opencode-reap.cjs and hook.cjs in ~/.local/share/opencode-reap\n');
    expect(await jsonOf(userSettings(sandbox))).toEqual({ hooks: hooksOf(sandbox) });
    for (const name of ['hook.cjs', 'opencode-reap.cjs'])
      expect(await read(join(copies(sandbox), name))).toBe(await read(join(DIST, name)));
    expect((await stat(copies(sandbox))).mode & 0o077).toBe(0);
  });

  test('does so from the program in one file, and from the copy that it made', async ({ sandbox }) => {
    const program = join(sandbox.root, 'vendored');
    for (const name of ['hook.cjs', 'opencode-reap.cjs'])
      await write(join(program, name), await read(join(DIST, name)));
    const node = (file: string, ...args: string[]) =>
      promisify(execFile)(process.execPath, [file, ...args], { env: sandbox.env(), cwd: sandbox.project });
    await node(join(program, 'opencode-reap.cjs'), 'install');
    const copy = join(copies(sandbox), 'opencode-reap.cjs');
    expect(await read(copy)).toBe(await read(join(DIST, 'opencode-reap.cjs')));
    expect((await node(copy, 'install')).stdout).toContain('already installed');
    await node(copy, 'uninstall');
    expect([await names(copies(sandbox)), await names(dirname(userSettings(sandbox)))]).toEqual([[], []]);
  });

  test('leaves every other byte of the file as it was, its mode included', async ({ sandbox }) => {
    const file = await write(userSettings(sandbox), MINE);
    // More than the usual umask leaves.
    await chmod(file, 0o660);
    await run(sandbox, ['install']);
    const text = await read(file);
    expect(text.startsWith(`${MINE.slice(0, -2)},\n    "hooks": {\n        "SessionStart": [\n`)).toBe(true);
    expect(text.endsWith('    }\n}')).toBe(true);
    expect(JSON.parse(text)).toEqual({ ...JSON.parse(MINE), hooks: hooksOf(sandbox) });
    expect((await stat(file)).mode & 0o777).toBe(0o660);
    expect(await names(dirname(file))).toEqual(['settings.json']);
  });

  test('says so when there is nothing to do, and writes nothing', async ({ sandbox }) => {
    await write(userSettings(sandbox), MINE);
    await run(sandbox, ['install']);
    const files = [userSettings(sandbox), join(copies(sandbox), 'hook.cjs')];
    const before = await Promise.all(files.map(async (file) => (await stat(file)).ino));
    const { code, stdout } = await run(sandbox, ['install']);
    expect([code, stdout]).toEqual([
      0,
      'already installed: ~/.claude/settings.json and what it calls are up to date\n',
    ]);
    expect(await Promise.all(files.map(async (file) => (await stat(file)).ino))).toEqual(before);
  });

  test('changes the port and the state folder in place, and nothing else of a handler', async ({ sandbox }) => {
    const file = userSettings(sandbox);
    await run(sandbox, ['install']);
    await write(file, (await read(file)).replaceAll('"timeout": 5', '"timeout": 3'));
    await run(sandbox, ['install', '--port', '4777'], { env: { OPENCODE_REAP_STATE_DIR: 'elsewhere' } });
    const more = ['--port', '4777', '--state-dir', join(sandbox.project, 'elsewhere')];
    const text = JSON.stringify({ hooks: hooksOf(sandbox, ...more) }).replaceAll('"timeout":5', '"timeout":3');
    expect(await jsonOf(file)).toEqual(JSON.parse(text));
    await run(sandbox, ['install']);
    expect(await read(file)).not.toContain('4777');
  });

  test('takes over what a vendored copy registered, once', async ({ sandbox }) => {
    const vendored = JSON.stringify(group(sandbox, 'session-start')).replace(
      /"[^"]*hook.cjs"/,
      '"/v/opencode-reap/hook.cjs"',
    );
    await write(userSettings(sandbox), `{"hooks": {"SessionStart": [${vendored}, ${vendored}]}}`);
    await run(sandbox, ['install']);
    expect(await jsonOf(userSettings(sandbox))).toEqual({ hooks: hooksOf(sandbox) });
  });

  test.for([
    ['project', 'settings.json'],
    ['local', 'settings.local.json'],
  ] as const)('--scope %s writes into the project', async ([scope, name], { sandbox }) => {
    await mkdir(join(sandbox.project, '.git'));
    await mkdir(join(sandbox.project, 'deep/down'), { recursive: true });
    await run(sandbox, ['install', '--scope', scope], { cwd: join(sandbox.project, 'deep/down') });
    expect(await jsonOf(join(sandbox.project, '.claude', name))).toEqual({ hooks: hooksOf(sandbox) });
    expect(await names(join(sandbox.home, '.claude'))).toEqual([]);
  });

  test('goes where CLAUDE_CONFIG_DIR and XDG_DATA_HOME say', async ({ sandbox }) => {
    const env = { CLAUDE_CONFIG_DIR: join(sandbox.root, 'config'), XDG_DATA_HOME: join(sandbox.root, 'data') };
    await run(sandbox, ['install'], { env });
    expect(await read(join(env.CLAUDE_CONFIG_DIR, 'settings.json'))).toContain(
      `${env.XDG_DATA_HOME}/opencode-reap/hook`,
    );
    expect(await names(join(env.XDG_DATA_HOME, 'opencode-reap'))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
  });

  test('follows links, also to a file that is not there yet', async ({ sandbox }) => {
    const dotfiles = join(sandbox.home, 'dotfiles');
    await mkdir(dotfiles);
    await mkdir(dirname(userSettings(sandbox)));
    await symlink('../dotfiles/claude.json', userSettings(sandbox));
    await run(sandbox, ['install']);
    expect(await readlink(userSettings(sandbox))).toBe('../dotfiles/claude.json');
    expect(await jsonOf(join(dotfiles, 'claude.json'))).toEqual({ hooks: hooksOf(sandbox) });
  });

  test('keeps a byte order mark, over which Claude Code reads', async ({ sandbox }) => {
    await write(userSettings(sandbox), '\ufeff{"a": 1}\r\n');
    await run(sandbox, ['install']);
    expect(await read(userSettings(sandbox))).toMatch(/^\ufeff\{"a": 1,"hooks":.*\}\r\n$/);
  });

  test('backs the old file up beside the state, where no other user can read it', async ({ sandbox }) => {
    await write(userSettings(sandbox), MINE);
    const { stdout } = await run(sandbox, ['install']);
    const folder = join(sandbox.home, '.local/state/opencode-reap/backups');
    const [name = ''] = await names(folder);
    expect(name).toMatch(/^settings-user-[0-9a-f]{8}-\d{4}-\d\d-\d\dT[\d-]+Z\.json$/);
    expect(stdout).toContain(`backup: ~/.local/state/opencode-reap/backups/${name}`);
    expect(await read(join(folder, name))).toBe(MINE);
    expect([(await stat(folder)).mode & 0o777, (await stat(join(folder, name))).mode & 0o777]).toEqual([0o700, 0o600]);
  });

  test.for([
    ['not JSON', '{"a": 1', 'it is not valid JSON'],
    ['comments, for which Claude Code ignores the file', '{\n  // mine\n  "a": 1\n}', 'it is not valid JSON'],
    ['a comma too many', '{"a": 1,}', 'it is not valid JSON'],
    ['a list', '[]', 'it is not a JSON object'],
    ['hooks that are a list', '{"hooks": []}', 'its `hooks` is not an object'],
    ['an event that is not a list', '{"hooks": {"SessionEnd": {}}}', 'its `hooks.SessionEnd` is not a list'],
    ['hooks twice', '{"hooks": {}, "hooks": {}}', 'it has `hooks` twice'],
  ])('touches nothing where there is %s', async ([, text = '', because], { sandbox }) => {
    const file = await write(userSettings(sandbox), text);
    for (const args of [['install'], ['uninstall'], ['install', '--dry-run']]) {
      const { code, stdout, stderr } = await run(sandbox, args);
      expect([code, stdout]).toEqual([1, '']);
      expect(stderr).toMatch(/^error: .+\nhint: .+\n$/);
      expect(stderr).toContain(`could not change ${file}: ${because}\n`);
    }
    expect(await read(file)).toBe(text);
    expect([await names(copies(sandbox)), await names(join(sandbox.home, '.local/state'))]).toEqual([[], []]);
  });

  test('refuses what is not a file, and bytes that are not text', async ({ sandbox }) => {
    await mkdir(userSettings(sandbox), { recursive: true });
    expect((await run(sandbox, ['install'])).stderr).toContain('settings.json: not a regular file\n');
    const local = join(sandbox.project, '.claude/settings.local.json');
    await write(local, '');
    await writeFile(local, Buffer.from('{"a": "\xff"}', 'latin1'));
    expect((await run(sandbox, ['install', '--scope', 'local'])).stderr).toContain('it is not UTF-8\n');
  });

  test('does not overwrite what was written in the meantime', async ({ sandbox }) => {
    const file = await write(userSettings(sandbox), MINE);
    const before = readSettings(file);
    if (typeof before === 'string') throw new Error(before);
    await write(file, '{"theirs": 1}');
    const failed = { because: 'it has just been changed', kind: 'failed' };
    expect(writeSettings(before, '{"ours": 1}')).toEqual(failed);
    expect(removeSettings(before)).toEqual(failed);
    expect([await read(file), await names(dirname(file))]).toEqual(['{"theirs": 1}', ['settings.json']]);
    // The same where it would be written in place.
    await link(file, join(sandbox.home, 'second'));
    const linked = readSettings(file);
    if (typeof linked === 'string') throw new Error(linked);
    await write(file, '{"theirs": 2}');
    expect([writeSettings(linked, '{"ours": 1}'), await read(file)]).toEqual([failed, '{"theirs": 2}']);
  });

  test('--dry-run shows what is ours, nothing of theirs, and touches nothing', async ({ sandbox }) => {
    const file = await write(userSettings(sandbox), MINE);
    const fresh = await run(sandbox, ['install', '--dry-run', '--scope', 'local']);
    expect(fresh.stdout).toContain('@@ line 2 @@\n+  "hooks": {\n');
    expect(fresh.stdout).toMatch(/\n\+ {2}\}\nnothing was changed\n$/);
    const { code, stdout } = await run(sandbox, ['install', '--dry-run']);
    expect(code).toBe(0);
    expect(stdout).toContain(
      'would write opencode-reap.cjs and hook.cjs in ~/.local/share/opencode-reap\n--- ~/.claude',
    );
    expect(stdout).toContain('@@ line 4 @@\n+    "hooks": {\n+        "SessionStart": [\n');
    expect(stdout).toContain('+    }\nnothing was changed\n');
    expect(stdout).not.toContain('s3cret');
    expect(await read(file)).toBe(MINE);
    expect([await names(copies(sandbox)), await names(join(sandbox.home, '.local/state'))]).toEqual([[], []]);
    const json = JSON.parse((await run(sandbox, ['install', '--dry-run', '--json'])).stdout);
    expect(json).toMatchObject({ dryRun: true, scope: 'user', settings: file, changed: true, backup: null });
  });

  test('wants a scope that there is', async ({ sandbox }) => {
    const { code, stderr } = await run(sandbox, ['install', '--scope', 'world']);
    expect(code).toBe(2);
    expect(stderr).toMatch(/^error: .*'world' is invalid: .*user, project, local.*\nhint: /);
  });
});
