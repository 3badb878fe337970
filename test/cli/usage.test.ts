import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { mkdir } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseDuration } from '../../src/common/duration.js';
import { GUARD_NAMES } from '../../src/decide/guards.js';
import { runCli } from '../support/cli.js';
import { type Fake, recordOf, startFake, writeState } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const PROGRAM = fileURLToPath(new URL('../../bin/opencode-reap.js', import.meta.url));
const ESCAPE = '\u001b[';

let sandbox: Sandbox;
let server: Fake;

beforeAll(async () => {
  sandbox = await createSandbox('usage');
  server = await startFake(sandbox);
  await writeState(sandbox.stateDir, 'servers/one.json', recordOf(sandbox, 'one', server));
});

afterAll(() => sandbox.dispose());

describe('wrong usage is one sentence and one hint', () => {
  const wrong: [string, string[]][] = [
    ['an unknown option', ['--frobnicate']],
    ['an option that is nearly right', ['--dryrun']],
    ['an unknown option of a command', ['list', '--grace', '5s']],
    ['an unknown command', ['frobnicate']],
    ['an empty command', ['']],
    ['a command with too many arguments', ['list', 'all']],
    ['two servers where one is meant', ['why', '1', '2']],
    ['no server to explain', ['why']],
    ['no server to stop', ['stop', '--yes']],
    ['no server to keep', ['keep']],
    ['no server to adopt', ['adopt']],
    ['a duration without a unit', ['--older-than', '5']],
    ['a negative duration', ['--older-than', '-1s']],
    ['a duration with a space', ['--older-than', '5 m']],
    ['a duration with an exponent', ['--older-than', '1e9s']],
    ['a fraction of a duration', ['--grace', '1.5s']],
    ['an empty duration', ['--grace', '']],
    ['a duration that is left out', ['--grace']],
    ['a duration of a command', ['list', '--older-than', 'soon']],
    ['a port that is not a number', ['--port', 'http']],
    ['a port that is too large', ['--port', '65536']],
    ['port 0, where only a running server has one', ['--port', '0']],
    ['a negative port', ['start', '--port', '-1']],
    ['a host that is not this machine', ['start', '--hostname', '0.0.0.0']],
    ['a limit that is not a number', ['--limit', 'all']],
    ['a negative limit', ['--limit', '-1']],
    ['a limit with a fraction', ['--limit', '1.5']],
    ['a number of lines that is none', ['log', '--lines', 'x']],
    ['an escape sequence', [`${ESCAPE}31mred`]],
  ];
  test.each(sampled(wrong, 8))('%s', async (_, args) => {
    const { code, stdout, stderr } = await runCli(sandbox, args);
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(/^error: [a-z][^\n]*[^.\n]\nhint: [^\n]+\n$/);
    expect(stderr).not.toContain(ESCAPE);
  });

  const settings: [string, string, string[]][] = [
    ['OPENCODE_REAP_OLDER_THAN', '5', []],
    ['OPENCODE_REAP_OLDER_THAN', 'soon', ['list']],
    ['OPENCODE_REAP_GRACE', '-1s', []],
  ];
  test.each(sampled(settings, 1))('%s=%s', async (name, value, args) => {
    const { code, stdout, stderr } = await runCli(sandbox, ['--dry-run', ...args], { env: { [name]: value } });
    expect([code, stdout]).toEqual([2, '']);
    expect(stderr).toMatch(new RegExp(`^error: [a-z][^\\n]*${name}[^\\n]*\\nhint: [^\\n]+\\n$`));
  });

  test('and names what was said', async () => {
    expect((await runCli(sandbox, ['frobnicate'])).stderr).toMatch(/^error: unknown command 'frobnicate'\n/);
    expect((await runCli(sandbox, ['list', 'all'])).stderr).toMatch(/^error: too many arguments for 'list'/);
    expect((await runCli(sandbox, ['--dryrun'])).stderr).toMatch(/\nhint: did you mean --dry-run\?\n$/);
  });

  test.each<[string[], string]>([
    [['4096'], 'opencode-reap stop :4096 ends that server, opencode-reap list shows every one'],
    [[':4096'], 'opencode-reap stop :4096 ends that server, opencode-reap list shows every one'],
    [['123456', '--json'], 'opencode-reap stop 123456 ends that server, opencode-reap list shows every one'],
    [['kill', '4096'], 'did you mean opencode-reap stop :4096?'],
    [['explain', '4096'], 'did you mean opencode-reap why :4096?'],
    [['ps'], 'did you mean opencode-reap list?'],
    [['status'], 'did you mean opencode-reap list?'],
    [['logs'], 'did you mean opencode-reap log?'],
    [['constructor'], 'opencode-reap --help lists commands and options'],
    [['lst'], 'did you mean list?'],
  ])('and knows what others call it: %j', async (args, hint) => {
    const { code, stderr } = await runCli(sandbox, args);
    const said = args.includes('--json') ? JSON.parse(stderr).hint : /\nhint: (.*)\n$/.exec(stderr)?.[1];
    expect([code, said]).toEqual([2, hint]);
  });
});

describe('options', () => {
  const ageOf = async (args: string[], env: Record<string, string> = {}): Promise<number> =>
    JSON.parse((await runCli(sandbox, [...args, '--json'], { env })).stdout).policy.olderThanMs;

  test('said on the command line win over the environment, before a command or after it', async () => {
    const env = { OPENCODE_REAP_OLDER_THAN: '2h' };
    expect(await ageOf(['-n'])).toBe(300_000);
    expect(await ageOf(['-n'], env)).toBe(7_200_000);
    expect(await ageOf(['list'], env)).toBe(7_200_000);
    expect(await ageOf(['-n', '--older-than', '1s'], env)).toBe(1_000);
    expect(await ageOf(['list', '--older-than', '1s'], env)).toBe(1_000);
    expect(await ageOf(['--older-than', '1s', 'list'], env)).toBe(1_000);
  });

  test('take a number and a unit for a duration', () => {
    const taken = ['0s', '500ms', '30s', '5m', '2h', '1d'].map(parseDuration);
    expect(taken).toEqual([0, 500, 30_000, 300_000, 7_200_000, 86_400_000]);
    const refused = ['', '5', '5 m', '-1s', '+1s', '1.5s', '1e9s', '1w', '5M', '1h30m', ' 5m', '5m\n', '9999999999s'];
    expect(refused.flatMap((text) => parseDuration(text) ?? [])).toEqual([]);
  });

  test.each(sampled([['--help'], ['-h'], ['list', '--help'], ['stop', '-h']]))(
    'explain themselves: %s',
    async (...args) => {
      const { code, stdout, stderr } = await runCli(sandbox, args);
      expect([code, stderr]).toEqual([0, '']);
      expect(stdout).toMatch(/^Usage: opencode-reap/);
    },
  );

  test('tell the version of the package', async () => {
    const manifest = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
    for (const flag of ['--version', '-V']) {
      expect(await runCli(sandbox, [flag])).toEqual({ code: 0, stdout: `${manifest.version}\n`, stderr: '' });
    }
  });

  test('let a script see by the exit code that something is stale, in a dry run alone', async () => {
    const quiet = ['--quiet', '--dry-run', '--older-than', '0s'];
    expect(await runCli(sandbox, [...quiet, '--exit-code'])).toEqual({ code: 3, stdout: '', stderr: '' });
    expect(await runCli(sandbox, quiet)).toEqual({ code: 0, stdout: '', stderr: '' });
    expect(await runCli(sandbox, ['-qn', '--exit-code', '--older-than', '1d'])).toMatchObject({ code: 0 });
    expect(await runCli(sandbox, ['-q', '--exit-code', '--older-than', '1d'])).toMatchObject({ code: 2 });
  });
});

describe('--quiet', () => {
  test('prints nothing for a dry run', async () => {
    expect((await runCli(sandbox, ['--dry-run'])).stdout).not.toBe('');
    expect(await runCli(sandbox, ['--dry-run', '--quiet'])).toEqual({ code: 0, stdout: '', stderr: '' });
  });

  test('prints errors, and the answer of --json', async () => {
    const failed = { code: 4, stdout: '', stderr: expect.stringMatching(/^error: .+\nhint: .+\n$/) };
    expect(await runCli(sandbox, ['keep', 'two', '--quiet'])).toEqual(failed);
    expect(JSON.parse((await runCli(sandbox, ['-nq', '--json'])).stdout)).toMatchObject({ dryRun: true });
  });

  test.each(sampled(['list', 'log', 'why'], 1))('is not for %s, which would then say nothing', async (command) => {
    const args = command === 'why' ? [command, 'one'] : [command];
    expect(await runCli(sandbox, [...args, '--quiet'])).toMatchObject({ code: 2, stdout: '' });
  });
});

describe('list', () => {
  test('prints every guard with --verbose, as `why` does', async () => {
    const age = ['--older-than', '0s'];
    const out = async (...args: string[]) =>
      (await runCli(sandbox, [...args, ...age])).stdout.replace(/\d+ \w+ old/, '');
    const stdout = await out('why', 'one');
    expect(stdout.split('\n').length).toBeGreaterThan(GUARD_NAMES.length);
    const listed = await out('list', '--verbose');
    expect(listed).toMatch(/^VERDICT /);
    // Below the table and what is said of all of them.
    expect(listed).toMatch(/^1 \w+.*\n([\s\S]*\n)?\none is /m);
    expect(listed.endsWith(`\n\n${stdout}`)).toBe(true);
    const ran = (await runCli(sandbox, ['-n', '-a', '--verbose', ...age])).stdout.replace(/\d+ \w+ old/, '');
    expect(ran).toMatch(/^VERDICT /);
    expect(ran).toMatch(/^1 \w+.*; nothing was changed.*\n([\s\S]*\n)?\none is /m);
    expect((await runCli(sandbox, ['list', ...age])).stdout).not.toContain('one is ');
  });

  test('says so when there is nothing to list', async () => {
    const empty = ['--state-dir', `${sandbox.root}/empty`];
    await mkdir(`${sandbox.root}/empty`);
    expect((await runCli(sandbox, ['list', ...empty])).stdout).toMatch(/^no servers are recorded here\n/);
    // A server that another test has started just now is one that is not recorded.
    const { stdout } = await runCli(sandbox, ['list', '--all', ...empty], { env: { HOME: `${sandbox.root}/empty` } });
    expect(stdout).toMatch(
      /^(no opencode server of yours runs here, and none is recorded\n$|no servers are recorded here\n\d+ servers? not recorded, )/,
    );
  });
});

describe('colours', () => {
  const LIST = ['list', '--older-than', '0s'];

  /** What a person would see at a terminal. */
  const atTerminal = async (args: readonly string[], env: Record<string, string>): Promise<string> => {
    const command = [process.execPath, PROGRAM, ...args].join(' ');
    const child = sandbox.spawn('script', ['-qec', command, '/dev/null'], {
      env: sandbox.env({ TERM: 'xterm', ...env }),
    });
    let text = '';
    child.stdout?.on('data', (chunk) => {
      text += chunk;
    });
    await once(child, 'close');
    expect(text).toMatch(/stale/);
    return text;
  };

  test('are for terminals', async () => {
    expect(await atTerminal(LIST, {})).toContain(`${ESCAPE}32mstale`);
    expect((await runCli(sandbox, LIST)).stdout).not.toContain(ESCAPE);
  });

  test.each([
    ['NO_COLOR', LIST, { NO_COLOR: '1' }],
    ['TERM=dumb', LIST, { TERM: 'dumb' }],
    ['--no-color', [...LIST, '--no-color'], {}],
    ['--no-color before the command', ['--no-color', ...LIST], {}],
  ])('are not shown with %s', async (_, args, env) => {
    expect(await atTerminal(args, env)).not.toContain(ESCAPE);
  });

  test('are shown anywhere with --color', async () => {
    const { stdout } = await runCli(sandbox, [...LIST, '--color'], { env: { NO_COLOR: '1' } });
    expect(stdout).toContain(`${ESCAPE}32mstale`);
  });
});

describe('a reader that has seen enough', () => {
  test.each(sampled([['list'], ['--help'], ['--dry-run', '--json']], 1))('is not an error (%s)', async (...args) => {
    const child = sandbox.spawn(process.execPath, [PROGRAM, ...args]);
    let stderr = '';
    child.stdout?.destroy();
    child.stderr?.on('data', (chunk) => {
      stderr += chunk;
    });
    const [code] = await once(child, 'close');
    expect([code, stderr]).toEqual([0, '']);
  });

  test('may be `head -1`', async () => {
    const line = `"${process.execPath}" "${PROGRAM}" list | head -1`;
    const child = sandbox.spawn('sh', ['-c', line]);
    let text = '';
    for (const stream of [child.stdout, child.stderr]) stream?.on('data', (chunk) => (text += chunk));
    await once(child, 'close');
    expect(text).toMatch(/^VERDICT .*\n$/);
  });
});
