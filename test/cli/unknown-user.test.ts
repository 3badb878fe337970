import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installEither, standInAnd } from '../support/either.js';
import { installFake } from '../support/fake.js';
import { HOOK } from '../support/fuse.js';
import { sampled } from '../support/patience.js';
import { portHolder } from '../support/proc.js';
import { type Changes, createSandbox, type Sandbox } from '../support/sandbox.js';

// A user whom the machine does not know, as in a container that is run with `--user 4242:4242`.

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));
const UNKNOWN = 4242;
const AS_UNKNOWN = ['--reuid', `${UNKNOWN}`, '--regid', `${UNKNOWN}`, '--clear-groups'];

const isKnown = (): boolean => spawnSync('getent', ['passwd', `${UNKNOWN}`]).status === 0;
const mayBecome = process.getuid?.() === 0 && spawnSync('setpriv', ['--version']).status === 0;
const skipped = mayBecome && !isKnown() ? '' : ' (skipped: only root can become a user whom nobody knows)';

describe.skipIf(skipped)(`a user without a passwd entry${skipped}`, () => {
  let sandbox: Sandbox;
  beforeEach(async () => {
    sandbox = await createSandbox('unknown-user');
    chmodSync(sandbox.root, 0o755);
    chmodSync(sandbox.binDir, 0o755);
    for (const folder of ['home', 'tmp', 'run', 'project']) chownSync(join(sandbox.root, folder), UNKNOWN, UNKNOWN);
    mkdirSync(join(sandbox.root, 'state'), { mode: 0o700 });
    chownSync(sandbox.stateDir, UNKNOWN, UNKNOWN);
  });
  afterEach(() => sandbox.dispose());

  const run = async (words: readonly string[], env: Changes = {}, program = PROGRAM) => {
    const all = sandbox.env({ PATH: `${sandbox.binDir}:/usr/bin:/bin`, ...env });
    const child = spawn('setpriv', [...AS_UNKNOWN, process.execPath, program, ...words], {
      ...{ env: all, cwd: sandbox.project, timeout: 60_000 },
    });
    const said = { stdout: '', stderr: '' };
    for (const name of ['stdout', 'stderr'] as const) child[name].on('data', (text) => (said[name] += text));
    child.stdin.end(JSON.stringify({ session_id: 's', cwd: sandbox.project, source: 'startup', reason: 'other' }));
    const [code] = await once(child, 'close');
    return { code, ...said };
  };

  const NOWHERE: Changes = { OPENCODE_REAP_STATE_DIR: undefined, XDG_STATE_HOME: undefined, XDG_DATA_HOME: undefined };
  const HOMES: [string, Changes][] = [
    ['without HOME', { ...NOWHERE, HOME: undefined }],
    ['with an empty HOME', { ...NOWHERE, HOME: '' }],
    ['with / as home', { ...NOWHERE, HOME: '/' }],
    ['with a home that is not there', { ...NOWHERE, HOME: '/nonexistent' }],
  ];

  test.each(sampled(HOMES, 1))('%s looks at everything, and changes nothing without saying so', async (_, env) => {
    for (const words of [['list'], ['--dry-run', '--all-stale'], ['log']])
      expect([words, await run(words, env)]).toMatchObject([words, { code: 0, stderr: '' }]);
    for (const words of [['why', '1'], ['install'], ['start', '--port', '45999'], ['sweep']]) {
      const { code, stdout, stderr } = await run(words, env);
      expect([words, code, stdout]).toEqual([words, words[0] === 'why' ? 4 : 1, '']);
      expect(stderr).toMatch(/^error: .+\nhint: .+\n$/);
      expect(stderr).not.toMatch(/mistake|uv_|system error/i);
    }
    const { stdout, stderr } = await run(['doctor'], env);
    expect([stderr, /^fail {2}state /m.test(stdout)]).toEqual(['', true]);
  });

  test.each(sampled(HOMES, 1))('%s is told nothing by the hook', async (_, env) => {
    const silent = { code: 0, stdout: '', stderr: '' };
    for (const event of ['session-start', 'session-end']) {
      expect(await run(['hook', event], env)).toEqual(silent);
      expect(await run([event], env, HOOK)).toEqual(silent);
    }
  });

  test('with the home of somebody else says what it cannot read there', async () => {
    chmodSync(sandbox.home, 0o700);
    chownSync(sandbox.home, 0, 0);
    const { code, stdout, stderr } = await run(['list'], NOWHERE);
    expect([code, stdout]).toEqual([1, 'no servers are recorded here\n']);
    expect(stderr).toMatch(/^(error: could not read .+: EACCES\nhint: .+\n)+$/);
    expect(await run(['session-start'], NOWHERE, HOOK)).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('without HOME works where the state folder is named', async () => {
    const env = { HOME: undefined, XDG_STATE_HOME: undefined };
    expect(await run(['session-start'], env, HOOK)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(readdirSync(join(sandbox.stateDir, 'leases'))).toHaveLength(1);
    expect(await run(['--all-stale'], env)).toMatchObject({ code: 0, stderr: '' });
  });

  test('is served by install and uninstall in a home of its own', async () => {
    const env = { OPENCODE_REAP_STATE_DIR: undefined };
    expect(await run(['install'], env)).toMatchObject({ code: 0, stderr: '' });
    const settings = join(sandbox.home, '.claude/settings.json');
    expect([statSync(settings).uid, /session-start/.test(readFileSync(settings, 'utf8'))]).toEqual([UNKNOWN, true]);
    expect(await run(['doctor'], env)).toMatchObject({ code: 0, stderr: '' });
    expect(await run(['uninstall'], env)).toMatchObject({ code: 0, stderr: '' });
    expect(existsSync(join(sandbox.home, '.local/share/opencode-reap'))).toBe(false);
  });

  test.each(standInAnd('native'))(
    'starts a server (a stand-in where it may not run a real one), keeps it, and stops it: %s',
    async (which) => {
      await installEither(sandbox, which);
      if (
        which !== 'stand-in' &&
        spawnSync('setpriv', [...AS_UNKNOWN, join(sandbox.binDir, 'opencode'), '--version']).status !== 0
      )
        await installFake(sandbox);
      const port = await sandbox.reserve();
      const started = await run(['start', '--port', `${port}`, '--json']);
      expect(started).toMatchObject({ code: 0, stderr: '' });
      const pid = portHolder(port) ?? 0;
      sandbox.track(pid);
      expect(statSync(`/proc/${pid}`).uid).toBe(UNKNOWN);
      expect(await run(['keep', `:${port}`])).toMatchObject({ code: 0, stderr: '' });
      expect((await run(['--all-stale', '--older-than', '0s'])).code).toBe(0);
      expect(portHolder(port)).toBe(pid);
      expect(await run(['unkeep', `:${port}`])).toMatchObject({ code: 0 });
      expect(await run(['stop', `:${port}`])).toMatchObject({ code: 0, stderr: '' });
      expect(portHolder(port)).toBeUndefined();
    },
  );

  test.each([
    ['of its own', UNKNOWN, 'stopped'],
    ['that is not its own', 54_321, undefined],
  ])('a plugin’s record that a group may write, %s: a stand-in for the server', async (_, group, outcome) => {
    await installFake(sandbox);
    const port = await sandbox.reserve();
    const words = [...AS_UNKNOWN, join(sandbox.binDir, 'opencode'), 'serve', '--port', `${port}`];
    const { pid = 0 } = sandbox.spawn('setpriv', words, { detached: true, stdio: 'ignore' });
    await expect.poll(() => portHolder(port), { timeout: 10_000 }).toBe(pid);
    const file = join(sandbox.home, '.claude/plugins/data/jv/state/0123456789abcdef/server.json');
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, JSON.stringify({ lastServerPid: pid, lastServerStartedAt: Date.now() }));
    spawnSync('chown', ['-R', `${UNKNOWN}:${group}`, join(sandbox.home, '.claude')]);
    spawnSync('chmod', ['-R', 'u=rwX,g=rwX,o=rX', join(sandbox.home, '.claude')]);
    const { stdout } = await run(['--all-stale', '--older-than', '0s', '--json']);
    const [server] = JSON.parse(stdout).servers;
    expect(server.outcome?.kind).toBe(outcome);
    expect(server.reasons).toEqual(outcome ? [] : ['owned']);
  });
});
