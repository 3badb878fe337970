import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build, type Plugin } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../../', import.meta.url));
const TESTS = join(ROOT, 'test');
const VITEST = fileURLToPath(new URL('vitest.ts', import.meta.url));

/** Files stay where they are: Wine has this machine's root as drive Z. */
const asOnWindows: Plugin = {
  name: 'as on Windows',
  setup({ onLoad, onResolve }) {
    onResolve({ filter: /^vitest$/ }, () => ({ path: VITEST }));
    onLoad({ filter: /[\\/](src|test)[\\/].*\.ts$/ }, ({ path }) => {
      const here: Readonly<Record<string, string>> = {
        url: `file:///Z:${path}`,
        dirname: `Z:${dirname(path).replaceAll('/', '\\')}`,
        filename: `Z:${path.replaceAll('/', '\\')}`,
      };
      const contents = readFileSync(path, 'utf8').replace(/\bimport\.meta\.(url|dirname|filename)\b/g, (_, what) =>
        JSON.stringify(here[what]),
      );
      return { contents, loader: 'ts' };
    });
  },
};

/** Makes one module of each test file, beside what they have in common. */
export async function bundleTests(files: readonly string[], folder: string): Promise<void> {
  await build({
    entryPoints: [
      { in: fileURLToPath(new URL('main.ts', import.meta.url)), out: 'main' },
      ...files.map((file) => ({ in: join(TESTS, file), out: bundled(file) })),
    ],
    outdir: folder,
    bundle: true,
    splitting: true,
    platform: 'node',
    target: 'node20',
    format: 'esm',
    outExtension: { '.js': '.mjs' },
    // What is CommonJS among the dependencies asks for modules of node's.
    banner: { js: "import{createRequire as _r}from'node:module';const require=_r(import.meta.url);" },
    mainFields: ['module', 'main'],
    logLevel: 'error',
    plugins: [asOnWindows],
  });
}

/** What its module is called, without an extension. */
export const bundled = (file: string): string => file.replace(/\.ts$/, '').replaceAll('/', '__');
