import { spawnSync } from 'node:child_process';
import { mkdir, mkdtemp, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { unwritable } from '../../src/report/unwritable.js';
import { filesIn, installFake, logOf, recordsIn, writeState } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { type Answered, BUILDS, callInTurn, callLibrary } from '../support/library.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await createSandbox('library');
});

afterEach(() => sandbox.dispose());

test('nothing is reaped on a word that is not understood', async () => {
  const words = [{ dryRun: 'true' }, { limit: '20' }, { port: '4096' }];
  const answered = await callInTurn(
    sandbox,
    words.map((options) => ['reap', [options]]),
  );
  expect(answered.map(({ error }) => error?.message)).toEqual([
    expect.stringMatching(/^dryRun is not true or false/),
    expect.stringMatching(/^limit is not a whole number/),
    expect.stringMatching(/^4096 is not a port/),
  ]);
});

test('an option that is not there is named, with those that are, and one that is left out is none', async () => {
  const lease = 'it has server, port, sessionId, workspace, cwd, stateDir';
  const answered = await callInTurn(sandbox, [
    ['attachSession', [{ pord: 1 }]],
    ['releaseSession', [{ plugin: 'x' }]],
    ['stopServer', [4096, { olderThan: 5 }]],
    ['scan', [{ all: true }]],
    ['reap', [{ dryrun: true }]],
    ['reap', [5]],
    ['scan', [null]],
    ['scan', [{ all: null }]],
  ]);
  expect(answered.map(({ error }) => error)).toEqual([
    { message: 'attachSession has no option pord', hint: lease },
    { message: expect.any(String), hint: lease },
    { message: 'stopServer has no option olderThan', hint: 'it has grace, strays, stateDir' },
    { message: 'scan has no option all', hint: 'it has olderThan, stateDir' },
    { message: 'reap has no option dryrun', hint: expect.any(String) },
    expect.objectContaining({ message: 'the options of reap are not an object' }),
    expect.objectContaining({ message: 'the options of scan are not an object' }),
    undefined,
  ]);
});

test('a program that cannot be run is not reported as a state folder that cannot be written', () => {
  const error = (syscall: string) => Object.assign(new Error(), { code: 'EACCES', path: '/x', syscall });
  expect(unwritable(error('open'))).toBe('could not write /x: EACCES');
  expect(unwritable(error('spawn /x'))).toBeUndefined();
});

describe('a server that cannot be had', () => {
  const ensure = (options: object): Promise<Answered> => callLibrary(sandbox, 'ensureServer', [options]);

  test.each<[string, string, object, RegExp]>([
    ['is missing', '', {}, /^opencode could not be started: .*ENOENT/],
    ['ends at once', '#!/bin/sh\nexit 3\n', {}, /^opencode ended before it answered .exit code 3/],
    ['ends and leaves what it started', '#!/bin/sh\nsleep 60 &\nsleep 0.3\nexit 3\n', {}, /^opencode ended before/],
    ['ends at once and leaves what it started', '#!/bin/sh\nsleep 60 &\n', {}, /^opencode ended before/],
    ['never listens', '#!/bin/sh\nexec sleep 60\n', { readyTimeout: 500 }, /^opencode did not answer within 500 ms/],
  ])('is an error with a hint when it %s, and leaves nothing', async (title, script, options, message) => {
    if (script) await writeFile(join(sandbox.binDir, 'opencode'), script, { mode: 0o755 });
    const began = performance.now();
    const { error } = await ensure({ port: await sandbox.reserve(), sessionId: 'a-session', ...options });
    expect(performance.now() - began).toBeLessThan(10_000);
    expect(error).toEqual({ message: expect.stringMatching(message), hint: expect.stringMatching(/./) });
    await waitFor('nothing is left running', () => inhabitants(sandbox).length === 0, 1_000);
    const left = filesIn(sandbox.stateDir).filter((file) => !file.endsWith('/log.ndjson'));
    expect(left).toEqual([]);
    // Only what this program has ended is in the log.
    const ended = {
      event: 'given up',
      by: 'library',
      detail: expect.stringMatching(/ ended: pid \d+; nothing is left/),
    };
    expect(logOf(sandbox.stateDir)).toMatchObject(/leaves|never/.test(title) ? [ended] : []);
  });

  const refused: readonly (readonly [object, RegExp])[] = [
    [{ hostname: '0.0.0.0' }, /^0\.0\.0\.0 is not a loopback address/],
    [{ port: 65_536 }, /^65536 is not a port/],
    [{ readyTimeout: '5s' }, /^readyTimeout cannot be 5s/],
    [{ retireAfter: 30 }, /^retireAfter cannot be 30$/],
    [{ hostname: '127.0.0.999' }, /^127\.0\.0\.999 is not a loopback address/],
    [{ workspace: '/no/such/folder' }, /^the workspace \/no\/such\/folder is not a directory/],
    [{ workspace: '/etc/passwd' }, /^the workspace \/etc\/passwd is not a directory/],
    [{ cwd: 5 }, /^cwd is not a non-empty string/],
    [{ workspace: 5, cwd: '/' }, /^workspace is not a non-empty string/],
    [{ command: '' }, /^command is not a non-empty string/],
    [{ command: '/opt/oc-server' }, /^\/opt\/oc-server would not be recognized as OpenCode$/],
    [{ args: '--print-logs' }, /^args is not a list of strings/],
    [{ env: { X: 'a\0b' } }, /^env is not an object with string values/],
    [{ sessionId: 5 }, /^sessionId is not a non-empty string/],
    [{ secure: 'no' }, /^secure is not true or false/],
    [{ readyTimout: 5 }, /^ensureServer has no option readyTimout$/],
    [{ constructor: 5 }, /^ensureServer has no option constructor$/],
  ];
  test(`is an error when it is asked for with ${refused.map(([options]) => JSON.stringify(options)).join(', ')}`, async () => {
    const port = await sandbox.reserve();
    const answered = await callInTurn(
      sandbox,
      refused.map(([options]) => ['ensureServer', [{ port, ...options }]]),
    );
    const said = refused.map(([, message]) => ({
      message: expect.stringMatching(message),
      hint: expect.any(String),
    }));
    expect(answered.map(({ error }) => error)).toEqual(said);
    expect(filesIn(sandbox.stateDir)).toEqual([]);
  });

  test('is an error when its environment says what is not understood', async () => {
    const env = { OPENCODE_REAP_RETIRE_AFTER: '30' };
    expect((await callLibrary(sandbox, 'ensureServer', [{ port: 0 }], { env })).error).toEqual({
      message: 'OPENCODE_REAP_RETIRE_AFTER cannot be 30',
      hint: expect.stringMatching(/30s/),
    });
  });

  const preload = async (code: string): Promise<string> => {
    const file = join(sandbox.root, 'preload.cjs');
    await writeFile(file, code);
    return `--require=${file}`;
  };

  // This machine has no PowerShell.
  test.each<[string, string, string]>([
    ['win32', 'the package', BUILDS.package],
    ['win32', 'a vendored copy', BUILDS.vendored],
    ['freebsd', 'the package', BUILDS.package],
  ])('is an error before it is started where processes have no start times: %s, %s', async (platform, _, build) => {
    await installFake(sandbox);
    await writeFile(
      join(sandbox.binDir, 'ps'),
      '#!/bin/sh\n/usr/bin/ps "$@" | sed -E "s/[0-9]+:[0-9]+:[0-9]+ /-- /"\n',
      {
        mode: 0o755,
      },
    );
    const env = {
      NODE_OPTIONS: await preload(`Object.defineProperty(process, 'platform', { value: '${platform}' });`),
      OPENCODE_REAP_STATE_DIR: sandbox.stateDir,
    };
    const port = await sandbox.reserve();
    const { error } = await callLibrary(sandbox, 'ensureServer', [{ port }], { env, build });
    const message = 'cannot list the processes of this machine with their start times';
    expect(error).toEqual({ message, hint: expect.any(String) });
    expect([filesIn(sandbox.stateDir), inhabitants(sandbox)]).toEqual([[], []]);
  });

  test('is an error with a hint where its directory no longer exists, or a path is too long', async () => {
    const gone = await mkdtemp(join(sandbox.root, 'gone-'));
    const script = `process.chdir('.'); require('node:fs').rmdirSync(${JSON.stringify(gone)});
      import(process.argv[1]).then((library) => library.ensureServer({ port: 0 }))
        .catch(({ message, hint }) => console.log(JSON.stringify({ message, hint })));`;
    const { stdout } = spawnSync(process.execPath, ['-e', script, BUILDS.vendored], { cwd: gone, env: sandbox.env() });
    const hint = expect.any(String);
    expect(JSON.parse(`${stdout}`)).toEqual({ message: 'the current directory no longer exists', hint });
    const stateDir = join(sandbox.root, 'x'.repeat(300));
    const attached = await callLibrary(sandbox, 'attachSession', [{ sessionId: 's', stateDir }]);
    expect(attached.error).toEqual({ message: expect.stringMatching(/^could not write .*: ENAMETOOLONG$/), hint });
  });

  test('is an error when no process is made of what it is given', async () => {
    await installFake(sandbox);
    // Longer than the system takes, so the caller cannot have been given it either.
    const env = { NODE_OPTIONS: await preload(`process.env.TOO_LONG = 'x'.repeat(131_072);`) };
    const { error } = await callLibrary(sandbox, 'ensureServer', [{ port: await sandbox.reserve() }], { env });
    expect(error).toMatchObject({ message: expect.stringMatching(/could not be started: .*E2BIG/) });
    expect(filesIn(sandbox.stateDir)).toEqual([]);
  });

  test('is an error when it cannot be written down once it runs, and it is ended', async () => {
    await installFake(sandbox);
    const real = join(sandbox.binDir, 'opencode');
    await rename(real, `${real}.mjs`);
    const servers = join(sandbox.stateDir, 'servers');
    // The folder may be made anew in between.
    const away = `until rm -rf ${servers}-moved && mv ${servers} ${servers}-moved && true >${servers}; do :; done 2>/dev/null`;
    await writeFile(real, `#!/bin/sh\n${away}\nexec "$0.mjs" "$@"\n`, { mode: 0o755 });
    const { error } = await ensure({ port: await sandbox.reserve(), retireAfter: 0 });
    expect(error).toMatchObject({
      message: expect.stringMatching(/^could not write .*ENOTDIR/),
      hint: expect.any(String),
    });
    expect(inhabitants(sandbox)).toEqual([]);
  });

  test('is an error when its lease cannot be written, and no server is left', async () => {
    await installFake(sandbox);
    await mkdir(sandbox.stateDir, { mode: 0o700 });
    const leases = join(sandbox.stateDir, 'leases');
    // Root may write wherever there is something to write to.
    await symlink('/sys/fs', leases);
    const { error } = await ensure({ port: await sandbox.reserve(), sessionId: 'a-session' });
    expect(error?.message).toMatch(`could not write ${leases}`);
    expect(inhabitants(sandbox)).toEqual([]);
    expect(recordsIn(sandbox.stateDir)).toEqual([]);
  });

  test('is an error when leases cannot even be read, and a server that may have one stays', async () => {
    await installFake(sandbox);
    const leases = await writeState(sandbox.stateDir, 'leases', 'no folder');
    const { error } = await ensure({ port: await sandbox.reserve(), sessionId: 'a-session', retireAfter: 0 });
    expect(error?.message).toMatch(`could not write ${leases}`);
    const [record] = recordsIn(sandbox.stateDir);
    expect(inhabitants(sandbox)).toEqual([record?.fields.pid]);
  });

  test('is an error when nothing can be written', async () => {
    await installFake(sandbox);
    await writeFile(sandbox.stateDir, '');
    const message = expect.stringContaining(`could not write ${sandbox.stateDir}`);
    expect((await ensure({ port: await sandbox.reserve() })).error).toMatchObject({ message });
  });
});
