import { existsSync, mkdirSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { uptime } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { linuxSetForwardMs } from '../../src/observe/linux/set-forward.js';
import { runCli } from '../support/cli.js';
import {
  deadPid,
  type Fake,
  type Fields,
  identityOf,
  machine,
  recordOf,
  SCHEMA,
  startBystander,
  startFake,
  writeState,
} from '../support/fake.js';
import { listHere } from '../support/list-here.js';
import type { Changes, Sandbox } from '../support/sandbox.js';
import { createSandbox } from '../support/sandbox.js';

// Leases as another program, or another version of this one, may have written them: by hand.

let sandbox: Sandbox;
let server: Fake;
let live: Fields;
let dead: Fields;

const project = (...path: string[]): string => join(sandbox.project, ...path);

beforeAll(async () => {
  sandbox = await createSandbox('leases');
  server = await startFake(sandbox);
  live = { ...identityOf(startBystander(sandbox)), machine: machine() };
  dead = { pid: await deadPid(sandbox), startToken: '1', machine: machine() };
  await writeState(sandbox.stateDir, 'servers/srv.json', recordOf(sandbox, 'srv', server));
});

afterAll(() => sandbox.dispose());

beforeEach(() => {
  for (const folder of [sandbox.stateDir, join(sandbox.home, '.local/state/opencode-reap')]) {
    rmSync(join(folder, 'leases'), { recursive: true, force: true });
  }
});

const lease = (content: Fields, folder = sandbox.stateDir): Promise<string> =>
  writeState(folder, 'leases/a.json', { schema: SCHEMA, session: 'one', ...content });

const judge = async (env: Changes = {}, expected = 0) => {
  const { code, servers } = await listHere(sandbox, env);
  expect(code).toBe(expected);
  return servers[0];
};

const SPARED = { verdict: 'spared', reasons: ['unleased'] };
const UNSURE = { verdict: 'unsure', reasons: ['unleased'] };
const STALE = { verdict: 'stale', reasons: [] };

const HOUR = 3_600_000;
const inAnHour = (): string => new Date(Date.now() + HOUR).toISOString();
const anHourAgo = (): string => new Date(Date.now() - HOUR).toISOString();

describe('a lease lives as long as its holder', () => {
  test.each<[string, () => Fields, object]>([
    ['which lives', () => ({ holder: live }), SPARED],
    ['which lives, whatever its expiry says', () => ({ holder: live, expiresAt: anHourAgo() }), SPARED],
    ['which has ended', () => ({ holder: dead }), STALE],
    ['which has ended, whatever its expiry says', () => ({ holder: dead, expiresAt: inAnHour() }), STALE],
    ['whose pid is another process by now', () => ({ holder: { ...live, startToken: '1' } }), STALE],
    ['whose start is not known', () => ({ holder: { ...live, startToken: undefined } }), UNSURE],
    ['of an earlier boot', () => ({ holder: { ...live, machine: { ...machine(), boot: 'earlier' } } }), STALE],
    [
      'of another container',
      () => ({ holder: { ...live, machine: { ...machine(), pidNamespace: 'pid:[1]' } } }),
      UNSURE,
    ],
    ['of another machine', () => ({ holder: { ...live, machine: { id: 'x', boot: 'y', pidNamespace: 'z' } } }), UNSURE],
    ['of no known machine', () => ({ holder: { ...live, machine: undefined } }), SPARED],
  ])('%s', async (_, content, verdict) => {
    await lease({ cwd: sandbox.project, ...content() });
    expect(await judge()).toMatchObject(verdict);
  });

  test('which is named in the report', async () => {
    await lease({ cwd: sandbox.project, holder: live });
    expect((await judge())?.leases).toEqual([{ session: 'one', holderPid: live.pid, live: true }]);
  });

  test.each<[string, () => Fields, object]>([
    ['no expiry', () => ({}), UNSURE],
    ['an expiry to come', () => ({ expiresAt: inAnHour() }), UNSURE],
    ['an expiry that passed', () => ({ expiresAt: anHourAgo() }), STALE],
    ['an expiry in milliseconds that passed', () => ({ expiresAt: Date.now() - HOUR }), STALE],
    ['an expiry that is not a time', () => ({ expiresAt: 'soon' }), UNSURE],
  ])('or, without one, until it expires: %s', async (_, content, verdict) => {
    await lease({ cwd: sandbox.project, ...content() });
    expect(await judge()).toMatchObject(verdict);
  });
});

const DAY = 24 * HOUR;
const container = { ...machine(), pidNamespace: 'pid:[1]' };
const stranger = { id: 'x', boot: 'y', pidNamespace: 'z' };

describe('a lease whose holder nobody here can examine counts for a day', () => {
  /** As it was left, so long ago. */
  const left = async (holder: Fields, agoMs: number): Promise<string> => {
    const at = new Date(Date.now() - agoMs);
    const file = await lease({ cwd: sandbox.project, holder, at: at.toISOString() });
    utimesSync(file, at, at);
    return file;
  };

  test.each<[string, () => Fields, number, object]>([
    ['of another container', () => ({ ...live, machine: container }), DAY - HOUR, UNSURE],
    ['of a container that is gone', () => ({ ...live, machine: container }), DAY + HOUR, STALE],
    ['of a machine that is gone', () => ({ ...live, machine: stranger }), DAY + HOUR, STALE],
    ['of no known machine, whose pid is free', () => ({ ...dead, machine: undefined }), DAY + HOUR, STALE],
    ['which may be a process of now', () => ({ ...live, startToken: undefined }), DAY + HOUR, UNSURE],
    ['which lives', () => live, DAY + HOUR, SPARED],
  ])('%s', async (_, holder, agoMs, verdict) => {
    await left(holder(), agoMs);
    expect(await judge()).toMatchObject(verdict);
  });

  test('since its file was written, whatever that says', async () => {
    await lease({ cwd: sandbox.project, holder: { ...live, machine: stranger }, at: '2020-01-01T00:00:00.000Z' });
    expect(await judge()).toMatchObject(UNSURE);
  });

  test('and is named with its file until then', async () => {
    const file = await left({ ...live, machine: container }, DAY - HOUR);
    const why = (await runCli(sandbox, ['why', 'srv'])).stdout;
    expect(why).toContain(`to change unleased: remove ${file} if that session has ended`);
    const doctor = (await runCli(sandbox, ['doctor'])).stdout;
    expect(doctor).toContain(file);
    expect(doctor).toContain('it counts for another 60 min');
  });

  test('and is left alone, since it may hold a server elsewhere', async () => {
    const file = await left({ ...live, machine: stranger }, DAY + HOUR);
    const ended = await writeState(sandbox.stateDir, 'leases/b.json', {
      schema: SCHEMA,
      session: 'two',
      holder: dead,
      cwd: '/nowhere',
    });
    await runCli(sandbox, ['--all-stale', '--older-than', '1h']);
    expect([existsSync(file), existsSync(ended)]).toEqual([true, false]);
  });
});

describe('what is left of a lease that cannot be read', () => {
  const nuls = async (at: Date): Promise<void> => {
    const file = await lease({});
    writeFileSync(file, Buffer.alloc(300));
    utimesSync(file, at, at);
  };

  test('spares while it may be of this boot', async () => {
    await nuls(new Date(Date.now() - uptime() * 1000 + HOUR / 60));
    expect(await judge({}, 1)).toMatchObject(UNSURE);
  });

  test('is of no session that lives once the machine has booted since, and is still named', async () => {
    // Where its clock was set forward since, as in a virtual machine, the boot seems to have been as much later.
    await nuls(new Date(Date.now() - uptime() * 1000 - (linuxSetForwardMs() ?? 0) - HOUR));
    expect(await judge({}, 1)).toMatchObject(STALE);
    expect((await runCli(sandbox, ['list'])).stderr).toContain('a.json');
  });
});

describe('a lease covers', () => {
  test.each<[string, () => Fields, object]>([
    ['a server that it names', () => ({ servers: ['other', 'srv'], cwd: '/nowhere' }), SPARED],
    ['no server that it does not name', () => ({ servers: ['other'], cwd: '/nowhere' }), STALE],
    ['a server on its port', () => ({ port: server.port, cwd: '/nowhere' }), SPARED],
    ['no server on another port', () => ({ port: server.port + 1 }), STALE],
    ['a server of its workspace', () => ({ cwd: project() }), SPARED],
    ['a server of a workspace around its own', () => ({ cwd: project('packages/one') }), SPARED],
    ['a server of a workspace in its own', () => ({ cwd: sandbox.root }), SPARED],
    ['everything, from the root', () => ({ cwd: '/' }), SPARED],
    ['no server of a workspace with a longer name', () => ({ cwd: `${project()}-2` }), STALE],
    ['no server of another workspace', () => ({ cwd: sandbox.home }), STALE],
  ])('%s', async (_, content, verdict) => {
    await lease({ holder: live, ...content() });
    expect(await judge()).toMatchObject(verdict);
  });

  test('a server of its workspace, by any path', async () => {
    symlinkSync(sandbox.project, join(sandbox.root, 'link'));
    await lease({ holder: live, cwd: join(sandbox.root, 'link') });
    expect(await judge()).toMatchObject(SPARED);
  });

  test('a server of another worktree of its repository', async () => {
    const [git, tree] = [project('.git'), join(sandbox.root, 'tree')];
    for (const folder of [join(git, 'worktrees/tree'), tree]) mkdirSync(folder, { recursive: true });
    writeFileSync(join(git, 'worktrees/tree/commondir'), '../..\n');
    writeFileSync(join(tree, '.git'), `gitdir: ${join(git, 'worktrees/tree')}\n`);
    await lease({ holder: live, cwd: tree });
    expect(await judge()).toMatchObject(SPARED);
    rmSync(git, { recursive: true });
    expect(await judge()).toMatchObject(STALE);
  });
});

describe('a lease counts', () => {
  const folder = (): string => join(sandbox.home, '.local/state/opencode-reap');

  test.each<[string, () => Changes]>([
    ['in the default folder, whatever folder is chosen', () => ({ XDG_STATE_HOME: undefined })],
    ['in the XDG folder, whatever folder is chosen', () => ({ HOME: sandbox.root })],
    ['in the default folder, though XDG names another', () => ({ XDG_STATE_HOME: join(sandbox.root, 'xdg') })],
  ])('%s', async (_, env) => {
    await lease({ holder: live, cwd: sandbox.project }, folder());
    expect(await judge(env())).toMatchObject(SPARED);
  });

  test.each<[string, Fields]>([
    ['does not say what it covers', {}],
    ['has a port that is none', { port: '4096' }],
    ['has a list that is none', { servers: 'srv' }],
    ['has a folder that is none', { cwd: 5, servers: ['other'] }],
  ])('as unread when it %s', async (_, content) => {
    const file = await lease({ holder: live, ...content });
    const { code, stdout } = await runCli(sandbox, ['list', '--older-than', '0s', '--json']);
    expect([code, JSON.parse(stdout)]).toMatchObject([1, { servers: [UNSURE], unread: [{ file }] }]);
  });
});
