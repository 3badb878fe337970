import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { runCli } from '../support/cli.js';
import {
  deadPid,
  type Fake,
  type Fields,
  identityOf,
  installFake,
  logOf,
  machine,
  recordOf,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { openSession } from '../support/hooks.js';
import { callLibrary } from '../support/library.js';
import { alive } from '../support/proc.js';
import { test as inSandbox } from '../support/reaped.js';
import type { Sandbox } from '../support/sandbox.js';
import { waitFor } from '../support/wait.js';

interface Logging {
  readonly server: Fake;
  readonly run: (...args: string[]) => Promise<string>;
  readonly log: () => Fields[];
}

const test = inSandbox.extend<Logging>({
  server: async ({ sandbox }, use) => use(await startFake(sandbox)),
  run: async ({ sandbox }, use) => use(async (...args) => (await runCli(sandbox, args)).stdout),
  log: async ({ sandbox }, use) => use(() => logOf(sandbox.stateDir)),
});

const matching = (pattern: RegExp) => expect.stringMatching(pattern);

/** A live session with a lease on the stand-in's port. */
const leased = async (sandbox: Sandbox, { port }: Fake): Promise<void> => {
  const holder = { ...identityOf(startBystander(sandbox)), machine: machine() };
  await writeState(sandbox.stateDir, 'leases/a.json', { schema: SCHEMA, holder, port });
};

describe.concurrent('the log, of stand-ins,', () => {
  test('a stop by hand says so, and names each guard that it overrode with what was seen', async ({
    sandbox,
    server,
    run,
    log,
    expect,
  }) => {
    await writeRecord(sandbox, 'known', server);
    await leased(sandbox, server);
    const client = connect(server.port, '127.0.0.1');
    await once(client, 'connect');
    await run('keep', 'known');
    await run('stop', 'known', '--yes');
    client.destroy();
    const [kept, stopped] = log();
    expect(kept).toMatchObject({ event: 'kept', by: 'person', id: 'known', pid: server.pid });
    expect(stopped).toMatchObject({ event: 'stopped', by: 'person', id: 'known', pid: server.pid, port: server.port });
    expect(stopped?.detail).toMatch(
      /^SIGTERM by hand, overriding unleased: 1 live session .*; idle: 1 client .* \(pid \d+\).*; unkept: .*; gone in \d+ ms: pid \d+$/,
    );
    expect(stopped?.detail).not.toMatch(/owned|aged|guard passed/);
  });

  test('a stop by hand that overrode nothing says that, too', async ({ sandbox, server, run, log, expect }) => {
    await writeRecord(sandbox, 'known', server);
    await run('stop', 'known');
    const detail = matching(new RegExp(`^SIGTERM by hand, every guard passed; gone in \\d+ ms: pid ${server.pid}$`));
    expect(log()).toMatchObject([{ event: 'stopped', by: 'person', detail }]);
  });

  test('what is spared by a run is in the log with each guard, and what it stops after every guard passed', async ({
    sandbox,
    server,
    run,
    log,
    expect,
  }) => {
    await writeRecord(sandbox, 'known', server);
    await leased(sandbox, server);
    await run('--older-than', '0s');
    rmSync(join(sandbox.stateDir, 'leases/a.json'));
    await run('--older-than', '0s');
    expect(log()).toMatchObject([
      { event: 'spared', by: 'person', detail: matching(/^unleased: 1 live session/) },
      {
        event: 'stopped',
        by: 'person',
        detail: matching(/^SIGTERM after every guard passed; gone in \d+ ms: pid \d+$/),
      },
    ]);
    const [, , stop, guards, totals] = (await run('log')).trim().split('\n');
    expect(stop).toMatch(
      /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d {2}person {2}stopped {2}\d+ +\d+ +\S+\/project +a test +SIGTERM after every guard passed; gone in \d+ ms: pid \d+$/,
    );
    expect(guards).toMatch(/^ {2}owned: started by .+; idle: no session busy .+; unkept: it has no keep mark$/);
    expect(totals).toBe('1 spared, 1 stopped');
  });

  test('the library is named where it stops a server, by name or as a run', async ({
    sandbox,
    server,
    log,
    expect,
  }) => {
    const named = await startFake(sandbox);
    await callLibrary(sandbox, 'stopServer', [named.port]);
    await writeRecord(sandbox, 'known', server);
    await callLibrary(sandbox, 'reap', [{ all: true, olderThan: 0 }]);
    expect(log()).toMatchObject([
      {
        event: 'stopped',
        by: 'library',
        pid: named.pid,
        detail: matching(/^SIGTERM by hand, overriding owned: it is not recorded;/),
      },
      { event: 'stopped', by: 'library', pid: server.pid, detail: matching(/^SIGTERM after every guard passed/) },
    ]);
  });

  test('the background run is named where it stops a server', async ({ sandbox, server, log, expect }) => {
    await writeRecord(sandbox, 'known', server);
    const quick = { OPENCODE_REAP_LINGER: '200ms', OPENCODE_REAP_OLDER_THAN: '0s' };
    await (await openSession(sandbox, ['--port', '1'], quick, sandbox.home)).end();
    await waitFor('the end of the server', () => !alive(server.pid), 20_000);
    const stopped = await waitFor('its line', () => log().find(({ event }) => event === 'stopped'));
    expect(stopped).toMatchObject({ by: 'background run', pid: server.pid });
  });

  test('who keeps a server, takes that back or hands one over is in the log; what changed nothing is not', async ({
    server,
    run,
    log,
    expect,
  }) => {
    await run('adopt', `:${server.port}`);
    await run('keep', `:${server.port}`);
    await run('unkeep', `:${server.port}`);
    await run('unkeep', `:${server.port}`);
    await run('adopt', `:${server.port}`);
    const id = matching(/^adopted-/);
    expect(log().map(({ event, by }) => [event, by])).toEqual(
      ['adopted', 'kept', 'unkept'].map((one) => [one, 'person']),
    );
    expect(log()).toMatchObject([1, 2, 3].map(() => ({ id, pid: server.pid, port: server.port })));
    // In the words of the other tables.
    const [list, logged] = [await run('list'), await run('log')];
    for (const table of [list, logged])
      expect(table).toMatch(/^\w+ .* WORKSPACE .* WHOSE .*\n(.*\n)*.* {2}you, handed over {2}/);
    expect(logged).not.toContain('opencode-reap adopt');
  });

  test('what a run has ended of another’s unfinished stop is in the log', async ({
    sandbox,
    server,
    run,
    log,
    expect,
  }) => {
    const rest = startBystander(sandbox);
    const record = recordOf(sandbox, 'known', { pid: await deadPid(sandbox), port: server.port });
    const dead = { pid: await deadPid(sandbox), startToken: '1' };
    const fence = { schema: SCHEMA, id: 'known', run: dead, machine: machine(), port: server.port };
    const original = `${JSON.stringify({ ...record, startToken: '1', serverStartToken: '1' })}\n`;
    await writeState(sandbox.stateDir, 'closing/known.json', { ...fence, tree: [identityOf(rest)], record: original });
    await run('--older-than', '0s');
    expect(alive(rest)).toBe(false);
    const detail = `the run that was stopping it has died (pid ${dead.pid}); ended what was left: pid ${rest}`;
    expect(log()).toMatchObject([{ event: 'finished', by: 'person', id: 'known', detail }, { event: 'gone' }]);
  });

  test('lines of earlier versions are printed beside those of now', async ({ sandbox, server, run, expect }) => {
    const old = {
      at: '2026-01-01T00:00:00.000Z',
      event: 'stopped',
      id: 'a',
      pid: 1,
      port: 2,
      detail: 'SIGTERM after all',
    };
    await writeState(sandbox.stateDir, 'log.ndjson', `${JSON.stringify(old)}\n`);
    await installFake(sandbox);
    await writeRecord(sandbox, 'known', server);
    await run('stop', 'known');
    const [, first, second] = (await run('log', '--utc')).split('\n');
    expect(first).toMatch(/^2026-01-01 00:00:00Z {2}– +stopped {2}1 +2 +– +– +SIGTERM after all$/);
    expect(second).toMatch(/Z {2}person {2}stopped .* by hand/);
  });

  const at = (event: string, hoursAgo: number, more: Fields = {}): string =>
    JSON.stringify({
      at: new Date(Date.now() - hoursAgo * 3_600_000).toISOString(),
      by: 'watch',
      event,
      id: `id-${event}`,
      pid: 7,
      port: 4096,
      detail: 'because',
      ...more,
    });

  test('a server, a time and a number of lines choose what is shown; the last line counts what was chosen', async ({
    sandbox,
    run,
    expect,
  }) => {
    const lines = [at('spared', 50), at('spared', 30), at('spared', 3, { pid: 8, port: 4097 }), at('stopped', 1)];
    await writeState(sandbox.stateDir, 'log.ndjson', `${lines.join('\n')}\n`);
    const events = async (...args: string[]) => {
      const [, ...shown] = (await run('log', ...args)).trimEnd().split('\n');
      return [...shown.map((line) => /watch +(\w+)/.exec(line)?.[1] ?? line)];
    };
    expect(await events()).toEqual(['spared', 'spared', 'spared', 'stopped', '3 spared, 1 stopped']);
    expect(await events('--since', '2d')).toEqual(['spared', 'spared', 'stopped', '2 spared, 1 stopped']);
    expect(await events(':4097')).toEqual(['spared', '1 spared']);
    expect(await events('id-sto')).toEqual(['stopped', '1 stopped']);
    expect(await events('--lines', '1')).toEqual(['stopped', '3 spared, 1 stopped; 3 older not shown: --lines 0']);
    expect(await run('log', '4097', '--since', '2h')).toBe('nothing in the log is about 4097 since then\n');
  });

  test('a name that nothing ever had is an error, and a server with which nothing was done yet is not', async ({
    sandbox,
    server,
    expect,
  }) => {
    await writeState(sandbox.stateDir, 'log.ndjson', `${at('spared', 50)}\n`);
    await writeRecord(sandbox, 'known', server);
    const ran = (...args: string[]) => runCli(sandbox, ['log', ...args]);
    for (const name of [`${server.pid}`, `:${server.port}`, 'known', 'kno']) {
      const nothing = { code: 0, stdout: `nothing in the log is about ${name}\n`, stderr: '' };
      expect(await ran(name)).toEqual(nothing);
      expect(await ran(name, '--json')).toEqual({ ...nothing, stdout: '' });
    }
    for (const args of [['known-not'], ['known-not', '--since', '2d']]) {
      const stderr = matching(/^error: no known server has the id, pid or port known-not\nhint: .+\n$/);
      expect(await ran(...args)).toEqual({ code: 4, stdout: '', stderr });
    }
    const { code, stdout, stderr } = await ran('known-not', '--json');
    expect([code, stdout, JSON.parse(stderr).error]).toEqual([4, '', matching(/^no known server has/)]);
    expect((await ran('4096', '--since', '1h')).code).toBe(0);
  });

  test('is one object a line with --json, and what it says cannot control the terminal', async ({
    sandbox,
    run,
    expect,
  }) => {
    const evil = {
      event: 'x\u001b[2J',
      by: '\u001b]0;',
      plugin: '\u009b31m',
      workspace: '/\u202e',
      session: '\u001b[A',
      guards: { a: '\u001b[B' },
    };
    await writeState(sandbox.stateDir, 'log.ndjson', `${at('spared', 2)}\n${at('stopped', 1, evil)}\n`);
    const lines = (await run('log', '--json')).trimEnd().split('\n');
    expect(lines.map((line) => JSON.parse(line).event)).toEqual(['spared', evil.event]);
    for (const args of [[], ['--json'], ['--utc']]) {
      const said = await run('log', ...args);
      expect(['\u001b', '\u009b', '\u202e'].filter((sign) => said.includes(sign))).toEqual([]);
    }
  });

  test('is in local time, which --utc changes', async ({ sandbox, expect }) => {
    await writeState(sandbox.stateDir, 'log.ndjson', `${at('spared', 0, { at: '2026-07-01T23:30:00.000Z' })}\n`);
    const time = async (...args: string[]) =>
      /^\S+ \S+/m.exec(
        (await runCli(sandbox, ['log', ...args], { env: { TZ: 'Asia/Tokyo' } })).stdout.split('\n')[1] ?? '',
      )?.[0];
    expect([await time(), await time('--utc')]).toEqual(['2026-07-02 08:30:00', '2026-07-01 23:30:00Z']);
  });
});
