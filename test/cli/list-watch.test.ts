import { execFileSync } from 'node:child_process';
import { describe } from 'vitest';
import { frame } from '../../src/cli/screen.js';
import type { Judged, Reaped } from '../../src/decide/plan.js';
import { cpuNow } from '../../src/report/cpu-now.js';
import { runCli } from '../support/cli.js';
import { startFake, writeRecord } from '../support/fake.js';
import { alive } from '../support/proc.js';
import { test } from '../support/reaped.js';
import { runOnTerminal } from '../support/terminal.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

describe(`list --watch${withoutTmux}`, () => {
  const skipped = test.skipIf(withoutTmux !== '');

  skipped.for<[string, string[], number]>([
    ['q', ['q'], 0],
    ['Ctrl-C', ['C-c'], 130],
  ])(
    'looks again, follows the size of the terminal, and leaves it as it was at %s',
    { timeout: 60_000 },
    async ([, keys, code], { sandbox, expect }) => {
      const one = await startFake(sandbox);
      await writeRecord(sandbox, 'one', one);
      const { tmux, screen, modes } = runOnTerminal(sandbox, 'list --watch --older-than 0s');
      await waitFor('the first page', () => screen().includes('1 stale holds'));
      expect(screen()).toMatch(/^VERDICT +PID [\s\S]*\n1 stale holds \d+ MB\n[\s\S]*q ends this$/);
      expect([screen().includes('before'), modes()]).toEqual([false, '1 0 0']);
      // The path takes what room there is, so the row fills the screen, and nothing of it is lost at the edge.
      tmux('resize-window', '-x', '80', '-y', '20');
      await waitFor('it fills the screen', () => / {2}WHOSE\n {2}REASON\n/.test(screen()));
      expect(screen()).toMatch(/^stale .*…\S*project {2}a test$/m);
      tmux('resize-window', '-x', '56', '-y', '20');
      await waitFor('it is narrower', () => / {2}WHOSE; REASON\n/.test(screen()));
      process.kill(one.pid, 'SIGKILL');
      await waitFor('it looks again', () => screen().includes('1 gone'), 20_000);
      expect(screen()).toMatch(/^gone +\d+ +\d+ +– +– +–/m);
      tmux('send-keys', ...keys);
      await waitFor('the end', () => screen().endsWith(`code ${code}`));
      expect([screen(), modes()]).toEqual([`before\ncode ${code}`, '0 1 1']);
    },
  );

  skipped('leaves the terminal as it was when it is ended from outside', async ({ sandbox, expect }) => {
    const { screen, modes, pid } = runOnTerminal(sandbox, 'list --watch');
    await waitFor('the first page', () => screen().includes('q ends this'));
    const [child] = execFileSync('pgrep', ['-P', `${pid()}`], { encoding: 'utf8' })
      .trim()
      .split('\n');
    process.kill(Number(child), 'SIGTERM');
    await waitFor('the end', () => screen().endsWith('code 143'));
    expect([screen().startsWith('before'), modes(), alive(Number(child))]).toEqual([true, '0 1 1', false]);
  });

  skipped('is wrong usage on a terminal that cannot show it', async ({ sandbox, expect }) => {
    const { screen } = runOnTerminal(sandbox, 'list --watch', { env: { TERM: 'dumb' } });
    await waitFor('the end', () => screen().endsWith('code 2'));
    expect(screen()).toMatch(/^before\nerror: list --watch [^\n]+: it needs a terminal\nhint: [^\n]+\ncode 2$/);
  });

  test('is wrong usage without a terminal, or with an answer for scripts', async ({ sandbox, expect }) => {
    for (const [args, stderr] of [
      [[], /^error: list --watch cannot be shown here: .+\nhint: .+\n$/],
      [['--json'], /^\{"error":"list --watch cannot be shown here: .+","hint":".+"\}\n$/],
      [['--quiet'], /^error: unknown option '--quiet'\nhint: .+\n$/],
    ] as const)
      expect(await runCli(sandbox, ['list', '--watch', ...args])).toEqual({
        code: 2,
        stdout: '',
        stderr: expect.stringMatching(stderr),
      });
  });
});

describe('a page', () => {
  test('is written over the one before, in one piece, and never cleared first', ({ expect }) => {
    expect(frame(['a', 'b'], 5)).toBe('\u001b[Ha\u001b[K\r\nb\u001b[K\u001b[J');
  });

  test('that is longer than the terminal says how much is missing', ({ expect }) => {
    expect(frame(['1', '2', '3', '4'], 3)).toMatch(/^\S+1\S+\r\n2\S+\r\nand 2 more lines\S+$/);
    expect(frame(['1', '2', '3'], 3)).not.toContain('more');
  });
});

test('the share of a core between two looks is that of the same process only', ({ expect }) => {
  const look = (pid: number, startToken: string, ageMs: number, cpuMs?: number): Reaped => {
    const server = { seen: { located: { kind: 'present', server: { pid, startToken, ageMs, cpuMs } } } };
    return { servers: [server as unknown as Judged], unrecorded: [] } as unknown as Reaped;
  };
  const before = look(7, 'a', 100_000, 4_000);
  expect([...cpuNow(before, look(7, 'a', 105_000, 6_500))]).toEqual([[7, 0.5]]);
  for (const now of [
    look(7, 'b', 105_000, 6_500),
    look(8, 'a', 105_000, 6_500),
    look(7, 'a', 105_000),
    look(7, 'a', 100_000, 4_000),
  ])
    expect([...cpuNow(before, now)]).toEqual([]);
  expect([...cpuNow(undefined, before)]).toEqual([]);
});
