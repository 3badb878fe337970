import { describe, expect, test } from 'vitest';
import { classify, isRunner, isShell } from '../../src/model/command-line.js';

const words = (text: string): string[] => text.split(' ');
const serves = (port: number | undefined, interpreted: boolean) => ({
  kind: 'serve',
  port,
  sharedDaemon: undefined,
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
  // Nix calls what it wraps so, once more for each wrapper.
  ['/nix/store/x-opencode-1.18.33/bin/.opencode-wrapped serve --port 4096', 4096],
  ['/nix/store/x-opencode-adjusted/bin/.opencode-wrapped_ serve'],
  ['..opencode-wrapped-wrapped serve'],
  ['opencode-1.18.33 serve'],
  ['opencode@1.18.33 serve'],
  ['opencode-linux-x64-baseline-musl serve'],
  ['opencode.real serve'],
  ['opencode.bat serve'],
  ['node --max-old-space-size=4096 /x/bin/opencode serve --port 4096', 4096],
  ['node --require ./x.cjs --import file:///x/y.mjs /x/bin/opencode serve'],
  ['node --env-file=/x/y/.env --enable-source-maps /x/bin/opencode serve'],
  ['node22 /x/bin/opencode serve'],
  ['node /x/node_modules/opencode-ai/bin/opencode serve'],
  ['bun run --smol /x/lib/opencode/dist/index.js serve --port 4096', 4096],
  ['bun --preload /x/y.ts run /nix/store/x-opencode-1.18.33/dist/index.js serve'],
  ['bun --cwd /x run opencode serve'],
  ['bun x opencode-ai serve --port 4096', 4096],
  ['deno run -A /x/node_modules/opencode-ai/bin/opencode serve'],
  ['deno run --allow-all npm:opencode-ai@1.18.33 serve'],
  ['tsx --conditions browser /x/packages/opencode/src/index.ts serve'],
  ['bunx opencode-ai serve --port 4096', 4096],
  ['bunx --bun opencode-ai@latest serve'],
  ['npx -y opencode-ai serve --port=4096', 4096],
  ['npx --yes --package opencode-ai opencode serve'],
  ['npx -p opencode-ai@1.18.33 -- opencode serve'],
  ['node /usr/bin/npx -y opencode-ai serve'],
  ['node /x/npm/bin/npx-cli.js opencode-ai serve'],
  ['npm exec --yes -- opencode-ai serve'],
  ['pnpm --dir /x dlx opencode-ai serve'],
  ['node /x/pnpm/bin/pnpm.cjs dlx opencode-ai serve'],
  ['yarn dlx -q opencode-ai serve'],
  ['env -i A=b PATH=/x:/y opencode serve'],
  ['bash -l /x/bin/opencode serve'],
  ['sh -u -o pipefail /x/bin/opencode serve'],
  ['qemu-x86_64 /x/bin/opencode serve --port 4096', 4096],
  ['/usr/bin/qemu-aarch64-static -L /x/y /x/bin/opencode opencode serve'],
  ['/run/rosetta/rosetta /x/bin/opencode.exe opencode.exe serve --port 4096', 4096],
  ['/run/rosetta/rosetta /usr/bin/node node /x/bin/opencode serve'],
  ['box64 /x/bin/opencode serve'],
  ['/lib64/ld-linux-x86-64.so.2 --library-path /x/lib --argv0 opencode /x/bin/.opencode serve'],
];

describe('a server is', () => {
  test.each(SERVERS)('%s', (text, port) => {
    const interpreted = !/opencode[^/]*$/i.test(words(text)[0] ?? '');
    expect(classify(words(text))).toEqual(serves(port, interpreted));
  });

  test.each([
    ['sh', '-c', 'opencode serve --port 4096'],
    ['/bin/bash', '-c', '/x/bin/opencode serve --port 4096'],
    ['cmd.exe', '/d', '/s', '/c', 'opencode serve --port 4096'],
    ['sh', '-c', ' opencode serve --port 4096 > log 2>&1 < /dev/null\n'],
    ['sh', '-c', 'opencode serve --port 4096', 'a & b'],
    // As npm writes it, and what it then calls itself, with the room that its arguments left.
    ['sh', '-c', "'opencode' serve --port 4096"],
    ['sh', '-c', '--', '"/x/bin/opencode" serve --port 4096'],
    ['npm exec opencode-ai serve --port 4096', '', '', ''],
    ['npm exec --yes opencode-ai@latest serve --port 4096', '', ''],
    // Nix runs OpenCode's script with a Bun that it calls so.
    ['opencode', 'run', '/nix/store/x-opencode-1.18.33/lib/opencode/dist/index.js', 'serve', '--port', '4096'],
    ['opencode', 'run', '--smol', '/x/opencode/dist/index.js', 'serve', '--port', '4096'],
    ['/x/bin/opencode', '/x/lib/opencode/dist/index.js', 'serve', '--port', '4096'],
  ])('%s %s %s', (...argv) => {
    expect(classify(argv)).toEqual(serves(4096, true));
  });

  test.each([
    ['server', 'serve', '--port', '4096'],
    ['', 'serve', '--port', '4096'],
    ['/x/node', 'serve', '--port', '4096'],
  ])('what executes OpenCode, whatever it is called: %s %s', (...argv) => {
    for (const file of ['opencode', 'opencode-ai/bin/opencode.exe', '.opencode-wrapped', 'opencode (deleted)']) {
      expect(classify(argv, `/x/bin/${file}`)).toEqual(serves(4096, false));
    }
    expect(classify(argv, '/x/bin/node')).toEqual({ kind: 'other' });
    expect(classify(argv)).toEqual({ kind: 'other' });
  });

  test.each([
    ['opencode serve --service', 'service'],
    ['opencode serve --stdio', 'stdio'],
    ['opencode serve --port 1 --stdio=true', 'stdio'],
  ])('shared by others as %s', (text, sharedDaemon) => {
    expect(classify(words(text))).toMatchObject({ kind: 'serve', sharedDaemon });
  });
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
    'opencode run x/opencode/dist/index.js serve',
    'opencode run /x/other/dist/index.js serve',
    'opencode run see /x/opencode/dist/index.js serve',
    'opencode run /x/lib/opencode/dist/index.js run serve',
    'npx opencode-ai run serve',
    'bunx opencode-ai',
  ])('%s', (text) => {
    expect(classify(words(text))).toEqual({ kind: 'opencode' });
  });
});

test('to OpenCode itself, the path of a script is a prompt', () => {
  const argv = words('opencode run /x/lib/opencode/dist/index.js serve');
  expect(classify(argv, '/x/bin/opencode')).toEqual({ kind: 'opencode' });
  expect(classify(argv, '/x/bin/bun')).toMatchObject({ kind: 'serve' });
});

test('a long prompt takes no time', () => {
  for (const word of ['/', 'opencode', '/opencode', 'store/a-', '.so', '-v1', '_', '/lib/opencode', "'", '@1']) {
    const long = word.repeat(65_536 / word.length);
    const began = performance.now();
    for (const argv of [
      ['opencode', 'run', `/${long}`],
      ['node', `/${long}`],
      [long],
      [`opencode${long}x`, long],
      [`ld${long}x`],
    ]) {
      classify([...argv, 'serve']);
      classify(['sh', '-c', argv.join(' ')], `/x/opencode${long}`);
    }
    expect([word, performance.now() - began < 500]).toEqual([word, true]);
  }
});

const OTHERS = [
  // The same things of somebody else's, in a project that is called so, or of another program's.
  'code /x/opencode serve',
  'tail -f /x/opencode/serve.log',
  'less opencode serve',
  'watch opencode serve',
  'tmux new opencode serve',
  'tmux new-session -d opencode serve',
  'screen -dm opencode serve',
  'ssh host opencode serve',
  'docker run --rm x opencode serve',
  'podman exec -it x opencode serve',
  'strace -f opencode serve',
  'man opencode serve',
  'git commit -m opencode serve',
  'pgrep -f opencode serve',
  'claude -p opencode serve',
  'python3 /x/bin/opencode serve',
  'node --test /x/opencode/index.js serve',
  'node --check /x/bin/opencode serve',
  'node -p opencode serve',
  'node /home/me/opencode/node_modules/.bin/vitest serve',
  'node /home/me/opencode/node_modules/vitest/vitest.mjs opencode serve',
  'node /home/me/opencode/src/index.js serve',
  'node /home/me/opencode/dist/index.js serve',
  'node /home/me/opencode-tools/lib/index.js serve',
  'node /x/node_modules/opencode-ai-proxy/index.js serve',
  'node /x/node_modules/@me/opencode-plugin/dist/index.js serve',
  'bun test /x/lib/opencode/dist/index.js serve',
  'bun run /home/me/opencode/src/index.ts serve',
  'bun build opencode serve',
  'deno test opencode serve',
  'npx vitest opencode serve',
  'npx opencode-reap serve',
  'npx -c opencode serve',
  'npm run opencode serve',
  'npm install opencode-ai serve',
  'pnpm add opencode-ai serve',
  'yarn opencode serve',
  'bun add opencode-ai serve',
  'uvx opencode serve',
  'qemu-system-x86_64 -drive /x/opencode.img serve',
  'qemu-img /x/opencode serve',
  'ld.so serve',
  // What is in front of a server is not the server, and that is found below it.
  'timeout 1h opencode serve',
  'nice -n 5 opencode serve',
  'setsid opencode serve',
  'stdbuf -o0 opencode serve',
  'op run -- opencode serve',
  'doppler run -- opencode serve',
  'infisical run -- opencode serve',
  'aws-vault exec x -- opencode serve',
  'dotenv -- opencode serve',
  'sudo -u me opencode serve',
  'systemd-run --user --scope opencode serve',
  'firejail opencode serve',
  'bwrap --bind / / opencode serve',
  'mise exec -- opencode serve',
  'concurrently opencode serve',
  'nodemon --exec opencode serve',
  'npm exec concurrently opencode serve',
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

test('each name of what runs other programs is known as one, however it is written', () => {
  const shells = ['sh', 'bash', 'dash', 'zsh', 'ksh', 'ash', 'env', 'cmd', 'cmd.exe'];
  const others = words(
    'node nodejs node20 node.exe bun deno tsx ts-node ld.so ld-linux-x86-64.so.2 ld-musl-aarch64.so.1 qemu-x86_64 box64 box86 FEXInterpreter rosetta npx npx-cli.js bunx pnpx npm npm-cli.js pnpm yarn yarnpkg',
  );
  const names = [...shells, ...others].flatMap((name) => [name, name.toUpperCase()]);
  expect(names.filter((name) => !isRunner(name))).toEqual([]);
  expect(shells.filter((name) => !isShell(name))).toEqual([]);
  expect(words('sleep kworker/0:1 vim grep ssh docker python3 code').filter(isRunner)).toEqual([]);
});
