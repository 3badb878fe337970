// npm run soak [-- --cycles N --seed N --from N --real]: servers, and everything that may end them, killed at random steps
// and moments again and again; --crowds N: everyone at once, N times. In namespaces of their own where this user may make
// some.
import { spawnSync } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

const refuse = (error, hint) => {
  process.stderr.write(`error: ${error}\nhint: ${hint}\n`);
  process.exit(2);
};

const number = { type: 'string' };
const { values } = parseArgs({
  options: { cycles: number, seed: number, from: number, crowds: number, real: { type: 'boolean' } },
});
for (const name of ['cycles', 'seed', 'from', 'crowds'])
  if (values[name] !== undefined && !/^\d{1,9}$/.test(values[name]))
    refuse(`--${name} takes a whole number, not ${values[name]}`, `npm run soak -- --${name} 7`);
if (process.platform !== 'linux')
  refuse('the soak needs Linux, since it looks for what is left in /proc', 'run it in a container');
if (!existsSync(join(ROOT, 'dist/opencode-reap.cjs'))) refuse('the program is not built', 'npm run build');

const { seed = String(randomInt(1, 1_000)), cycles = '1000', from = '0', crowds = '0' } = values;
const env = {
  ...process.env,
  SOAK_CYCLES: crowds === '0' ? cycles : '0',
  SOAK_SEED: seed,
  SOAK_FROM: from,
  SOAK_CROWDS: crowds,
  ...(values.real ? { SOAK_REAL: '1' } : {}),
};
process.stdout.write(
  crowds === '0' ? `${cycles} cycles, --seed ${seed} --from ${from}\n` : `${crowds} crowds, --seed ${seed}\n`,
);

/** Not `exec`: a shell takes away what ends as nobody's child, and node, as the first process of a namespace, does not. */
const IN_IT = 'ip link set lo up && "$@"; exit $?';
const UNSHARE = ['unshare', '--net', '--pid', '--fork', '--kill-child', '--mount-proc', 'sh', '-c', IN_IT, 'sh'];
const mayUnshare = spawnSync(UNSHARE[0], [...UNSHARE.slice(1), 'true'], { stdio: 'ignore' }).status === 0;
const vitest = [
  join(ROOT, 'node_modules/vitest/vitest.mjs'),
  'run',
  '--config',
  join(ROOT, 'test/soak/vitest.config.ts'),
];
const [command, ...args] = [...(mayUnshare ? UNSHARE : []), process.execPath, ...vitest];
const { status } = spawnSync(command, args, { cwd: ROOT, env, stdio: 'inherit' });
process.exitCode = status ?? 1;
