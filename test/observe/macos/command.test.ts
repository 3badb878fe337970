import { describe, expect, test } from 'vitest';
import { claudeOf, commandOf, nameOf } from '../../../src/observe/macos/command.js';
import type { Row } from '../../../src/observe/macos/ps-rows.js';

const rowOf = (ucomm: string, args: string, but: Partial<Row> = {}): Row => ({
  pid: 2,
  parent: 1,
  group: 2,
  owner: '501',
  isZombie: false,
  isExiting: false,
  leadsSession: true,
  terminal: false,
  memoryBytes: 0,
  startedAt: 0,
  ucomm,
  args: Buffer.from(args).toString('latin1'),
  ...but,
});

const command = (ucomm: string, args: string) => commandOf(rowOf(ucomm, args));

describe('what a row of `ps` runs', () => {
  test.each<[string, string, string, number | undefined, boolean]>([
    ['the installer’s', 'opencode', 'opencode serve --port 4096', 4096, false],
    [
      'the same by its path',
      'opencode',
      '/Users/a/.opencode/bin/opencode serve --hostname 127.0.0.1 --port 1',
      1,
      false,
    ],
    ['Homebrew’s', 'opencode', '/opt/homebrew/bin/opencode serve --port 49959', 49959, false],
    [
      'npm’s until 1.15.0, which runs the next one',
      'node',
      'node /opt/homebrew/bin/opencode serve --port 4096',
      4096,
      true,
    ],
    ['that one', '.opencode', '/opt/x/node_modules/opencode-ai/bin/.opencode serve --port 4096', 4096, false],
    ['npm’s since 1.15.4', 'opencode.exe', 'opencode serve', undefined, false],
    ['one in a folder with blanks', 'opencode', '/Users/a/My Tools/opencode serve --port 7', 7, false],
    ['a link in a folder with blanks', 'opencode.exe', '/Users/a/My Tools/bin/opencode serve --port 7', 7, false],
    [
      'one under a name that is cut at 16 bytes',
      'opencode-darwin-',
      '/x/opencode-darwin-arm64 serve',
      undefined,
      false,
    ],
    ['one in a folder with more blanks', 'opencode', '/Users/a/My Own Tools/opencode serve --port 7', 7, false],
    ['one in a folder with sixteen', 'opencode', `/${'x '.repeat(16)}y/opencode serve --port 7`, 7, false],
    ['one under another name', 'opencode', 'oc serve --port 7', 7, false],
    ['one in a folder with a name beyond ASCII', 'opencode', '/Users/zoë x/opencode serve --port 7', 7, false],
    ['Bun with OpenCode’s script', 'bun', '/usr/bin/bun /x/lib/opencode/dist/index.js serve --port 7', 7, true],
    ['a shell that only waits for it', 'sh', 'sh -c opencode serve --port 7', 7, true],
    ['another program that calls itself that, as on Linux', 'sleep', 'opencode serve --port 7', 7, false],
    ['a script that Linux calls by its own name', 'opencode', '/bin/sh /x/bin/opencode serve --port 7', 7, true],
    ['one that is told a name in parentheses', 'opencode', 'opencode serve --port 7 --hostname (x)', 7, false],
    ['a script of a shell without its settings', 'bash', 'bash --norc /x/bin/opencode serve --port 7', 7, true],
    ['one run by a loader with options', 'box64', 'box64 -c opencode serve --port 7', 7, true],
    ['a script with an option before its command', 'node', 'node opencode --port 7 serve', undefined, true],
    ['a script', 'bash', '/bin/bash /x/bin/opencode serve --port 7', 7, true],
  ])('is `opencode serve`: %s', (_what, ucomm, args, port, interpreted) => {
    expect(command(ucomm, args)).toEqual({ kind: 'serve', port, sharedDaemon: undefined, interpreted });
  });

  test.each<[string, string, string]>([
    ['a terminal', 'opencode', 'opencode --port 4096'],
    ['one in a folder with blanks', 'opencode', '/Users/a/My Tools/opencode run serve'],
    ['one that is told about servers', 'opencode', 'opencode run read /x/opencode serve'],
  ])('is another `opencode`: %s', (_what, ucomm, args) => {
    expect(command(ucomm, args)).toEqual({ kind: 'opencode' });
  });

  test.each<[string, string, string]>([
    ['an editor', 'vim', 'vim notes about opencode serve.md'],
    ['an editor of its program', '/usr/bin/vim'.slice(-3), '/usr/bin/vim /x/opencode serve'],
    ['an editor of its program by a shorter path', 'vim', '/usr/bin/vim x/opencode serve'],
    ['one that calls itself several words', 'worker', 'my notes/opencode serve'],
    ['a script that is told about it', 'node', 'node /x/a.mjs tools/opencode serve'],
    ['a shell in a file of another name that does more', 'busybox', 'sh -c opencode serve; rm x'],
    ['a shell with settings that does more', 'bash', 'bash --rcfile f -c opencode serve && rm x'],
    ['the same with others', 'bash', 'bash +O f --init-file g -c opencode serve && rm x'],
    ['a script in JavaScript that is told about it', 'node', 'node /x/a.js tools/opencode serve'],
    ['a login shell that does more', 'zsh', 'zsh -l -c opencode serve && rm x'],
    ['OpenCode’s desktop', 'opencode-cli', '/Applications/OpenCode.app/Contents/MacOS/opencode-cli serve --port 63714'],
    ['a plugin’s script', 'node', 'node /Users/a/.claude/plugins/opencode-companion.mjs serve --cwd /Users/a/opencode'],
    ['a shell that does more', 'zsh', '/bin/zsh -l -c cd /x && opencode serve'],
    ['a shell that does more, on two lines', 'bash', 'bash -c opencode serve\\012rm x'],
    ['a shell with options that does more', 'bash', 'bash -o pipefail -c opencode serve | tee log'],
    ['a shell as npm runs it', 'sh', 'sh -lc opencode serve'],
    ['a kernel’s thread', 'kthreadd', '[kthreadd]'],
    ['anything else', 'node', 'node /x/server.js'],
  ])('is something else: %s', (_what, ucomm, args) => {
    expect(command(ucomm, args)).toEqual({ kind: 'other' });
  });

  test.each<[string, string, string]>([
    ['nothing is shown', 'opencode', ''],
    ['it is exiting', 'opencode', '(opencode)'],
    ['it has ended', 'opencode', '<defunct>'],
    ['it may be in one of two folders', 'opencode', '/Users/opencode tools/bin/opencode serve'],
    ['its script may have blanks in its path', 'node', 'node /Users/a/My Tools/opencode serve'],
    ['the same by another name', 'MainThread', 'node /Users/a/My Tools/opencode serve'],
    ['the same in a folder called like a script', 'node', 'node /x/my.jsons/a b/opencode serve'],
    ['the same with options before', 'node', 'node --require x.cjs /Users/a/My Tools/opencode serve'],
    ['the same with as many blanks as a path may have', 'node', `node /${'x '.repeat(16)}y/opencode serve`],
    [
      'a shell’s script may have, and its options look like the shell’s',
      'bash',
      'bash /x/My Tools/opencode serve -c x',
    ],
    ['its own path has more blanks than any has', 'opencode', `/${'x '.repeat(17)}y/opencode serve`],
    ['its runtime may have blanks in its path', 'node', '/Users/a/node x/bin/node /Users/a/My Tools/opencode serve'],
    ['OpenCode calls itself something else', 'opencode', '/Users/a/My Things/oc serve'],
    ['a name that was cut runs from a folder with blanks', 'opencode-darwin-', '/Users/a/My Tools/opencode serve'],
  ])('is unknown, and not something else, when %s', (_what, ucomm, args) => {
    expect(command(ucomm, args)).toBeUndefined();
  });

  test('is unknown while the kernel takes it down, whatever is still shown', () => {
    expect(commandOf(rowOf('opencode', 'opencode serve', { isExiting: true }))).toBeUndefined();
  });

  test.each<[string, string, string]>([
    ['a million words', 'node', `node /x/opencode serve ${'/opencode '.repeat(100_000)}`],
    ['a million blanks', 'opencode', `/x y${' '.repeat(1_000_000)}/opencode serve`],
    ['one word of a million letters', 'sh', `sh -c ${'opencode'.repeat(125_000)}`],
  ])('takes no time with %s', (_what, ucomm, args) => {
    const began = performance.now();
    command(ucomm, args);
    claudeOf(rowOf(ucomm, args));
    expect(performance.now() - began).toBeLessThan(1_000);
  });
});

describe('Claude Code', () => {
  test.each<[string, string, string, string | undefined]>([
    ['a native install', '2.1.330', 'claude --resume', 'session'],
    ['the same in a folder with blanks', '2.1.330', '/Users/a b/.local/share/claude/versions/2.1.330 -p x', 'session'],
    ['npm’s', 'claude.exe', 'claude', 'session'],
    ['npm’s of old', 'node', 'node /x/node_modules/@anthropic-ai/claude-code/cli.js', 'session'],
    ['the same in a folder with blanks', 'node', 'node /Users/a b/x/claude-code/cli.js -p', 'session'],
    ['one that is exiting', '2.1.330', '(2.1.330)', 'session'],
    ['a spare', '2.1.121', 'claude bg-spare', 'spare'],
    ['a spare by its path', '2.1.121', '/x/claude/versions/2.1.121 --bg-spare', 'spare'],
    ['one that lends its tools', '2.1.330', 'claude mcp serve', 'helper'],
    ['one that may, for its path may have blanks', '2.1.330', '/x/claude/versions/2.1.330 mcp serve', 'session'],
    ['one that may, by its version alone', '2.1.330', '/x/y mcp serve', 'session'],
    ['a spare by its version alone', '2.1.330', 'y bg-spare', 'spare'],
    ['one whose arguments cannot be read', '2.1.330', '', 'session'],
    ['a host of terminals', '2.1.121', '/x/claude/versions/2.1.121 --bg-pty-host', 'helper'],
    ['no Claude', 'node', 'node /x/server.js', undefined],
    ['a program told about it', 'vim', 'vim claude.md', undefined],
  ])('is told: %s', (_what, ucomm, args, role) => {
    expect(claudeOf(rowOf(ucomm, args))).toBe(role);
  });

  test('is called by its own word for itself', () => {
    expect(nameOf({ ucomm: '2.1.330', args: 'claude --resume' })).toBe('claude');
    expect(nameOf({ ucomm: '2.1.121', args: '/x/claude/versions/2.1.121 --bg-spare' })).toBe('claude');
    expect(nameOf({ ucomm: 'zsh', args: '-zsh' })).toBe('zsh');
    expect(nameOf({ ucomm: 'x', args: '/x/claude.exe -p' })).toBe('claude');
    expect(nameOf({ ucomm: 'x', args: '/x/claude/versions/12.10.330 -p' })).toBe('claude');
    for (const args of ['/x/claudette -p', '/x/myclaude', '/x/claude/versions/1.2.3x', '/x/claude/versions/1.2'])
      expect(nameOf({ ucomm: 'x', args })).toBe('x');
  });
});
