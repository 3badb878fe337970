import { readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import ts from 'typescript';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { describe as describeProgram } from '../src/cli/cli.js';
import { createClaudeSandbox } from './support/claude.js';
import { claudeBinary } from './support/claude-release.js';
import { installOpencode } from './support/opencode.js';
import { startSecond } from './support/opencode-2.js';
import { type Block, blocksOf, commandsIn, fits, PAGES, plain, ROOT, runLine } from './support/pages.js';
import { onDemand, unlessAsked } from './support/patience.js';
import { PROGRAM } from './support/program.js';
import { createSandbox, type Sandbox } from './support/sandbox.js';

/*
 * Every block of code in the pages is run here and compared with what it shows, or is one of those that are not, with the
 * reason or the test that does it.
 */

const blocks = PAGES.flatMap(blocksOf);
const keyOf = ({ page, text }: Block): string => `${page}: ${text.trimStart().split('\n')[0]}`;

/** By page and first line. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'CONTRIBUTING.md: $ npm ci      # installs, and builds into dist/': 'this run is what they begin: .ci/run',
  'README.md: $ npx opencode-reap --dry-run --all-stale': 'test/demo/demo.test.ts',
  'README.md: flowchart LR': 'test/docs.test.ts',
  "docs/design.md: Claude Code                                  a person, cron, a plugin's code": 'a drawing',
  'docs/opencode-2.md: eval "$(opencode-reap start --print-env)"':
    'needs an OpenCode 2: test/start/opencode-2.test.ts has a stand-in',
  'docs/claude-code.md: SessionStart:startup says: opencode-reap: stopped 2 servers that no session used, 640 MB and ports 4096, 4197 given back (opencode-reap log)':
    'what Claude Code shows: test/session/claude-notice.test.ts sees it there',
  'docs/plugin-authors.md: spawn("opencode", ["serve", "--port", String(port)], { stdio: ["ignore", "pipe", "pipe"], detached: true, cwd: opts.cwd });':
    'what another program runs; test/session/claude-born.test.ts has servers that are started like that',
};

/** Filled below, as each block is named. */
const claimed = new Set(Object.keys(ELSEWHERE));

const blockOf = (key: string): Block => {
  const block = blocks.find((one) => keyOf(one) === key);
  if (block === undefined) throw new Error(`no block of the pages is ${key}`);
  claimed.add(key);
  return block;
};

const IN_README = blockOf('README.md: $ npx opencode-reap install');
const INSTALL = blockOf('docs/claude-code.md: $ npx opencode-reap install');
const HANDLER = blockOf(
  'docs/claude-code.md: node ~/.local/share/opencode-reap/hook.cjs hook session-start --notice 3 3>&1 >/dev/null 2>&1 || /usr/bin/node ~/.local/share/opencode-reap/hook.cjs hook session-start --notice 3 3>&1 >/dev/null 2>&1 || true',
);
const DOCTOR = blockOf('docs/claude-code.md: $ opencode-reap doctor');
const UNINSTALL = blockOf('docs/claude-code.md: $ opencode-reap uninstall');
const CLONE = blockOf('README.md: $ npm ci && npx opencode-reap --dry-run --all-stale');
const CHANGE = blockOf('docs/plugin-authors.md: --- package.json');
const LOCKED = blockOf(
  'docs/opencode-2.md: error: the OpenCode on port 4096 (pid 4711) wants a password that is not known here',
);
const TRY_IT = blockOf(
  'docs/plugin-authors.md: $ node -e \'import("./scripts/lib/opencode-server.mjs").then((own) => own.ensureServer()).then(({ url }) => console.log(url))\'',
);
const CLIENT = blockOf('docs/claude-code.md: $ claude plugin marketplace add ./opencode-reap');

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('examples');
});
afterEach(() => sandbox.dispose());

/** What people type, without what fetches: `npx` finds the program, and `npm ci` has been done. */
const provide = async ({ binDir }: Sandbox, program: string): Promise<void> => {
  const scripts = {
    npx: `shift\nexec node '${program}' "$@"`,
    'opencode-reap': `exec node '${program}' "$@"`,
    npm: '[ "$1" = ci ]',
  };
  for (const [name, text] of Object.entries(scripts))
    await writeFile(join(binDir, name), `#!/bin/sh\n${text}\n`, { mode: 0o755 });
};

/** Runs the commands of a block, each as it is or changed, and compares what they print with what it shows. */
const follow = async (block: Block, cwd: string, change = (line: string): string => line): Promise<void> => {
  // Within five seconds, the default, a machine that is busy with tests does not end every server.
  const env = sandbox.env({ OPENCODE_REAP_STATE_DIR: undefined, OPENCODE_REAP_GRACE: '30s' });
  for (const { command, lines } of commandsIn(block.text)) {
    const { code, lines: printed } = await runLine(change(command), cwd, env);
    expect(code, `${command}\n${printed.join('\n')}`).toBe(0);
    if (lines.length === 0) continue;
    expect(fits(plain(lines), plain(printed)), `${command} printed\n${printed.join('\n')}`).toBe(true);
  }
};

describe('what the pages show is what is printed:', () => {
  test('with the hooks, from install to uninstall', async () => {
    await provide(sandbox, PROGRAM);
    await follow(IN_README, sandbox.project);
    await runLine('opencode-reap uninstall', sandbox.project, sandbox.env({ OPENCODE_REAP_STATE_DIR: undefined }));
    await writeFile(join(sandbox.home, '.claude/settings.json'), '{ "model": "opus" }\n');
    await follow(INSTALL, sandbox.project);
    const [line = ''] = HANDLER.text.split('\n');
    const { hooks } = JSON.parse(await readFile(join(sandbox.home, '.claude/settings.json'), 'utf8'));
    const written = hooks.SessionStart[0].hooks[0].command;
    expect(written.replaceAll(sandbox.home, '~').replace(process.execPath, '/usr/bin/node')).toBe(line);
    await provide(sandbox, join(sandbox.home, '.local/share/opencode-reap/opencode-reap.cjs'));
    await follow(DOCTOR, sandbox.project);
    await follow(UNINSTALL, sandbox.project);
  });

  test('in a clone', async () => {
    await provide(sandbox, PROGRAM);
    const [first, ...more] = commandsIn(CLONE.text);
    // The others are this run, and test/demo.
    expect(more.map(({ command }) => command)).toEqual(['npm run demo', 'npm test']);
    await follow({ ...CLONE, text: `$ ${first?.command}\n${first?.lines.join('\n')}` }, sandbox.project);
  });

  test('by a plugin of tasict’s line after the change, with a real server', { ...onDemand }, async () => {
    await provide(sandbox, PROGRAM);
    await installOpencode(sandbox, 'native');
    const plugin = join(sandbox.home, 'my-plugin');
    await mkdir(join(plugin, 'scripts/lib'), { recursive: true });
    await copyFile(join(ROOT, 'dist/opencode-reap.mjs'), join(plugin, 'scripts/lib/opencode-reap.mjs'));
    const [, engines = '', library = ''] = CHANGE.text.split(/^--- .*$/m);
    const { engines: ours } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
    expect(engines).toContain(`+    "node": "${ours.node}"`);
    const added = [...library.matchAll(/^\+(.*)$/gm)].map(([, line]) => line);
    const rest = 'const SERVER_START_TIMEOUT = 60_000;\nspawnSync("true");\n';
    await writeFile(join(plugin, 'scripts/lib/opencode-server.mjs'), `${added.join('\n')}\n${rest}`);
    const port = await sandbox.reserve();
    await follow(TRY_IT, plugin, (line) => line.replace('ensureServer()', `ensureServer({ port: ${port} })`));
  });

  test('by a stand-in for OpenCode 2 whose password is not known', async () => {
    await provide(sandbox, PROGRAM);
    const { port } = await startSecond(sandbox, { password: 'its own' });
    const { code, lines } = await runLine(`opencode-reap start --port ${port}`, sandbox.project, sandbox.env());
    expect([code, plain(lines)]).toEqual([1, plain(LOCKED.text.split('\n'))]);
  });
});

const withoutClient = claudeBinary() === undefined ? ' (skipped: the Claude Code client could not be fetched)' : '';

test.skipIf(withoutClient || unlessAsked)(
  `the real client installs the plugin as the page says, and doctor finds it${withoutClient || unlessAsked}`,
  async () => {
    const box = await createClaudeSandbox('examples');
    symlinkSync(ROOT, join(box.root, 'opencode-reap'));
    const env = box.env({ OPENCODE_REAP_STATE_DIR: undefined });
    for (const { command } of commandsIn(CLIENT.text)) {
      const { code, lines } = await runLine(command, box.root, env);
      expect(code, lines.join('\n')).toBe(0);
    }
    const { code, lines } = await runLine('opencode-reap doctor', box.project, env);
    await box.dispose();
    expect([code, plain(lines)]).toEqual([
      0,
      expect.arrayContaining(['ok hooks provided by the plugin opencode-reap@opencode-reap']),
    ]);
  },
);

/** What stands before these lines in the page's story. */
const SCRIPTS: Readonly<Record<string, string>> = {
  'docs/plugin-authors.md: const reap = require("./opencode-reap.vendor.cjs");': 'cts',
  'docs/plugin-authors.md: const { url, password } = await ensureServer({ secure: true });': 'mts',
  'docs/opencode-2.md: const { url, password } = await ensureServer({ plugin: "my-plugin" });': 'mts',
};
const scripts = Object.entries(SCRIPTS).map(([key, extension]) => [blockOf(key), extension] as const);

test('the lines of JavaScript fit the declarations that they are used with', { ...onDemand }, () => {
  for (const name of ['opencode-reap.d.mts', 'opencode-reap.vendor.d.cts'])
    symlinkSync(join(ROOT, 'dist', name), join(sandbox.root, name));
  const files = scripts.map(([{ text }, extension], at) => {
    const file = join(sandbox.root, `script${at}.${extension}`);
    const lines = extension === 'mts' ? `import { ensureServer } from './opencode-reap.mjs';\n${text}` : asImport(text);
    writeFileSync(file, lines);
    return file;
  });
  const options = {
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2023.d.ts'],
    typeRoots: [join(ROOT, 'node_modules/@types')],
    types: ['node'],
    noEmit: true,
    skipLibCheck: true,
  };
  const found = ts.getPreEmitDiagnostics(ts.createProgram(files, options));
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

/** In TypeScript, which this is checked as, `require` has no types. */
const asImport = (text: string): string =>
  text
    .replace(/^const (\w+) = require\((.*)\);$/m, 'import $1 = require($2);')
    .replace(/^exports\.(\w+)/m, 'export const $1');

test('no block of code in the pages is left out', () => {
  const all = blocks.map(keyOf);
  expect(all.filter((key) => !claimed.has(key))).toEqual([]);
  expect([...claimed].filter((key) => !all.includes(key))).toEqual([]);
});

test('commands and options that the pages name in a line of text are there', () => {
  const program = describeProgram(() => undefined);
  const help = program.createHelp();
  const named = PAGES.flatMap((page) =>
    [...readFileSync(join(ROOT, page), 'utf8').matchAll(/`(?:npx )?opencode-reap( [^`]*)?`/g)].map(
      ([whole, words = '']) => ({
        at: `${page}: ${whole}`,
        words: (words.split(' | ')[0] ?? '').trim().split(/\s+/).filter(Boolean),
      }),
    ),
  );
  expect(named.length).toBeGreaterThan(60);
  const missing = named.filter(({ words: [first, ...rest] }) => {
    const command = program.commands.find((one) => one.name() === first);
    const options = help.visibleOptions(command ?? program).flatMap(({ short, long }) => [short, long]);
    const said = (command === undefined ? [first, ...rest] : rest).filter(
      (word) => word?.startsWith('-') && word !== '--',
    );
    const isPlain = first === undefined || first.startsWith('-') || command !== undefined;
    return !isPlain || said.some((option) => !options.includes(option?.split('=')[0]));
  });
  expect(missing.map(({ at }) => at)).toEqual([]);
});
