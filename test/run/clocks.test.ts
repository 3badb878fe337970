import { spawnSync } from 'node:child_process';
import { utimesSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { type Fake, startBystander, startFake, writeRecord, writeState } from '../support/fake.js';
import { ageMs } from '../support/proc.js';
import { PROGRAM } from '../support/program.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const [ENTER, ...AS] = ['unshare', '-m', 'sh', '-c'] as const;
const tried = spawnSync(ENTER, [...AS, 'mount -t proc proc /proc'], { encoding: 'utf8' });
const reason = tried.error?.message ?? tried.stderr.trim();
const missing = tried.status === 0 ? '' : ` (skipped: nothing can be mounted here: ${reason})`;

const HOUR = 3_600_000;

let sandbox: Sandbox;
let server: Fake;
beforeEach(async () => {
  sandbox = await createSandbox('clocks');
  server = await startFake(sandbox);
});
afterEach(() => sandbox.dispose());

/** What a run says of the servers, with /proc as these lines of a shell leave it; `$0` is the given word. */
function judgedAfter(lines: string, word: string) {
  const words = [`${lines} && exec "$@"`, word, process.execPath, PROGRAM];
  const options = { cwd: sandbox.project, env: sandbox.env(), encoding: 'utf8', timeout: 60_000 } as const;
  const policy = ['--all-stale', '--older-than', '0s', '--dry-run', '--json'];
  const { stdout } = spawnSync(ENTER, [...AS, ...words, ...policy], options);
  return JSON.parse(stdout).servers;
}

const inPlugins = (name: string, content: unknown): Promise<string> =>
  writeState(join(sandbox.home, '.claude/plugins/data/opencode-x/state/0123456789abcdef'), name, content);

// lxcfs shows an LXC container how long that is up, beside processes that started on a machine which is up for longer.
describe.skipIf(missing)(`in a container with an uptime of its own${missing}`, () => {
  test.each([
    ['ours', () => writeRecord(sandbox, 'srv-1', server)],
    [
      'a plugin’s, which has a time alone',
      () => inPlugins('server.json', { lastServerPid: server.pid, lastServerStartedAt: Date.now() }),
    ],
  ])('a server is as old as it is, and stale as anywhere: by a record of %s', async (_whose, write) => {
    const began = Date.now();
    await write();
    const uptime = await writeState(sandbox.home, 'uptime', '0.01 0.01\n');
    const [one, ...others] = judgedAfter('mount --bind "$0" /proc/uptime', uptime);
    expect([one, ...others]).toMatchObject([{ verdict: 'stale' }]);
    expect(one.ageMs).toBeGreaterThan(0);
    expect(one.ageMs).toBeLessThan(Date.now() - began + 120_000);
  });
});

// What was mounted hours before the first process by the wall clock, and with it by the boot clock, is what a machine looks like after that.
describe.skipIf(missing)(`after the wall clock was set forward by hours${missing}`, () => {
  const judged = (mountedAt: number) =>
    judgedAfter('mount -t proc proc /proc && touch -d "@$0" /proc', String(Math.round(mountedAt / 1000)));
  const asIfSetBy = (ms: number) => judged(Date.now() - ageMs(1) - ms);
  const STALE = [{ verdict: 'stale' }];
  const UNSURE = [{ verdict: 'unsure', reasons: ['idle'] }];

  test('a job whose process now seems to have started after its last sign of life may run', async () => {
    await writeRecord(sandbox, 'srv-1', server);
    const heard = new Date(Date.now() - 3 * HOUR).toISOString();
    const job = { id: 'task-1', status: 'running', pid: startBystander(sandbox), updatedAt: heard };
    await inPlugins('state.json', { version: 1, config: {}, jobs: [{ ...job, serverUrl: server.url }] });
    expect(asIfSetBy(0)).toMatchObject(STALE);
    expect(asIfSetBy(5 * HOUR)).toMatchObject(UNSURE);
  });

  test('a list that now seems to be of an earlier boot may hold a job', async () => {
    await writeRecord(sandbox, 'srv-1', server);
    const torn = await inPlugins('state.json', '{"version":1,"jobs":[{"id"');
    const beforeBoot = (Date.now() - uptime() * 1000 - HOUR) / 1000;
    utimesSync(torn, beforeBoot, beforeBoot);
    expect(asIfSetBy(0)).toMatchObject(STALE);
    expect(asIfSetBy(3 * HOUR)).toMatchObject(UNSURE);
  });
});
