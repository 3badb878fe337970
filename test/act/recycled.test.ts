import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { installFake } from '../support/fake.js';
import { sampled } from '../support/patience.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

// In a pid namespace of its own, the kernel can be told which pid to give out next: what happens once in years
// elsewhere happens here in every test. The server and its look-alike are stand-ins.

const ENTER = ['unshare', '--map-root-user', '--pid', '--fork', '--mount-proc', '--kill-child', '--'] as const;
const tried = spawnSync(ENTER[0], [...ENTER.slice(1), 'sh', '-c', 'echo 100 > /proc/sys/kernel/ns_last_pid'], {
  encoding: 'utf8',
});
const reason = tried.error?.message ?? tried.stderr.trim();
const missing = tried.status === 0 ? '' : ` (skipped: no pid can be chosen here: ${reason})`;

const file = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const RECYCLER = file('../support/recycler.mjs');
const program = file('../../bin/opencode-reap.js');

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('recycled');
  await installFake(sandbox);
});
afterEach(() => sandbox.dispose());

interface Recycled {
  readonly pid: number;
  /** The start tokens of the server and, if it is alive, of the process that has its pid. */
  readonly was: string;
  readonly is: string | undefined;
  readonly args: readonly string[];
  readonly report: readonly { verdict: string; outcome: { kind: string } | null }[];
}

const recycle = async (how: object, ...reapWith: string[]): Promise<Recycled> => {
  const port = await sandbox.reserve();
  const said = { program, port, reapWith: ['--all-stale', '--older-than', '0s', ...reapWith], ...how };
  const [command, ...args] = [...ENTER, process.execPath, RECYCLER, JSON.stringify(said)];
  const options = { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8', timeout: 60_000 } as const;
  const { stdout, stderr } = spawnSync(command, args, options);
  expect(stderr).toBe('');
  const recycled: Recycled = JSON.parse(stdout);
  // What has the pid is the innocent look-alike, and it lives.
  expect(recycled.args?.slice(-3)).toEqual(['serve', '--port', String(port)]);
  expect(recycled.is).not.toBe(recycled.was);
  return recycled;
};

describe.skipIf(missing)(`a look-alike that has been given the pid of a stand-in${missing}`, () => {
  test('between its record and the run is left alone, and the record goes', async () => {
    const { report } = await recycle({ format: 'native', until: 'the run' });
    expect(report).toMatchObject([{ verdict: 'gone', outcome: null }]);
  });

  test('between a plugin’s record and the run is left alone', async () => {
    const { report } = await recycle({ format: 'plugin', until: 'the run', dies: 600_000 });
    expect(report).toMatchObject([{ verdict: 'unsure', reasons: expect.arrayContaining(['identity']), outcome: null }]);
  });

  // It ends when it is told to let go, which is after the verdict and before the signal.
  test.each(sampled(['native', 'plugin'], 1))(
    'between the verdict and the signal is left alone: a %s record',
    async (format) => {
      const { report } = await recycle({ format, serverEnv: { FAKE_OPENCODE: 'disposed' } });
      expect(report).toMatchObject([{ verdict: 'stale' }]);
      expect(['gone', 'replaced', 'withheld', 'stopped']).toContain(report[0]?.outcome?.kind);
    },
  );

  // Between what the program saw a moment ago and the look that it takes in the tick of the signal.
  test.each([
    ['SIGTERM', {}],
    ['SIGKILL', { FAKE_OPENCODE_ENDS: '60000' }],
  ])(
    'right before the last look before %s is not hit, whatever any earlier look has seen',
    async (before, serverEnv) => {
      const { report } = await recycle({ format: 'native', before, serverEnv }, '--grace', '0s');
      expect(report).toMatchObject([{ verdict: 'stale' }]);
    },
  );

  test.each(sampled(['0s', '5s'], 1))('between SIGTERM and SIGKILL, with %s of grace, is not hit', async (grace) => {
    for (const endsAfter of [0, 30, 480, 505]) {
      const { report } = await recycle(
        { format: 'native', serverEnv: { FAKE_OPENCODE_ENDS: `${endsAfter}` } },
        '--grace',
        grace,
      );
      expect(report).toMatchObject([{ verdict: 'stale', outcome: { kind: 'stopped' } }]);
    }
  });
});
