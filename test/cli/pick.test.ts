import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, vi } from 'vitest';
import { namesOf } from '../../src/cli/commands/pick.js';
import { stopCommand } from '../../src/cli/commands/stop.js';
import type { Choice } from '../../src/cli/picking.js';
import { streamOf } from '../../src/cli/streams.js';
import type { Identity } from '../../src/model/identity.js';
import { runCli } from '../support/cli.js';
import { type Fake, identityOf, startFake, writeRecord } from '../support/fake.js';
import { alive } from '../support/proc.js';
import { test } from '../support/reaped.js';
import { runOnTerminal } from '../support/terminal.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

/** Raw, as tmux shows it after the program: the last line is the exit code. */
type Terminal = ReturnType<typeof runOnTerminal>;

const shows = (terminal: Terminal, what: RegExp): Promise<unknown> =>
  waitFor(`${what}`, () => what.test(terminal.screen())).catch((error) => {
    throw new Error(`${error}\n${terminal.screen()}`);
  });

const LIST = /^choose what to stop.*\n +VERDICT +PID +PORT +AGE +CPU +MEMORY +WORKSPACE/;

/** Chooses the server on that port. Other tests' servers are in the list too, so it is found by the filter. */
const choose = async (terminal: Terminal, port: number): Promise<void> => {
  terminal.keys(...`${port}`);
  await shows(terminal, new RegExp(`^filter: ${port}_\\n.+\\n> \\[ \\] \\w+ +\\d+ +${port} `, 'm'));
  terminal.keys('Enter', 'Space');
  await shows(terminal, new RegExp(`^filter: ${port}\\n.+\\n> \\[x\\] \\w+ +\\d+ +${port} `, 'm'));
  terminal.keys('Escape');
  await shows(terminal, LIST);
};

describe(`pick${withoutTmux}`, () => {
  const onTerminal = test.skipIf(withoutTmux !== '');

  onTerminal(
    'stops what was chosen and nothing else, as stop does, and asks what stop asks',
    async ({ sandbox, expect }) => {
      const [stale, own, used] = [await startFake(sandbox), await startFake(sandbox), await startFake(sandbox)];
      await writeRecord(sandbox, 'one', stale, { plugin: 'evil\u001b[2Jname', workspace: '/tmp/a\u001b[31mb' });
      const client = connect(used.port, '127.0.0.1');
      await once(client, 'connect');
      const terminal = runOnTerminal(sandbox, 'pick --older-than 0s');
      const { screen, keys, modes } = terminal;
      await shows(terminal, LIST);
      expect(modes()).toBe('1 0 0');
      keys('Enter');
      await shows(terminal, /^nothing chosen; nothing is chosen yet$/m);
      keys(...`${own.port}`);
      await shows(terminal, new RegExp(`> \\[ \\] spared +${own.pid} +${own.port} .* \\d+ MB `));
      keys('Escape');
      await shows(terminal, LIST);
      keys(...`${stale.port}`);
      await shows(terminal, new RegExp(`stale +${stale.pid} +${stale.port} .* \\d+ MB +/tmp/a\\\\u001b\\[31mb`));
      expect(screen()).toContain('evil\\u001b[2Jname');
      keys('Escape');
      await shows(terminal, LIST);
      for (const { port } of [stale, used]) await choose(terminal, port);
      await shows(terminal, /^2 servers chosen, \d+ MB$/m);
      keys('Enter');
      await shows(terminal, /may be in use: .*1 client connection open[\s\S]*stop it anyway\? \[y\/N\]$/);
      expect([modes(), alive(stale.pid), alive(used.pid)]).toEqual(['0 1 1', false, true]);
      keys('n', 'Enter');
      await shows(terminal, /code 0$/);
      expect(screen()).toMatch(
        /^before\nstopped pid \d+ on port \d+: SIGTERM, 1 process in [\s\S]*\nleft alone\ncode 0$/,
      );
      expect([stale, own, used].map(({ pid }) => alive(pid))).toEqual([false, true, true]);
      client.destroy();
    },
  );

  onTerminal('filters by what is typed, says what is hidden, and shows why', async ({ sandbox, expect }) => {
    const [one, two] = [await startFake(sandbox), await startFake(sandbox)];
    await writeRecord(sandbox, 'one', one, { workspace: '/tmp/quick-web' });
    await writeRecord(sandbox, 'two', two, { workspace: '/tmp/quick-api' });
    const terminal = runOnTerminal(sandbox, 'pick');
    const { screen, keys, tmux } = terminal;
    const at = ({ port }: Fake, box = '[ x]') => new RegExp(`^> \\[${box}\\] .* ${port} `, 'm');
    await shows(terminal, LIST);
    // Letters that are commands elsewhere belong to the filter.
    keys('/', 'q', 'u', 'i', 'c', 'k', '-');
    await shows(terminal, /^filter: quick-_\n.+\n.+\/quick-(web|api) .+\n.+\/quick-(web|api) /m);
    const [first, second] = at(one).test(screen()) ? [one, two] : [two, one];
    keys('Down');
    await shows(terminal, at(second));
    keys('Down', 'Up', 'Up');
    await shows(terminal, at(first));
    keys('Down', 'Down', 'Space');
    await shows(terminal, at(second, 'x'));
    keys('Space');
    await shows(terminal, at(second, ' '));
    keys('Escape');
    await shows(terminal, LIST);
    await choose(terminal, two.port);
    keys('/', 'q', 'u', 'i', 'c', 'k', '-', 'w');
    await shows(terminal, /^filter: quick-w_$/m);
    await shows(terminal, at(one));
    expect(screen()).not.toContain(` ${two.port} `);
    expect(screen()).toMatch(/^1 server chosen, \d+ MB, 1 of them not shown$/m);
    keys('Space');
    await shows(terminal, /nothing fits the filter/);
    keys('BSpace', 'Enter');
    await shows(terminal, /^filter: quick-w$/m);
    keys('w');
    await shows(terminal, /^one is spared$/m);
    expect(screen()).toMatch(/✓ identity {2}is this process the one that was recorded\?/);
    tmux('resize-window', '-x', '100', '-y', '8');
    await shows(terminal, /^one is spared\nrecorded in.+\n(.+\n){5}w goes back to the list; arrows move$/);
    // A path that is longer than the screen is wide goes on below, with no letter lost at the edge.
    const file = join(sandbox.stateDir, 'servers/one.json');
    tmux('resize-window', '-x', `${file.length - 1}`, '-y', '40');
    const joined = (): string => screen().replace(/\n */g, '');
    await waitFor(`${file} in pieces`, () => joined().includes(file) && !screen().includes(file));
    tmux('resize-window', '-x', '60', '-y', '12');
    await shows(terminal, /^w goes back to the list; arrows move$/m);
    expect(screen()).toMatch(/^one is spared\nrecorded in/);
    keys('Down');
    await shows(terminal, /^recorded in/);
    keys('w');
    await shows(terminal, /^choose what to stop\nfilter: quick-w\n +VERDICT/);
    tmux('resize-window', '-x', '100', '-y', '20');
    await shows(terminal, /^choose what to stop\nfilter: quick-w\n +VERDICT .* WHOSE\n/);
    process.kill(two.pid, 'SIGKILL');
    await shows(terminal, /^nothing chosen; 1 of those chosen has ended$/m);
    keys('q');
    await shows(terminal, /code 0$/);
    expect([screen(), alive(one.pid)]).toEqual(['before\ncode 0', true]);
  });

  onTerminal.for<[string, string[], number]>([
    ['Escape', ['Escape'], 0],
    ['Ctrl-C', ['C-c'], 130],
    ['a signal', [], 143],
  ])('leaves the terminal as it was at %s, and stops nothing', async ([, typed, code], { sandbox, expect }) => {
    const one = await startFake(sandbox);
    const terminal = runOnTerminal(sandbox, 'pick');
    await shows(terminal, LIST);
    await choose(terminal, one.port);
    const [child] = execFileSync('pgrep', ['-P', `${terminal.pid()}`], { encoding: 'utf8' }).split('\n');
    if (typed.length > 0) terminal.keys(...typed);
    else process.kill(Number(child), 'SIGTERM');
    await shows(terminal, new RegExp(`code ${code}$`));
    expect([terminal.screen(), terminal.modes()]).toEqual([`before\ncode ${code}`, '0 1 1']);
    // What is typed is echoed again.
    terminal.keys('echoed');
    await shows(terminal, /echoed$/);
    expect(alive(one.pid)).toBe(true);
  });

  onTerminal('is plain text on a terminal that cannot show it', async ({ sandbox, expect }) => {
    await startFake(sandbox);
    const terminal = runOnTerminal(sandbox, 'pick', { env: { TERM: 'dumb' } });
    await shows(terminal, /code 0$/);
    expect(terminal.screen()).toMatch(/^before\n(.*\n)+to choose here takes a terminal.*\n/);
  });

  onTerminal('is offered by a run that finds nothing stale, and by no other', async ({ sandbox, expect }) => {
    const offer = /^to choose what to stop: opencode-reap pick$/m;
    const said = async (words: string): Promise<string> => {
      const terminal = runOnTerminal(sandbox, words);
      await shows(terminal, /code \d+$/);
      return terminal.screen();
    };
    const one = await startFake(sandbox);
    await writeRecord(sandbox, 'one', one);
    expect(await said('')).toMatch(offer);
    expect(await said('--all-stale --dry-run')).toMatch(offer);
    expect(await said('--quiet')).not.toMatch(offer);
    expect(await said('--dry-run --older-than 0s')).not.toMatch(offer);
    expect((await runCli(sandbox, [])).stdout).not.toMatch(offer);
  });

  test('without a terminal says what there is and how to stop it', async ({ sandbox, expect }) => {
    const [one, two] = [await startFake(sandbox), await startFake(sandbox)];
    await writeRecord(sandbox, 'one', one);
    const { code, stdout, stderr } = await runCli(sandbox, ['pick']);
    expect([code, stderr]).toEqual([0, '']);
    for (const { pid, port } of [one, two]) expect(stdout).toMatch(new RegExp(`\\b${pid} +${port} `));
    expect(stdout).toMatch(/\nto choose here takes a terminal; opencode-reap stop PORT stops one of them\n$/);
    expect(stdout).not.toContain('\u001b');
    expect([one, two].map(({ pid }) => alive(pid))).toEqual([true, true]);
  });
});

describe('what was chosen', () => {
  test('is not stopped if its id or pid means another process by then', async ({ sandbox, expect }) => {
    const one = await startFake(sandbox);
    await writeRecord(sandbox, 'one', one);
    const said: string[] = [];
    // What has been asked for as a stream is written to as one.
    for (const name of ['stdout', 'stderr'] as const) streamOf(name);
    const stderr = vi.spyOn(process.stderr, 'write').mockImplementation((text) => said.push(`${text}`) > 0);
    const stdout = vi.spyOn(process.stdout, 'write').mockImplementation(() => true);
    const stop = (name: string, shown: Identity): Promise<number> =>
      stopCommand([name], { stateDir: sandbox.stateDir, grace: 5_000, yes: true, shown: new Map([[name, shown]]) });
    try {
      const is = identityOf(one.pid) as Identity;
      for (const name of ['one', `${one.pid}`]) {
        expect(await stop(name, { ...is, startToken: '1' })).toBe(1);
        expect(await stop(name, { ...is, startToken: undefined })).toBe(1);
      }
      expect([said.join('').match(/no longer the process that was chosen/g)?.length, alive(one.pid)]).toEqual([
        4,
        true,
      ]);
      expect([await stop('one', is), alive(one.pid)]).toEqual([0, false]);
    } finally {
      stderr.mockRestore();
      stdout.mockRestore();
    }
  });

  test('is named by its id, or by its pid where another one has that id', ({ expect }) => {
    const choice = (id: string, pid: number) => ({ server: { record: { id } }, process: { pid } }) as unknown as Choice;
    const names = (...all: Choice[]) => [...namesOf(all).keys()];
    expect(names(choice('a', 7), choice('b', 8))).toEqual(['a', 'b']);
    expect(names(choice('a', 7), choice('a', 8), choice('c', 9))).toEqual(['7', '8', 'c']);
  });
});
