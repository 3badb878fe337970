import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type CliResult, runCli } from '../support/cli.js';
import { filesIn, recordOf, startFake, writeState } from '../support/fake.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));

let sandbox: Sandbox;

beforeEach(async () => {
  sandbox = await createSandbox('state-folder');
});

afterEach(() => sandbox.dispose());

describe('a state folder that does not exist', () => {
  test.each([['list'], ['--dry-run'], ['--all-stale'], ['log'], ['why', '4321'], ['unkeep', '4321']])(
    'is not made by %s',
    async (...args) => {
      const { stderr } = await runCli(sandbox, args);
      expect(stderr).toMatch(/^$|^error: no known server has the id, pid or port 4321\nhint: .+\n$/);
      expect(existsSync(sandbox.stateDir)).toBe(false);
    },
  );
});

describe('the state folder', () => {
  test.each([
    ['before the command', (folder: string) => ['--state-dir', folder, 'list', '--json']],
    ['after the command', (folder: string) => ['list', '--state-dir', folder, '--json']],
    ['and wins over the environment', (folder: string) => [`--state-dir=${folder}`, '--dry-run', '-a', '--json']],
  ])('may be named %s', async (_, args) => {
    const folder = join(sandbox.root, 'elsewhere');
    await writeState(folder, 'servers/there.json', recordOf(sandbox, 'there', await startFake(sandbox)));
    const { code, stdout } = await runCli(sandbox, args(folder));
    expect([code, JSON.parse(stdout).servers]).toMatchObject([0, [{ id: 'there' }]]);
    expect(existsSync(sandbox.stateDir)).toBe(false);
  });

  test.each([
    ['OPENCODE_REAP_STATE_DIR', (root: string) => join(root, 'state')],
    ['XDG_STATE_HOME', (root: string) => join(root, 'home/.local/state/opencode-reap')],
    ['HOME', (root: string) => join(root, 'home/.local/state/opencode-reap')],
  ])('is found through %s', async (name, folder) => {
    const record = recordOf(sandbox, 'there', await startFake(sandbox));
    await writeState(folder(sandbox.root), 'servers/there.json', record);
    const all = ['OPENCODE_REAP_STATE_DIR', 'XDG_STATE_HOME', 'HOME'];
    const absent = Object.fromEntries(all.slice(0, all.indexOf(name)).map((one) => [one, undefined]));
    const { stdout } = await runCli(sandbox, ['list', '--json'], { env: absent });
    expect(JSON.parse(stdout).servers).toMatchObject([{ id: 'there' }]);
  });

  test.each([['list'], ['--all-stale'], ['--dry-run']])(
    'that is a file does not count as an empty one (%s)',
    async (...args) => {
      await writeFile(sandbox.stateDir, 'not a folder');
      const { code, stderr } = await runCli(sandbox, args);
      expect(code).toBe(1);
      expect(stderr).toMatch(/^(error: could not read .+: ENOTDIR\nhint: .+\n)+$/);
    },
  );
});

describe('a state folder that cannot be written', () => {
  // Root may write everywhere, so as root all of it belongs to the user `nobody`.
  const as = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {};

  const run = async (...args: string[]): Promise<CliResult> => {
    const child = sandbox.spawn(process.execPath, [PROGRAM, ...args], as);
    const result = { stdout: '', stderr: '' };
    child.stdout?.on('data', (text) => {
      result.stdout += text;
    });
    child.stderr?.on('data', (text) => {
      result.stderr += text;
    });
    const [code] = await once(child, 'close');
    return { code, ...result };
  };

  test('is read all the same, and its servers stay', async () => {
    const give = () => execFileSync('chown', ['-R', `${as.uid ?? ''}:${as.gid ?? ''}`, sandbox.root]);
    give();
    const server = await startFake(sandbox, {}, as);
    const uid = as.uid ?? process.getuid?.();
    const file = await writeState(sandbox.stateDir, 'servers/a.json', { ...recordOf(sandbox, 'a', server), uid });
    give();
    for (const folder of ['servers', '.']) await chmod(join(sandbox.stateDir, folder), 0o500);
    const listed = await run('list', '--older-than', '0s', '--json');
    expect([listed.code, JSON.parse(listed.stdout).servers]).toMatchObject([0, [{ verdict: 'stale' }]]);
    const error = /^error: could not write .+state.+: EACCES\nhint: .*--state-dir\n$/;
    for (const args of [
      ['--older-than', '0s'],
      ['keep', 'a'],
      ['stop', 'a'],
      ['start', '--port', `${await sandbox.reserve()}`],
    ]) {
      expect(await run(...args)).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(error) });
    }
    expect(alive(server.pid)).toBe(true);
    expect(filesIn(sandbox.stateDir)).toEqual([file]);
  });
});
