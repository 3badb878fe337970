import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runCli } from '../support/cli.js';
import { startFake, writeRecord } from '../support/fake.js';
import { createSandbox, type Sandbox } from '../support/sandbox.js';

const SERVERS = 10;
/** For how long one of them is waited for. */
const ANSWER_MS = 2_000;

let sandbox: Sandbox;
beforeEach(async () => {
  sandbox = await createSandbox('hung-together');
});
afterEach(() => sandbox.dispose());

test('ten servers that answer nothing are asked at once, so that they take no longer than one (all are stand-ins)', async () => {
  const files = Array.from({ length: SERVERS }, (_, n) => join(sandbox.root, `asked-${n}`));
  for (const [n, file] of files.entries()) {
    const fake = await startFake(sandbox, { FAKE_OPENCODE: 'silent', FAKE_OPENCODE_ASKED: file });
    await writeRecord(sandbox, `hung-${n}`, fake);
  }
  const { stdout } = await runCli(sandbox, ['--dry-run', '--all-stale', '--older-than', '0s', '--json']);
  const { servers } = JSON.parse(stdout);
  const said = servers.map(({ guards }: { guards: { name: string; detail: string }[] }) =>
    guards.find(({ name }) => name === 'idle'),
  );
  const because = 'it does not answer yet, but is less than a minute old';
  expect(said).toEqual(
    Array(SERVERS).fill({ name: 'idle', outcome: 'unknown', detail: expect.stringContaining(because) }),
  );
  for (const file of files) expect(readFileSync(file, 'utf8')).toBe('connection\nGET /global/health\n');
  // One after the other, the last would be asked eighteen seconds after the first.
  const times = files.map((file) => statSync(file).mtimeMs);
  expect(Math.max(...times) - Math.min(...times)).toBeLessThan(((SERVERS - 1) * ANSWER_MS) / 2);
});
