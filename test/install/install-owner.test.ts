import { spawnSync } from 'node:child_process';
import { chmod, chown, link, mkdir, readdir, rm, stat, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { copies, MINE, names, read, run, test, userSettings, write } from '../support/installed.js';
import type { Sandbox } from '../support/sandbox.js';

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));
const OTHER = 12345;
const GROUP = 54321;

const works = (command: string, ...args: string[]): boolean => spawnSync(command, args).status === 0;
const isRoot = process.getuid?.() === 0;
const needsRoot = isRoot && works('setpriv', '--version') ? '' : ' (skipped: only root can become another user)';
const needsMounts = isRoot && works('unshare', '-m', 'true') ? '' : ' (skipped: only root can mount here)';

const state = ({ home }: Sandbox): string => join(home, '.local/state/opencode-reap');

/** Everything below a folder with the user whose it is. */
const owners = async (folder: string): Promise<Set<number>> => {
  const all = await readdir(folder, { recursive: true });
  return new Set(await Promise.all(['.', ...all].map(async (name) => (await stat(join(folder, name))).uid)));
};

const giveAway = (folder: string): void => void spawnSync('chown', ['-R', `${OTHER}:${OTHER}`, folder]);

/** A whole shell line in which the program is `reap`, as another user or in a mount namespace of its own. */
const within = (sandbox: Sandbox, how: readonly string[], line: string): CliResult => {
  const script = `reap() { "${process.execPath}" "${PROGRAM}" "$@"; }\n${line}`;
  const env = sandbox.env({ OPENCODE_REAP_STATE_DIR: undefined });
  const ran = spawnSync(how[0] ?? '', [...how.slice(1), 'sh', '-c', script], {
    env,
    cwd: sandbox.project,
    encoding: 'utf8',
  });
  return { code: ran.status, stdout: ran.stdout, stderr: ran.stderr };
};
const AS_OTHER = ['setpriv', `--reuid=${OTHER}`, `--regid=${OTHER}`, '--clear-groups'];
const IN_MOUNTS = ['unshare', '-m', '--propagation', 'private'];

/** Refused in one sentence with a hint, and nothing of it stays. */
const expectRefused = async (sandbox: Sandbox, { code, stdout, stderr }: CliResult, said: RegExp): Promise<void> => {
  expect([code, stdout]).toEqual([1, '']);
  expect(stderr).toMatch(/^error: could not write .+\nhint: .+\n$/);
  expect(stderr).toMatch(said);
  expect([await names(copies(sandbox)), await names(join(state(sandbox), 'backups'))]).toEqual([[], []]);
  expect(await names(join(state(sandbox), 'settings'))).toEqual([]);
};

describe.skipIf(needsRoot)(`install by root over another user’s home${needsRoot}`, () => {
  test('leaves the file its owner, group and mode, and makes nothing that the user could not use', async ({
    sandbox,
  }) => {
    const file = await write(userSettings(sandbox), MINE);
    await chmod(sandbox.root, 0o755);
    for (const folder of [sandbox.home, sandbox.project]) giveAway(folder);
    await chown(file, OTHER, GROUP);
    await chmod(file, 0o640);
    const installed = await run(sandbox, ['install']);
    expect([installed.code, installed.stdout.includes('belongs to')]).toEqual([0, false]);
    const { uid, gid, mode } = await stat(file);
    expect([uid, gid, mode & 0o7777]).toEqual([OTHER, GROUP, 0o640]);
    expect([...(await owners(sandbox.home))]).toEqual([OTHER]);
    const [backup = ''] = await names(join(state(sandbox), 'backups'));
    expect((await stat(join(state(sandbox), 'backups', backup))).mode & 0o777).toBe(0o600);
    // And so the user can: the hook, and taking it out.
    const command = JSON.parse(await read(file)).hooks.SessionStart[0].hooks[0].command;
    expect(within(sandbox, AS_OTHER, `echo '{"source": "clear"}' | { ${command}\n}`).code).toBe(0);
    expect(await names(join(state(sandbox), 'leases'))).toHaveLength(1);
    expect(within(sandbox, AS_OTHER, 'reap uninstall')).toMatchObject({ code: 0, stderr: '' });
    expect(await read(file)).toBe(MINE);
    expect(await names(copies(sandbox))).toEqual([]);
  });

  test('makes a file and folders that are not there yet the user’s as well', async ({ sandbox }) => {
    giveAway(sandbox.home);
    await run(sandbox, ['install']);
    expect([...(await owners(sandbox.home))]).toEqual([OTHER]);
    expect((await stat(userSettings(sandbox))).uid).toBe(OTHER);
  });

  test('gives a backup to whom the file belongs, wherever it lies', async ({ sandbox }) => {
    const env = { CLAUDE_CONFIG_DIR: join(sandbox.root, 'theirs') };
    await chown(await write(join(env.CLAUDE_CONFIG_DIR, 'settings.json'), MINE), OTHER, GROUP);
    const { stdout } = await run(sandbox, ['install'], { env });
    expect(stdout).toContain(
      `belongs to user ${OTHER}, whose sessions cannot read the copies: run install as that user`,
    );
    const folder = join(state(sandbox), 'backups');
    const { uid, gid, mode } = await stat(join(folder, (await names(folder))[0] ?? ''));
    expect([uid, gid, mode & 0o777, (await stat(folder)).uid]).toEqual([OTHER, GROUP, 0o600, 0]);
  });

  test('of a file that its group may write leaves the owner, whom only root can set', async ({ sandbox }) => {
    const file = await write(userSettings(sandbox), MINE);
    await chmod(sandbox.root, 0o755);
    for (const folder of [sandbox.home, sandbox.project]) giveAway(folder);
    await chown(file, 0, OTHER);
    await chmod(file, 0o664);
    expect(within(sandbox, AS_OTHER, 'reap install')).toMatchObject({ code: 0, stderr: '' });
    expect(await read(file)).toContain('hook.cjs');
    expect((await stat(file)).uid).toBe(0);
    within(sandbox, AS_OTHER, 'reap uninstall');
    expect([await read(file), (await stat(file)).uid]).toEqual([MINE, 0]);
  });

  test('says that a file is read-only which the user may not write', async ({ sandbox }) => {
    const file = await write(userSettings(sandbox), MINE);
    await chmod(sandbox.root, 0o755);
    for (const folder of [sandbox.home, sandbox.project]) giveAway(folder);
    for (const path of [file, dirname(file)]) await chown(path, 0, 0);
    await chmod(dirname(file), 0o755);
    await chmod(file, 0o444);
    await expectRefused(sandbox, within(sandbox, AS_OTHER, 'reap install'), /it is read-only \(EACCES\)/);
    expect(await read(file)).toBe(MINE);
  });
});

describe.skipIf(needsMounts)(`where settings are mounted${needsMounts}`, () => {
  const mounted = (sandbox: Sandbox): { host: string; mount: string } => {
    const host = join(sandbox.root, 'host.json');
    return { host, mount: `mount --bind ${host} ${userSettings(sandbox)}` };
  };

  test('a file that is a mount point is written in place, and given back to the byte', async ({ sandbox }) => {
    await write(userSettings(sandbox), '');
    const { host, mount } = mounted(sandbox);
    await writeFile(host, MINE, { mode: 0o640 });
    const { ino } = await stat(host);
    expect(within(sandbox, IN_MOUNTS, `${mount} && reap install`)).toMatchObject({ code: 0, stderr: '' });
    expect(JSON.parse(await read(host)).hooks.SessionEnd).toHaveLength(1);
    const [backup = ''] = await names(join(state(sandbox), 'backups'));
    expect(await read(join(state(sandbox), 'backups', backup))).toBe(MINE);
    expect(within(sandbox, IN_MOUNTS, `${mount} && reap uninstall`)).toMatchObject({ code: 0, stderr: '' });
    expect([await read(host), (await stat(host)).ino, (await stat(host)).mode & 0o777]).toEqual([MINE, ino, 0o640]);
    expect(await names(dirname(userSettings(sandbox)))).toEqual(['settings.json']);
  });

  test('what cannot be written to its end there is put back', async ({ sandbox }) => {
    const text = `{"padding": "${'x'.repeat(3_950)}"}\n`;
    await write(userSettings(sandbox), '');
    const { host } = mounted(sandbox);
    await mkdir(join(sandbox.root, 'small'));
    await writeFile(host, text);
    // One page for the file and one that something else takes; what we add would need another.
    const small = [
      `mount -t tmpfs -o size=8k tmpfs ${sandbox.root}/small`,
      `cp ${host} ${sandbox.root}/small/settings.json`,
      `head -c 4096 /dev/zero >${sandbox.root}/small/filler`,
      `mount --bind ${sandbox.root}/small/settings.json ${userSettings(sandbox)}`,
    ].join(' && ');
    const kept = `cp ${sandbox.root}/small/settings.json ${sandbox.root}/after.json`;
    const failed = within(sandbox, IN_MOUNTS, `${small} || exit 9; reap install; code=$?; ${kept}; exit $code`);
    await expectRefused(sandbox, failed, /: ENOSPC\n/);
    expect(await read(join(sandbox.root, 'after.json'))).toBe(text);
    const room = `${small} || exit 9; rm ${sandbox.root}/small/filler; reap install; code=$?; ${kept}; exit $code`;
    expect(within(sandbox, IN_MOUNTS, room).code).toBe(0);
    expect(Object.keys(JSON.parse(await read(join(sandbox.root, 'after.json'))))).toEqual(['padding', 'hooks']);
  });

  test('a full disk leaves the file as it is, and no piece of ours', async ({ sandbox }) => {
    const folder = dirname(userSettings(sandbox));
    await mkdir(folder, { recursive: true });
    const full = [
      `mount -t tmpfs -o size=12k tmpfs ${folder}`,
      `printf '%s' '{"a": "'$(head -c 3900 /dev/zero | tr '\\0' x)'"}' >${folder}/settings.json`,
      `head -c 4096 /dev/zero >${folder}/filler`,
    ].join(' && ');
    const after = `ls -A ${folder} >${sandbox.root}/listed; cp ${folder}/settings.json ${sandbox.root}/after.json`;
    const failed = within(sandbox, IN_MOUNTS, `${full} || exit 9; reap install; code=$?; ${after}; exit $code`);
    await expectRefused(sandbox, failed, /: ENOSPC\n/);
    expect(await read(join(sandbox.root, 'listed'))).toBe('filler\nsettings.json\n');
    expect(await read(join(sandbox.root, 'after.json'))).toMatch(/^\{"a": "x{3900}"\}$/);
  });

  test('a read-only one is said to be that, and so is one in a read-only folder', async ({ sandbox }) => {
    const file = await write(userSettings(sandbox), MINE);
    for (const place of [file, dirname(file)]) {
      const line = `mount --bind ${place} ${place} && mount -o remount,bind,ro ${place} || exit 9; reap install`;
      await expectRefused(sandbox, within(sandbox, IN_MOUNTS, line), /it is read-only \(EROFS\)/);
    }
    expect(await read(file)).toBe(MINE);
  });

  test('one that may not be changed is said to be read-only', async ({ sandbox, skip }) => {
    const file = await write(userSettings(sandbox), MINE);
    if (!works('chattr', '+i', file)) skip('no immutable files on this file system');
    try {
      await expectRefused(sandbox, await run(sandbox, ['install']), /it is read-only \(EPERM\)/);
    } finally {
      spawnSync('chattr', ['-i', file]);
    }
  });
});

test('a link to a read-only file is another program’s to change, for root as well', async ({ sandbox }) => {
  const store = await write(join(sandbox.root, 'store/settings.json'), MINE);
  await chmod(store, 0o444);
  await mkdir(dirname(userSettings(sandbox)), { recursive: true });
  await symlink(store, userSettings(sandbox));
  const refused = await run(sandbox, ['install']);
  await expectRefused(sandbox, refused, /it is a link to .*store\/settings\.json, which is read-only/);
  expect(refused.stderr).toContain('hint: if another program writes it (Nix, a dotfiles manager)');
  expect(await read(store)).toBe(MINE);
  // Once it has been given the hooks there, install adds what they call.
  const shown = (await run(sandbox, ['install', '--dry-run', '--json'])).stdout;
  expect(JSON.parse(shown)).toMatchObject({ changed: true });
  const elsewhere = { CLAUDE_CONFIG_DIR: join(sandbox.root, 'elsewhere') };
  await write(join(elsewhere.CLAUDE_CONFIG_DIR, 'settings.json'), MINE);
  await run(sandbox, ['install'], { env: elsewhere });
  const text = await read(join(elsewhere.CLAUDE_CONFIG_DIR, 'settings.json'));
  await run(sandbox, ['uninstall'], { env: elsewhere });
  await chmod(store, 0o644);
  await writeFile(store, text);
  await chmod(store, 0o444);
  expect(await run(sandbox, ['install'])).toMatchObject({ code: 0, stderr: '' });
  expect(await names(copies(sandbox))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
});

test('a file with a second name keeps it', async ({ sandbox }) => {
  const file = await write(userSettings(sandbox), MINE);
  const second = join(sandbox.home, 'dotfiles.json');
  await link(file, second);
  await run(sandbox, ['install']);
  expect(await read(second)).toContain('hook.cjs');
  await run(sandbox, ['uninstall']);
  expect([await read(second), (await stat(file)).nlink]).toEqual([MINE, 2]);
});

test('a state folder that cannot be written leaves no copies', async ({ sandbox }) => {
  await write(userSettings(sandbox), MINE);
  await write(state(sandbox), 'no folder');
  const { code, stderr } = await runCli(sandbox, ['install'], { env: { OPENCODE_REAP_STATE_DIR: undefined } });
  expect([code, await names(copies(sandbox)), await read(userSettings(sandbox))]).toEqual([1, [], MINE]);
  expect(stderr).toMatch(/^error: could not write .+\nhint: .+\n$/);
});

test('what is refused for one account leaves the copies that another one calls', async ({ sandbox }) => {
  const other = { CLAUDE_CONFIG_DIR: join(sandbox.root, 'other') };
  await run(sandbox, ['install'], { env: other });
  // As it looks to two that are run at once: the other one's come in between.
  await rm(copies(sandbox), { recursive: true });
  const store = await write(join(sandbox.root, 'store/settings.json'), MINE);
  await chmod(store, 0o444);
  await mkdir(dirname(userSettings(sandbox)), { recursive: true });
  await symlink(store, userSettings(sandbox));
  expect((await run(sandbox, ['install'])).code).toBe(1);
  expect(await names(copies(sandbox))).toEqual(['hook.cjs', 'opencode-reap.cjs']);
});
