import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname } from 'node:path';
import { describe } from 'vitest';
import { runCli } from '../support/cli.js';
import {
  deadPid,
  type Fake,
  identityOf,
  logOf,
  machine,
  recordsIn,
  SCHEMA,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { openSession } from '../support/hooks.js';
import { alive } from '../support/proc.js';
import { test as inSandbox } from '../support/reaped.js';
import { waitFor } from '../support/wait.js';

interface Naming {
  readonly server: Fake;
  readonly run: (...args: string[]) => ReturnType<typeof runCli>;
}

const test = inSandbox.extend<Naming>({
  server: async ({ sandbox }, use) => {
    const server = await startFake(sandbox);
    await writeRecord(sandbox, 'known', server);
    await use(server);
  },
  run: async ({ sandbox }, use) => use((...args) => runCli(sandbox, args)),
});

const HINT = /\nhint: .+\n$/;

describe.concurrent('a server, a stand-in, is named', () => {
  test('by its id, its pid, its port, :port, its URL, its folder, and the folder that one is in', async ({
    sandbox,
    server,
    run,
    expect,
  }) => {
    const { pid, port } = server;
    const names = ['known', `${pid}`, `${port}`, `:${port}`, `http://127.0.0.1:${port}/`, sandbox.project, '.'];
    for (const name of names) {
      const { code, stdout } = await run('why', name, '--json');
      expect([name, code, JSON.parse(stdout)]).toMatchObject([name, 0, { id: 'known', serverPid: pid }]);
    }
  });

  test('and neither by a folder around its own, by its pid as :port, nor by a URL elsewhere', async ({
    sandbox,
    server,
    run,
    expect,
  }) => {
    for (const name of [dirname(sandbox.project), `:${server.pid}`, `http://example.com:${server.port}`]) {
      const { code, stdout, stderr } = await run('stop', '-y', name);
      expect([name, code, stdout]).toEqual([name, 4, '']);
      expect(stderr).toMatch(/^error: no known server /);
      expect(stderr).toMatch(HINT);
    }
    expect(alive(server.pid)).toBe(true);
  });

  test('by its port even if a record of one that has ended says the same', async ({ sandbox, server, run, expect }) => {
    const ended = { pid: await deadPid(sandbox), port: server.port };
    await writeRecord(sandbox, 'ended', server, {
      ...ended,
      startToken: '1',
      serverPid: ended.pid,
      serverStartToken: '1',
    });
    expect(JSON.parse((await run('why', `:${server.port}`, '--json')).stdout)).toMatchObject({ id: 'known' });
  });
});

describe.concurrent('a name that several servers, stand-ins, have', () => {
  test('is answered with what tells them apart', async ({ sandbox, server, run, expect }) => {
    const other = await startFake(sandbox);
    await writeRecord(sandbox, 'other', other);
    const said = new RegExp(
      `^error: \\. names 2 servers\nhint: choose one: (?=.*known \\(pid ${server.pid}, port ${server.port}\\))(?=.*other \\(pid ${other.pid}, port ${other.port}\\))[^\n]+\n$`,
    );
    for (const command of ['why', 'stop'])
      expect(await run(command, '.')).toEqual({ code: 1, stdout: '', stderr: expect.stringMatching(said) });
    expect([alive(server.pid), alive(other.pid)]).toEqual([true, true]);
  });
});

describe.concurrent('several servers, stand-ins, are named at once:', () => {
  test('each is stopped on its own, one that fails hides none of the others, and the worst exit code counts', async ({
    sandbox,
    server,
    run,
    expect,
  }) => {
    const other = await startFake(sandbox);
    const { code, stdout, stderr } = await run('stop', `:${server.port}`, 'nothing-like-it', `${other.pid}`);
    expect(code).toBe(4);
    for (const { pid, port } of [server, other])
      expect(stdout).toMatch(new RegExp(`^stopped pid ${pid} on port ${port}: SIGTERM, .+$`, 'm'));
    expect(stderr).toMatch(/^error: no known server has the id, pid or port nothing-like-it\nhint: .+\n$/);
    expect([alive(server.pid), alive(other.pid)]).toEqual([false, false]);
  });

  test('kept, no longer kept, and handed over', async ({ sandbox, server, run, expect }) => {
    const other = await startFake(sandbox);
    const names = [`:${server.port}`, 'nothing-like-it', `:${other.port}`];
    const both = [server.pid, other.pid];
    for (const [command, what] of [
      ['keep', { kept: true }],
      ['unkeep', { kept: false }],
    ] as const) {
      const { code, stdout, stderr } = await run(command, '--json', ...names);
      expect([code, JSON.parse(stdout)]).toMatchObject([4, both.map((pid) => ({ pid, ...what }))]);
      expect(JSON.parse(stderr).error).toContain('nothing-like-it');
    }
    await writeRecord(sandbox, 'known', server, { startedByPlugin: false });
    expect(await run('adopt', ...names)).toMatchObject({
      code: 1,
      stdout: expect.stringMatching(new RegExp(`^adopted-${other.pid}-\\d+ may be reaped`)),
      stderr: expect.stringMatching(/already recorded[\s\S]*nothing-like-it/),
    });
  });

  test('as JSON, one is an object and several are a list', async ({ sandbox, server, run, expect }) => {
    const other = await startFake(sandbox);
    expect(JSON.parse((await run('stop', '--json', '-n', 'known')).stdout)).toMatchObject({
      id: 'known',
      outcome: null,
    });
    const two = JSON.parse((await run('stop', '--json', 'known', `${other.pid}`)).stdout);
    expect(two).toMatchObject([server, other].map(({ pid }) => ({ serverPid: pid, outcome: { kind: 'stopped' } })));
  });
});

describe.concurrent('stop --dry-run, of stand-ins,', () => {
  test('says what would be stopped and changes nothing, before the command or after it', async ({
    sandbox,
    server,
    run,
    expect,
  }) => {
    await writeState(sandbox.stateDir, 'leases/a.json', {
      schema: SCHEMA,
      holder: { ...identityOf(process.pid), machine: machine() },
      port: server.port,
    });
    const would = new RegExp(
      `^would stop pid ${server.pid} on port ${server.port}, which may be in use: 1 live session .+\n$`,
    );
    for (const args of [
      ['stop', '--dry-run', 'known'],
      ['stop', '-n', '-y', 'known'],
      ['-n', 'stop', '--yes', 'known'],
    ])
      expect(await run(...args)).toEqual({ code: 0, stdout: expect.stringMatching(would), stderr: '' });
    expect([alive(server.pid), logOf(sandbox.stateDir), recordsIn(sandbox.stateDir).length]).toEqual([true, [], 1]);
  });
});

describe.concurrent('of a server that is gone, a stand-in,', () => {
  test('why and stop say from the log what became of it, by whatever it was called', async ({
    sandbox,
    server,
    run,
    expect,
  }) => {
    await run('stop', 'known', '-y');
    const said = new RegExp(
      `^error: pid ${server.pid} on port ${server.port} was stopped \\d+ m?s ago by you: SIGTERM by hand, .+; gone in \\d+ ms: pid ${server.pid}\nhint: opencode-reap list --all .+\n$`,
    );
    for (const name of ['known', `${server.pid}`, `:${server.port}`, sandbox.project])
      for (const command of ['why', 'stop'])
        expect(await run(command, name)).toEqual({ code: 4, stdout: '', stderr: expect.stringMatching(said) });
  });

  test('the session whose end led to it is named, and why it was stale', async ({ sandbox, server, run, expect }) => {
    const quick = { OPENCODE_REAP_LINGER: '200ms', OPENCODE_REAP_OLDER_THAN: '0s' };
    await (await openSession(sandbox, ['--port', '1'], quick, sandbox.home)).end();
    await waitFor('its line', () => logOf(sandbox.stateDir).find(({ event }) => event === 'stopped'), 20_000);
    const [line] = logOf(sandbox.stateDir).filter(({ event }) => event === 'stopped');
    expect(line).toMatchObject({ session: expect.any(String), guards: { unleased: expect.any(String) } });
    const { stderr } = await run('why', `:${server.port}`);
    expect(stderr).toContain(
      `by the hook of session ${line?.session}, because no live session holds it, no session busy`,
    );
  });

  test('what has its port now is named, and so is what is there in place of one', async ({ server, run, expect }) => {
    await run('stop', 'known', '-y');
    const other = createServer().listen(server.port, '127.0.0.1');
    await once(other, 'listening');
    const held = `port ${server.port} is held by .+, pid ${process.pid}`;
    const { stderr } = await run('stop', `:${server.port}`);
    expect(stderr).toMatch(
      new RegExp(`^error: pid ${server.pid} on port .+ was stopped [\\s\\S]+\nhint: ${held} now; `),
    );
    other.close();
    const another = createServer().listen(0, '127.0.0.1');
    await once(another, 'listening');
    const { port } = another.address() as AddressInfo;
    const none = new RegExp(
      `^error: no known server has the id, pid or port ${port}: port ${port} is held by .+, pid ${process.pid}\n`,
    );
    expect((await run('why', `${port}`)).stderr).toMatch(none);
    expect((await run('stop', `${process.pid}`)).stderr).toMatch(new RegExp(`: pid ${process.pid} is .+\nhint`));
    another.close();
  });

  test('a log that says anything else, or escape sequences, is no reason to fail', async ({ sandbox, run, expect }) => {
    const line = {
      at: 'soon',
      event: 'stopped',
      id: 'odd',
      pid: 'x',
      port: {},
      detail: '\u001b[31mred',
      guards: [1],
      by: 7,
    };
    await writeState(sandbox.stateDir, 'log.ndjson', `null\n[]\n{"at":1}\n${JSON.stringify(line)}\n`);
    const { code, stderr } = await run('why', 'odd');
    expect([code, stderr]).toEqual([
      4,
      expect.stringMatching(/^error: pid – was stopped: \\u001b\[31mred\nhint: .+\n$/),
    ]);
    expect((await run('log')).code).toBe(0);
  });

  test('an error with its stack cannot control the terminal by a path that is in it', async ({ sandbox, expect }) => {
    const file = await writeState(sandbox.root, 'a\u001b[2Jfile', 'in the way');
    const env = { OPENCODE_REAP_DEBUG: '1', OPENCODE_REAP_STATE_DIR: `${file}/state` };
    const { code, stderr } = await runCli(sandbox, ['start', '--port', '0'], { env });
    expect([code, stderr]).toEqual([1, expect.stringMatching(/^error: .+\nhint: .+\nError: ENOTDIR.+\n {4}at /)]);
    expect(stderr).toContain('a\\u001b[2Jfile/state');
    expect(stderr).not.toContain('\u001b');
  });
});
