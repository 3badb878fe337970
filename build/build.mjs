import { copyFileSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { basename, dirname, join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { manPage } from './man.mjs';
import { buildParts } from './parts.mjs';

/*
 * What the package consists of, made of `src`: `node build/build.mjs` puts all of it into dist. With the name of a part
 * and a folder, that part alone is put there; with a second folder, for tests, its files in place of the modules of `src`
 * that are called the same. A build depends on nothing but the sources and package-lock.json, so two of
 * them are the same to the byte.
 *
 * dist/modules is the output of tsc: the declarations are taken from it, and tests run single modules of it. It is not
 * published.
 */

const ROOT = fileURLToPath(new URL('../', import.meta.url));

/**
 * Puts a file of build/substitutes in the place of each of these modules, except in what that file itself imports. Each
 * says what it saves: bytes of the vendored file, or processor time of importing that, which takes 30 ms.
 */
const substitutes = (names) => ({
  name: 'substitutes',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^[#a-z]/ }, ({ path, kind, importer }) => {
      if (names[path] === undefined) return undefined;
      const file = join(ROOT, 'build/substitutes', `${names[path]}.ts`);
      if (importer !== file) return { path: file };
      // What a substitute puts off is not in the bundle.
      return kind === 'dynamic-import' ? { path, external: true } : undefined;
    }),
});

/**
 * Imports at once what a source imports when it is needed. In one file that saves no time, since all that takes any is
 * put off by the substitutes; but esbuild would wrap such a module and each that it imports, which is 1,400 bytes.
 */
const atOnce = {
  name: 'at-once',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]src[\\/].*\.ts$/ }, ({ path }) => {
      const imports = [];
      const code = readFileSync(path, 'utf8').replace(/\bawait import\(('\.[^']+')\)/g, (_, module) => {
        const name = `atOnce${imports.length}`;
        imports.push(`import * as ${name} from ${module};`);
        return name;
      });
      return { contents: imports.join('') + code, loader: 'ts' };
    }),
};

/** Puts each file of that folder in the place of the module of `src` that has its name. */
const replacedBy = (folder) => ({
  name: 'replaced',
  setup: ({ onResolve }) =>
    onResolve({ filter: /^\.\.?\/.*\.js$/ }, ({ path, importer }) => {
      const file = replacement(folder, path, importer);
      return file && { path: file };
    }),
});

function replacement(folder, path, importer) {
  const file = join(folder, `${basename(path, '.js')}.ts`);
  return dirname(importer) !== folder && existsSync(file) ? file : undefined;
}

/** tree-kill as an ES module: what is left of a `require` in one does not work. */
const treeKill = {
  name: 'tree-kill',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]tree-kill[\\/]index\.js$/ }, ({ path }) => {
      const code = readFileSync(path, 'utf8')
        .replace("var childProcess = require('child_process');", "import * as childProcess from 'node:child_process';")
        .replace('module.exports =', 'export default');
      if (/require\(|module\.exports/.test(code)) throw new Error('tree-kill is not what it was');
      return { contents: code, loader: 'js' };
    }),
};

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  minify: true,
  platform: 'node',
  target: 'node20',
  // jsonc-parser as ES modules: its `main` cannot be bundled.
  mainFields: ['module', 'main'],
  logLevel: 'error',
};

/** What loads node's modules later does so by the `require` that CommonJS has anyway. */
const ownRequire = {
  name: 'own-require',
  setup: ({ onLoad }) =>
    onLoad({ filter: /[\\/]build[\\/]substitutes[\\/].*\.ts$/ }, ({ path }) => ({
      contents: readFileSync(path, 'utf8').replace("import { require } from './require.js';", ''),
      loader: 'ts',
    })),
};

/** An empty ES module alone takes as long as the whole hook does. */
const COMMON_JS = { ...COMMON, format: 'cjs', outExtension: { '.js': '.cjs' } };

/** In a file of its own, since of one ten times its size node spends twice as long on reading as on the rest. */
const HOOK = {
  ...COMMON_JS,
  entryPoints: { hook: 'src/entries/hook.ts' },
  define: { 'import.meta.filename': '__filename' },
  plugins: [
    ownRequire,
    atOnce,
    substitutes({
      'node:child_process': 'child-process',
      'node:fs': 'fs',
      'node:os': 'os-later',
      'node:path': 'path',
    }),
  ],
};

const FOR_PROGRAM = {
  '#supports-color': 'supports-color',
  execa: 'execa',
  'node:child_process': 'child-process',
  'node:crypto': 'crypto',
  'node:http': 'http',
};

/** In one file: what is copied, by `install` and by the plugin, must not be two files of which one is older. */
const PROGRAM = {
  ...COMMON_JS,
  entryPoints: { 'opencode-reap': 'src/entries/program.ts' },
  define: { 'import.meta.filename': '__filename', 'import.meta.url': '__url' },
  banner: { js: "const __url=require('node:url').pathToFileURL(__filename).href;" },
  plugins: [ownRequire, treeKill, substitutes(FOR_PROGRAM)],
};

/** The same in parts. These lie one folder deeper than the hook and the program, which is all that the name is for. */
const IN_PARTS = { root: ROOT, substitutes: FOR_PROGRAM, define: { 'import.meta.filename': '__dirname' } };

/** Part of another program, most runs of which never call it: what is slow to load is loaded when it is needed. */
const ES_MODULE = {
  ...COMMON,
  format: 'esm',
  banner: {
    js: '/*! opencode-reap (MIT), with parts of ps-list and pid-port (MIT, Sindre Sorhus) and tree-kill (MIT, Peteris Krumins) */',
  },
};

const FOR_ES_MODULE = {
  execa: 'execa',
  'node:child_process': 'child-process',
  'node:crypto': 'crypto',
  'node:fs': 'fs',
  'node:http': 'http',
  'node:os': 'os',
  'node:path': 'path',
  'node:process': 'process',
  'node:timers/promises': 'timers',
  'node:util': 'util',
};

const LIBRARY = {
  ...ES_MODULE,
  entryPoints: { index: 'src/index.ts' },
  plugins: [atOnce, treeKill, substitutes(FOR_ES_MODULE)],
};

const VENDORED = {
  ...ES_MODULE,
  entryPoints: { 'opencode-reap': 'src/entries/vendored.ts' },
  outExtension: { '.js': '.mjs' },
  plugins: [atOnce, treeKill, substitutes(FOR_ES_MODULE)],
};

/** The same for `require`, under a name of its own: the program is called `opencode-reap.cjs`. */
const REQUIRED = {
  ...VENDORED,
  entryPoints: { 'opencode-reap.vendor': 'src/entries/vendored.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: PROGRAM.define,
  banner: { js: `${VENDORED.banner.js}\n${PROGRAM.banner.js}` },
};

const PARTS = { program: [HOOK, PROGRAM], library: [LIBRARY], vendored: [VENDORED], required: [REQUIRED] };

const [part, folder, replacing] = process.argv.slice(2);
if (part === undefined) {
  const outdir = join(ROOT, 'dist');
  const all = Object.values(PARTS).flat();
  await Promise.all([
    ...all.map((options) => build({ ...options, outdir })),
    buildParts({ ...IN_PARTS, outdir: join(outdir, 'parts') }),
  ]);
  for (const name of ['opencode-reap.d.mts', 'opencode-reap.vendor.d.cts'])
    copyFileSync(join(outdir, 'modules/library/api.d.ts'), join(outdir, name));
  const [{ describe }, help] = await Promise.all(
    ['cli', 'help'].map((name) => import(`../dist/modules/cli/${name}.js`)),
  );
  writeFileSync(join(outdir, 'opencode-reap.1'), manPage(describe(), help));
} else if (part === 'readable' && folder) {
  // For profiles: with the names of the source, and the paths of its modules.
  await build({ ...HOOK, outdir: folder, minify: false });
  await buildParts({ ...IN_PARTS, outdir: join(folder, 'parts'), minify: false });
} else if (part === 'parts' && folder) {
  const replace = replacing && ((path, importer) => replacement(resolve(replacing), path, importer));
  await buildParts({ ...IN_PARTS, outdir: join(folder, 'parts'), replace });
} else if (PARTS[part] && folder) {
  const replaced = replacing ? [replacedBy(resolve(replacing))] : [];
  const builds = PARTS[part].map((options) =>
    build({ ...options, outdir: folder, plugins: [...replaced, ...options.plugins] }),
  );
  await Promise.all(builds);
} else {
  process.stderr.write(
    `usage: node build/build.mjs [parts|readable|${Object.keys(PARTS).join('|')} FOLDER [FOLDER]]\n`,
  );
  process.exitCode = 2;
}
