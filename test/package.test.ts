import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core';
import { publint } from 'publint';
import ts from 'typescript';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { onDemand, sampled } from './support/patience.js';
import { createSandbox, type Sandbox } from './support/sandbox.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

let sandbox: Sandbox;
let packed: string[];
let folder: string;
/** The tarball, as npm would publish it. */
let bytes: Uint8Array<ArrayBuffer>;

beforeAll(async () => {
  sandbox = await createSandbox('package');
  // Without its scripts, which would build dist anew while other tests run it.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', sandbox.root];
  const env = sandbox.env({ npm_config_cache: join(sandbox.root, 'cache'), npm_config_update_notifier: 'false' });
  const [tarball] = JSON.parse(execFileSync('npm', args, { cwd: ROOT, env, encoding: 'utf8' }));
  packed = tarball.files.map(({ path }: { path: string }) => path);
  execFileSync('tar', ['-xzf', join(sandbox.root, tarball.filename), '-C', sandbox.root]);
  folder = join(sandbox.root, 'package');
  bytes = Uint8Array.from(readFileSync(join(sandbox.root, tarball.filename)));
});

afterAll(() => sandbox.dispose());

/** A part has a hash of what is in it for a name. */
const unhashed = (path: string): string => path.replace(/^(dist\/parts\/[a-z-]+)-[\w-]{8}\.cjs$/, '$1-HASH.cjs');

test('the package is these files', () => {
  expect(packed.map(unhashed).sort()).toEqual([
    'LICENSE',
    'README.md',
    'bin/opencode-reap.js',
    'bin/package.json',
    'dist/hook.cjs',
    'dist/index.js',
    'dist/opencode-reap.1',
    'dist/opencode-reap.cjs',
    'dist/opencode-reap.d.mts',
    'dist/opencode-reap.mjs',
    'dist/opencode-reap.vendor.cjs',
    'dist/opencode-reap.vendor.d.cts',
    'dist/parts/complete-HASH.cjs',
    'dist/parts/completion-HASH.cjs',
    'dist/parts/doctor-HASH.cjs',
    'dist/parts/install-HASH.cjs',
    'dist/parts/look-HASH.cjs',
    'dist/parts/macos-HASH.cjs',
    'dist/parts/more-HASH.cjs',
    'dist/parts/other-HASH.cjs',
    'dist/parts/program.cjs',
    'dist/parts/prompt-HASH.cjs',
    'dist/parts/retire-HASH.cjs',
    'dist/parts/run-tool-HASH.cjs',
    'dist/parts/setting-HASH.cjs',
    'dist/parts/windows-HASH.cjs',
    'docs/SAFETY.md',
    'docs/answers.schema.json',
    'docs/claude-code.md',
    'docs/deciding.md',
    'docs/design.md',
    'docs/opencode-2.md',
    'docs/performance.md',
    'docs/pictures/session-dark.svg',
    'docs/pictures/session-light.svg',
    'docs/platforms.md',
    'docs/plugin-authors.md',
    'docs/report.schema.json',
    'docs/state-files.md',
    'docs/stopping.md',
    'docs/watch.md',
    'package.json',
  ]);
});

test('the package works where it is unpacked', () => {
  // In place of an installation, which would need the network.
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, args, { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8' });
  expect(run(join(folder, 'bin/opencode-reap.js'), '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(run(join(folder, 'bin/opencode-reap.js'), 'log')).toBe('nothing has been stopped or spared yet\n');
  const script = `import { reap } from '${join(folder, 'dist/index.js')}'; console.log(typeof reap);`;
  expect(run('--input-type=module', '-e', script)).toBe('function\n');
  const vendored = "import { reap } from 'opencode-reap/vendor'; console.log(typeof reap);";
  writeFileSync(join(folder, 'own.mjs'), vendored);
  expect(run(join(folder, 'own.mjs'))).toBe('function\n');
});

test('publint and “are the types wrong” have nothing to say about the package', { ...onDemand }, async () => {
  expect((await publint({ pack: { tarball: bytes.buffer }, strict: true })).messages).toEqual([]);
  expect(await checkPackage(createPackageFromTarballData(bytes))).toMatchObject({
    types: { kind: 'included' },
    problems: [],
  });
});

test('CommonJS gets both ways in by `require`, also where only `main` is known', () => {
  const script = "for (const way of process.argv.slice(1)) console.log(Object.keys(require(way)).sort().join(' '));";
  const ways = ['opencode-reap', 'opencode-reap/vendor', folder];
  writeFileSync(join(folder, 'own.cjs'), script.replace('slice(1)', 'slice(2)'));
  const said = execFileSync(process.execPath, [join(folder, 'own.cjs'), ...ways], {
    env: sandbox.env(),
    encoding: 'utf8',
  });
  const names = 'attachSession ensureServer reap releaseSession scan stopServer\n';
  expect(said).toBe(names.repeat(3));
});

test.each(sampled(['mts', 'cts'], 1))('both ways in have their types in a .%s file', (extension) => {
  mkdirSync(join(sandbox.root, 'node_modules'), { recursive: true });
  const link = join(sandbox.root, 'node_modules/opencode-reap');
  if (!existsSync(link)) symlinkSync(folder, link);
  const file = join(sandbox.root, `use.${extension}`);
  const uses = ['', '/vendor'].map((way, at) => [
    `import { scan as scan${at} } from 'opencode-reap${way}';`,
    `export const urls${at} = async (): Promise<(string | null)[]> => (await scan${at}()).map(({ url }) => url);`,
    `// @ts-expect-error durations are numbers of milliseconds`,
    `void scan${at}({ olderThan: '5s' });`,
  ]);
  writeFileSync(file, uses.flat().join('\n'));
  const options = {
    target: ts.ScriptTarget.ES2022,
    module: ts.ModuleKind.NodeNext,
    lib: ['lib.es2023.d.ts'],
    types: [],
    strict: true,
    noEmit: true,
    skipDefaultLibCheck: true,
  };
  const found = ts.getPreEmitDiagnostics(ts.createProgram([file], options));
  expect(found.map(({ messageText }) => ts.flattenDiagnosticMessageText(messageText, '\n'))).toEqual([]);
});

test('whose repository this is stands in package.json alone, and what is published is built from it', () => {
  const { repository, homepage, bugs } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));
  const [, owner = ''] = /^git\+https:\/\/github\.com\/([\w-]+)\/opencode-reap\.git$/.exec(repository.url) ?? [];
  const page = `https://github.com/${owner}/opencode-reap`;
  expect([owner.length > 0, homepage, bugs]).toEqual([true, `${page}#readme`, `${page}/issues`]);
  const folders = ['.', '.github', '.claude-plugin', 'bin', 'build', 'docs', 'src', 'test'];
  const files = folders.flatMap((name) =>
    readdirSync(join(ROOT, name), { recursive: name !== '.', withFileTypes: true, encoding: 'utf8' }).flatMap(
      (entry) => (entry.isFile() ? join(entry.parentPath, entry.name) : []),
    ),
  );
  const naming = files.filter((file) => readFileSync(file, 'utf8').includes(`${owner}/opencode-reap`));
  expect(naming).toEqual([join(ROOT, 'package.json')]);
});
