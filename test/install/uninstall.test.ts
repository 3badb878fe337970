import { spawnSync } from 'node:child_process';
import { rename, rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { describe, expect } from 'vitest';
import { copies, jsonOf, MINE, names, read, run, test, userSettings, write } from '../support/installed.js';
import { sampled } from '../support/patience.js';
import type { Sandbox } from '../support/sandbox.js';

describe('uninstall', () => {
  const files = [
    ['a file of mine', MINE],
    ['an empty object', '{}'],
    ['an empty file', ''],
    ['a blank file', ' \r\n\n'],
    ['a byte order mark alone', '\ufeff'],
    ['an empty object on two lines', '{\n}\n'],
    ['hooks that are empty', '{\r\n\t"hooks": {},\r\n\t"a": 1\r\n}\r\n'],
    ['an event that is empty', '{"hooks": {"SessionStart": [ ]}}'],
    ['hooks of others', '{\n  "hooks": {\n    "SessionStart": [{ "hooks": [] }],\n    "Stop": []\n  }\n}\n'],
  ];
  test.for(sampled(files, 3))('gives back to the byte: %s', async ([, text = ''], { sandbox }) => {
    const file = await write(userSettings(sandbox), text);
    await run(sandbox, ['install']);
    await run(sandbox, ['install', '--port', '4777']);
    expect(await read(file)).not.toBe(text);
    const { code, stdout } = await run(sandbox, ['uninstall']);
    expect(code).toBe(0);
    expect(stdout).toContain('changed ~/.claude/settings.json; backup: ~/.local/state/opencode-reap/backups/');
    expect(await read(file)).toBe(text);
    expect(await names(copies(sandbox))).toEqual([]);
  });

  test('removes the file that install created, unless more was added to it', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    await run(sandbox, ['uninstall']);
    expect(await names(dirname(userSettings(sandbox)))).toEqual([]);
    await run(sandbox, ['install']);
    const text = await read(userSettings(sandbox));
    await write(userSettings(sandbox), text.replace('{\n', '{\n  "model": "opus",\n'));
    await run(sandbox, ['uninstall']);
    expect(await read(userSettings(sandbox))).toBe('{\n  "model": "opus"\n}\n');
  });

  test('leaves what a person has put beside our hooks', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const settings = await jsonOf(userSettings(sandbox));
    settings.hooks.SessionStart[0].hooks.unshift({ type: 'command', command: 'echo' });
    settings.hooks.SessionEnd.push({ matcher: 'clear', hooks: [] });
    await write(userSettings(sandbox), JSON.stringify(settings));
    await run(sandbox, ['uninstall']);
    expect(await jsonOf(userSettings(sandbox))).toEqual({
      hooks: {
        SessionStart: [{ hooks: [{ type: 'command', command: 'echo' }] }],
        SessionEnd: [{ matcher: 'clear', hooks: [] }],
      },
    });
  });

  test('has nothing to do where nothing was installed', async ({ sandbox }) => {
    const said = 'nothing to remove: ~/.claude/settings.json has none of our hooks\n';
    expect(await run(sandbox, ['uninstall'])).toEqual({ code: 0, stdout: said, stderr: '' });
    expect(await names(join(sandbox.home, '.claude'))).toEqual([]);
  });

  test('leaves the copies while a project calls them', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    await run(sandbox, ['install', '--scope', 'local']);
    const { stdout } = await run(sandbox, ['uninstall']);
    expect(stdout).toContain('settings.local.json may still call them\n');
    expect(await names(copies(sandbox))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
    // An earlier version noted nothing, so here the user's own settings have the last word.
    const [notes, aside] = ['settings', 'aside'].map((name) => join(sandbox.home, '.local/state/opencode-reap', name));
    await rename(notes ?? '', aside ?? '');
    await run(sandbox, ['uninstall', '--scope', 'local']);
    expect(await names(copies(sandbox))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
    // Else the last one takes them along.
    await rename(aside ?? '', notes ?? '');
    await run(sandbox, ['uninstall', '--scope', 'local']);
    expect(await names(copies(sandbox))).toEqual([]);
  });

  const account = ({ root }: Sandbox, name: string) => ({ CLAUDE_CONFIG_DIR: join(root, name) });
  const both = ['hook.cjs', 'opencode-reap.cjs'];

  test.for([
    ['a state folder in common', {}],
    ['a state folder of its own', { OPENCODE_REAP_STATE_DIR: 'theirs' }],
    ['a state folder by XDG', { XDG_STATE_HOME: '/nowhere' }],
  ] as const)('for one account leaves the other one’s hooks, with %s', async ([, more], { sandbox }) => {
    const own = Object.fromEntries(Object.entries(more).map(([name, value]) => [name, join(sandbox.root, value)]));
    const [one, other] = [account(sandbox, 'one'), { ...account(sandbox, 'other'), ...own }];
    const settings = join(other.CLAUDE_CONFIG_DIR, 'settings.json');
    await run(sandbox, ['install'], { env: one });
    await run(sandbox, ['install'], { env: other });
    const dry = await run(sandbox, ['uninstall', '--dry-run'], { env: one });
    expect(dry.stdout).not.toContain('would remove');
    const { stdout } = await run(sandbox, ['uninstall'], { env: one });
    expect(stdout).toContain(`the copies stay: ${settings} may still call them`);
    expect(await names(copies(sandbox))).toEqual(both);
    const [{ hooks }] = (await jsonOf(settings)).hooks.SessionStart;
    const ran = spawnSync('/bin/sh', ['-c', hooks[0].command], { env: sandbox.env(), input: '{"source": "clear"}' });
    expect([ran.status, (await names(join(own.OPENCODE_REAP_STATE_DIR ?? sandbox.stateDir, 'leases'))).length]).toEqual(
      [0, 1],
    );
    await run(sandbox, ['uninstall'], { env: other });
    expect(await names(copies(sandbox))).toEqual([]);
    expect(await names(join(sandbox.home, '.local/state/opencode-reap/settings'))).toEqual([]);
  });

  test('leaves the copies for a file that it cannot read, and not for one that is gone or calls them no more', async ({
    sandbox,
  }) => {
    const others = ['gone', 'changed', 'blank', 'broken'].map((name) => account(sandbox, name));
    for (const env of others) await run(sandbox, ['install'], { env });
    const [gone = '', changed = '', blank = '', broken = ''] = others.map((env) => env.CLAUDE_CONFIG_DIR);
    await rm(gone, { recursive: true });
    await write(join(changed, 'settings.json'), '{"model": "opus"}');
    await write(join(blank, 'settings.json'), '');
    await write(join(broken, 'settings.json'), '{"model": ');
    await run(sandbox, ['install']);
    const { stdout } = await run(sandbox, ['uninstall']);
    expect(stdout.match(/the copies stay: .*/g)).toEqual([
      `the copies stay: ${join(broken, 'settings.json')} may still call them`,
    ]);
    expect(await names(copies(sandbox))).toEqual(both);
    await write(join(broken, 'settings.json'), '{}');
    await run(sandbox, ['uninstall']);
    expect(await names(copies(sandbox))).toEqual([]);
  });

  test('leaves the copies where what was noted cannot be read', async ({ sandbox }) => {
    await run(sandbox, ['install']);
    const note = await write(join(sandbox.home, '.local/state/opencode-reap/settings/a.json'), '{"schema": "opencode-');
    expect((await run(sandbox, ['uninstall'])).stdout).toContain('settings/a.json may still call them');
    expect(await names(copies(sandbox))).toEqual(both);
    await rm(note);
    await run(sandbox, ['uninstall']);
    expect(await names(copies(sandbox))).toEqual([]);
  });

  test('--dry-run shows what would go, and touches nothing', async ({ sandbox }) => {
    await write(userSettings(sandbox), MINE);
    await run(sandbox, ['install']);
    const text = await read(userSettings(sandbox));
    const { stdout } = await run(sandbox, ['uninstall', '--dry-run']);
    expect(stdout).toContain('would remove opencode-reap.cjs and hook.cjs in ~/.local/share/opencode-reap\n');
    expect(stdout).toContain('@@ line 4 @@\n-    "hooks": {\n');
    expect(await read(userSettings(sandbox))).toBe(text);
    expect(await names(copies(sandbox))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
  });
});
