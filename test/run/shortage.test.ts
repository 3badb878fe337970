import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import {
  type Fake,
  identityOf,
  machine,
  SCHEMA,
  startBystander,
  startFake,
  writeRecord,
  writeState,
} from '../support/fake.js';
import { BUILDS } from '../support/library.js';
import { onDemand, unlessAsked } from '../support/patience.js';
import { alive } from '../support/proc.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const CALLER = fileURLToPath(new URL('../support/short-of-files.mjs', import.meta.url));
// Some of them meet the worst moment: one in sixty lost the record where a process that could not be read was left out.
const ROUNDS = 60;

let sandbox: Sandbox;
let server: Fake;
beforeEach(async () => {
  sandbox = await createSandbox('shortage');
  server = await startFake(sandbox);
});
afterEach(() => sandbox.dispose());

test(
  `a caller that runs out of files time and again loses neither record nor lease${unlessAsked}`,
  onDemand,
  async () => {
    const session = startBystander(sandbox);
    const record = await writeRecord(sandbox, 'srv-1', server);
    const lease = await writeState(sandbox.stateDir, 'leases/one.json', {
      schema: SCHEMA,
      holder: { ...identityOf(session), machine: machine() },
      session: 'one',
      cwd: sandbox.project,
      servers: [],
      at: new Date().toISOString(),
    });
    const words = [process.execPath, CALLER, BUILDS.package, sandbox.stateDir, `${ROUNDS}`];
    const child = sandbox.spawn('sh', ['-c', 'ulimit -n 96; exec "$@"', 'sh', ...words], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let text = '';
    for await (const chunk of child.stdout ?? []) text += chunk;
    expect(Object.keys(JSON.parse(text)).filter((kinds) => /gone|stale/.test(kinds))).toEqual([]);
    expect([existsSync(record), existsSync(lease), alive(server.pid)]).toEqual([true, true, true]);
  },
);
