import { execFileSync } from 'node:child_process';
import { readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSandbox, type Sandbox } from './support/sandbox.js';

const ROOT = fileURLToPath(new URL('../', import.meta.url));

let sandbox: Sandbox;
let packed: string[];
let folder: string;

beforeAll(async () => {
  sandbox = await createSandbox('package');
  // Without its scripts, which would build dist anew while other tests run it.
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', sandbox.root];
  const env = sandbox.env({ npm_config_cache: join(sandbox.root, 'cache'), npm_config_update_notifier: 'false' });
  const [tarball] = JSON.parse(execFileSync('npm', args, { cwd: ROOT, env, encoding: 'utf8' }));
  packed = tarball.files.map(({ path }: { path: string }) => path);
  execFileSync('tar', ['-xzf', join(sandbox.root, tarball.filename), '-C', sandbox.root]);
  folder = join(sandbox.root, 'package');
});

afterAll(() => sandbox.dispose());

const sources = (): string[] =>
  readdirSync(join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => name.replace(/\.ts$/, ''));

test('the package holds the program, its pages and its licence, and nothing else', () => {
  const tops = new Set(packed.map((path) => path.split('/')[0]));
  expect([...tops].sort()).toEqual(['LICENSE', 'README.md', 'bin', 'dist', 'docs', 'package.json']);
});

test('bin holds the way in; dist holds what the sources were made into; docs holds pages and the schema', () => {
  const inFolder = (name: string): string[] => packed.filter((path) => path.startsWith(`${name}/`));
  expect(inFolder('bin')).toContain('bin/opencode-reap.js');
  expect(
    inFolder('dist').filter((path) => !/^dist\/[a-z0-9/-]+(\.js|\.d\.ts|\.cjs|\.mjs|\.d\.mts)$/.test(path)),
  ).toEqual([]);
  const made = sources().flatMap((name) => [`dist/${name}.js`, `dist/${name}.d.ts`]);
  expect(made.filter((path) => !packed.includes(path))).toEqual([]);
  expect(inFolder('docs')).toContain('docs/report.schema.json');
  expect(inFolder('docs').filter((path) => !/\.(md|json)$/.test(path))).toEqual([]);
});

test('the package works where it is unpacked', () => {
  // In place of an installation, which would need the network.
  symlinkSync(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  const run = (...args: string[]): string =>
    execFileSync(process.execPath, args, { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8' });
  expect(run(join(folder, 'bin/opencode-reap.js'), '--version')).toMatch(/^\d+\.\d+\.\d+\n$/);
  expect(run(join(folder, 'bin/opencode-reap.js'), 'log')).toBe('nothing was stopped or spared yet\n');
  const script = `import { reap } from '${join(folder, 'dist/index.js')}'; console.log(typeof reap);`;
  expect(run('--input-type=module', '-e', script)).toBe('function\n');
  const vendored = "import { reap } from 'opencode-reap/vendor'; console.log(typeof reap);";
  writeFileSync(join(folder, 'own.mjs'), vendored);
  expect(run(join(folder, 'own.mjs'))).toBe('function\n');
});
