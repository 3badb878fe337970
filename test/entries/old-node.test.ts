import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { OLDEST_NODE } from '../../src/common/defaults.js';
import { OLD_NODES, oldNode, withoutOldNode } from '../support/old-node.js';
import { PROGRAM } from '../support/program.js';
import { createSandbox } from '../support/sandbox.js';

for (const version of OLD_NODES) {
  const skipped = withoutOldNode(version);
  test.skipIf(skipped)(`node ${version} is told that it is too old, whatever is asked${skipped}`, async () => {
    const sandbox = await createSandbox('old-node');
    const said = `error: node ${version} is too old for opencode-reap\nhint: install Node ${OLDEST_NODE} or newer\n`;
    for (const args of [['--version'], ['--dry-run', '--json'], []]) {
      const options = { env: sandbox.env(), encoding: 'utf8' } as const;
      const { status, stdout, stderr } = spawnSync(oldNode(version) ?? '', [PROGRAM, ...args], options);
      expect([status, stdout, stderr]).toEqual([1, '', said]);
    }
    await sandbox.dispose();
  });
}

test('what says so knows the oldest one that is promised', () => {
  const { engines } = JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8'));
  expect(engines.node).toBe(`>=${OLDEST_NODE}`);
  expect(readFileSync(PROGRAM, 'utf8')).toContain(`>= ${OLDEST_NODE})`);
});
