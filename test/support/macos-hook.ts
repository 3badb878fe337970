import { dirname, join } from 'node:path';
import { type BuildOptions, build } from 'esbuild';

const ROOT = join(import.meta.dirname, '../..');

/**
 * Builds the hook as it is on macOS, but for the programs that it runs there, which are Debian's. Only tests have it: what
 * is shipped takes no such choice from anybody.
 */
export async function buildMacosHook(folder: string): Promise<string> {
  const glance = join(ROOT, 'src/observe/glance.ts');
  const options: BuildOptions = {
    absWorkingDir: ROOT,
    bundle: true,
    minify: true,
    platform: 'node',
    target: 'node20',
    format: 'cjs',
    logLevel: 'error',
    entryPoints: { hook: 'src/entries/hook.ts' },
    outdir: folder,
    outExtension: { '.js': '.cjs' },
    define: { 'import.meta.filename': '__filename' },
    plugins: [
      {
        name: 'as-on-macos',
        setup: ({ onResolve, onLoad }) => {
          onResolve({ filter: /\/glance\.js$/ }, ({ importer }) =>
            importer.startsWith(join(ROOT, 'src/session')) ? { path: glance, namespace: 'as-on-macos' } : undefined,
          );
          onLoad({ filter: /./, namespace: 'as-on-macos' }, () => ({
            contents: `export const glance = async (needs) => {
              const [{ macosGlance }, { DEBIAN, debianBoot }] = await Promise.all([
                import('./macos/glance.js'), import('../../test/support/debian-tools.js')]);
              return macosGlance(needs, DEBIAN, debianBoot);
            };`,
            loader: 'ts',
            resolveDir: dirname(glance),
          }));
        },
      },
    ],
  };
  await build(options);
  return join(folder, 'hook.cjs');
}
