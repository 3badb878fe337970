import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { rolldown } from 'rolldown';

/*
 * The program as the package's own command runs it: in parts, of which a command loads what it needs. Node reads 100 kB of
 * code in 2.5 ms, whether it runs any of it or not, and a look needs less than two thirds of the program. The parts
 * share their code, which esbuild cannot do with CommonJS.
 *
 * Their names have a hash of what is in them. A package may be replaced while its program runs: a part of another build
 * must not be found then, since what one part calls in another has a name of one letter.
 */

const ENTRY = 'src/entries/commands.ts';

/**
 * In this order: what one of them has, those after it take from there. All else is what one command alone needs. What
 * stops servers is whole once its command is loaded: the package may be replaced while the watch waits, or in the middle
 * of a stop.
 */
const SHARED = {
  program: [ENTRY],
  look: ['src/cli/commands/reap.ts', 'src/cli/commands/list.ts'],
  more: [
    ...['pick', 'start', 'stop', 'why', 'log', 'marks', 'watch', 'background'].map(
      (name) => `src/cli/commands/${name}.ts`,
    ),
    'src/run/carry-out.ts',
  ],
};

/** What these files import, and what that imports, without what is only imported once it is needed. */
function reach(files, imports, found = new Set()) {
  for (const file of files) {
    if (found.has(file)) continue;
    found.add(file);
    reach(imports.get(file) ?? [], imports, found);
  }
  return found;
}

/** With `replace`, for tests, what it returns for an import and its importer is taken in place of what is imported. */
export async function buildParts({ root, outdir, substitutes, define, replace, minify = true }) {
  rmSync(outdir, { recursive: true, force: true });
  const imports = new Map();
  const bundle = await rolldown({
    input: { program: ENTRY },
    preserveEntrySignatures: false,
    cwd: root,
    platform: 'node',
    plugins: [
      {
        name: 'substitutes',
        resolveId(path, importer) {
          const replaced = importer && /^\.\.?\/.*\.js$/.test(path) ? replace?.(path, importer) : undefined;
          if (replaced) return replaced;
          const file = substitutes[path] && join(root, 'build/substitutes', `${substitutes[path]}.ts`);
          if (file === undefined) return undefined;
          return importer === file ? { id: path, external: true } : file;
        },
        moduleParsed: ({ id, importedIds }) => imports.set(id, importedIds),
        transform: (code, id) =>
          id.includes('build/substitutes') ? code.replace("import { require } from './require.js';", '') : undefined,
      },
    ],
    resolve: { mainFields: ['module', 'main'] },
    transform: { define, target: 'node20' },
  });
  const sharedBy = () =>
    Object.entries(SHARED).map(([name, files]) => [
      name,
      reach(
        files.map((file) => join(root, file)),
        imports,
      ),
    ]);
  let shared;
  await bundle.write({
    dir: outdir,
    format: 'cjs',
    minify,
    comments: !minify,
    entryFileNames: '[name].cjs',
    chunkFileNames: '[name]-[hash].cjs',
    codeSplitting: {
      includeDependenciesRecursively: false,
      groups: [
        {
          debugName: 'shared',
          name: (id) => {
            shared ??= sharedBy();
            return shared.find(([, files]) => files.has(id))?.[0] ?? null;
          },
        },
      ],
    },
  });
  await bundle.close();
}
