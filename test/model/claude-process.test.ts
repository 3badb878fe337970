import { describe, expect, test } from 'vitest';
import { type ClaudeRole, claudeRole } from '../../src/model/claude-process.js';

const words = (text: string): string[] => text.split(' ');
const NPM = '/usr/lib/node_modules/@anthropic-ai';
const VERSIONS = '/home/me/.local/share/claude/versions';
const RUNTIME = '/usr/bin/node';

describe('Claude Code is known by its command line', () => {
  test.each([
    'claude',
    '/home/me/.local/bin/claude --continue',
    'claude -p hello daemon',
    'claude.exe',
    `${NPM}/claude-code/bin/claude.exe --resume x`,
    '/nix/store/x-claude-code-2.1.330/bin/.claude-wrapped',
    '/nix/store/x/bin/..claude-wrapped-wrapped',
    '/nix/store/x/bin/.claude-unwrapped',
    '/opt/claude-2.1.330 -p x',
    '/usr/bin/claude-code',
    `${VERSIONS}/2.1.330 --session-id x`,
    `/home/me/.vscode/extensions/anthropic.claude-code-2.1.330-linux-x64/resources/native-binary/claude`,
    `${NPM}/claude-code-linux-x64/claude`,
    `node ${NPM}/claude-code/cli.js`,
    `node --no-warnings --max-old-space-size=4096 ${NPM}/claude-code/cli.js -c`,
    `node -r ./x.js --import y ${NPM}/claude-code/cli.js`,
    `/usr/bin/bun run ${NPM}/claude-code/cli.js`,
    `node ${NPM}/claude-code/cli-wrapper.cjs`,
    `node ${NPM}/claude-agent-sdk/cli.js --output-format stream-json`,
    'node /usr/local/bin/claude',
    '/lib64/ld-linux-x86-64.so.2 --argv0 claude --library-path /nix/lib /nix/store/x/bin/.claude-wrapped',
    '/lib/ld-musl-x86_64.so.1 /home/me/.local/bin/claude',
    'qemu-x86_64 /home/me/.local/bin/claude',
    'C:\\Users\\me\\.local\\bin\\claude.exe --continue',
  ])('%s', (text) => {
    expect(claudeRole('x', words(text), undefined)).toBe('session');
  });

  test.each([
    'vim claude',
    'sh -c claude',
    'node -e 1 claude',
    'node --eval=1 /usr/local/bin/claude',
    'node server.js claude',
    'node /home/me/claude-code/server.js',
    'node /opt/@musistudio/claude-code-router/dist/cli.js start',
    'claude-mem worker',
    'claude-desktop',
    '/usr/lib/claude-desktop/electron /usr/lib/claude-desktop/app.asar',
    'tail -f /home/me/.claude/daemon.log',
    'opencode serve --port 4096',
    '',
  ])('but not %s', (text) => {
    expect(claudeRole('x', words(text), undefined)).toBeUndefined();
  });
});

describe('or by the name of its process', () => {
  test.each(['claude', 'claude.exe', '.claude-wrapped', '2.1.330', '3.0.0-beta.1'])('%s', (name) => {
    expect(claudeRole(name, ['/some/link'], undefined)).toBe('session');
  });

  test('also where its arguments cannot be read', () => {
    expect(claudeRole('claude', undefined, undefined)).toBe('session');
    expect(claudeRole('claude', [''], undefined)).toBe('session');
  });

  test('as a script, by what follows its path', () => {
    expect(claudeRole('claude', ['/bin/sh', '/home/me/bin/claude', '-c'], undefined)).toBe('session');
    expect(claudeRole('claude', ['/bin/sh', '/home/me/bin/claude', 'daemon', 'run'], undefined)).toBe('helper');
  });

  test.each(['node', 'python3.11', 'kworker/0:1', 'claude-squad', '2.1', 'v8'])('but not %s', (name) => {
    expect(claudeRole(name, undefined, undefined)).toBeUndefined();
  });
});

describe('or by what it executes', () => {
  test.each([
    `${VERSIONS}/2.1.330`,
    `${VERSIONS}/2.1.330 (deleted)`,
    '/home/me/.local/bin/claude',
    '/usr/bin/claude (deleted)',
  ])('%s', (executable) => {
    expect(claudeRole('cc', ['cc', '--continue'], executable)).toBe('session');
    expect(claudeRole('cc', ['cc', 'daemon', 'run'], executable)).toBe('helper');
  });

  test.each([RUNTIME, `${RUNTIME} (deleted)`, '/home/me/claude/versions/x/tool', '/opt/claude/rg'])(
    'but not %s',
    (executable) => {
      expect(claudeRole('cc', ['cc', '--continue'], executable)).toBeUndefined();
    },
  );
});

describe('what it was started as is', () => {
  test.each<[ClaudeRole, string]>([
    ['helper', 'claude daemon run --origin transient'],
    ['helper', 'claude daemon'],
    ['helper', `${VERSIONS}/2.1.330 daemon run`],
    ['helper', 'claude bg-pty-host --bg-pty-host /x.sock 200 50 -- claude --bg-spare /y.sock'],
    ['helper', 'claude --bg-pty-host /x.sock 200 50 -- claude --session-id x'],
    ['helper', 'claude mcp serve'],
    ['helper', 'claude mcp serve --debug'],
    ['helper', `node ${NPM}/claude-code/cli.js mcp serve`],
    ['helper', 'claude --chrome-native-host'],
    ['helper', 'claude --claude-in-chrome-mcp'],
    ['spare', 'claude bg-spare --bg-spare /x.sock'],
    ['spare', 'claude --bg-spare /x.sock'],
    ['spare', 'claude --daemon-worker x'],
    ['session', 'claude mcp add x'],
    ['session', 'claude mcp'],
    ['session', 'claude serve'],
    ['session', 'claude --debug mcp serve'],
    ['session', 'claude -p daemon'],
    ['session', 'claude remote-control'],
    ['session', 'claude --bg hello'],
    ['session', 'claude attach x'],
    ['session', 'claude some-day'],
    ['session', 'claude --preload'],
  ])('a %s: %s', (role, text) => {
    expect(claudeRole('claude', words(text), undefined)).toBe(role);
  });

  test.each<[ClaudeRole, readonly string[]]>([
    [
      'helper',
      ['claude bg-pty-host', '--bg-pty-host', '/x.sock', '200', '50', '--', 'claude', '--bg-spare', '/y.sock'],
    ],
    ['spare', ['claude bg-spare', '--bg-spare', '/x.sock']],
    ['helper', ['claude daemon']],
    ['session', ['claude', '', '', '']],
  ])('a %s: %j', (role, argv) => {
    expect(claudeRole('claude', argv, undefined)).toBe(role);
  });
});
