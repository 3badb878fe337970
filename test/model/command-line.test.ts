import { describe, expect, test } from 'vitest';
import { classify } from '../../src/model/command-line.js';

const words = (text: string): string[] => text.split(' ');
const serves = (port: number | undefined, interpreted: boolean) => ({
  kind: 'serve',
  port,
  sharedDaemon: false,
  interpreted,
});

const SERVERS: readonly [string, number?][] = [
  ['opencode serve'],
  ['opencode serve --port 4096', 4096],
  ['opencode serve --port=4096', 4096],
  ['opencode serve --hostname 0.0.0.0 --port 4096', 4096],
  ['opencode serve --port 0'],
  ['opencode serve --port'],
  ['opencode serve --port 70000'],
  ['opencode serve --port x'],
  ['opencode serve --portable 5'],
  ['opencode2 serve'],
  ['/abs/bin/opencode serve --port 4096', 4096],
  ['/abs/.opencode serve'],
  ['/abs/bin/opencode.exe serve --port 4096', 4096],
  ['C:\\npm\\opencode.exe serve'],
  ['C:\\npm\\OPENCODE.EXE serve'],
  ['opencode.exe serve'],
  ['opencode --print-logs serve'],
  ['opencode --print-logs --log-level DEBUG serve'],
  ['opencode --log-level=DEBUG serve --port 4096', 4096],
  ['node /x/bin/opencode serve --port 4096', 4096],
  ['/usr/bin/node /x/bin/opencode serve'],
  ['node --no-warnings /x/bin/opencode serve'],
  ['node.exe C:\\npm\\opencode.js serve'],
  ['bun /x/bin/opencode serve'],
  ['env opencode serve'],
  ['sh /x/bin/opencode serve'],
  ['cmd.exe /c opencode serve'],
  ['cmd.exe /d /s /c opencode serve --port 4096', 4096],
  ['CMD.EXE /C opencode.cmd serve'],
];

describe('a server is', () => {
  test.each(SERVERS)('%s', (text, port) => {
    const interpreted = !/opencode/i.test(words(text)[0] ?? '');
    expect(classify(words(text))).toEqual(serves(port, interpreted));
  });

  test.each([
    ['sh', '-c', 'opencode serve --port 4096'],
    ['/bin/bash', '-c', '/x/bin/opencode serve --port 4096'],
    ['cmd.exe', '/d', '/s', '/c', 'opencode serve --port 4096'],
    ['sh', '-c', ' opencode serve --port 4096 > log 2>&1 < /dev/null\n'],
    ['sh', '-c', 'opencode serve --port 4096', 'a & b'],
  ])('%s %s %s', (...argv) => {
    expect(classify(argv)).toEqual(serves(4096, true));
  });

  test.each(['opencode serve --service', 'opencode serve --stdio', 'opencode serve --port 1 --stdio=true'])(
    'shared by others as %s',
    (text) => {
      expect(classify(words(text))).toMatchObject({ kind: 'serve', sharedDaemon: true });
    },
  );
});

describe('another command of opencode is', () => {
  test.each([
    'opencode',
    'opencode run serve',
    'opencode --port 0',
    'opencode --port 4096',
    'opencode web --port 4096',
    'opencode acp',
    'opencode tui serve',
    'opencode /repo/serve',
    'opencode Serve',
    'opencode server',
    'opencode --log-level serve',
    'opencode --version',
    'node /x/bin/opencode run serve',
    'cmd.exe /c opencode run serve',
  ])('%s', (text) => {
    expect(classify(words(text))).toEqual({ kind: 'opencode' });
  });
});

const OTHERS = [
  'vim opencode serve',
  'grep opencode serve',
  'node other.js serve',
  'node other.js opencode serve',
  'node --require ./x.js other.js serve',
  'opencode-reap serve',
  'node /x/bin/opencode-reap serve',
  'my-opencode serve',
  'opencode.bak serve',
  'opencode/serve',
  '/opt/opencode/bin/other serve',
  'serve',
  'node',
  'node -e',
  'sh -c',
  'claude',
];

describe('no opencode is', () => {
  test.each(OTHERS)('%s', (text) => {
    expect(classify(words(text))).toEqual({ kind: 'other' });
  });

  test.each([
    ['an empty command line, as kernel threads have', []],
    ['a command line of one empty word', ['']],
    ['a shell that does something first', ['sh', '-c', 'cd /x && opencode serve']],
    ...[
      '& vite',
      '&',
      '&& vite',
      '|| vite',
      '; vite',
      '| tee log',
      '|& tee log',
      '\nvite',
      '\r\nvite',
      '> >(tee log)',
      '$(vite)',
      '`vite`',
      '&> log vite',
      "'it' & vite 'x'",
    ].map((more): [string, string[]] => [
      `a shell that runs more, by ${JSON.stringify(more)}`,
      ['sh', '-c', `opencode serve --port 4096 ${more}`],
    ]),
    ['a group of commands', ['sh', '-c', '{ opencode serve; }']],
    ['a subshell', ['bash', '-c', '(opencode serve)']],
    ['a shell with jobs', ['bash', '-ic', 'opencode serve']],
    ['a cmd.exe that runs more', ['cmd.exe', '/d', '/s', '/c', 'opencode serve & vite']],
    ['a cmd.exe that runs more, word by word', ['cmd.exe', '/c', 'opencode', 'serve', '&', 'vite']],
    ['a shell that only mentions it', ['sh', '-c', 'echo opencode serve']],
    ['a program whose name has a space', ['opencode serve']],
  ])('%s', (_sentence, argv) => {
    expect(classify(argv)).toEqual({ kind: 'other' });
  });
});
