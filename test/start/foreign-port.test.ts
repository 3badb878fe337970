import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Listener } from '../../src/observe/platform.js';
import { thisPlatform } from '../../src/observe/this-platform.js';
import { openWorld } from '../../src/run/world.js';
import { ensureServer } from '../../src/start/ensure-server.js';
import { type Fake, startFake } from '../support/fake.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

// A stand-in for a server, on a platform that does not show whose it is, as macOS of another user's.

let sandbox: Sandbox;
let server: Fake;
beforeEach(async () => {
  sandbox = await createSandbox('foreign');
  server = await startFake(sandbox);
});
afterEach(async () => {
  vi.unstubAllEnvs();
  await sandbox.dispose();
});

const us = String(process.getuid?.());
const OTHER = String(Number(us) + 1);

/** What the machine's own tools say of the port and of its holder. */
const toolsSay = (owner: string): void => {
  const row = (pid: number, uid: string): string => `${pid} 1 ${uid} 0.0 0.1 Tue Nov 24 09:10:11 2026 node`;
  const tools = {
    ss: `echo 'tcp LISTEN 0 511 127.0.0.1:${server.port} 0.0.0.0:* users:(("node",pid=${server.pid},fd=18))'`,
    ps: `case "$*" in *args=*) : ;; *) printf '%s\\n' '${row(process.pid, us)}' '${row(server.pid, owner)}' ;; esac`,
  };
  for (const [name, script] of Object.entries(tools))
    writeFileSync(join(sandbox.binDir, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  vi.stubEnv('PATH', `${sandbox.binDir}:${process.env.PATH}`);
};

const ensured = async (listener: Listener | undefined) => {
  const platform = { ...(await thisPlatform()), listener: async () => listener };
  const wanted = {
    ...{ port: server.port, hostname: '127.0.0.1', workspace: sandbox.project, sessionId: undefined, plugin: 'a test' },
    ...{
      command: 'opencode',
      args: [],
      env: sandbox.env(),
      readyTimeoutMs: 3_000,
      retireAfterMs: 0,
      program: undefined,
    },
  };
  return ensureServer(wanted, await openWorld(sandbox.stateDir, sandbox.env(), 'person', platform));
};

const SOMEBODY: Listener = { pid: undefined, owner: undefined };

test('a server that other tools show to be another user’s is not used, and is named', async () => {
  toolsSay(OTHER);
  const refused = await ensured(SOMEBODY);
  expect(refused).toMatchObject({ kind: 'refused', hint: 'choose another port' });
  expect('error' in refused && refused.error).toMatch(
    new RegExp(`^port ${server.port} belongs to another user \\(pid ${server.pid}, .+\\)$`),
  );
});

test('one that the platform itself shows to be another user’s is not used', async () => {
  toolsSay(us);
  expect(await ensured({ pid: server.pid, owner: OTHER })).toMatchObject({ kind: 'refused' });
  expect(await ensured({ pid: undefined, owner: OTHER })).toMatchObject({ kind: 'refused' });
});

test('one that may be ours is used', async () => {
  toolsSay(us);
  expect(await ensured(SOMEBODY)).toMatchObject({ kind: 'started', alreadyRunning: true });
});
