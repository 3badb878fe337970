import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync, symlinkSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { type Fake, identityOf, machine, SCHEMA, startFake, writeRecord, writeState } from '../support/fake.js';
import { type Behind, HOOK, noMounts, runBehindMount } from '../support/fuse.js';
import { sampled } from '../support/patience.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

// A server is a stand-in throughout: what it is does not matter to where it works.

const ALL = ['--all-stale', '--older-than', '0s', '--json'];

let sandbox: Sandbox;
let server: Fake;
let far: string;

beforeEach(async () => {
  sandbox = await createSandbox('dead-mount');
  far = join(sandbox.root, 'far');
  mkdirSync(join(far, 'shop'), { recursive: true });
  server = await startFake(sandbox);
});

afterEach(() => sandbox.dispose());

/** A live session's, by the test itself: it works there. */
const leaveLease = (cwd: string) =>
  writeState(sandbox.stateDir, 'leases/there.json', {
    schema: SCHEMA,
    holder: { ...identityOf(process.pid), machine: machine() },
    session: 's',
    cwd,
    port: 5999,
    servers: [],
    at: Date.now(),
  });

const skipped = noMounts ? ` (skipped: ${noMounts})` : '';

describe.skipIf(skipped)(`a mount that does not answer${skipped}`, () => {
  const DEAD: Behind[] = ['nobody', 'nothing read', 'nothing answered'];

  test.each(sampled(DEAD, 1))('spares nothing that works elsewhere, and ends no run (%s)', async (behind) => {
    await writeRecord(sandbox, 'here', server);
    const there = await startFake(sandbox);
    await writeRecord(sandbox, 'there', there, { workspace: join(far, 'shop/sub') });
    await leaveLease(join(far, 'shop'));
    const { code, stdout, stderr, tookMs } = await runBehindMount(sandbox, { at: far, behind, words: ALL });
    expect([code, stderr]).toEqual([0, '']);
    const { servers } = JSON.parse(stdout);
    expect(servers).toMatchObject([
      { id: 'here', outcome: { kind: 'stopped' } },
      { id: 'there', reasons: ['unleased'] },
    ]);
    expect([alive(server.pid), alive(there.pid)]).toEqual([false, true]);
    expect(tookMs).toBeLessThan(6_000);
  });

  test('has what lies there, and only that, be unsure', async () => {
    const there = await startFake(sandbox);
    await writeRecord(sandbox, 'there', there, { workspace: join(far, 'other') });
    await leaveLease(join(far, 'shop'));
    const { stdout } = await runBehindMount(sandbox, { at: far, behind: 'nothing read', words: ALL });
    expect(JSON.parse(stdout).servers).toMatchObject([{ id: 'there', verdict: 'unsure', reasons: ['unleased'] }]);
    expect(alive(there.pid)).toBe(true);
  });

  test('may hold a worktree of a repository that is here: its server is unsure', async () => {
    execFileSync('git', ['init', '-q', sandbox.project]);
    const listed = join(sandbox.project, '.git/worktrees/shop');
    mkdirSync(listed, { recursive: true });
    writeFileSync(join(listed, 'gitdir'), `${join(far, 'shop/.git')}\n`);
    await writeRecord(sandbox, 'here', server);
    await leaveLease(join(far, 'shop'));
    const { stdout } = await runBehindMount(sandbox, { at: far, behind: 'nothing read', words: ALL });
    expect(JSON.parse(stdout).servers).toMatchObject([{ id: 'here', verdict: 'unsure', reasons: ['unleased'] }]);
  });

  test('may be where one works oneself, through a link', async () => {
    symlinkSync(far, join(sandbox.root, 'link'));
    await writeRecord(sandbox, 'here', server);
    const at = { at: far, behind: 'one that goes', cwd: join(sandbox.root, 'link/shop') } as const;
    for (const words of [['list'], ['--dry-run'], ['start', '--port', `${await sandbox.reserve()}`]]) {
      const { code, stderr } = await runBehindMount(sandbox, { ...at, words });
      expect([words, code]).toEqual([words, words[0] === 'start' ? 1 : 0]);
      expect(stderr).toMatch(words[0] === 'start' ? /^error: the workspace .+\nhint: .+\n$/ : /^$/);
    }
  });

  test.each(sampled(['CLAUDE_PLUGIN_DATA', 'CLAUDE_CONFIG_DIR'], 1))(
    'may be where %s leads: that is said, and nothing is stopped',
    async (name) => {
      await writeRecord(sandbox, 'here', server);
      const env = { [name]: join(far, 'data') };
      const { code, stdout } = await runBehindMount(sandbox, { at: far, behind: 'nothing answered', words: ALL, env });
      const said = JSON.parse(stdout);
      expect([code, said.unread[0]]).toMatchObject([1, { error: 'it does not answer' }]);
      expect([said.servers[0].verdict, alive(server.pid)]).toEqual(['unsure', true]);
    },
  );

  test.each(sampled(DEAD, 1))('keeps no hook waiting, which writes down the folder as typed (%s)', async (behind) => {
    const input = JSON.stringify({ session_id: 's', cwd: join(far, 'shop'), source: 'clear' });
    const words = ['hook', 'session-start'];
    const ended = await runBehindMount(sandbox, { at: far, behind, words, input, program: HOOK });
    expect(ended).toMatchObject({ code: 0, stdout: '', stderr: '' });
    expect(ended.tookMs).toBeLessThan(1_500);
    const [name = ''] = readdirSync(join(sandbox.stateDir, 'leases'));
    const { cwd } = JSON.parse(readFileSync(join(sandbox.stateDir, 'leases', name), 'utf8'));
    expect(cwd).toBe(join(far, 'shop'));
  });

  test('that answers is a place like any other', async () => {
    symlinkSync(join(far, 'shop'), join(sandbox.root, 'link'));
    await writeRecord(sandbox, 'here', server);
    const there = await startFake(sandbox);
    await writeRecord(sandbox, 'there', there, { workspace: join(far, 'shop/sub') });
    const own = await startFake(sandbox);
    await writeRecord(sandbox, 'other', own, { workspace: join(far, 'elsewhere') });
    await leaveLease(join(sandbox.root, 'link'));
    const { stdout, stderr } = await runBehindMount(sandbox, { at: far, behind: 'a file system', words: ALL });
    expect(stderr).toBe('');
    const { servers } = JSON.parse(stdout);
    expect(servers).toMatchObject([
      { id: 'here', outcome: { kind: 'stopped' } },
      { id: 'other', outcome: { kind: 'stopped' } },
      { id: 'there', verdict: 'spared', reasons: ['unleased'] },
    ]);
  });
});

describe('a `.git` that is none', () => {
  const odd: [string, (git: string) => unknown][] = [
    ['a pipe', (git: string) => execFileSync('mkfifo', [git])],
    ['a link to a device', (git: string) => symlinkSync('/dev/zero', git)],
    ['a link to itself', (git: string) => symlinkSync('.git', git)],
    ['huge', (git: string) => [writeFileSync(git, ''), truncateSync(git, 8 * 1024 ** 3)]],
    [
      'a file that names a pipe',
      (git: string) => [
        execFileSync('mkfifo', [`${git}-pipe`]),
        mkdirSync(`${git}-dir`),
        symlinkSync(`${git}-pipe`, `${git}-dir/commondir`),
        writeFileSync(git, `gitdir: ${git}-dir\n`),
      ],
    ],
    ['a file with a NUL', (git: string) => writeFileSync(git, 'gitdir: \0/x\n')],
  ];
  test.each(sampled(odd, 2))('ends no run and no hook, and spares nothing elsewhere: %s', async (_, make) => {
    await writeRecord(sandbox, 'here', server);
    make(join(far, 'shop/.git'));
    await leaveLease(join(far, 'shop'));
    const cwd = join(far, 'shop');
    const input = JSON.stringify({ session_id: 's', cwd, source: 'clear' });
    expect(await runCli(sandbox, ['hook', 'session-start'], { input, timeoutMs: 5_000 })).toMatchObject({ code: 0 });
    const { code, stderr } = await runCli(sandbox, ALL, { cwd, timeoutMs: 10_000 });
    expect([code, stderr, alive(server.pid)]).toEqual([0, '', false]);
  });
});

test('a current folder that was removed is said in one sentence, and a hook has its lease all the same', async () => {
  const gone = join(sandbox.root, 'gone');
  mkdirSync(gone);
  const run = async (words: readonly string[]) => {
    const script = 'cd "$0" && sleep 0.3 && exec "$@"';
    const bin = new URL('../../bin/opencode-reap.js', import.meta.url).pathname;
    const child = sandbox.spawn('sh', ['-c', script, gone, process.execPath, bin, ...words], { stdio: 'pipe' });
    let said = '';
    child.stderr?.on('data', (text) => (said += text));
    child.stdin?.end('{"session_id":"s","source":"clear"}');
    await sleep(150);
    rmSync(gone, { recursive: true, force: true });
    const code = await new Promise((resolve) => child.once('exit', resolve));
    mkdirSync(gone);
    return { code, said };
  };
  expect(await run(['--dry-run'])).toEqual({ code: 1, said: expect.stringMatching(/^error: .+\nhint: .+\n$/) });
  expect(await run(['--dry-run', '--all-stale'])).toEqual({ code: 0, said: '' });
  expect(await run(['hook', 'session-start'])).toEqual({ code: 0, said: '' });
  expect(readdirSync(join(sandbox.stateDir, 'leases'))).toHaveLength(1);
});
