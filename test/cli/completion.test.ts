import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { completion, SHELLS } from '../../src/report/completion.js';
import { runCli } from '../support/cli.js';
import { type Fake, recordOf, startFake, writeRecord, writeState } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { openTerminal, type Terminal } from '../support/terminal.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));

let sandbox: Sandbox;
let server: Fake;

beforeAll(async () => {
  sandbox = await createSandbox('completion');
  server = await startFake(sandbox);
  await writeRecord(sandbox, 'srv-known', server);
  mkdirSync(join(sandbox.root, 'bin'), { recursive: true });
  writeFileSync(join(sandbox.root, 'bin/opencode-reap'), `#!/bin/sh\nexec "${process.execPath}" "${PROGRAM}" "$@"\n`, {
    mode: 0o755,
  });
  for (const folder of ['work-one', 'work two']) mkdirSync(join(sandbox.project, folder));
  writeFileSync(join(sandbox.project, 'work-file'), '');
});

afterAll(() => sandbox.dispose());

/** What the scripts are told: the candidates, each with what it is. */
const offered = async (words: string[], begun: string): Promise<Record<string, string>> => {
  const { code, stdout, stderr } = await runCli(sandbox, ['complete', `--word=${begun}`, '--', ...words]);
  expect([code, stderr]).toEqual([0, '']);
  return Object.fromEntries(stdout.split('\n').flatMap((line) => (line ? [line.split('\t', 2)] : [])));
};

const words = async (line: string[], begun: string): Promise<string[]> => Object.keys(await offered(line, begun));

describe('a shell is offered', () => {
  test('commands, each with its description, and none that is not for people', async () => {
    const commands = await offered([], '');
    expect(commands).toMatchObject({ list: expect.stringContaining('verdict'), stop: expect.any(String) });
    expect(Object.keys(commands).filter((name) => /^(sweep|watch|retire|complete|help)$/.test(name))).toEqual([]);
    expect(await words([], 'l')).toEqual(['list', 'log']);
    expect(await words(['--older-than', '5m', '-v'], 'l')).toEqual(['list', 'log']);
  });

  test('the options of each command, with descriptions, and those of no other', async () => {
    expect(await words([], '--al')).toEqual(['--all-stale']);
    expect(await words(['list'], '--al')).toEqual(['--all']);
    expect(await words(['start'], '--re')).toEqual(['--ready-timeout', '--retire-after']);
    expect(await offered(['stop'], '--y')).toEqual({ '--yes': expect.stringContaining('without asking') });
    expect(await words(['why'], '--grace')).toEqual([]);
    // Where nothing else can come.
    expect(await words(['doctor'], '')).toContain('--json');
  });

  test('the values of an option: scopes, ports, folders; and nothing where anything may be said', async () => {
    expect(await words(['install', '--scope'], '')).toEqual(['user', 'project', 'local']);
    expect(await words(['install'], '--scope=p')).toEqual(['--scope=project']);
    expect(await words(['--port'], '')).toContain(`${server.port}`);
    expect(await words(['--workspace'], '')).toEqual([':folders']);
    expect(await words(['list', '--state-dir'], '')).toEqual([':folders']);
    expect(await words(['--limit'], '')).toEqual([]);
  });

  test('servers by port and by id, with what they are, recorded or not', async () => {
    const stranger = await startFake(sandbox);
    const all = await offered(['why'], '');
    expect(all).toMatchObject({
      [server.port]: expect.stringContaining(`pid ${server.pid}, `),
      'srv-known': expect.stringContaining(`port ${server.port}, `),
      [stranger.port]: expect.stringContaining('not recorded'),
    });
    for (const command of ['stop', 'keep', 'log']) expect(await words([command], 'srv')).toEqual(['srv-known']);
    process.kill(stranger.pid, 'SIGKILL');
  });

  test('only those for which a command has something to do', async () => {
    const [stranger, asks] = [await startFake(sandbox), await startFake(sandbox, { OPENCODE_REAP: 'keep' })];
    const offers = async (command: string): Promise<string[]> => {
      const all = await words([command], '');
      return [server, stranger, asks].flatMap(({ port }, at) => (all.includes(`${port}`) ? (NAMES[at] ?? []) : []));
    };
    const NAMES = ['recorded', 'stranger', 'asks'];
    expect(await offers('adopt')).toEqual(['stranger', 'asks']);
    expect(await offers('keep')).toEqual(['recorded', 'stranger']);
    expect(await offers('unkeep')).toEqual(['asks']);
    for (const { port } of [server, stranger]) await runCli(sandbox, ['keep', `${port}`]);
    await runCli(sandbox, ['adopt', `${stranger.port}`]);
    expect(await offers('adopt')).toEqual(['asks']);
    expect(await offers('keep')).toEqual([]);
    expect(await offers('unkeep')).toEqual(NAMES);
    expect(await offers('stop')).toEqual(NAMES);
    await runCli(sandbox, ['unkeep', `${server.port}`]);
    for (const { pid } of [stranger, asks]) process.kill(pid, 'SIGKILL');
  });

  test('shells, and nothing after --', async () => {
    expect(await words(['completion'], '')).toEqual([...SHELLS]);
    expect(await words(['start', '--'], '')).toEqual([]);
  });

  test('no name that would mean something to it, and nothing that controls a terminal', async () => {
    const evil = '$(touch x);';
    const other = await startFake(sandbox);
    const file = await writeState(sandbox.stateDir, `servers/${evil}.json`, {
      ...recordOf(sandbox, evil, other),
      plugin: 'a\u001b[31mb',
    });
    expect((await runCli(sandbox, ['list', '--json', '--older-than', '0s'])).stdout).toContain(evil);
    const { stdout } = await runCli(sandbox, ['complete', '--word=', '--', 'why']);
    expect(['$', ';', '\u001b'].filter((one) => stdout.includes(one))).toEqual([]);
    expect(stdout).toContain(`${other.port}\tpid ${other.pid}, a\\u001b[31mb`);
    rmSync(file);
    process.kill(other.pid, 'SIGKILL');
  });
});

const INTERACTIVE = {
  bash: {
    start: 'bash --norc --noprofile -i',
    load: 'source <(opencode-reap completion bash)',
    listing: ['Tab', 'Tab'],
  },
  zsh: {
    start: 'zsh -f -i',
    load: 'autoload -U compinit; compinit -D; source <(opencode-reap completion zsh)',
    listing: ['Tab'],
  },
  fish: { start: 'fish --no-config -i', load: 'opencode-reap completion fish | source', listing: ['Tab'] },
} as const;

const isThere = (shell: string): boolean => spawnSync(shell, ['--version']).status === 0;

describe.each(sampled(Object.entries(INTERACTIVE), 1))('typed in %s:', (shell, { start, load, listing }) => {
  const without = withoutTmux || (isThere(shell) ? '' : ` (skipped: ${shell} is not installed)`);

  /** What the screen shows once it shows what is waited for. */
  const shows = async (terminal: Terminal, what: RegExp): Promise<string> => {
    let screen = '';
    const isThere = () => {
      screen = terminal.screen();
      return what.test(screen);
    };
    await waitFor(`${what}`, isThere).catch((error) => {
      throw new Error(`${error}\n${screen}`);
    });
    return screen;
  };

  test.skipIf(without)(`commands, options, values, servers and folders${without}`, async () => {
    const path = `${join(sandbox.root, 'bin')}:${process.env.PATH}`;
    const terminal = openTerminal(sandbox, start, { PATH: path, LC_ALL: 'C.UTF-8', PS1: '$ ' });
    const line = (...keys: string[]) => terminal.keys('C-u', 'C-l', ...keys);
    try {
      await shows(terminal, /[$%>#]/);
      terminal.keys(load, 'Enter');
      terminal.keys('echo lo""aded', 'Enter');
      await shows(terminal, /^loaded/m);

      // One that is unambiguous is completed, and one that is not is listed with what each is.
      line('opencode-reap unk', 'Tab');
      await shows(terminal, /opencode-reap unkeep/);
      line('opencode-reap l', ...listing);
      const listed = await shows(terminal, /(^|\) ) *log {2}[(-].*what was stopped/m);
      expect(listed).toMatch(/^ *list {2}[(-].*every known server/m);
      line('opencode-reap install --scope p', 'Tab');
      await shows(terminal, /--scope project/);
      line('opencode-reap stop --ye', 'Tab');
      await shows(terminal, /stop --yes/);
      line('opencode-reap completion po', 'Tab');
      await shows(terminal, /completion powershell/);
      line('opencode-reap why srv', 'Tab');
      await shows(terminal, /why srv-known/);
      line('opencode-reap why ', ...listing);
      await shows(terminal, new RegExp(`(^|\\) ) *${server.port} {2,}[(-][^\\n]*pid ${server.pid}`, 'm'));
      line('opencode-reap --workspace work-', 'Tab');
      await shows(terminal, /--workspace work-one\//);
      line('opencode-reap --workspace work\\ ', 'Tab');
      await shows(terminal, /--workspace (work\\ two|'work two)/);
    } finally {
      terminal.close();
    }
  });
});

test('the script for PowerShell, which is not run here, asks as the others do (a stand-in for typing)', () => {
  const script = completion('powershell').join('\n');
  expect(script).toContain('opencode-reap complete "--word=$begun"');
  expect(script.match(/[{(]/g)?.length).toBe(script.match(/[})]/g)?.length);
});

test('no other shell is known', async () => {
  expect(await runCli(sandbox, ['completion', 'tcsh'])).toMatchObject({ code: 2, stdout: '' });
});
