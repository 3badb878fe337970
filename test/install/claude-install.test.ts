import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, test } from 'vitest';
import { type ClaudeSandbox, createClaudeSandbox } from '../support/claude.js';
import { writeUserSettings } from '../support/claude-hooks.js';
import { claudeBinary, OLD_CLAUDE } from '../support/claude-release.js';
import { copies, execGroup } from '../support/installed.js';
import { onDemand } from '../support/patience.js';
import { waitFor } from '../support/wait.js';

const run = (box: ClaudeSandbox, program: string, ...args: string[]) =>
  spawnSync(join(box.binDir, program), args, { env: box.env(), encoding: 'utf8' });

const settingsOf = (box: ClaudeSandbox) => JSON.parse(readFileSync(join(box.home, '.claude/settings.json'), 'utf8'));
const leasesOf = (box: ClaudeSandbox): string[] => readdirSync(join(box.stateDir, 'leases'));

/** A session says nothing about hooks, has its lease, and a run is there after it. */
const expectCovered = async (box: ClaudeSandbox): Promise<void> => {
  expect(await box.print('hi')).toEqual({ code: 0, stdout: 'hello\n', stderr: '' });
  const [lease = ''] = leasesOf(box);
  expect(JSON.parse(readFileSync(join(box.stateDir, 'leases', lease), 'utf8')).holder.pid).toBeGreaterThan(0);
  const log = (): string[] => readdirSync(box.stateDir);
  await waitFor('the run has done what was asked', () => readdirSync(join(box.stateDir, 'requests')).length === 0);
  await waitFor('its end', () => !log().includes('sweep.json'));
};

for (const [release, binary] of [
  ['of today', claudeBinary()],
  [OLD_CLAUDE, claudeBinary(OLD_CLAUDE)],
] as const) {
  const why = release === OLD_CLAUDE ? '230 MB, fetched with EVERY_RELEASE=1' : 'it could not be fetched';
  const missing = binary ? '' : ` (skipped: ${why})`;
  describe.skipIf(missing)(`the real Claude Code client ${release}${missing}`, () => {
    test('is covered by what install writes, and says nothing of it', { ...onDemand }, async () => {
      const box = await createClaudeSandbox('install', binary);
      try {
        expect(run(box, 'opencode-reap', 'install')).toMatchObject({ status: 0, stderr: '' });
        await expectCovered(box);
        expect(run(box, 'opencode-reap', 'uninstall')).toMatchObject({ status: 0, stderr: '' });
        expect(settingsOf(box).hooks).toBeUndefined();
      } finally {
        await box.dispose();
      }
    });
  });
}

const noOld = claudeBinary(OLD_CLAUDE) ? '' : ' (skipped: 230 MB, fetched with EVERY_RELEASE=1)';
test.skipIf(noOld)(
  `what Claude Code ${OLD_CLAUDE} leaves of the earlier form is fixed by install${noOld}`,
  async () => {
    const box = await createClaudeSandbox('remnant', claudeBinary(OLD_CLAUDE));
    try {
      const script = join(copies(box), 'hook.cjs');
      run(box, 'opencode-reap', 'install');
      const before = settingsOf(box).hooks;
      const earlier = {
        SessionStart: [execGroup(script, 'session-start')],
        SessionEnd: [execGroup(script, 'session-end')],
      };
      await writeUserSettings(box.home, { hooks: earlier });
      expect((await box.print('hi')).stderr).toContain('SessionEnd hook');
      expect(settingsOf(box).hooks.SessionStart).toEqual([
        { hooks: [{ type: 'command', command: 'node', timeout: 5 }] },
      ]);
      expect(run(box, 'opencode-reap', 'doctor').stdout).toContain('what an older Claude Code left of our hooks');
      expect(run(box, 'opencode-reap', 'install').status).toBe(0);
      expect(settingsOf(box).hooks).toEqual(before);
      await expectCovered(box);
    } finally {
      await box.dispose();
    }
  },
);
