import { spawnSync } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe } from 'vitest';
import { takeDefaultPort } from '../support/companions.js';
import { WITHOUT_NETWORK, withoutNamespaces } from '../support/no-network.js';
import { installOpencode, releases } from '../support/opencode.js';
import { PROGRAM } from '../support/program.js';
import { test } from '../support/reaped.js';
import { inTurn } from '../support/turn.js';

/** What a user does on a new machine without a network, and how long each step took, as JSON. */
const SCRIPT = `
const { execFileSync } = require('node:child_process');
const http = require('node:http');
const run = (...args) => execFileSync(process.execPath, [${JSON.stringify(PROGRAM)}, ...args], { encoding: 'utf8' });
(async () => {
  const { id, url } = JSON.parse(run('start', '--port', '0', '--json'));
  const began = performance.now();
  // Ended with a reset, so that it is not use for another minute.
  const agent = new http.Agent({ keepAlive: true });
  const status = await new Promise((resolve) => {
    const asked = http.get(url + '/session/status', { agent }, (response) =>
      response.resume().on('end', () => (asked.socket.resetAndDestroy(), resolve(response.statusCode))));
  });
  const statusMs = performance.now() - began;
  const outside = await fetch('http://192.0.2.1/').then(() => 'reached', () => 'not reached');
  // Its answer may have made it start something that is over in a moment, or is not where the machine is starved.
  const before = [];
  let servers = [];
  for (let tries = 0; tries < 12 && servers[0]?.outcome?.kind !== 'stopped'; tries += 1) {
    await new Promise((resolve) => setTimeout(resolve, tries * 1000));
    servers = JSON.parse(run('--all-stale', '--older-than', '0s', '--json')).servers;
    before.push(servers[0]?.outcome ?? servers[0]?.guards.filter(({ outcome }) => outcome !== 'pass'));
  }
  console.log(JSON.stringify({ id, status, statusMs, outside, servers, before }));
})();`;

describe.skipIf(withoutNamespaces)(`a server in a cold config folder, without a network${withoutNamespaces}`, () => {
  test.for(releases('native'))(
    'answers its first question within 2 s, and is judged and stopped (%s)',
    async (release, { sandbox, expect }) => {
      await installOpencode(sandbox, release);
      expect(existsSync(join(sandbox.home, '.config'))).toBe(false);
      const script = join(sandbox.root, 'script.cjs');
      writeFileSync(script, SCRIPT);
      const [command, ...words] = WITHOUT_NETWORK;
      // A server on that port is shown to all, in whatever network of its own it is.
      const giveBack = await takeDefaultPort();
      const { stdout, stderr } = await inTurn(async () =>
        spawnSync(command, [...words, process.execPath, script], {
          cwd: sandbox.project,
          env: sandbox.env(),
          encoding: 'utf8',
          timeout: 100_000,
        }),
      );
      giveBack();
      const said = stdout === '' ? stderr : JSON.parse(stdout);
      const why = JSON.stringify(said.before ?? said);
      const outcome = { kind: 'stopped', signal: 'SIGTERM' };
      expect(said, why).toMatchObject({ status: 200, outside: 'not reached', servers: [{ id: said.id, outcome }] });
      expect(said.statusMs).toBeLessThan(2_000);
    },
  );
});
