import { execFileSync } from 'node:child_process';
import { accessSync, constants, mkdirSync, readFileSync, rmdirSync, symlinkSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { reap } from '../../src/reap.js';
import { unrecordedTable } from '../../src/report/table.js';
import { paintFor } from '../../src/report/text.js';
import { openWorld } from '../../src/run/world.js';
import { runCli } from '../support/cli.js';
import { deadPid, installFake, startBystander, startFake, writeRecord } from '../support/fake.js';
import { listHere } from '../support/list-here.js';
import { installOpencode } from '../support/opencode.js';
import { onDemand, sampled, unlessAsked } from '../support/patience.js';
import { alive, portHolder } from '../support/proc.js';
import { reapJson } from '../support/reaped.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';
import { withoutTmux } from '../support/tmux.js';
import { waitFor } from '../support/wait.js';

const NOW = ['--all-stale', '--older-than', '0s'];

let sandbox: Sandbox;
const ends: (() => unknown)[] = [];
/** What is left once all that was started here has ended. */
const leftovers: (() => Promise<unknown>)[] = [];
beforeEach(async () => {
  sandbox = await createSandbox('owners');
});
afterEach(async () => {
  for (const end of ends.splice(0)) end();
  await sandbox.dispose();
  for (const remove of leftovers.splice(0)) await remove();
});

interface Running {
  readonly pid: number;
  readonly port: number;
}

/** Has something else start the server, which is the real one unless the stand-in is on the PATH. */
const startedBy = async (start: (port: number) => unknown): Promise<Running> => {
  const port = await sandbox.reserve();
  await start(port);
  const pid = await waitFor('it listens', () => portHolder(port), 60_000);
  sandbox.track(pid);
  return { pid, port };
};

/** The program of that name is node, and runs the server as its child. */
const below = (name: string): Promise<Running> => {
  symlinkSync(process.execPath, join(sandbox.binDir, name));
  const script = `require('node:child_process').spawn('opencode', ['serve', '--port', process.argv[1]], { stdio: 'ignore' });
setInterval(() => undefined, 60_000);`;
  return startedBy((port) => sandbox.spawn(name, ['-e', script, `${port}`], { stdio: 'ignore', detached: true }));
};

const atTerminal = () =>
  startedBy((port) =>
    sandbox.spawn('script', ['-qfc', `exec opencode serve --port ${port}`, '/dev/null'], {
      stdio: ['pipe', 'ignore', 'ignore'],
    }),
  );

const inTmux = () =>
  startedBy((port) => {
    const tmux = (...args: string[]) =>
      execFileSync('tmux', ['-S', join(sandbox.root, 'tmux'), ...args], { env: sandbox.env(), cwd: sandbox.project });
    tmux('-f', '/dev/null', 'new-session', '-d', `exec opencode serve --port ${port}`);
    ends.push(() => tmux('kill-server'));
  });

const GROUPS = '/sys/fs/cgroup/systemd';
const withoutGroups = (() => {
  try {
    accessSync(GROUPS, constants.W_OK);
    return '';
  } catch {
    return ' (skipped: no control group of systemd’s can be made here)';
  }
})();

/** As systemd does: in a group with the name of the unit, and told which process it is. */
const inService = () =>
  startedBy((port) => {
    const group = join(GROUPS, `opencode-web-${process.pid}.service`);
    mkdirSync(group);
    leftovers.push(() =>
      waitFor('the group is empty', () => readFileSync(join(group, 'cgroup.procs'), 'utf8') === '').then(() =>
        rmdirSync(group),
      ),
    );
    const line = `echo $$ > ${group}/cgroup.procs; SYSTEMD_EXEC_PID=$$ exec opencode serve --port ${port}`;
    sandbox.spawn('sh', ['-c', line], { stdio: 'ignore', detached: true });
  });

/** Below nothing that lives, with these variables. */
const orphan = (env: Record<string, string> = {}) =>
  startedBy((port) =>
    sandbox.spawn('sh', ['-c', `setsid opencode serve --port ${port} </dev/null >/dev/null 2>&1 &`], {
      env: sandbox.env(env),
      stdio: 'ignore',
    }),
  );

const put = async (path: string, content: unknown): Promise<void> => {
  const file = join(sandbox.home, path);
  await mkdir(dirname(file), { recursive: true, mode: 0o700 });
  await writeFile(file, typeof content === 'string' ? content : JSON.stringify(content));
};

const registerAt = (folder: string, { pid, port }: Running, ownerPid: number, more = {}) =>
  put(`${folder}/${pid}.json`, {
    pid,
    ownerPid,
    port,
    binary: '/usr/bin/opencode',
    runtime: 'desktop',
    startedAt: new Date().toISOString(),
    ...more,
  });
const OPENCHAMBER = '.config/openchamber/managed-opencode';
const NEOVIM = '.local/share/nvim/opencode_port_mappings.json';
const mapTo = ({ pid, port }: Running, nvim: number) => ({
  [port]: {
    directory: sandbox.project,
    nvim_pids: [{ pid: nvim, directory: sandbox.project, mode: 'serve' }],
    auto_kill: true,
    started_by_nvim: true,
    url: `http://127.0.0.1:${port}`,
    server_pid: pid,
  },
});
/** `sleep`, by another name. */
const called = (name: string): number => {
  symlinkSync('/bin/sleep', join(sandbox.binDir, name));
  return sandbox.spawn(name, ['600'], { stdio: 'ignore' }).pid ?? 0;
};

const whoseIs = async ({ pid }: Running): Promise<string> =>
  JSON.parse((await runCli(sandbox, ['why', `${pid}`, '--json'])).stdout).owner.says;

describe('a server says whose it is', () => {
  const real = () => installOpencode(sandbox, 'native');

  test.skipIf(withoutTmux || unlessAsked)(
    `its user’s, at a terminal and in tmux${withoutTmux || unlessAsked}`,
    async () => {
      await real();
      // The first start of a real one in a home is no time for another.
      const [one, other] = [await atTerminal(), await inTmux()];
      expect(await whoseIs(one)).toMatch(/^you, in pts\/\d+$/);
      expect(await whoseIs(other)).toMatch(/^you, in tmux \(pts\/\d+\)$/);
    },
  );

  test('Kimaki’s and ADE’s by their marks; ADE’s until ADE ends: a stand-in, and a real one', async () => {
    const ade = startBystander(sandbox);
    const one = await startFake(sandbox, { KIMAKI: '1' });
    await real();
    const other = await orphan({ ADE_OPENCODE_MANAGED: '1', ADE_OPENCODE_OWNER_PID: `${ade}` });
    expect([await whoseIs(one), await whoseIs(other)]).toEqual(['Kimaki', `ADE, pid ${ade}`]);
    process.kill(ade, 'SIGKILL');
    await waitFor('it is gone', () => !alive(ade));
    expect(await whoseIs(other)).toBe(`left by ADE, pid ${ade}`);
  });

  test.skipIf(withoutGroups || unlessAsked)(
    `a service’s, in a control group as systemd makes it (no systemd runs here)${withoutGroups || unlessAsked}`,
    async () => {
      await real();
      expect(await whoseIs(await inService())).toBe(`opencode-web-${process.pid}.service`);
    },
  );

  test('an editor’s, below a stand-in with an editor’s name; a session’s that has ended', { ...onDemand }, async () => {
    const dead = await deadPid(sandbox);
    await real();
    const [one, other] = [await below('code'), await orphan({ CLAUDECODE: '1', CLAUDE_PID: `${dead}` })];
    expect(await whoseIs(one)).toMatch(/^VS Code, pid \d+$/);
    expect(await whoseIs(other)).toBe(`left by Claude Code, pid ${dead}`);
  });
});

describe('what other programs wrote down (servers, owners and editors are stand-ins)', () => {
  const recorded = async () => {
    const fake = await startFake(sandbox);
    await writeRecord(sandbox, 'one', fake);
    return fake;
  };
  const verdict = async () => {
    const { servers } = await listHere(sandbox);
    return servers.map((one) => [
      one.verdict,
      ...one.reasons.map((reason) => one.guards.find(({ name }) => name === reason)?.detail),
    ]);
  };
  const STALE = [['stale']];

  test('OpenChamber’s live owner spares by name a server that a plugin recorded, and a dead one does not', async () => {
    const fake = await recorded();
    expect(await verdict()).toEqual(STALE);
    const owner = startBystander(sandbox);
    await registerAt(OPENCHAMBER, fake, owner);
    expect(await verdict()).toEqual([['spared', `it belongs to OpenChamber (desktop), pid ${owner}`]]);
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ outcome: null, owner: { kind: 'program' } }]);
    expect(alive(fake.pid)).toBe(true);
    process.kill(owner, 'SIGKILL');
    await waitFor('it is gone', () => !alive(owner));
    expect(await verdict()).toEqual(STALE);
    expect((await reapJson(sandbox, NOW)).servers).toMatchObject([{ outcome: { kind: 'stopped' } }]);
  });

  test('an owner that seems to be younger than its entry may be it, as after the clock was set; nothing becomes stale by it', {
    ...onDemand,
  }, async () => {
    const fake = await recorded();
    const owner = startBystander(sandbox);
    await registerAt(OPENCHAMBER, fake, owner, { startedAt: new Date(Date.now() - 3_600_000).toISOString() });
    expect(await verdict()).toEqual([
      ['unsure', expect.stringMatching(/^cannot tell whether it is OpenChamber \(desktop\)’s: .*cannot be compared$/)],
    ]);
    process.kill(owner, 'SIGKILL');
    await waitFor('it is gone', () => !alive(owner));
    expect(await verdict()).toEqual(STALE);
    const other = await startFake(sandbox);
    await registerAt(OPENCHAMBER, other, startBystander(sandbox), { startedAt: '2001-01-01T00:00:00Z' });
    expect((await reapJson(sandbox, ['list'])).unrecorded.map(({ pid }) => pid)).toContain(other.pid);
    expect(alive(other.pid)).toBe(true);
  });

  test('OpenChamber’s folder is where its variable says', async () => {
    const fake = await recorded();
    await registerAt('elsewhere', fake, startBystander(sandbox));
    const env = { OPENCHAMBER_MANAGED_PROCESS_REGISTRY: join(sandbox.home, 'elsewhere') };
    expect((await reapJson(sandbox, [...NOW, '--dry-run'], { env })).servers).toMatchObject([
      { verdict: 'spared', reasons: ['owned'] },
    ]);
    expect(await verdict()).toEqual(STALE);
  });

  test('a live Neovim spares what it has the port of, a dead one does not, and another program with its pid may', async () => {
    const fake = await recorded();
    const nvim = called('nvim');
    await put(NEOVIM, mapTo(fake, nvim));
    expect(await verdict()).toEqual([['spared', `it belongs to Neovim, pid ${nvim}`]]);
    process.kill(nvim, 'SIGKILL');
    await waitFor('it is gone', () => !alive(nvim));
    expect(await verdict()).toEqual(STALE);
    await put(NEOVIM, mapTo(fake, startBystander(sandbox)));
    expect(await verdict()).toEqual([
      ['unsure', `cannot tell whether it is Neovim’s: ${join(sandbox.home, NEOVIM)}: its process cannot be compared`],
    ]);
    // The port has a new server, of which the editor does not know the process.
    const stale = Object.values(mapTo({ ...fake, pid: 2 ** 22 }, called('nvim-again')))[0];
    await put(NEOVIM, { [fake.port]: stale });
    expect((await verdict())[0]?.[0]).toBe('spared');
    // Early versions list bare pids, and no server.
    await put(NEOVIM, {
      [fake.port]: { directory: '/', nvim_pids: [called('nvim-early')], auto_kill: true, started_by_nvim: true },
    });
    expect((await verdict())[0]?.[0]).toBe('spared');
    await put(NEOVIM, { [fake.port + 1]: { directory: '/', nvim_pids: [called('nvim-other')] } });
    expect(await verdict()).toEqual(STALE);
    await put(NEOVIM, '[]');
    expect(await verdict()).toEqual(STALE);
  });

  test('Neovim’s other names and places are looked at', async () => {
    const fake = await recorded();
    await put('data/LazyVim/opencode_port_mappings.json', mapTo(fake, called('nvim')));
    const env = { XDG_DATA_HOME: join(sandbox.home, 'data'), NVIM_APPNAME: 'LazyVim' };
    expect((await reapJson(sandbox, [...NOW, '--dry-run'], { env })).servers).toMatchObject([{ reasons: ['owned'] }]);
    expect(await verdict()).toEqual(STALE);
  });

  const EVIL = '\u001b]0;owned\u0007\u001b[2J\u202e';
  const spoilt: [string, (fake: Running) => Promise<void>][] = [
    ['OpenChamber’s is torn', ({ pid }) => put(`${OPENCHAMBER}/${pid}.json`, '{"pid":')],
    [
      'OpenChamber’s is a megabyte',
      ({ pid }) =>
        put(`${OPENCHAMBER}/${pid}.json`, JSON.stringify({ pid, ownerPid: pid, runtime: 'x'.repeat(1024 * 1024) })),
    ],
    [
      'OpenChamber’s has wrong types',
      ({ pid }) =>
        put(`${OPENCHAMBER}/${pid}.json`, { pid: `${pid}`, ownerPid: [1], port: {}, runtime: 7, startedAt: null }),
    ],
    [
      'OpenChamber’s is about another process than its name says',
      ({ pid }) => put(`${OPENCHAMBER}/${pid}.json`, { pid: pid + 1, ownerPid: process.pid }),
    ],
    ['OpenChamber’s is a list', ({ pid }) => put(`${OPENCHAMBER}/${pid}.json`, '[]')],
    ['Neovim’s is torn', () => put(NEOVIM, '{"4096":')],
    ['Neovim’s is two megabytes', () => put(NEOVIM, JSON.stringify({ 1: 'x'.repeat(2 * 1024 * 1024) }))],
    ['Neovim’s has wrong types', ({ port }) => put(NEOVIM, { [port]: { nvim_pids: [{ pid: EVIL }], directory: 7 } })],
    ['Neovim’s has no object for the port', ({ port }) => put(NEOVIM, { [port]: EVIL })],
    [
      'Neovim’s has more ports than there can be',
      () => put(NEOVIM, Object.fromEntries(Array.from({ length: 5_000 }, (_, at) => [at + 1, {}]))),
    ],
  ];
  test.each(sampled(spoilt, 3))('%s: then a recorded server is unsure, and the file is named', async (_, write) => {
    const fake = await recorded();
    await write(fake);
    const [[kind, detail] = []] = await verdict();
    expect([kind, detail]).toEqual([
      'unsure',
      expect.stringMatching(/^cannot tell whether it is (OpenChamber|Neovim)’s: \//),
    ]);
  });

  test('what it calls itself is no part of what is said, and no control character gets through', async () => {
    const fake = await recorded();
    await registerAt(OPENCHAMBER, fake, startBystander(sandbox), { runtime: EVIL, binary: EVIL });
    const { stdout } = await runCli(sandbox, [...NOW, '--dry-run', '-v']);
    expect(stdout).toMatch(/OpenChamber, pid \d+/);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout).not.toMatch(/[\u0000-\u0009\u000b-\u001f\u202e]|owned\\/);
    expect(stdout).not.toContain('0;owned');
  });

  test('what others could have written is not believed, and spares', async () => {
    const fake = await recorded();
    await registerAt(OPENCHAMBER, fake, startBystander(sandbox));
    execFileSync('chmod', ['666', join(sandbox.home, OPENCHAMBER, `${fake.pid}.json`)]);
    expect(await verdict()).toEqual([
      [
        'unsure',
        expect.stringMatching(/^cannot tell whether it is OpenChamber \(desktop\)’s: .*anyone can write to the file$/),
      ],
    ]);
  });

  test('a program above it is named as it calls itself, and cannot control the terminal', async () => {
    await installFake(sandbox);
    const evil = 'x\u001b[2J';
    const server = await below(evil);
    const { stdout } = await runCli(sandbox, ['list', '--all', '--verbose']);
    const named = stdout.split('\n').filter((line) => line.startsWith(`${server.pid} `));
    expect(named).toHaveLength(1);
    for (const line of named) expect(line).toContain('below x\\u001b[2J, pid ');
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what is looked for
    expect(stdout).not.toMatch(/\u001b/);
  });
});

describe('eight servers of eight owners', () => {
  test.skipIf(withoutTmux)(
    `are a line each in 80 columns, and two at most in 60 (the servers are stand-ins)${withoutTmux}`,
    async () => {
      await installFake(sandbox);
      const owners = await eight();
      const env = sandbox.env();
      const policy = {
        scope: { kind: 'all', port: undefined },
        olderThanMs: 0,
        graceMs: 0,
        limit: 9,
        dryRun: true,
        endStrays: false,
      } as const;
      const all = await reap(policy, await openWorld(sandbox.stateDir, env));
      // Those of other tests are wider.
      const own = new Set(owners.map(([{ pid }]) => pid));
      const isOwn = ({ seen: { located } }: (typeof all.unrecorded)[number]): boolean =>
        located.kind === 'present' && own.has(located.server.pid);
      const reaped = { ...all, unrecorded: all.unrecorded.filter(isOwn) };
      const page = (width: number) => ({
        paint: paintFor(false, false, {}),
        width,
        home: sandbox.home,
        verbose: false,
      });
      for (const [width, most] of [
        [80, 1],
        [60, 2],
      ] as const) {
        const lines = unrecordedTable(reaped.unrecorded, page(width));
        expect(lines.filter((line) => line.length > width)).toEqual([]);
        for (const [{ pid }, says] of owners) {
          const at = lines.findIndex((line) => line.startsWith(`${pid} `));
          expect(lines.slice(at, at + most).join('\n')).toMatch(says);
        }
      }
    },
  );
});

/** Each with what is said of it. */
async function eight(): Promise<(readonly [Running, RegExp])[]> {
  const dead = await deadPid(sandbox);
  const found = await Promise.all([
    atTerminal(),
    inTmux(),
    orphan({ KIMAKI: '1' }),
    orphan(),
    orphan(),
    below('code'),
    orphan({ CLAUDECODE: '1', CLAUDE_PID: `${dead}` }),
    orphan(),
  ]);
  const [, , , chamber, neovim] = found;
  if (chamber) await registerAt(OPENCHAMBER, chamber, startBystander(sandbox));
  if (neovim) await put(NEOVIM, mapTo(neovim, called('nvim')));
  const says = [
    /you, in pts\/\d+$/,
    /you, in tmux \(pts\/\d+\)$/,
    /Kimaki$/,
    /OpenChamber \(desktop\), pid \d+$/,
    /Neovim, pid \d+$/,
    /VS Code, pid \d+$/,
    /left by Claude Code, pid \d+$/,
    /unknown$/,
  ];
  return found.map((server, at) => [server, says[at] ?? /never/] as const);
}
