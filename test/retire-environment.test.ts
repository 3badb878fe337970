import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { describe, expect } from 'vitest';
import { PLUGIN_SOURCE } from '../src/retire/plugin-source.js';
import { runCli } from './support/cli.js';
import { configEnv, providerConfig } from './support/config.js';
import { type Fields, identityOf, installFake, machine, recordsIn, SCHEMA, writeState } from './support/fake.js';
import { callLibrary } from './support/library.js';
import { installOpencode, releases, request, spawnServer } from './support/opencode.js';
import { alive, environ } from './support/proc.js';
import { stateFiles, test } from './support/reaped.js';
import { judging, logged } from './support/retiring.js';
import type { Changes, Environment, Sandbox } from './support/sandbox.js';
import { waitFor } from './support/wait.js';

const SOON = { OPENCODE_REAP_RETIRE_AFTER: '1s', OPENCODE_REAP_OLDER_THAN: '0s' };
const NEVER = ['--retire-after', '0s'];

interface Began extends Fields {
  readonly id: string;
  readonly pid: number;
  readonly url: string;
  readonly env: Environment;
}

const start = async (sandbox: Sandbox, changes: Changes, ...args: string[]): Promise<Began> => {
  const port = `${await sandbox.reserve()}`;
  const { stdout, stderr } = await runCli(sandbox, ['start', '--port', port, '--json', ...args], { env: changes });
  expect(stderr).toBe('');
  const said = JSON.parse(stdout);
  const env = environ(said.pid).map((variable) => /^([^=]*)=(.*)$/s.exec(variable)?.slice(1) ?? []);
  return { ...said, env: Object.fromEntries(env) };
};

/** A plugin that says on disk that it was loaded. */
const marker = ({ root }: Sandbox, name: string): { url: string; isLoaded: () => boolean } => {
  const [file, mark] = [join(root, `${name}.mjs`), join(root, `${name}.loaded`)];
  const code = `export const Marker = async () => { writeFileSync(${JSON.stringify(mark)}, ''); return {}; };`;
  writeFileSync(file, `import { writeFileSync } from 'node:fs';\n${code}\n`);
  return { url: pathToFileURL(file).href, isLoaded: () => existsSync(mark) };
};

describe.concurrent('what a server is given so that it retires', { timeout: 60_000 }, () => {
  test('is nothing where it should not, loads no plugins, or has a configuration beyond us', async ({ sandbox }) => {
    await installFake(sandbox);
    const outer = { OPENCODE_REAP_RETIRE: '{"afterMs":1}' };
    const given = { ...outer, OPENCODE_CONFIG_CONTENT: '{ "model": "m" }' };
    const broken = { ...outer, OPENCODE_CONFIG_CONTENT: '{"plugin":' };
    const began = await Promise.all([
      start(sandbox, given, ...NEVER),
      start(sandbox, { ...given, OPENCODE_REAP_RETIRE_AFTER: '0' }),
      start(sandbox, given, '--', '--pure'),
      start(sandbox, { ...given, OPENCODE_PURE: '1' }),
      start(sandbox, broken),
    ]);
    const said = began.map(({ env }) => [env.OPENCODE_REAP_RETIRE, env.OPENCODE_CONFIG_CONTENT]);
    const unchanged = [undefined, given.OPENCODE_CONFIG_CONTENT];
    expect(said).toEqual([unchanged, unchanged, unchanged, unchanged, [undefined, broken.OPENCODE_CONFIG_CONTENT]]);
  });

  test('is nothing for the library where the user says 0', async ({ sandbox }) => {
    await installFake(sandbox);
    const env = { OPENCODE_REAP_RETIRE_AFTER: '0' };
    const { value } = await callLibrary(sandbox, 'ensureServer', [{ port: await sandbox.reserve() }], { env });
    expect(environ(Number(value?.pid)).filter((one) => /^OPENCODE_(REAP_RETIRE|CONFIG_CONTENT)=/.test(one))).toEqual(
      [],
    );
  });

  test('has it ask twice a second at most, whatever it is told', async ({ sandbox }) => {
    const [record, asked, plugin] = ['record.json', 'asked', 'plugin.mjs'].map((name) => join(sandbox.root, name));
    const told = { afterMs: 30, record, node: '/bin/sh', args: ['-c', `echo >> ${asked}`] };
    const server = `writeFileSync(${JSON.stringify(record)}, JSON.stringify({ pid: process.pid }));
      await OpencodeReapRetire(); setTimeout(() => process.exit(), 1_300);`;
    writeFileSync(plugin ?? '', `${PLUGIN_SOURCE}\nimport { writeFileSync } from 'node:fs';\n${server}`);
    const env = sandbox.env({ OPENCODE_REAP_RETIRE: JSON.stringify(told) });
    const child = sandbox.spawn(process.execPath, [plugin ?? '', 'serve'], { env, stdio: 'ignore' });
    await new Promise((resolve) => child.once('exit', resolve));
    expect(readFileSync(asked ?? '', 'utf8')).toMatch(/^\n{1,2}$/);
  });

  test('is nothing where the plugin cannot be written, or others could change it', async ({ sandbox }) => {
    await installFake(sandbox);
    const [closed, open] = [join(sandbox.root, 'closed'), join(sandbox.root, 'open')];
    await writeState(closed, 'retire', 'a file where the folder should be');
    mkdirSync(join(open, 'retire'), { recursive: true });
    chmodSync(join(open, 'retire'), 0o777);
    for (const stateDir of [closed, open]) {
      const { env } = await start(sandbox, {}, '--state-dir', stateDir);
      expect([env.OPENCODE_REAP_RETIRE, env.OPENCODE_CONFIG_CONTENT]).toEqual([undefined, undefined]);
    }
  });

  test('is nothing where a variable would be longer than the system takes', async ({ sandbox }) => {
    await installFake(sandbox);
    const content = (bytes: number): string => JSON.stringify({ username: 'x'.repeat(bytes) });
    const { env: given } = await start(sandbox, { OPENCODE_CONFIG_CONTENT: content(1) });
    const added = (given.OPENCODE_CONFIG_CONTENT ?? '').length - 1;
    // Its name, the equals sign and the NUL at its end count.
    const fits = 131_072 - 'OPENCODE_CONFIG_CONTENT='.length - 1 - added;
    const [longest, tooLong] = [content(fits), content(fits + 1)];
    const { env: full } = await start(sandbox, { OPENCODE_CONFIG_CONTENT: longest });
    expect(full.OPENCODE_REAP_RETIRE).toBeDefined();
    const { env } = await start(sandbox, { OPENCODE_CONFIG_CONTENT: tooLong });
    expect([env.OPENCODE_REAP_RETIRE, env.OPENCODE_CONFIG_CONTENT]).toEqual([undefined, tooLong]);
  });

  test('costs one that is not to retire not even a request', async ({ sandbox }) => {
    await installOpencode(sandbox, 'launcher');
    const { url, isLoaded } = marker(sandbox, 'given');
    const server = await start(sandbox, configEnv({ plugin: [url] }), ...NEVER);
    expect(isLoaded()).toBe(false);
    await request(server.url, '/session/status');
    expect(isLoaded()).toBe(true);
  });

  test.for(releases('launcher'))('leaves its other plugins in place (%s)', async (release, { sandbox }) => {
    await installOpencode(sandbox, release);
    const [given, configured] = [marker(sandbox, 'given'), marker(sandbox, 'configured')];
    writeFileSync(join(sandbox.home, '.config/opencode/opencode.json'), JSON.stringify({ plugin: [configured.url] }));
    const content = `{ "plugin": [ "${given.url}", ], /* and no more */ }`;
    const stateDir = join(sandbox.root, 'a {env:HOME} state#folder%20');
    const server = await start(sandbox, { ...SOON, OPENCODE_CONFIG_CONTENT: content }, '--state-dir', stateDir);
    await waitFor('it ends', () => !alive(server.pid));
    expect([given.isLoaded(), configured.isLoaded()]).toEqual([true, true]);
  });

  test('is inherited by what it starts, which asks for nothing', async ({ sandbox, provider }) => {
    provider.mode = 'silent';
    await installOpencode(sandbox, 'native');
    const { id, env } = await start(
      sandbox,
      { ...SOON, ...configEnv(providerConfig(provider)) },
      '--retire-after',
      '1h',
    );
    const told = { ...JSON.parse(env.OPENCODE_REAP_RETIRE ?? ''), afterMs: 500 };
    const inherited = { ...env, OPENCODE_REAP_RETIRE: JSON.stringify(told) };
    const nested = await spawnServer(sandbox, { release: 'native', port: await sandbox.reserve(), env: inherited });
    await request(nested.url, '/session/status');
    const command = sandbox.spawn('opencode', ['run', 'hello'], { env: inherited, stdio: 'ignore' });
    await waitFor('the command works', () => provider.requests.length > 0);
    await sleep(2_000);
    expect([alive(nested.pid), alive(command.pid ?? 0), logged(sandbox)]).toEqual([true, true, []]);
    // Were it the one that the record names, it would have asked long ago.
    const [record] = recordsIn(sandbox.stateDir);
    await writeState(sandbox.stateDir, `servers/${id}.json`, { ...record?.fields, pid: nested.pid });
    await waitFor('it asks', () => logged(sandbox).length > 0);
  });
});

describe.concurrent('a run that a server has asked for', { timeout: 60_000 }, () => {
  test('looks where the plugins of its session write', async ({ sandbox }) => {
    // Nobody takes the request away while there is a run.
    const holder = identityOf(process.pid);
    await writeState(sandbox.stateDir, 'sweep.json', { schema: SCHEMA, holder, machine: machine() });
    const env = { CLAUDE_CONFIG_DIR: '/c', CLAUDE_CODE_TMPDIR: '/t', CLAUDE_CODE_PLUGIN_CACHE_DIR: '/p' };
    await runCli(sandbox, ['retire', 'x'], { env });
    const [, request] = Object.entries(stateFiles(sandbox.stateDir)).find(([name]) => /^requests/.test(name)) ?? [];
    expect(JSON.parse(request ?? '')).toMatchObject({ server: 'x', configDir: '/c', tmpDir: '/t', pluginsDir: '/p' });
  });

  test('judges that server alone', async ({ sandbox }) => {
    await installFake(sandbox);
    const [asking, other] = await Promise.all([start(sandbox, SOON), start(sandbox, SOON)]);
    expect(await runCli(sandbox, ['retire', asking.id], { env: SOON })).toEqual({ code: 0, stdout: '', stderr: '' });
    await waitFor('it ends', () => !alive(asking.pid));
    await waitFor('the run is done', () => judging(sandbox).length === 0);
    expect(logged(sandbox)).toMatchObject([{ event: 'stopped', id: asking.id }]);
    expect(alive(other.pid)).toBe(true);
  });

  test('looks once, since the server asks again', async ({ sandbox }) => {
    await installFake(sandbox);
    const young = await start(sandbox, {});
    await runCli(sandbox, ['retire', young.id], { env: { OPENCODE_REAP_OLDER_THAN: '1h' } });
    await waitFor('it is judged', () => logged(sandbox).length > 0);
    // It would look again only after 30 s.
    await waitFor('the run is done', () => judging(sandbox).length === 0, 10_000);
    expect(logged(sandbox)).toMatchObject([{ event: 'spared', id: young.id }]);
    expect(alive(young.pid)).toBe(true);
  });
});
