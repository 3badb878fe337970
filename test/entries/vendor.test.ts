import { spawnSync } from 'node:child_process';
import { copyFileSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import ts from 'typescript';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { execa } from '../../build/substitutes/execa.js';
import { filesIn, installFake } from '../support/fake.js';
import { inhabitants } from '../support/inhabitants.js';
import { callLibrary } from '../support/library.js';
import { sampled } from '../support/patience.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';
import { watchesOf } from '../support/watching.js';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const BUILT = join(ROOT, 'dist/opencode-reap.mjs');
/** The two forms of the file, with the part of the build that makes each. */
const FORMS = [
  ['opencode-reap.mjs', 'vendored'],
  ['opencode-reap.vendor.cjs', 'required'],
] as const;
const NAMES = ['attachSession', 'ensureServer', 'reap', 'releaseSession', 'scan', 'stopServer'];
/** What a plugin's author reviews and ships; growing is a decision. */
const MOST_BYTES = 260_000;

let sandbox: Sandbox;
/** A copy of each form, in a folder that has nothing else in it. */
let copy: string;
let copyForRequire: string;

beforeEach(async () => {
  sandbox = await createSandbox('vendor');
  mkdirSync(join(sandbox.root, 'plugin'));
  copy = join(sandbox.root, 'plugin/opencode-reap.mjs');
  copyFileSync(BUILT, copy);
  copyForRequire = join(sandbox.root, 'plugin/opencode-reap.vendor.cjs');
  copyFileSync(join(ROOT, 'dist/opencode-reap.vendor.cjs'), copyForRequire);
});

afterEach(() => sandbox.dispose());

const node = (args: readonly string[], input = '') => {
  const env = sandbox.env({ OPENCODE_REAP_LINGER: '100ms' });
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd: sandbox.project,
    env,
    input,
    encoding: 'utf8',
  });
  return { code: status, stdout, stderr };
};

test.each(sampled(FORMS, 1))('two builds of %s are the same, to the byte', (file, part) => {
  const bytes = ['one', 'two'].map((name) => {
    const words = [join(ROOT, 'build/build.mjs'), part, join(sandbox.root, name)];
    const built = spawnSync(process.execPath, words, { env: {}, encoding: 'utf8' });
    expect(built).toMatchObject({ status: 0, stderr: '' });
    return readFileSync(join(sandbox.root, name, file));
  });
  expect(bytes[0]?.equals(bytes[1] ?? Buffer.alloc(0))).toBe(true);
  expect(bytes[0]?.equals(readFileSync(join(ROOT, 'dist', file))), 'dist is the build of this source').toBe(true);
});

/** By the parsed program: the quick look of `preProcessFile` takes some regular expressions for divisions. */
function importsIn(text: string): string[] {
  const found: string[] = [];
  const visit = (node: ts.Node): void => {
    const names =
      ts.isImportDeclaration(node) || ts.isExportDeclaration(node)
        ? [node.moduleSpecifier]
        : ts.isCallExpression(node) && /^(import|require)$/.test(node.expression.getText())
          ? [...node.arguments]
          : [];
    for (const name of names) if (name !== undefined && ts.isStringLiteralLike(name)) found.push(name.text);
    ts.forEachChild(node, visit);
  };
  visit(ts.createSourceFile('opencode-reap.mjs', text, ts.ScriptTarget.Latest, true));
  return found;
}

test.each(FORMS)('%s is as small as the page for plugin authors says, and needs nothing but node', (file) => {
  const text = readFileSync(join(ROOT, 'dist', file), 'utf8');
  const size = Buffer.byteLength(text);
  expect(size).toBeLessThanOrEqual(MOST_BYTES);
  const page = readFileSync(join(ROOT, 'docs/plugin-authors.md'), 'utf8');
  expect(page).toContain(`\`${file}\` (${Math.round(size / 1000)} kB)`);
  const imported = importsIn(text);
  expect(imported.length).toBeGreaterThan(5);
  expect(imported.filter((name) => !name.startsWith('node:'))).toEqual([]);
});

test('imported or required, it exports the library and does nothing', () => {
  const tell = "console.log(Object.keys(all).sort().join(' '))";
  const said = { code: 0, stdout: `${NAMES.join(' ')}\n`, stderr: '' };
  // The second looks as if the file were run with a word of its own.
  for (const words of [[], ['hook', 'session-start']]) {
    expect(node(['-e', `import(process.argv[1]).then((all) => ${tell})`, copy, ...words])).toEqual(said);
    expect(node(['-e', `const all = require(process.argv[1]); ${tell}`, copyForRequire, ...words])).toEqual(said);
  }
  expect(filesIn(sandbox.stateDir)).toEqual([]);
});

test.each([
  ['mjs', 'esm'],
  ['cjs', 'cjs'],
])(
  'built into another program (.%s), it leaves that program its words, and no server has that program run',
  async (extension, format) => {
    const program = join(sandbox.root, `program.${extension}`);
    const from = format === 'esm' ? copy : copyForRequire;
    const entry = `export { ${NAMES.join(', ')} } from '${from}'; setTimeout(() => process.argv.length === 3 && console.log('its own'), 200);`;
    const build = ['--bundle', '--platform=node', `--format=${format}`, `--outfile=${program}`];
    const built = spawnSync(join(ROOT, 'node_modules/.bin/esbuild'), build, {
      cwd: ROOT,
      input: entry,
      encoding: 'utf8',
    });
    expect(built.status, built.stderr).toBe(0);
    for (const word of ['hook', 'sweep', 'watch', 'retire', 'help'])
      expect(node([program, word])).toEqual({ code: 0, stdout: 'its own\n', stderr: '' });
    expect(filesIn(sandbox.stateDir)).toEqual([]);
    await installFake(sandbox);
    const { value } = await callLibrary(sandbox, 'ensureServer', [{ port: 0 }], { build: program });
    // There is no file of ours that it could run.
    expect([typeof value?.pid, watchesOf(sandbox)]).toEqual(['number', []]);
  },
);

test('where there is no /proc, it lists processes without what was left out of it', async () => {
  const script = `Object.defineProperty(process, 'platform', { value: 'darwin' });
    import(process.argv[1]).then(async ({ scan }) => console.log(await scan()));`;
  expect(node(['-e', script, copy])).toEqual({ code: 0, stdout: '[]\n', stderr: '' });
  // What pid-port reads of execa's answers.
  expect(await execa('sh', ['-c', 'echo a; echo b'])).toEqual({ stdout: 'a\nb' });
  await expect(execa('sh', ['-c', 'echo a; exit 1'])).rejects.toMatchObject({ exitCode: 1, stdout: 'a\n' });
});

test('its declarations stand alone, and name what it exports', () => {
  copyFileSync(join(ROOT, 'dist/opencode-reap.d.mts'), join(sandbox.root, 'plugin/opencode-reap.d.mts'));
  const file = join(sandbox.root, 'plugin/use.mts');
  writeFileSync(
    file,
    `import { ${NAMES.join(', ')}, type ReapError } from './opencode-reap.mjs';
const server = await ensureServer({ port: 4096, readyTimeout: 1_000 });
const { held } = await attachSession({ server: server.id });
const ended: boolean = held && (await stopServer(server.id ?? 4096)).kind === 'stopped';
const urls: (string | null)[] = (await scan()).map(({ url }) => url);
const stopped: number = (await reap({ all: true })).summary.stopped;
export const hint = (error: ReapError): string => error.hint + error.message + ended + urls + stopped + releaseSession;
// @ts-expect-error durations are numbers of milliseconds
await ensureServer({ readyTimeout: '5s' });
`,
  );
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2023.d.ts'],
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noEmit: true,
  };
  const found = ts.getPreEmitDiagnostics(ts.createProgram([file], options));
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

test.each(sampled(FORMS, 1))('run through a link, %s is its own hook and its own background run', async (file) => {
  const link = join(sandbox.root, 'linked');
  symlinkSync(join(sandbox.root, 'plugin'), link);
  const input = JSON.stringify({ session_id: 'a-session', cwd: sandbox.project, source: 'startup' });
  const hook = (word: string) => node([join(link, file), 'hook', word], input);
  const silence = { code: 0, stdout: '', stderr: '' };
  const names = (folder: string): string[] => readdirSync(join(sandbox.stateDir, folder));
  expect(hook('session-start')).toEqual(silence);
  expect([names('leases').length, names('requests').length]).toEqual([1, 1]);
  await waitFor('the run has done what the hook asked for', () => names('requests').length === 0);
  await waitFor('the run is done', () => inhabitants(sandbox).length === 0);
  expect(hook('no-such-event')).toEqual(silence);
  expect(node([join(link, file)])).toMatchObject({
    code: 2,
    stdout: '',
    stderr: expect.stringMatching(/^error: .*\nhint: /),
  });
});
