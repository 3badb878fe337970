// `npm run bench`: the benchmarks in plain JavaScript, in namespaces of their own where this user may make some, so that
// the machine's other processes and connections are neither counted nor slowed down by the thousands that are made here.
import { spawnSync } from 'node:child_process';
import { mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));
const folder = join(ROOT, 'node_modules/.cache/opencode-reap-bench');
mkdirSync(folder, { recursive: true });
const outfile = join(folder, 'bench.mjs');
await build({
  absWorkingDir: ROOT,
  entryPoints: ['test/bench/bench.ts'],
  bundle: true,
  packages: 'external',
  platform: 'node',
  format: 'esm',
  define: { BENCH_ROOT: JSON.stringify(ROOT) },
  outfile,
});

const UNSHARE = [
  'unshare',
  '--net',
  '--pid',
  '--fork',
  '--mount-proc',
  'sh',
  '-c',
  'ip link set lo up && "$@"; exit $?',
  'sh',
];
const mayUnshare = spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true'], { stdio: 'ignore' }).status === 0;
const [command, ...args] = [
  ...(mayUnshare ? UNSHARE : []),
  process.execPath,
  outfile,
  ...(mayUnshare ? ['--alone'] : []),
  ...process.argv.slice(2),
];
const { status } = spawnSync(command, args, { cwd: ROOT, stdio: 'inherit' });
rmSync(folder, { recursive: true, force: true });
process.exitCode = status ?? 1;
