// `npm run demo`: the demonstration in plain JavaScript. It needs the real server, which it fetches once, as the tests do.
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const refuse = (error, hint) => {
  process.stderr.write(`error: ${error}\nhint: ${hint}\n`);
  process.exit(1);
};

if (process.platform !== 'linux')
  refuse('the demonstration needs Linux, since it finds what it has to end by /proc', 'see the pictures in the README');
if (!existsSync(join(ROOT, 'dist/opencode-reap.cjs'))) refuse('the program is not built', 'npm run build');

/** Two below the root, as test/support is: releases.ts says from there where the servers are. */
const code = join(ROOT, `node_modules/.opencode-reap-demo-${process.pid}`);
const root = mkdtempSync(join(tmpdir(), 'opencode-reap-demo-'));
// Also that of the demonstration's own helpers, so that nothing of theirs is left.
process.env.TMPDIR = root;
process.once('exit', () => {
  for (const folder of [code, root]) rmSync(folder, { recursive: true, force: true });
});

async function load(name) {
  const outfile = join(code, `${name}.mjs`);
  await build({
    absWorkingDir: ROOT,
    entryPoints: [`test/demo/${name}.ts`],
    bundle: true,
    packages: 'external',
    platform: 'node',
    format: 'esm',
    define: { DEMO_ROOT: JSON.stringify(ROOT) },
    outfile,
  });
  await import(pathToFileURL(outfile).href);
}

await load('server');
await load('demo');
